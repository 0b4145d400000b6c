"""Blobs, who holds them, and upload sessions, as rows on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from roadstead.domain.reference import Digest
from roadstead.metadata import artifacts, collection, inventory, layers, repositories
from roadstead.metadata.database import Database
from roadstead.metadata.layers import Claim, Upload
from roadstead.metadata.schema.content import blobs, missing_blobs, repository_blobs
from tests.metadata.scene import LATER, NOW, set_up, store_blob, store_manifest, upload

DIGEST = Digest.of(b"layer")
AFTER = LATER + timedelta(hours=1)


async def claim(database: Database, size: int = 5) -> Claim:
    async with database.write() as tx:
        return await layers.claim_blob(tx, "local", DIGEST, size, NOW, LATER)


def after(before: Upload, whole: bytes, data: bytes | None = None) -> Upload:
    return replace(before, size=len(whole), digest=str(Digest.of(whole)), ends_at=AFTER, data=data)


async def test_a_session_goes_on_where_it_stands_and_nowhere_else(database: Database) -> None:
    scene = await set_up(database)
    begun = upload(scene.instance)
    async with database.write() as tx:
        await layers.begin_upload(tx, begun, NOW)
        assert await layers.get_upload(tx, "session", scene.instance, "prod/web") == begun
        assert await layers.get_upload(tx, "session", scene.instance, "prod/other") is None
        assert await layers.get_upload(tx, "session", scene.instance + 1, "prod/web") is None
        assert await layers.advance(tx, begun, after(begun, b"abc"), [(0, "first")])
        assert not await layers.advance(tx, begun, after(begun, b"abcd"), [(0, "late")])
        stands = await layers.get_upload(tx, "session", scene.instance, "prod/web")
        assert stands is not None
        assert (stands.size, stands.digest, stands.ends_at) == (3, str(Digest.of(b"abc")), AFTER)
        assert await layers.advance(tx, stands, after(stands, b"abcde"), [(3, "second")])
        assert await layers.part_keys(tx, "session") == ["first", "second"]
        assert await layers.known_uploads(tx, ["session", "other"]) == {"session"}
        assert await layers.end_upload(tx, "session")
        assert not await layers.end_upload(tx, "session")
        assert await layers.part_keys(tx, "session") == []


async def test_a_part_without_bytes_gives_way_to_the_next(database: Database) -> None:
    scene = await set_up(database)
    begun = upload(scene.instance)
    async with database.write() as tx:
        await layers.begin_upload(tx, begun, NOW)
        empty = replace(begun, data=None)
        assert await layers.advance(tx, begun, empty, [(0, "empty")])
        assert await layers.advance(tx, empty, after(empty, b"abc"), [(0, "full")])
        assert await layers.part_keys(tx, "session") == ["full"]


async def test_a_row_holds_few_bytes_until_there_are_parts(database: Database) -> None:
    scene = await set_up(database)
    begun = upload(scene.instance)
    async with database.write() as tx:
        await layers.begin_upload(tx, begun, NOW)
        first = after(begun, b"abc", b"abc")
        assert await layers.advance(tx, begun, first)
        assert await layers.get_upload(tx, "session", scene.instance, "prod/web") == first
        assert not await layers.advance(tx, begun, after(begun, b"xyz", b"xyz"))
        in_parts = after(first, b"abc")
        assert await layers.advance(tx, first, in_parts, [(0, "spilled")])
        assert not await layers.advance(tx, first, after(first, b"abcd", b"abcd"))
        assert await layers.advance(tx, in_parts, after(in_parts, b"abcdef"), [(3, "more")])
        assert await layers.part_keys(tx, "session") == ["spilled", "more"]


async def test_sessions_are_counted_and_end(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        for number in range(3):
            begun = upload(scene.instance, f"session {number}", NOW + timedelta(minutes=10 * number))
            await layers.begin_upload(tx, begun, NOW)
        assert await layers.too_many_uploads(tx, scene.instance, 3)
        assert not await layers.too_many_uploads(tx, scene.instance, 4)
        assert not await layers.too_many_uploads(tx, scene.instance + 1, 1)
        now = NOW + timedelta(minutes=15)
        assert await layers.expired_uploads(tx, now, 9) == [("local", "session 0"), ("local", "session 1")]
        assert await layers.expired_uploads(tx, now, 1) == [("local", "session 0")]
        assert await layers.expired_uploads(tx, NOW, 9) == []


async def test_claims_of_one_content_meet_at_one_row(database: Database) -> None:
    await set_up(database)
    claims = await asyncio.gather(*(claim(database) for _ in range(12)))
    assert len({each.blob_id for each in claims}) == 1
    assert not any(each.stored for each in claims)
    async with database.write() as tx:
        assert await layers.mark_stored(tx, claims[0].blob_id)
    again = await claim(database)
    assert (again.blob_id, again.stored, again.size) == (claims[0].blob_id, True, 5)


async def test_a_claim_beside_a_leaving_blob_is_of_another_generation(database: Database) -> None:
    await set_up(database)
    first = await claim(database)
    async with database.write() as tx:
        _, leaving = await collection.take_unheld(tx, AFTER, 9)
        assert [each.blob_id for each in leaving] == [first.blob_id]
        assert not await layers.mark_stored(tx, first.blob_id), "a collector was quicker"
    second = await claim(database)
    assert second.blob_id != first.blob_id
    assert second.generation != first.generation and not second.stored


async def test_a_broken_blob_heals_under_a_new_key_and_stays_held(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        blob = await store_blob(tx, scene.repository, b"layer")
        generation = await tx.scalar(sa.select(blobs.c.generation))
        assert not await inventory.quarantine(tx, blob, generation + 1)
        assert await inventory.quarantine(tx, blob, generation)
        assert not await inventory.quarantine(tx, blob, generation)
    healing = await claim(database)
    assert (healing.blob_id, healing.stored, healing.size) == (blob, False, 5)
    assert healing.generation != generation
    async with database.write() as tx:
        assert await layers.mark_stored(tx, blob)
        found = await layers.find_held(tx, scene.instance, "local", DIGEST, "prod/web", NOW)
        assert found is not None and found.generation == healing.generation


@pytest.mark.parametrize("named", [True, False])
async def test_holding_again_prolongs_only_what_nothing_names(database: Database, named: bool) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        if named:
            await store_manifest(tx, scene.repository, b"layer")
        else:
            await store_blob(tx, scene.repository, b"layer", ends_at=LATER)
        row = await tx.scalar(sa.select(blobs.c.id))
        await layers.hold(tx, scene.repository, row, AFTER)
        assert await tx.scalar(sa.select(repository_blobs.c.ends_at)) == (None if named else AFTER)


async def test_a_blob_is_mounted_from_who_shows_it(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        await store_blob(tx, scene.repository, b"layer", ends_at=LATER)

        async def found(repository: str, now: object = NOW, instance: int = scene.instance) -> bool:
            held = layers.find_held(tx, instance, "local", DIGEST, repository, now)  # type: ignore[arg-type]
            return await held is not None

        assert await found("prod/web")
        assert await found("")
        assert not await found("prod/other")
        assert not await found("prod/web", instance=scene.instance + 1)
        assert not await found("prod/web", now=AFTER)
        assert await layers.find_held(tx, scene.instance, "far", DIGEST, "prod/web", NOW) is None


async def test_a_blob_is_released_unless_a_manifest_names_it(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        free = await store_blob(tx, scene.repository, b"free")
        await store_manifest(tx, scene.repository, b"named")
        named = await tx.scalar(sa.select(blobs.c.id).where(blobs.c.digest == str(Digest.of(b"named"))))
        assert not await layers.release(tx, scene.repository, named, NOW)
        assert await layers.release(tx, scene.repository, free, NOW)
        assert not await layers.release(tx, scene.repository, free, NOW)
        assert await tx.scalar(sa.select(blobs.c.collect_at).where(blobs.c.id == free)) == NOW


async def test_a_layer_that_comes_late_is_tied_to_those_who_waited(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        manifest, _ = await store_manifest(tx, scene.repository, b"config", missing=(str(DIGEST),))
        other, _ = await repositories.ensure(tx, scene.instance, scene.namespace, "prod/b", visible=True, now=NOW)
        await store_manifest(tx, other, b"config", missing=(str(DIGEST),))
        assert await inventory.unusable_parts(tx, manifest) == ([], [str(DIGEST)])
        blob = await store_blob(tx, scene.repository, b"layer")
        await layers.complete_sparse(tx, scene.repository, blob, DIGEST)
        assert await inventory.unusable_parts(tx, manifest) == ([], [])
        assert len(await tx.all(sa.select(missing_blobs))) == 1, "the other repository still waits"
        link = await tx.one(
            sa.select(repository_blobs.c.manifests, repository_blobs.c.ends_at).where(
                repository_blobs.c.repository_id == scene.repository, repository_blobs.c.blob_id == blob
            )
        )
        assert link is not None and tuple(link) == (1, None)
        await artifacts.remove_manifest(tx, scene.repository, manifest, LATER)
        assert await layers.find_held(tx, scene.instance, "local", DIGEST, "prod/web", AFTER) is None
