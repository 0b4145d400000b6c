"""Manifests, mounts, deletions and collectors that meet at one blob: each ends right, on both databases.

Where the order matters a store holds one of them in the middle (`HeldStore`); where it must not, all run at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import (
    AppError,
    BlobUnknown,
    ManifestUnknown,
    MethodUnsupported,
    NotEmpty,
    PreconditionFailed,
    ReferenceUnknown,
    RepositoryUnknown,
)
from roadstead.metadata import layers as rows
from roadstead.metadata import repositories
from roadstead.services import gc, images
from roadstead.services.images import Incoming
from roadstead.services.namespaces import create_namespace, delete_namespace
from roadstead.services.repositories import admit_push, delete_repository, open_for_push
from tests.factories.shop_fixtures import on_postgresql, options, shop
from tests.factories.shops import LONG, Shop, image, nothing_stays, refusal
from tests.factories.stores import HeldStore, begin, go_on, kill

__all__ = ["on_postgresql", "options", "shop"]

ONE, TWO = "library/one", "library/two"
LAYER = b"what everybody has"
DIGEST = Digest.of(LAYER)


# Collectors


async def test_a_collector_that_stalled_before_a_deletion_removes_nothing_that_came_later(shop: Shop) -> None:
    await shop.push_blob(ONE, LAYER)
    await shop.remove_blob(ONE, DIGEST)
    store = HeldStore(shop.store, "delete")
    stalled = await begin(store, gc._remove_blobs(shop.over(store).ctx))
    await gc.collect(shop.ctx)
    assert await shop.kept() == 0
    await shop.push_blob(TWO, LAYER)
    await go_on(store, stalled)
    assert await shop.read_blob(TWO, DIGEST) == LAYER
    await nothing_stays(shop)


async def test_a_push_does_not_wait_for_a_collector_nor_share_its_bytes(shop: Shop) -> None:
    await shop.push_blob(ONE, LAYER)
    await shop.remove_blob(ONE, DIGEST)
    store = HeldStore(shop.store, "delete")
    stalled = await begin(store, gc._remove_blobs(shop.over(store).ctx))
    assert not await shop.mount(TWO, DIGEST, ONE)
    assert not await shop.mount(TWO, DIGEST, None)
    await shop.push_blob(TWO, LAYER)
    assert await shop.kept() == 2
    await go_on(store, stalled)
    assert await shop.kept() == 1
    assert await shop.read_blob(TWO, DIGEST) == LAYER
    await nothing_stays(shop)


async def test_what_a_killed_collector_had_marked_is_removed_by_the_next(shop: Shop) -> None:
    await shop.push_blob(ONE, LAYER)
    await shop.remove_blob(ONE, DIGEST)
    store = HeldStore(shop.store, "delete")
    await kill(await begin(store, gc._remove_blobs(shop.over(store).ctx)))
    assert await shop.kept() == 1
    assert (await gc.collect(shop.ctx)).blobs == 1
    assert await shop.kept() == 0
    assert not {"blobs", "repository_blobs"} & set(await shop.rows())


async def test_collectors_at_once_remove_everything_once_and_nothing_else(shop: Shop) -> None:
    contents = [b"%d" % number for number in range(12)]
    for data in contents:
        await shop.push_blob(ONE, data)
    kept = await shop.push_image(TWO, "v1", contents[0], contents[1])
    shop.clock.now += LONG
    rounds = await asyncio.gather(*(gc.collect(shop.ctx) for _ in range(3)))
    assert sum(each.links for each in rounds) == len(contents)
    assert await shop.kept() == 2
    assert await shop.read_blob(TWO, Digest.of(contents[1])) == contents[1]
    await shop.remove(TWO, str(kept))
    await nothing_stays(shop)


# Mounts


@pytest.mark.parametrize("turn", range(6))
async def test_a_mount_while_its_source_goes_is_whole_or_refused(shop: Shop, turn: int) -> None:
    await shop.push_blob(ONE, LAYER)
    work: list[Coroutine[Any, Any, Any]] = [
        shop.mount(TWO, DIGEST, ONE),
        shop.remove_blob(ONE, DIGEST),
        gc.collect(shop.ctx),
        gc.collect(shop.ctx),
    ]
    order = [*range(turn % 4, 4), *range(turn % 4)]
    done = await asyncio.gather(*(work[place] for place in order))
    mounted = done[order.index(0)]
    await gc.collect(shop.ctx)
    if mounted:
        assert await shop.read_blob(TWO, DIGEST) == LAYER
    else:
        assert await refusal(shop.read_blob(TWO, DIGEST)) is BlobUnknown
    await nothing_stays(shop)


async def test_a_mount_keeps_what_its_source_loses(shop: Shop) -> None:
    await shop.push_image(ONE, "v1", b"{}", LAYER)
    assert await shop.mount(TWO, DIGEST, ONE)
    await shop.call(delete_repository, ONE)
    await gc.collect(shop.ctx)
    assert await shop.read_blob(TWO, DIGEST) == LAYER
    await nothing_stays(shop)


# Manifests and tags


async def test_a_tag_moved_by_many_at_once_stands_for_one_of_them_and_all_are_whole(shop: Shop) -> None:
    contents = [b"layer %d" % number for number in range(6)]
    for data in (*contents, b"{}"):
        await shop.push_blob(ONE, data)
    bodies = [image(b"{}", data) for data in contents]
    await asyncio.gather(*(shop.push_manifest(ONE, body, "latest") for body in bodies * 2))
    assert await shop.read_manifest(ONE, "latest") in bodies
    for data, body in zip(contents, bodies, strict=True):
        assert await shop.read_manifest(ONE, str(Digest.of(body))) == body
        assert await shop.read_blob(ONE, Digest.of(data)) == data
    assert await shop.findings() == []


async def test_of_those_who_move_a_tag_from_what_they_saw_only_one_does(shop: Shop) -> None:
    first = await shop.push_image(ONE, "latest", b"{}")
    contents = [b"layer %d" % number for number in range(5)]
    for data in contents:
        await shop.push_blob(ONE, data)
    bodies = [image(b"{}", data) for data in contents]
    name = RepositoryName.parse(ONE)
    moves = [
        images.put(shop.ctx, shop.asker, name, Incoming("latest", (), "", body, if_match=f'"{first}"'))
        for body in bodies
    ]
    found = await asyncio.gather(*map(refusal, moves))
    assert sorted(map(str, found)) == sorted(map(str, [None, *[PreconditionFailed] * 4]))
    assert await shop.read_manifest(ONE, "latest") == bodies[found.index(None)]


async def test_a_manifest_whose_layer_goes_while_it_is_pushed_is_refused(shop: Shop) -> None:
    for data in (b"{}", LAYER):
        await shop.push_blob(ONE, data, at_once=False)
    store = HeldStore(shop.store, "open")
    pushing = await begin(store, shop.over(store).push_manifest(ONE, image(b"{}", LAYER), "v1"))
    await shop.remove_blob(ONE, DIGEST)
    await gc.collect(shop.ctx)
    assert await refusal(go_on(store, pushing)) is ReferenceUnknown
    assert await refusal(shop.read_manifest(ONE, "v1")) is ManifestUnknown
    assert await refusal(shop.remove(ONE, str(Digest.of(image(b"{}", LAYER))))) is ManifestUnknown
    await nothing_stays(shop)


async def test_a_manifest_whose_repository_goes_while_it_is_pushed_is_refused(shop: Shop) -> None:
    await shop.push_blob(ONE, b"{}", at_once=False)
    await shop.push_image(ONE, "v0", b"{}", LAYER)
    store = HeldStore(shop.store, "open")
    pushing = await begin(store, shop.over(store).push_manifest(ONE, image(b"{}", LAYER, b"{}"), "v1"))
    await shop.call(delete_repository, ONE)
    await gc.collect(shop.ctx)
    assert await refusal(go_on(store, pushing)) is ReferenceUnknown
    await nothing_stays(shop)


# Repositories and namespaces


async def test_a_hidden_repository_is_not_dropped_under_a_push(shop: Shop) -> None:
    await shop.push_blob(ONE, LAYER)
    await shop.remove_blob(ONE, DIGEST)
    shop.clock.now += LONG
    await shop.push_blob(TWO, LAYER)
    name = RepositoryName.parse(ONE)
    async with shop.ctx.database.read() as tx:
        admitted = await admit_push(shop.ctx, tx, shop.asker, name)
        blob = await rows.find_held(tx, admitted.instance.id, "local", DIGEST, TWO, shop.clock())
    assert blob is not None
    async with shop.ctx.database.write() as tx:
        repository = await open_for_push(shop.ctx, tx, admitted, name, shop.clock(), visible=False)
        await rows.hold(tx, repository, blob.id, shop.clock() + LONG)
        dropping = asyncio.ensure_future(gc._drop_repositories(shop.ctx))
        await asyncio.wait({dropping}, timeout=0.3)
    await dropping
    assert await shop.read_blob(ONE, DIGEST) == LAYER


async def test_a_namespace_stays_when_a_push_has_just_filled_it(shop: Shop) -> None:
    await shop.call(create_namespace, "brief/app", is_public=False)
    await shop.push_blob("brief/app", LAYER)
    name = RepositoryName.parse("brief/app")
    async with shop.ctx.database.read() as tx:
        admitted = await admit_push(shop.ctx, tx, shop.asker, name)
    async with shop.ctx.database.write() as tx:
        repository = await open_for_push(shop.ctx, tx, admitted, name, shop.clock(), visible=True)
        await repositories.modify(tx, repository, visible=True)
        deleting = asyncio.ensure_future(refusal(shop.call(delete_namespace, "brief/app")))
        await asyncio.wait({deleting}, timeout=0.3)
    assert await deleting is NotEmpty
    await shop.call(delete_repository, "brief/app")
    await shop.call(delete_namespace, "brief/app")
    await nothing_stays(shop)


async def test_pushes_and_deletions_of_one_repository_never_stand_in_a_circle(shop: Shop) -> None:
    contents = [b"layer %d" % number for number in range(4)]
    await shop.push_image(TWO, "base", b"{}", *contents)
    allowed = {None, ReferenceUnknown, RepositoryUnknown, BlobUnknown, MethodUnsupported, ManifestUnknown}

    async def push(number: int) -> set[Any]:
        met = set()
        for turn in range(5):
            mine = contents[number:] + contents[:turn]
            for data in mine:
                if turn % 2:
                    met.add(await refusal(shop.mount(ONE, Digest.of(data), TWO)))
                else:
                    met.add(await refusal(shop.push_blob(ONE, data)))
            await shop.push_blob(ONE, b"{}")
            met.add(await refusal(shop.push_manifest(ONE, image(b"{}", *mine), f"v{number}")))
        return met

    async def delete() -> set[Any]:
        met = set()
        for turn in range(12):
            met.add(await refusal(shop.remove_blob(ONE, Digest.of(contents[turn % 4]))))
            met.add(await refusal(shop.remove(ONE, f"v{turn % 4}")))
            if turn % 3 == 0:
                met.add(await refusal(shop.call(delete_repository, ONE)))
            await gc.collect(shop.ctx)
        return met

    found = await asyncio.gather(*(push(number) for number in range(4)), delete(), delete())
    assert set().union(*found) <= allowed
    broken = [each for each in await shop.findings() if each.kind in {"blob", "manifest"}]
    assert broken == []
    for data in contents:
        assert await shop.read_blob(TWO, Digest.of(data)) == data


async def test_a_namespace_deleted_while_it_is_pushed_to_goes_whole_or_stays_whole(shop: Shop) -> None:
    for turn in range(6):
        await shop.call(create_namespace, "brief/app", is_public=False)

        async def push(number: int) -> type[AppError] | None:
            return await refusal(shop.push_image(f"brief/app{number}", "v1", b"{}", LAYER))

        found = await asyncio.gather(*map(push, range(3)), refusal(shop.call(delete_namespace, "brief/app")))
        assert found[3] in {None, NotEmpty}
        for number, refused in enumerate(found[:3]):
            if refused is None:
                assert found[3] is NotEmpty, turn
                assert await shop.read_blob(f"brief/app{number}", DIGEST) == LAYER
                await shop.call(delete_repository, f"brief/app{number}")
        if found[3] is NotEmpty:
            await shop.call(delete_namespace, "brief/app")
    await nothing_stays(shop)
