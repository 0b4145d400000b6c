"""Namespaces as rows, on both databases."""

from __future__ import annotations

from roadstead.metadata import namespaces
from roadstead.metadata.database import Database
from tests.metadata.scene import NOW, set_up


async def test_a_namespace_is_made_once_changed_and_removed(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        assert await namespaces.add(tx, scene.instance, "dev", public=True, automatic_scan=True, now=NOW)
        assert not await namespaces.add(tx, scene.instance, "dev", public=False, automatic_scan=False, now=NOW)
        found = await namespaces.get(tx, scene.instance, "dev", lock=True)
        assert found is not None
        assert (found.name, found.public, found.automatic_scan, found.created_at) == ("dev", True, True, NOW)
        await namespaces.modify(tx, found.id, public=False)
        changed = await namespaces.get(tx, scene.instance, "dev")
        assert changed is not None and not changed.public and changed.automatic_scan
        assert await namespaces.get(tx, scene.instance + 1, "dev") is None
        await namespaces.remove(tx, found.id)
        assert await namespaces.get(tx, scene.instance, "dev") is None
        assert await namespaces.get(tx, scene.instance, "prod") is not None


async def test_pages_go_by_code_point_and_miss_nobody(database: Database) -> None:
    scene = await set_up(database)
    names = ["a.b", "a-b", "a_b", "a0", "ab", "b%c", "b_c", "bxc", "prod"]
    async with database.write() as tx:
        for name in names[:-1]:
            await namespaces.add(tx, scene.instance, name, public=False, automatic_scan=False, now=NOW)
    async with database.read() as tx:
        listed: list[str] = []
        while page := await namespaces.page(
            tx, scene.instance, containing="", last=listed[-1] if listed else "", most=2
        ):
            assert len(page) <= 2
            listed += [row.name for row in page]
        assert listed == sorted(names)
        for text, found in (("_", ["a_b", "b_c"]), ("%", ["b%c"]), ("b", sorted(set(names) - {"a0", "prod"}))):
            rows = await namespaces.page(tx, scene.instance, containing=text, last="", most=99)
            assert [row.name for row in rows] == found
        assert await namespaces.page(tx, scene.instance, containing="", last="", most=0) == []
