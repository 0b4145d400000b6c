"""Repositories as rows, on both databases."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from roadstead.domain.reach import Names, Selection
from roadstead.metadata import artifacts, instances, namespaces, repositories
from roadstead.metadata.database import Database
from roadstead.metadata.schema.content import blobs, manifests, tags
from tests.metadata.scene import LATER, NOW, instance, set_up, store_blob, store_manifest


async def test_a_repository_is_made_by_whoever_comes_first(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        made, created = await repositories.ensure(
            tx, scene.instance, scene.namespace, "prod/api", visible=False, now=NOW
        )
        assert created
        again = await repositories.ensure(tx, scene.instance, scene.namespace, "prod/api", visible=True, now=LATER)
        assert again == (made, False)
        found = await repositories.get(tx, scene.instance, "prod/api")
        assert found is not None
        assert (found.id, found.visible, found.public, found.created_at) == (made, False, False, NOW)
        assert await repositories.get(tx, scene.instance, "prod/nothing") is None
        assert await repositories.get(tx, scene.instance + 1, "prod/api") is None
        assert await repositories.lock(tx, made)
        assert not await repositories.lock(tx, made + 100)
        await repositories.modify(tx, made, visible=True, summary="The API", updated_at=LATER)
        changed = await repositories.get(tx, scene.instance, "prod/api")
        assert changed is not None
        assert (changed.visible, changed.summary, changed.updated_at) == (True, "The API", LATER)


async def test_one_name_in_two_instances_is_two_repositories(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        await instances.add(tx, instance("second", "tcr-second"))
        second = await instances.get(tx, name="second")
        assert second is not None
        await namespaces.add(tx, second.id, "prod", public=True, automatic_scan=False, now=NOW)
        namespace = await namespaces.get(tx, second.id, "prod")
        assert namespace is not None
        made, created = await repositories.ensure(tx, second.id, namespace.id, "prod/web", visible=True, now=NOW)
        assert created and made != scene.repository
        for instance_id, public in ((scene.instance, False), (second.id, True)):
            (row,) = await repositories.page(tx, instance_id, last="", most=9)
            assert (row.name, row.public) == ("prod/web", public)


async def test_pages_show_what_is_visible_by_full_name(database: Database) -> None:
    scene = await set_up(database)
    names = ["open/a", "prod/a", "prod/a-b", "prod/a.b", "prod/a/b", "prod/a_b", "prod/ab", "prod/web"]
    async with database.write() as tx:
        await namespaces.add(tx, scene.instance, "open", public=True, automatic_scan=False, now=NOW)
        opened = await namespaces.get(tx, scene.instance, "open")
        assert opened is not None
        for name in names:
            namespace = opened.id if name.startswith("open/") else scene.namespace
            await repositories.ensure(tx, scene.instance, namespace, name, visible=True, now=NOW)
        await repositories.ensure(tx, scene.instance, scene.namespace, "prod/half", visible=False, now=NOW)
    async with database.read() as tx:
        listed: list[str] = []
        while page := await repositories.page(tx, scene.instance, last=listed[-1] if listed else "", most=3):
            listed += [row.name for row in page]
        assert listed == sorted(names)
        public = await repositories.page(
            tx, scene.instance, last="", most=99, selection=Selection(Names()), or_public=True
        )
        assert [row.name for row in public] == ["open/a"]
        of_prod = await repositories.page(tx, scene.instance, last="", most=99, namespace_id=scene.namespace)
        assert [row.name for row in of_prod] == sorted(names[1:])
        with_bar = await repositories.page(tx, scene.instance, last="", most=99, containing="a_b")
        assert [row.name for row in with_bar] == ["prod/a_b"]
        assert await repositories.names_in(tx, scene.namespace, 2) == ["prod/a", "prod/a-b"]


async def test_a_removed_repository_takes_its_images_and_leaves_its_blobs_to_the_collector(
    database: Database,
) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        manifest, _ = await store_manifest(tx, scene.repository, b"layer")
        await artifacts.put_tag(tx, scene.repository, "latest", manifest, NOW)
        other, _ = await repositories.ensure(tx, scene.instance, scene.namespace, "prod/b", visible=True, now=NOW)
        await store_manifest(tx, other, b"layer", b"own")
    async with database.write() as tx:
        await repositories.remove(tx, scene.repository, LATER)
        assert await tx.all(sa.select(tags.c.name)) == []
        assert [row.repository_id for row in await tx.all(sa.select(manifests.c.repository_id))] == [other]
        due = await tx.all(sa.select(blobs.c.size, blobs.c.collect_at).order_by(blobs.c.size))
        assert [(row.size, row.collect_at) for row in due] == [(3, None), (5, LATER)]


async def test_what_unfinished_pushes_left_goes_with_the_namespace(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        half, _ = await repositories.ensure(tx, scene.instance, scene.namespace, "prod/half", visible=False, now=NOW)
        await store_blob(tx, half, b"layer")
        await repositories.remove_hidden_of(tx, scene.namespace, NOW + timedelta(seconds=1))
        assert await repositories.get(tx, scene.instance, "prod/half") is None
        assert await repositories.get(tx, scene.instance, "prod/web") is not None
