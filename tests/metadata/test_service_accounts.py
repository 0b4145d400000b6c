"""Service accounts as rows, on both databases."""

from __future__ import annotations

from datetime import timedelta

from roadstead.metadata import instances, service_accounts
from roadstead.metadata.database import Database, Tx
from tests.metadata.scene import LATER, NOW, instance, set_up


async def add(tx: Tx, instance_id: int, name: str) -> bool:
    return await service_accounts.add(
        tx,
        instance_id,
        name=name,
        description="for the tests",
        password_hash="hash",
        permissions="[]",
        enabled=True,
        expires_at=LATER,
        now=NOW,
    )


async def test_a_service_account_is_one_of_its_instance(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        assert await instances.add(tx, instance("second", "tcr-second"))
        second = await instances.get(tx, name="second")
        assert second is not None
        assert await add(tx, scene.instance, "ci")
        assert not await add(tx, scene.instance, "ci")
        assert await add(tx, second.id, "ci")
        assert await service_accounts.modify(tx, scene.instance, "ci", LATER, enabled=False, password_hash="other")
        assert not await service_accounts.modify(tx, scene.instance, "cd", LATER, enabled=False)
        changed = await service_accounts.get(tx, scene.instance, "ci")
        assert changed is not None
        assert (changed.enabled, changed.password_hash, changed.updated_at) == (False, "other", LATER)
        untouched = await service_accounts.get(tx, second.id, "ci")
        assert untouched is not None
        assert (untouched.enabled, untouched.expires_at, untouched.created_at) == (True, LATER, NOW)
        assert await service_accounts.get(tx, second.id, "cd") is None
        assert await service_accounts.remove(tx, scene.instance, "ci")
        assert not await service_accounts.remove(tx, scene.instance, "ci")
        assert await service_accounts.get(tx, second.id, "ci") == untouched


async def test_service_accounts_are_listed_by_name(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        for name in ("d1", "b1", "a2", "c1"):
            await add(tx, scene.instance, name)

        async def names(last: str = "", most: int = 9, skip: int = 0) -> list[str]:
            found = await service_accounts.page(tx, scene.instance, last=last, most=most, containing="1", skip=skip)
            return [row.name for row in found]

        assert await names() == ["b1", "c1", "d1"]
        assert await names(last="b1", most=1) == ["c1"]
        assert await names(skip=2) == ["d1"]
        assert await service_accounts.count(tx, scene.instance) == 4
        assert await service_accounts.count(tx, scene.instance, containing="1") == 3
        assert await service_accounts.count(tx, scene.instance, containing="_") == 0
        found = await service_accounts.page(tx, scene.instance, last="", most=1)
        assert found[0].expires_at - found[0].created_at == timedelta(hours=1)
