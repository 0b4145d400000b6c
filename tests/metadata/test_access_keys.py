"""API keys as their owners manage them, on both databases."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from roadstead.metadata import access_keys, accounts
from roadstead.metadata.database import Database
from roadstead.metadata.keys import TemporaryKey
from roadstead.metadata.schema.access import temporary_keys
from tests.metadata.scene import LATER, NOW, set_up


async def test_keys_of_an_account(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        for number in range(3):
            at = NOW - timedelta(hours=number)
            await accounts.add_api_key(tx, scene.account, f"AKID{number}", b"sealed", at)
        keys = await access_keys.of_account(tx, scene.account)
        assert [key.secret_id for key in keys] == ["AKID2", "AKID1", "AKID0"]
        assert (keys[2].enabled, keys[2].created_at, keys[2].used_at) == (True, NOW, None)
        assert await access_keys.enable(tx, scene.account, "AKID1", enabled=False)
        assert not await access_keys.enable(tx, scene.account + 1, "AKID1", enabled=True)
        assert not await access_keys.remove(tx, scene.account + 1, "AKID1")
        (found,) = await access_keys.some(tx, ["AKID1", "other"])
        assert not found.enabled
        assert await access_keys.remove(tx, scene.account, "AKID1")
        assert not await access_keys.remove(tx, scene.account, "AKID1")
        assert await access_keys.some(tx, ["AKID1"]) == []
        assert await access_keys.of_account(tx, scene.account + 1) == []


async def test_temporary_keys_are_forgotten_after_their_end(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        for number in range(3):
            ends = LATER + timedelta(hours=number)
            key = TemporaryKey(f"AKID{number}", scene.account, b"sealed \x00", "hash", "", NOW, ends)
            await access_keys.add_temporary(tx, key)
        assert await access_keys.forget_temporary(tx, LATER, 9) == 0
        assert await access_keys.forget_temporary(tx, LATER + timedelta(hours=2), 1) == 1
        assert await access_keys.forget_temporary(tx, LATER + timedelta(hours=2), 9) == 1
        assert await tx.scalar(sa.select(temporary_keys.c.secret_id)) == "AKID2"
