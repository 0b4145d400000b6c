"""API keys, temporary keys and nonces, as rows on both databases."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from roadstead.metadata import accounts, keys
from roadstead.metadata.database import Database
from roadstead.metadata.schema.access import temporary_keys
from tests.metadata.scene import NOW, set_up

MINUTE = timedelta(minutes=1)


async def test_an_api_key_is_found_by_its_id_and_remembers_its_last_use(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        await accounts.add_api_key(tx, scene.account, "AKIDone", b"sealed \x00\xff", NOW)
        found = await keys.api_key(tx, "AKIDone")
        assert found == keys.ApiKey("AKIDone", scene.account, b"sealed \x00\xff", True, NOW, None)
        assert await keys.api_key(tx, "AKIDtwo") is None
        for at in (NOW + MINUTE, NOW):
            await keys.stamp_use(tx, "AKIDone", at)
        found = await keys.api_key(tx, "AKIDone")
        assert found is not None and found.used_at == NOW + MINUTE


async def test_a_temporary_key_is_found_by_its_id(database: Database) -> None:
    scene = await set_up(database)
    key = keys.TemporaryKey("AKIDshort", scene.account, b"sealed", "hash", "", NOW, NOW + MINUTE)
    async with database.write() as tx:
        await tx.run(sa.insert(temporary_keys), {name: getattr(key, name) for name in key.__dataclass_fields__})
        assert await keys.temporary_key(tx, "AKIDshort") == key
        assert await keys.temporary_key(tx, "AKIDone") is None


async def test_a_nonce_is_taken_once_until_it_is_forgotten(database: Database) -> None:
    async with database.write(durable=False) as tx:
        assert await keys.take_nonce(tx, "a", NOW)
        assert not await keys.take_nonce(tx, "a", NOW + MINUTE)
        assert await keys.take_nonce(tx, "b", NOW + MINUTE)
        assert await keys.forget_nonces(tx, NOW, 10) == 0
        assert await keys.forget_nonces(tx, NOW + MINUTE, 10) == 1
        assert await keys.take_nonce(tx, "a", NOW)
        assert not await keys.take_nonce(tx, "b", NOW)
        assert await keys.forget_nonces(tx, NOW + 2 * MINUTE, 1) == 1
        assert await keys.forget_nonces(tx, NOW + 2 * MINUTE, 1) == 1
