"""Instances and their allowlists, as rows on both databases."""

from __future__ import annotations

from dataclasses import replace

from roadstead.metadata import instances
from roadstead.metadata.database import Database
from tests.metadata.scene import NOW, instance, set_up


async def test_an_instance_is_found_by_name_and_by_id(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        found = await instances.get(tx, name="first")
        assert found == replace(instance(), id=scene.instance)
        assert await instances.get(tx, registry_id="tcr-first") == found
        assert await instances.get(tx, name="FIRST") is None
        assert await instances.get(tx, name="tcr-first") is None
        assert await instances.get(tx, registry_id="") is None


async def test_neither_name_nor_id_is_given_twice(database: Database) -> None:
    await set_up(database)
    async with database.write() as tx:
        assert not await instances.add(tx, instance("first", "tcr-other"))
        assert not await instances.add(tx, instance("other", "tcr-first"))
        assert await instances.add(tx, instance("other", "tcr-other"))
        assert [row.name for row in await instances.page(tx, "", 9)] == ["first", "other"]
        assert [row.name for row in await instances.page(tx, "first", 9)] == ["other"]
        assert [row.name for row in await instances.page(tx, "", 1)] == ["first"]


async def test_every_change_grows_the_revision(database: Database) -> None:
    """What processes remember of an instance is asked against this number."""
    scene = await set_up(database)
    revisions = []
    async with database.write() as tx:
        for change in (
            instances.modify(tx, scene.instance, public_entry="Opened"),
            instances.allow(tx, scene.instance, "192.0.2.0/24", "office", NOW),
            instances.disallow(tx, scene.instance, "192.0.2.0/24"),
            instances.modify(tx, scene.instance),
        ):
            await change
            found = await instances.get(tx, name="first")
            assert found is not None
            revisions.append(found.revision)
    assert revisions == [1, 2, 3, 4]
    assert found is not None and found.public_entry == "Opened"


async def test_the_allowlist_holds_each_network_once(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        assert await instances.allow(tx, scene.instance, "192.0.2.0/24", "office", NOW)
        assert not await instances.allow(tx, scene.instance, "192.0.2.0/24", "again", NOW)
        assert await instances.allow(tx, scene.instance, "10.0.0.0/8", "", NOW)
        rows = await instances.allowed(tx, scene.instance)
        assert [(row.cidr, row.note) for row in rows] == [("10.0.0.0/8", ""), ("192.0.2.0/24", "office")]
        assert await instances.allowed(tx, scene.instance + 1) == []
        assert await instances.disallow(tx, scene.instance, "10.0.0.0/8")
        assert not await instances.disallow(tx, scene.instance, "10.0.0.0/8")
        assert len(await instances.allowed(tx, scene.instance)) == 1
