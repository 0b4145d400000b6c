"""Users as rows, on both databases."""

from __future__ import annotations

from roadstead.metadata import users
from roadstead.metadata.database import Database, Tx
from roadstead.metadata.users import User
from tests.metadata.scene import NOW, set_up


async def add(tx: Tx, name: str, password_hash: str | None = None) -> User | None:
    return await users.add(
        tx,
        owner_uin="100",
        name=name,
        remark="",
        password_hash=password_hash,
        placeholder=f"?{name}",
        now=NOW,
    )


async def test_a_number_is_never_given_again(database: Database) -> None:
    await set_up(database)
    given = set()
    for name in ("a", "b", "b"):
        async with database.write() as tx:
            user = await add(tx, name)
            assert user is not None and user.uin.isdigit() and len(user.uin) == 12
            given.add(user.uin)
            await users.remove(tx, user.id)
    assert len(given) == 3


async def test_a_name_is_given_once(database: Database) -> None:
    await set_up(database)
    async with database.write() as tx:
        assert await add(tx, "a") is not None
        assert await add(tx, "a") is None
        assert await add(tx, "admin") is None


async def test_users_are_listed_by_name_without_the_owner(database: Database) -> None:
    await set_up(database)
    async with database.write() as tx:
        for name in ("d", "b", "a", "c"):
            await add(tx, name, "hash" if name == "b" else None)
        first = await users.page(tx, last="", most=2)
        assert [(user.name, user.console, user.owner) for user in first] == [("a", False, False), ("b", True, False)]
        assert [user.name for user in await users.page(tx, last="b", most=9)] == ["c", "d"]
        assert [user.name for user in await users.page(tx, last="", most=2, skip=1)] == ["b", "c"]
        assert await users.count(tx) == 4


async def test_a_user_is_found_changed_and_removed(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        owner = await users.get(tx, account_id=scene.account)
        assert owner is not None and owner.owner
        made = await add(tx, "a")
        assert made is not None
        await users.modify(tx, made.id, enabled=False, remark="gone")
        found = await users.get(tx, name="a", lock=True)
        assert found is not None and (found.enabled, found.remark) == (False, "gone")
        assert await users.get(tx, uin=made.uin) == found
        await users.remove(tx, made.id)
        assert await users.get(tx, name="a") is None


async def test_factors_are_found_by_name_and_by_number(database: Database) -> None:
    await set_up(database)
    async with database.write() as tx:
        made = await add(tx, "a", "hash")
        assert made is not None
        await users.modify(tx, made.id, totp_secret=b"sealed \x00\xff")
        found = await users.factors(tx, name="a")
        assert found is not None
        assert (found.uin, found.password_hash, found.totp_secret) == (made.uin, "hash", b"sealed \x00\xff")
        assert found == await users.factors(tx, name=made.uin) == await users.factors(tx, account_id=made.id)
        assert await users.factors(tx, name="b") is None


async def test_a_time_step_is_taken_once(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        taken = [await users.take_step(tx, scene.account, step) for step in (7, 7, 6, 8)]
    assert taken == [True, False, False, True]
