"""Manifests, tags and what they hold, as rows on both databases."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from roadstead.domain.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, Part
from roadstead.domain.reference import Digest
from roadstead.metadata import artifacts, repositories
from roadstead.metadata.database import Database, Tx
from roadstead.metadata.schema.content import manifest_blobs, repository_blobs
from tests.metadata.scene import LATER, NOW, set_up, store_blob, store_manifest

LAYER = str(Digest.of(b"layer"))


async def links(tx: Tx) -> list[tuple[int, bool]]:
    """How many manifests name each held blob, and whether its end is set."""
    c = repository_blobs.c
    rows = await tx.all(sa.select(c.manifests, c.ends_at).order_by(c.blob_id))
    return [(row.manifests, row.ends_at is not None) for row in rows]


async def test_a_manifest_is_kept_as_it_came_and_holds_its_blobs(database: Database) -> None:
    scene = await set_up(database)
    body = b'{ "exactly" : "so" }\n\x00\xff'
    async with database.write() as tx:
        added, digest = await store_manifest(tx, scene.repository, b"config", b"layer", body=body)
        assert await links(tx) == [(1, False), (1, False)]
    async with database.read() as tx:
        assert await artifacts.manifest_body(tx, added) == body
        assert await artifacts.manifest_body(tx, added + 1) is None
        assert await artifacts.find_manifest(tx, scene.repository, digest) == added
        assert await artifacts.find_manifest(tx, scene.repository + 1, digest) is None
        stored = await artifacts.stored_manifest(tx, scene.repository, digest)
        assert stored is not None
        assert (stored.id, stored.media_type, stored.size) == (added, OCI_MANIFEST, len(body))
        assert await artifacts.any_manifest(tx, scene.repository)
        assert not await artifacts.any_manifest(tx, scene.repository + 1)
        blob = await tx.scalar(sa.select(manifest_blobs.c.blob_id).order_by(manifest_blobs.c.blob_id).limit(1))
        config = await artifacts.config_blob(tx, blob)
        assert config is not None
        assert (config.digest, config.size) == (Digest.of(b"config"), 6)
        assert await artifacts.config_blob(tx, blob + 100) is None


async def test_a_manifest_whose_blob_has_just_gone_is_not_added(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        blob = await store_blob(tx, scene.repository, b"layer")
        await tx.run(sa.delete(repository_blobs))
        added = await artifacts.add_manifest(
            tx,
            repository_id=scene.repository,
            digest=str(Digest.of(b"m")),
            manifest=Manifest(OCI_MANIFEST, None, None, (), (), None, {}),
            platforms="",
            annotations=None,
            body=b"m",
            blob_ids=[blob],
            missing=(),
            now=NOW,
        )
        assert added is None


async def test_blobs_are_told_shown_while_named_or_not_ended(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        await store_manifest(tx, scene.repository, b"named")
        await store_blob(tx, scene.repository, b"waiting", ends_at=LATER)
        await store_blob(tx, scene.repository, b"ended", ends_at=NOW)
        other, _ = await repositories.ensure(tx, scene.instance, scene.namespace, "prod/b", visible=True, now=NOW)
        await store_blob(tx, other, b"elsewhere")
    digests = [str(Digest.of(data)) for data in (b"named", b"waiting", b"ended", b"elsewhere", b"nowhere")]
    async with database.read() as tx:
        found = await artifacts.held_blobs(tx, scene.repository, "local", digests * 3000, NOW)
        assert {digest: blob.shown for digest, blob in found.items()} == {
            digests[0]: True,
            digests[1]: True,
            digests[2]: False,
        }
        assert await artifacts.held_blobs(tx, scene.repository, "other-region", digests, NOW) == {}


async def test_a_manifest_with_thousands_of_members_and_missing_layers(database: Database) -> None:
    scene = await set_up(database)
    members = tuple(Part(Digest.of(b"%d" % number), 1, OCI_MANIFEST, "linux/amd64") for number in range(12_000))
    async with database.write() as tx:
        added = await artifacts.add_manifest(
            tx,
            repository_id=scene.repository,
            digest=str(Digest.of(b"index")),
            manifest=Manifest(OCI_INDEX, None, None, (), members, None, {}),
            platforms="linux/amd64",
            annotations=None,
            body=b"index",
            blob_ids=[],
            missing=[str(Digest.of(b"layer %d" % number)) for number in range(12_000)],
            now=NOW,
        )
        assert added is not None
        assert await artifacts.is_member(tx, scene.repository, str(members[11_999].digest))
        assert not await artifacts.is_member(tx, scene.repository + 1, str(members[0].digest))
        assert not await artifacts.is_member(tx, scene.repository, LAYER)


async def test_a_removed_manifest_takes_its_tags_and_lets_go_of_what_it_alone_named(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        first, digest = await store_manifest(tx, scene.repository, b"shared", b"own")
        await store_manifest(tx, scene.repository, b"shared")
        for tag in ("b", "a"):
            await artifacts.put_tag(tx, scene.repository, tag, first, NOW)
        assert await links(tx) == [(2, False), (1, False)]
    async with database.write() as tx:
        assert await artifacts.remove_manifest(tx, scene.repository, first, LATER) == ["a", "b"]
        assert await links(tx) == [(1, False), (0, True)]
        assert await artifacts.find_manifest(tx, scene.repository, digest) is None
        assert await artifacts.tag_target(tx, scene.repository, "a") is None


async def test_a_tag_moves(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        first, one = await store_manifest(tx, scene.repository, b"one")
        second, two = await store_manifest(tx, scene.repository, b"two")
        await artifacts.put_tag(tx, scene.repository, "latest", first, NOW)
        assert await artifacts.tag_target(tx, scene.repository, "latest") == (first, one)
        await artifacts.put_tag(tx, scene.repository, "latest", second, LATER)
        assert await artifacts.tag_target(tx, scene.repository, "latest") == (second, two)
        assert not await artifacts.is_tagged(tx, first)
        assert await artifacts.is_tagged(tx, second)
        (info,) = await artifacts.tag_infos(tx, scene.repository, last="", most=9)
        assert (info.digest, info.pushed_at, info.platforms) == (two, LATER, "linux/amd64")
        assert info.total_size == len(b"manifest of two") + 3
        assert await artifacts.remove_tag(tx, scene.repository, "latest")
        assert not await artifacts.remove_tag(tx, scene.repository, "latest")


async def test_tags_are_listed_by_code_point_whatever_the_country(database: Database) -> None:
    scene = await set_up(database)
    names = ["1", "10", "2", "A", "B", "_", "a", "a-b", "a.b", "a_b", "ab", "b", "z"]
    async with database.write() as tx:
        first, one = await store_manifest(tx, scene.repository, b"one")
        second, _ = await store_manifest(tx, scene.repository, b"two")
        for place, name in reversed(list(enumerate(names))):
            pushed_at = NOW - timedelta(minutes=place)
            await artifacts.put_tag(tx, scene.repository, name, first if place % 2 else second, pushed_at)
    async with database.read() as tx:
        listed: list[str] = []
        while page := await artifacts.tag_names(tx, scene.repository, listed[-1] if listed else "", 4):
            listed += page
        assert listed == sorted(names)
        assert await artifacts.tag_names(tx, scene.repository, "a", 2) == ["a-b", "a.b"]
        assert await artifacts.tag_names(tx, scene.repository + 1, "", 9) == []
        infos = artifacts.tag_infos
        containing = await infos(tx, scene.repository, last="", most=9, containing="a_")
        assert [info.name for info in containing] == ["a_b"]
        exact = await infos(tx, scene.repository, last="", most=9, containing="a", exact=True)
        assert [info.name for info in exact] == ["a"]
        of_digest = await infos(tx, scene.repository, last="", most=99, digest=one)
        assert [info.name for info in of_digest] == sorted(names[1::2])


async def test_referrers_are_found_by_subject_and_type(database: Database) -> None:
    scene = await set_up(database)
    subject = str(Digest.of(b"subject"))
    async with database.write() as tx:
        digests = []
        for number in range(5):
            kind = "a/signature" if number % 2 else None
            data = b"config %d" % number
            _, digest = await store_manifest(tx, scene.repository, data, subject=b"subject", artifact_type=kind)
            digests.append(digest)
        await store_manifest(tx, scene.repository, b"config", subject=b"another")
    async with database.read() as tx:
        found = []
        last = ""
        while page := await artifacts.referrers(tx, scene.repository, subject, artifact_type="", last=last, most=2):
            found += [each.digest for each in page]
            last = found[-1]
        assert found == sorted(digests)
        signatures = await artifacts.referrers(
            tx, scene.repository, subject, artifact_type="a/signature", last="", most=9
        )
        assert sorted(each.digest for each in signatures) == sorted(digests[1::2])
        other = await artifacts.referrers(
            tx, scene.repository, subject, artifact_type="application/octet-stream", last="", most=9
        )
        assert len(other) == 3, "without a type of its own a manifest is of its config's"
        assert await artifacts.referrers(tx, scene.repository + 1, subject, artifact_type="", last="", most=9) == []


async def test_a_moment_is_kept_whole(database: Database) -> None:
    scene = await set_up(database)
    moment = NOW + timedelta(microseconds=1)
    async with database.write() as tx:
        added, _ = await store_manifest(tx, scene.repository, b"one")
        await artifacts.put_tag(tx, scene.repository, "latest", added, moment)
        (info,) = await artifacts.tag_infos(tx, scene.repository, last="", most=1)
    assert info.pushed_at == moment
