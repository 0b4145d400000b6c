"""Logins as rows, on both databases."""

from __future__ import annotations

from datetime import timedelta

from roadstead.metadata import sessions, users
from roadstead.metadata.database import Database
from roadstead.metadata.sessions import Session
from tests.metadata.scene import LATER, NOW, set_up


def session(account: int, name: str, hours: int = 0) -> Session:
    return Session(name, account, "192.0.2.1", "a browser", NOW + timedelta(hours=hours), NOW, LATER)


async def test_a_session_is_found_with_its_account_as_it_stands(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        await sessions.add(tx, session(scene.account, "one"))
        await users.modify(tx, scene.account, enabled=False)
        await sessions.touch(tx, "one", LATER)
        found = await sessions.get(tx, "one")
        assert found is not None
        assert (found[0].address, found[0].used_at, found[0].ends_at) == ("192.0.2.1", LATER, LATER)
        assert (found[1].id, found[1].uin, found[1].enabled, found[1].owner) == (scene.account, "100", False, True)
        assert await sessions.get(tx, "two") is None


async def test_sessions_end_one_by_one_all_but_one_and_with_their_account(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        for hours, name in enumerate("abcd"):
            await sessions.add(tx, session(scene.account, name, hours))
        assert [row.id for row in await sessions.of_account(tx, scene.account, 3)] == ["d", "c", "b"]
        assert not await sessions.remove(tx, scene.account + 1, "a")
        assert await sessions.remove(tx, scene.account, "a")
        assert not await sessions.remove(tx, scene.account, "a")
        assert await sessions.remove_of(tx, scene.account, but="c") == 2
        assert [row.id for row in await sessions.of_account(tx, scene.account, 9)] == ["c"]
        made = await users.add(tx, owner_uin="100", name="a", remark="", password_hash=None, placeholder="?", now=NOW)
        assert made is not None
        await sessions.add(tx, session(made.id, "of a"))
        await users.remove(tx, made.id)
        assert await sessions.get(tx, "of a") is None


async def test_ended_sessions_are_forgotten(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        for name in "abc":
            await sessions.add(tx, session(scene.account, name))
        assert await sessions.forget_ended(tx, LATER, 9) == 0
        assert await sessions.forget_ended(tx, LATER + timedelta(seconds=1), 2) == 2
        assert await sessions.forget_ended(tx, LATER + timedelta(seconds=1), 2) == 1
