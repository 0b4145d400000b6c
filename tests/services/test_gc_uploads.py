"""Uploads that meet one another or a collector, or stop in the middle: each ends right, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest

from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import (
    BlobUnknown,
    DigestInvalid,
    RangeInvalid,
    UploadUnknown,
)
from roadstead.services import gc, layers
from roadstead.services.layers import Chunk
from tests.factories.bodies import BytesBody, HeldBody
from tests.factories.shop_fixtures import in_row, on_postgresql, options, shop
from tests.factories.shops import LONG, Shop, nothing_stays, refusal
from tests.factories.stores import HeldStore, begin, go_on, kill

__all__ = ["in_row", "on_postgresql", "options", "shop"]

pytestmark = pytest.mark.usefixtures("in_row")
# What has its bytes in a row claims no place for them, so nothing can come between.
placed = pytest.mark.parametrize("in_row", [6, -1], ids=["row then parts", "in parts"], indirect=True)

ONE, TWO = "library/one", "library/two"
LAYER = b"what everybody has"
DIGEST = Digest.of(LAYER)


# The same blob at once


async def test_a_blob_pushed_by_many_at_once_is_stored_once_and_held_by_all(shop: Shop) -> None:
    places = [f"library/r{number % 3}" for number in range(9)]
    await asyncio.gather(*(shop.push_blob(place, LAYER, chunks=number % 3) for number, place in enumerate(places)))
    assert await shop.kept() == 1
    for place in places:
        assert await shop.read_blob(place, DIGEST) == LAYER
    await nothing_stays(shop)


async def test_a_session_closed_twice_at_once_is_closed_once(shop: Shop) -> None:
    name = RepositoryName.parse(ONE)
    upload = await layers.begin(shop.ctx, shop.asker, name, "sha256")
    await layers.append(shop.ctx, shop.asker, name, upload.id, Chunk(BytesBody(LAYER)))

    def close() -> Coroutine[Any, Any, None]:
        return layers.finish(shop.ctx, shop.asker, name, upload.id, DIGEST, Chunk(BytesBody(b"")))

    found = await asyncio.gather(*(refusal(close()) for _ in range(4)))
    assert sorted(map(str, found)) == sorted(map(str, [None, *[UploadUnknown] * 3]))
    assert await shop.read_blob(ONE, DIGEST) == LAYER
    await nothing_stays(shop)


async def test_chunks_of_one_place_sent_at_once_are_taken_once(shop: Shop) -> None:
    name = RepositoryName.parse(ONE)
    upload = await layers.begin(shop.ctx, shop.asker, name, "sha256")
    sent = [layers.append(shop.ctx, shop.asker, name, upload.id, Chunk(BytesBody(LAYER), 0)) for _ in range(4)]
    found = await asyncio.gather(*map(refusal, sent))
    assert sorted(map(str, found)) == sorted(map(str, [None, *[RangeInvalid] * 3]))
    await layers.finish(shop.ctx, shop.asker, name, upload.id, DIGEST, Chunk(BytesBody(b"")))
    assert await shop.read_blob(ONE, DIGEST) == LAYER


async def test_a_chunk_that_comes_while_the_session_is_closed_does_not_get_into_the_blob(shop: Shop) -> None:
    name = RepositoryName.parse(ONE)
    upload = await layers.begin(shop.ctx, shop.asker, name, "sha256")
    await layers.append(shop.ctx, shop.asker, name, upload.id, Chunk(BytesBody(LAYER[:5])))
    last = HeldBody(LAYER[5:9], LAYER[9:])
    closing = asyncio.ensure_future(layers.finish(shop.ctx, shop.asker, name, upload.id, DIGEST, Chunk(last)))
    await last.held.wait()
    await layers.append(shop.ctx, shop.asker, name, upload.id, Chunk(BytesBody(b"poison")))
    last.release()
    await closing
    assert await shop.read_blob(ONE, DIGEST) == LAYER
    await nothing_stays(shop)


# Uploads that stop in the middle


@placed
async def test_a_push_whose_claim_was_collected_still_succeeds(shop: Shop) -> None:
    store = HeldStore(shop.store, "assemble")
    slow = await begin(store, shop.over(store).push_blob(ONE, LAYER))
    await shop.push_blob(TWO, LAYER)
    await shop.remove_blob(TWO, DIGEST)
    await gc.collect(shop.ctx)
    assert [key for key in await shop.keys() if key.startswith("blobs/")] == []
    await go_on(store, slow)
    assert await shop.read_blob(ONE, DIGEST) == LAYER
    await nothing_stays(shop)


@placed
async def test_bytes_placed_for_a_lost_claim_are_used_for_the_next(shop: Shop) -> None:
    store = HeldStore(shop.store, "assemble", after=True)
    slow = await begin(store, shop.over(store).push_blob(ONE, LAYER))
    shop.clock.now += timedelta(hours=7)
    deleting = HeldStore(shop.store, "delete")
    stalled = await begin(deleting, gc._remove_blobs(shop.over(deleting).ctx))
    await go_on(store, slow)
    assert await shop.read_blob(ONE, DIGEST) == LAYER
    await go_on(deleting, stalled)
    assert await shop.read_blob(ONE, DIGEST) == LAYER
    await nothing_stays(shop)


@placed
async def test_bytes_placed_for_a_lost_claim_do_not_outlive_a_push_that_then_fails(shop: Shop) -> None:
    store = HeldStore(shop.store, "assemble")
    slow = await begin(store, shop.over(store).push_blob(ONE, LAYER))
    await shop.push_blob(TWO, LAYER)
    await shop.remove_blob(TWO, DIGEST)
    assert await gc._remove_blobs(shop.ctx) == 1, "the claim is lost"
    shop.clock.now += LONG
    assert await gc._end_uploads(shop.ctx) == 1, "the session has ended"
    await shop.push_blob(TWO, LAYER)
    assert await refusal(go_on(store, slow)) is UploadUnknown
    assert len([key for key in await shop.keys() if key.startswith("blobs/")]) == 1
    await nothing_stays(shop)


@placed
@pytest.mark.parametrize("after", [False, True])
async def test_a_process_killed_while_it_places_a_blob_leaves_nothing_for_long(shop: Shop, after: bool) -> None:
    store = HeldStore(shop.store, "assemble", after=after)
    await kill(await begin(store, shop.over(store).push_blob(ONE, LAYER, chunks=2)))
    assert await refusal(shop.read_blob(ONE, DIGEST)) is BlobUnknown
    assert [found for found in await shop.findings() if found.kind != "leftover"] == []
    await shop.push_blob(TWO, LAYER)
    await nothing_stays(shop)


@placed
async def test_a_session_whose_bytes_a_crash_used_up_is_told_to_begin_anew(shop: Shop) -> None:
    name = RepositoryName.parse(ONE)
    upload = await layers.begin(shop.ctx, shop.asker, name, "sha256")
    await layers.append(shop.ctx, shop.asker, name, upload.id, Chunk(BytesBody(LAYER)))
    store = HeldStore(shop.store, "assemble", after=True)
    over = shop.over(store).ctx
    await kill(await begin(store, layers.finish(over, shop.asker, name, upload.id, DIGEST, Chunk(BytesBody(b"")))))
    shop.ctx.recent.take_hash(upload.id, len(LAYER))  # as another process, which remembers none
    more = Chunk(BytesBody(b"more"))
    assert await refusal(layers.append(shop.ctx, shop.asker, name, upload.id, more)) is UploadUnknown
    wrong = Digest.of(LAYER + b"more")
    assert await refusal(layers.finish(shop.ctx, shop.asker, name, upload.id, wrong, more)) is UploadUnknown
    none = Chunk(BytesBody(b""))
    assert await refusal(layers.finish(shop.ctx, shop.asker, name, upload.id, DIGEST, none)) is UploadUnknown
    await nothing_stays(shop)


async def test_a_wrong_digest_leaves_the_session_as_it_was(shop: Shop, in_row: int) -> None:
    name = RepositoryName.parse(ONE)
    upload = await layers.begin(shop.ctx, shop.asker, name, "sha256")
    await layers.append(shop.ctx, shop.asker, name, upload.id, Chunk(BytesBody(LAYER[:5])))
    wrong = layers.finish(shop.ctx, shop.asker, name, upload.id, DIGEST, Chunk(BytesBody(b"nonsense")))
    assert await refusal(wrong) is DigestInvalid
    assert len(await shop.keys()) == (0 if in_row >= 5 else 1)
    await layers.finish(shop.ctx, shop.asker, name, upload.id, DIGEST, Chunk(BytesBody(LAYER[5:]), 5, len(LAYER) - 5))
    assert await shop.read_blob(ONE, DIGEST) == LAYER
    await nothing_stays(shop)
