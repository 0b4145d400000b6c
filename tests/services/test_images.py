"""Manifests and tags as the services see them: conditions, tags, negotiation, platforms, referrers, deletion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.config import Push
from roadstead.domain.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import (
    DigestInvalid,
    ManifestInvalid,
    ManifestUnknown,
    NotAuthenticated,
    PreconditionFailed,
    ReferenceUnknown,
    RepositoryUnknown,
)
from roadstead.metadata.schema.delivery import events
from roadstead.services import images
from roadstead.services import tags as tag_operations
from roadstead.services.access import Asker
from roadstead.services.context import Context
from roadstead.services.images import matches
from tests.factories.accounts import asker, owner_asker
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.factories.pushes import (
    CONFIG,
    descriptor,
    document,
    encode,
    index,
    push_blob,
    push_image,
    push_manifest,
)
from tests.jobs.bench import FakeClock

WEB = "library/web"
NAME = RepositoryName.parse(WEB)
LINUX = {"os": "linux", "architecture": "amd64"}
ARM = {"os": "linux", "architecture": "arm64", "variant": "v8"}


@pytest.fixture
async def owner(ctx: Context) -> Asker:
    return await owner_asker(ctx)


async def shown(ctx: Context, owner: Asker, reference: str, accept: str = "") -> tuple[str, str]:
    """Media type and digest of what a pull gets, which a HEAD must say too."""
    stored, body = await images.get(ctx, owner, NAME, reference, accept)
    assert str(Digest.of(body)) == stored.digest and len(body) == stored.size
    assert await images.head(ctx, owner, NAME, reference, accept) == stored
    return stored.media_type, stored.digest


async def tags(ctx: Context, owner: Asker) -> list[str]:
    return await images.tag_page(ctx, owner, NAME, "", 99)


async def push_index(ctx: Context, owner: Asker, tag: str, media_type: str = OCI_INDEX) -> tuple[str, dict[str, str]]:
    """An index of two images under the tag: its digest, and those of its members by architecture."""
    members, found = [], {}
    for platform in (ARM, LINUX):
        digest = await push_image(ctx, owner, WEB, config=platform)
        body = (await images.get(ctx, owner, NAME, str(digest), ""))[1]
        members.append(descriptor(body, OCI_MANIFEST, platform=platform))
        found[platform["architecture"]] = str(digest)
    body = index(*members, media_type=media_type)
    await push_manifest(ctx, owner, WEB, tag, body)
    return str(Digest.of(body)), found


class TestTargets:
    async def test_a_push_by_digest_has_that_digest(self, ctx: Context, owner: Asker) -> None:
        config = encode({})
        await push_blob(ctx, owner, WEB, config)
        body = document(descriptor(config, CONFIG))
        for algorithm in ("sha256", "sha512"):
            digest = str(Digest.of(body, algorithm))
            pushed = await push_manifest(ctx, owner, WEB, digest, body)
            assert (str(pushed.digest), pushed.tags) == (digest, ())
        with pytest.raises(DigestInvalid) as caught:
            await push_manifest(ctx, owner, WEB, str(Digest.of(b"other")), body)
        assert caught.value.detail == {"expected": str(Digest.of(b"other")), "actual": str(Digest.of(body))}
        assert await tags(ctx, owner) == []

    async def test_a_push_by_digest_may_bring_tags(self, ctx: Context, owner: Asker) -> None:
        config = encode({})
        await push_blob(ctx, owner, WEB, config)
        body = document(descriptor(config, CONFIG))
        pushed = await push_manifest(ctx, owner, WEB, "", body, extra_tags=("v1", "latest", "v1"))
        assert pushed.tags == ("v1", "latest")
        assert await tags(ctx, owner) == ["latest", "v1"]
        with pytest.raises(ManifestInvalid, match="is not a tag"):
            await push_manifest(ctx, owner, WEB, "", body, extra_tags=("v2", ".bad"))
        with pytest.raises(ManifestInvalid, match="by digest only"):
            await push_manifest(ctx, owner, WEB, "v3", body, extra_tags=("v4",))
        assert await tags(ctx, owner) == ["latest", "v1"], "all or nothing"

    @pytest.mark.parametrize("reference", [".bad", "x" * 129, "a b", "sha256:0", "md5:" + "0" * 32])
    async def test_a_reference_that_is_none(self, ctx: Context, owner: Asker, reference: str) -> None:
        with pytest.raises((ManifestInvalid, DigestInvalid)):
            await push_manifest(ctx, owner, WEB, reference, document(descriptor(b"{}", CONFIG)))

    async def test_each_tag_is_an_event(self, ctx: Context, owner: Asker) -> None:
        config = encode({})
        await push_blob(ctx, owner, WEB, config)
        body = document(descriptor(config, CONFIG))
        await push_manifest(ctx, owner, WEB, "", body, extra_tags=("a", "b"))
        await push_manifest(ctx, owner, WEB, "", body)
        async with ctx.database.read() as tx:
            rows = await tx.all(sa.select(events.c.kind, events.c.data).order_by(events.c.id))
        pushed = [json.loads(row.data) for row in rows if row.kind == "pushImage"]
        assert [each["tag"] for each in pushed] == ["a", "b", ""]
        assert {each["digest"] for each in pushed} == {str(Digest.of(body))}


class TestConditions:
    async def push(self, ctx: Context, owner: Asker, content: bytes, reference: str = "latest", **more: str) -> str:
        await push_blob(ctx, owner, WEB, content)
        body = document(descriptor(content, CONFIG))
        await push_manifest(ctx, owner, WEB, reference, body, **more)
        return str(Digest.of(body))

    async def test_a_tag_moves_only_from_where_the_client_saw_it(self, ctx: Context, owner: Asker) -> None:
        first = await self.push(ctx, owner, b"{}")
        with pytest.raises(PreconditionFailed, match=f"stands for {first}"):
            await self.push(ctx, owner, b'{"a":1}', if_match=f'"{Digest.of(b"x")}"')
        second = await self.push(ctx, owner, b'{"a":1}', if_match=f'"{first}"')
        await self.push(ctx, owner, b'{"a":2}', if_match=f'W/"{first}", "{second}"')
        await self.push(ctx, owner, b'{"a":3}', if_match="*")

    async def test_a_tag_is_made_only_where_there_is_none(self, ctx: Context, owner: Asker) -> None:
        with pytest.raises(PreconditionFailed, match="stands for nothing"):
            await self.push(ctx, owner, b"{}", if_match="*")
        first = await self.push(ctx, owner, b"{}", if_none_match="*")
        with pytest.raises(PreconditionFailed, match="If-None-Match"):
            await self.push(ctx, owner, b"{}", if_none_match="*")
        with pytest.raises(PreconditionFailed):
            await self.push(ctx, owner, b'{"a":1}', if_none_match=f'"{first}"')
        assert (await shown(ctx, owner, "latest"))[1] == first

    async def test_by_digest_the_manifest_itself_is_asked_for(self, ctx: Context, owner: Asker) -> None:
        digest = str(Digest.of(document(descriptor(b"{}", CONFIG))))
        with pytest.raises(PreconditionFailed):
            await self.push(ctx, owner, b"{}", digest, if_match="*")
        await self.push(ctx, owner, b"{}", digest, if_none_match="*")
        with pytest.raises(PreconditionFailed):
            await self.push(ctx, owner, b"{}", digest, if_none_match="*")

    @pytest.mark.parametrize(
        ("header", "digest", "held"),
        [
            ("*", "sha256:a", True),
            ("*", None, False),
            ('"sha256:a"', "sha256:a", True),
            ("sha256:a", "sha256:a", True),
            ('W/"sha256:a"', "sha256:a", True),
            ('"sha256:b", "sha256:a"', "sha256:a", True),
            ('"sha256:b"', "sha256:a", False),
            ('"sha256:a"', None, False),
            ("", "sha256:a", False),
            ('"sha256"', "sha256:a", False),
        ],
    )
    def test_entity_tags(self, header: str, digest: str | None, held: bool) -> None:
        assert matches(header, digest) is held


class TestNegotiation:
    """Docker clients older than indexes get the linux/amd64 image, as docker's registries do it."""

    @pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
    async def test_who_takes_indexes_gets_the_index(self, ctx: Context, owner: Asker, media_type: str) -> None:
        digest, _ = await push_index(ctx, owner, "latest", media_type)
        for accept in ("", "*/*", media_type, f"{OCI_MANIFEST}, {media_type}", "application/*", "text/html"):
            assert await shown(ctx, owner, "latest", accept) == (media_type, digest)

    @pytest.mark.parametrize("accept", [OCI_MANIFEST, DOCKER_MANIFEST, f"{DOCKER_MANIFEST}, text/html"])
    async def test_who_takes_only_images_gets_the_member_for_linux_amd64(
        self, ctx: Context, owner: Asker, accept: str
    ) -> None:
        digest, members = await push_index(ctx, owner, "latest")
        assert await shown(ctx, owner, "latest", accept) == (OCI_MANIFEST, members["amd64"])
        assert await shown(ctx, owner, digest, accept) == (OCI_INDEX, digest), "a digest means itself"

    async def test_without_such_a_member_the_index_is_what_there_is(self, ctx: Context, owner: Asker) -> None:
        digest = await push_image(ctx, owner, WEB, config=ARM)
        body = (await images.get(ctx, owner, NAME, str(digest), ""))[1]
        only_arm = index(descriptor(body, OCI_MANIFEST, platform=ARM))
        await push_manifest(ctx, owner, WEB, "arm", only_arm)
        sparse = index(descriptor(b"nowhere", OCI_MANIFEST, platform=LINUX))
        await push_manifest(ctx, owner, WEB, "sparse", sparse)
        for tag, body in (("arm", only_arm), ("sparse", sparse)):
            assert await shown(ctx, owner, tag, OCI_MANIFEST) == (OCI_INDEX, str(Digest.of(body)))


async def listed(ctx: Context, **more: Any) -> list[Any]:
    answer = await call(ctx, tag_operations.describe_images, namespace_name="library", repository_name="web", **more)
    return list(answer.image_info_list)


class TestPlatforms:
    @pytest.mark.parametrize(
        ("config", "platform"),
        [
            (LINUX, "linux/amd64"),
            (ARM, "linux/arm64/v8"),
            ({"architecture": "wasm"}, "wasm"),
            ({}, ""),
            ({**LINUX, "os": "a\0b"}, ""),
            ({"os": "x" * 500}, "x" * 100),
        ],
    )
    async def test_of_an_image_stand_in_its_config(
        self, ctx: Context, owner: Asker, config: Mapping[str, str], platform: str
    ) -> None:
        await push_image(ctx, owner, WEB, "latest", config=config)
        assert [each.platforms for each in await listed(ctx)] == [platform]

    @pytest.mark.parametrize(
        "config", [b"", b"no json", b"[]", b'{"os":7}', b"\xff\xfe", b'{"a":' + b"[" * 100_000, b"[" * 100_000]
    )
    async def test_a_config_that_says_nothing_is_no_reason_to_refuse(
        self, ctx: Context, owner: Asker, config: bytes
    ) -> None:
        await push_blob(ctx, owner, WEB, config)
        await push_manifest(ctx, owner, WEB, "latest", document(descriptor(config, CONFIG)))
        assert [each.platforms for each in await listed(ctx)] == [""]

    async def test_of_other_artifacts_are_not_looked_for(self, ctx: Context, owner: Asker) -> None:
        config = encode(LINUX)
        await push_blob(ctx, owner, WEB, config)
        await push_manifest(
            ctx, owner, WEB, "chart", document(descriptor(config, "application/vnd.cncf.helm.config"))
        )
        assert [each.platforms for each in await listed(ctx)] == [""]

    async def test_of_an_index_are_those_of_its_members(self, ctx: Context, owner: Asker) -> None:
        digest, _ = await push_index(ctx, owner, "latest")
        (info,) = await listed(ctx)
        assert (info.platforms, info.digest) == ("linux/arm64/v8,linux/amd64", digest)
        assert info.kind == f"Artifact::{OCI_INDEX}"


class TestParts:
    async def test_what_is_named_must_be_here_unless_it_is_a_layer(self, ctx: Context, owner: Asker) -> None:
        config = encode(LINUX)
        body = document(descriptor(config, CONFIG), descriptor(b"one"), descriptor(b"two"))
        with pytest.raises(ReferenceUnknown, match="lacks 1 of the blobs") as caught:
            await push_manifest(ctx, owner, WEB, "latest", body)
        assert caught.value.detail == {"digests": [str(Digest.of(config))]}
        await push_blob(ctx, owner, WEB, config)
        pushed = await push_manifest(ctx, owner, WEB, "latest", body)
        assert pushed.missing == (str(Digest.of(b"one")), str(Digest.of(b"two")))

    async def test_a_config_that_is_also_a_layer_must_be_here(self, ctx: Context, owner: Asker) -> None:
        config = encode(LINUX)
        body = document(descriptor(config, CONFIG), descriptor(config))
        with pytest.raises(ReferenceUnknown):
            await push_manifest(ctx, owner, WEB, "latest", body)
        await push_blob(ctx, owner, WEB, config)
        assert (await push_manifest(ctx, owner, WEB, "latest", body)).missing == ()

    async def test_where_sparse_images_are_off_every_layer_must_be_here(self, folder: Path, clock: FakeClock) -> None:
        async with open_test_context(folder, clock, push=Push(sparse_images=False)) as ctx:
            owner = await owner_asker(ctx)
            config = encode(LINUX)
            await push_blob(ctx, owner, WEB, config)
            body = document(descriptor(config, CONFIG), descriptor(b"one"))
            with pytest.raises(ReferenceUnknown):
                await push_manifest(ctx, owner, WEB, "latest", body)
            await push_blob(ctx, owner, WEB, b"one")
            await push_manifest(ctx, owner, WEB, "latest", body)

    async def test_sizes_must_be_true(self, ctx: Context, owner: Asker) -> None:
        config = encode(LINUX)
        await push_blob(ctx, owner, WEB, config)
        lie = {**descriptor(config, CONFIG), "size": len(config) + 1}
        with pytest.raises(ManifestInvalid, match=f"it has {len(config)}"):
            await push_manifest(ctx, owner, WEB, "latest", document(lie))

    async def test_blobs_of_another_repository_do_not_count(self, ctx: Context, owner: Asker) -> None:
        config = encode(LINUX)
        await push_blob(ctx, owner, "library/other", config)
        with pytest.raises(ReferenceUnknown):
            await push_manifest(ctx, owner, WEB, "latest", document(descriptor(config, CONFIG)))

    async def test_a_blob_on_its_way_out_must_be_pushed_again(
        self, ctx: Context, owner: Asker, clock: FakeClock
    ) -> None:
        config = encode(LINUX)
        body = document(descriptor(config, CONFIG))
        await push_blob(ctx, owner, WEB, config)
        clock.turn(days=1, seconds=1)
        with pytest.raises(ReferenceUnknown):
            await push_manifest(ctx, owner, WEB, "latest", body)
        await push_blob(ctx, owner, WEB, config)
        await push_manifest(ctx, owner, WEB, "latest", body)

    async def test_an_index_may_come_before_its_members(self, ctx: Context, owner: Asker) -> None:
        await push_manifest(ctx, owner, WEB, "latest", index(descriptor(b"later", OCI_MANIFEST, platform=LINUX)))
        assert await tags(ctx, owner) == ["latest"]

    async def test_sizes_beyond_everything_are_refused_and_nothing_worse(self, ctx: Context, owner: Asker) -> None:
        for size in (1 << 63, 10**30):
            with pytest.raises(ManifestInvalid):
                await push_manifest(ctx, owner, WEB, "x", index({**descriptor(b"m", OCI_MANIFEST), "size": size}))
        await push_manifest(ctx, owner, WEB, "x", index({**descriptor(b"m", OCI_MANIFEST), "size": 1 << 62}))


class TestReferrers:
    async def test_they_are_paged_and_filtered(self, ctx: Context, owner: Asker) -> None:
        image = await push_image(ctx, owner, WEB, "latest")
        body = (await images.get(ctx, owner, NAME, "latest", ""))[1]
        about = descriptor(body, OCI_MANIFEST)
        await push_blob(ctx, owner, WEB, b"{}")
        digests: dict[str, list[str]] = {"a/signature": [], "a/sbom": []}
        for number in range(7):
            kind = "a/signature" if number % 2 else "a/sbom"
            document_ = document(
                descriptor(b"{}", CONFIG), artifactType=kind, subject=about, annotations={"n": str(number)}
            )
            pushed = await push_manifest(ctx, owner, WEB, "", document_)
            assert pushed.subject == image
            digests[kind].append(str(pushed.digest))

        async def page(kind: str, last: str, most: int) -> list[str]:
            rows = await images.referrer_page(ctx, owner, NAME, image, kind, last, most)
            return [row.digest for row in rows]

        everything = sorted(digests["a/signature"] + digests["a/sbom"])
        assert await page("", "", 99) == everything
        assert await page("", "", 3) + await page("", everything[2], 99) == everything
        assert await page("a/sbom", "", 99) == sorted(digests["a/sbom"])
        assert await page("a/nothing", "", 99) == []
        (row,) = await images.referrer_page(ctx, owner, NAME, image, "", everything[-2], 9)
        assert row.annotations is not None and "n" in json.loads(row.annotations)

    async def test_of_what_is_not_there_there_are_none(self, ctx: Context, owner: Asker) -> None:
        for repository in (WEB, "library/nothing"):
            name = RepositoryName.parse(repository)
            assert await images.referrer_page(ctx, owner, name, Digest.of(b"x"), "", "", 9) == []

    async def test_they_go_when_they_are_deleted_and_come_before_their_subject(
        self, ctx: Context, owner: Asker
    ) -> None:
        await push_blob(ctx, owner, WEB, b"{}")
        subject = Digest.of(b"not yet")
        pushed = await push_manifest(
            ctx, owner, WEB, "", document(descriptor(b"{}", CONFIG), subject=descriptor(b"not yet", OCI_MANIFEST))
        )
        assert len(await images.referrer_page(ctx, owner, NAME, subject, "", "", 9)) == 1
        await images.remove(ctx, owner, NAME, str(pushed.digest))
        assert await images.referrer_page(ctx, owner, NAME, subject, "", "", 9) == []


class TestDeletion:
    async def test_a_tag_goes_alone(self, ctx: Context, owner: Asker) -> None:
        digest = await push_image(ctx, owner, WEB, "a", "b")
        await images.remove(ctx, owner, NAME, "a")
        assert await tags(ctx, owner) == ["b"]
        with pytest.raises(ManifestUnknown, match="no tag 'a'"):
            await images.remove(ctx, owner, NAME, "a")
        await images.remove(ctx, owner, NAME, "b")
        await shown(ctx, owner, str(digest))

    async def test_a_manifest_goes_with_its_tags(self, ctx: Context, owner: Asker) -> None:
        digest = await push_image(ctx, owner, WEB, "a", "b")
        await push_image(ctx, owner, WEB, "c", contents=[b"other"])
        await images.remove(ctx, owner, NAME, str(digest))
        assert await tags(ctx, owner) == ["c"]
        for reference in ("a", str(digest)):
            with pytest.raises(ManifestUnknown):
                await images.get(ctx, owner, NAME, reference, "")
        with pytest.raises(ManifestUnknown):
            await images.remove(ctx, owner, NAME, str(digest))

    async def test_of_a_repository_that_is_not_there(self, ctx: Context, owner: Asker) -> None:
        nothing = RepositoryName.parse("library/nothing")
        for reference in ("latest", str(Digest.of(b"x"))):
            with pytest.raises(RepositoryUnknown):
                await images.remove(ctx, owner, nothing, reference)
            with pytest.raises(ManifestUnknown):
                await images.get(ctx, owner, nothing, reference, "")
        with pytest.raises(RepositoryUnknown):
            await images.tag_page(ctx, owner, nothing, "", 9)

    async def test_the_last_tag_takes_the_image_with_it_unless_an_index_names_it(
        self, ctx: Context, owner: Asker
    ) -> None:
        where = {"namespace_name": "library", "repository_name": "web"}
        _, members = await push_index(ctx, owner, "multi")
        body = (await images.get(ctx, owner, NAME, members["amd64"], ""))[1]
        await push_manifest(ctx, owner, WEB, "amd", body)
        single = await push_image(ctx, owner, WEB, "one", "two", contents=[b"single"])
        await call(ctx, tag_operations.delete_image, **where, image_version="amd")
        await shown(ctx, owner, members["amd64"])
        await call(ctx, tag_operations.delete_image, **where, image_version="one")
        await shown(ctx, owner, str(single))
        await call(ctx, tag_operations.delete_image, **where, image_version="two")
        with pytest.raises(ManifestUnknown):
            await shown(ctx, owner, str(single))
        with pytest.raises(ManifestUnknown):
            await call(ctx, tag_operations.delete_image, **where, image_version="two")


class TestLists:
    async def test_tags_are_found_by_text_by_name_and_by_digest(self, ctx: Context, owner: Asker) -> None:
        first = await push_image(ctx, owner, WEB, "v1", "v1.1", "latest")
        await push_image(ctx, owner, WEB, "v2", contents=[b"two"])
        assert [each.image_version for each in await listed(ctx)] == ["latest", "v1", "v1.1", "v2"]
        assert [each.image_version for each in await listed(ctx, image_version="v1")] == ["v1", "v1.1"]
        assert [each.image_version for each in await listed(ctx, image_version="v1", exact_match=True)] == ["v1"]
        assert [each.image_version for each in await listed(ctx, digest=str(first))] == ["latest", "v1", "v1.1"]
        assert [each.image_version for each in await listed(ctx, limit=2)] == ["latest", "v1"]
        assert [each.image_version for each in await listed(ctx, last="v1")] == ["v1.1", "v2"]

    async def test_lists_say_how_many_there_are(self, ctx: Context, owner: Asker) -> None:
        first = await push_image(ctx, owner, WEB, "v1", "v1.1", "latest")
        await push_image(ctx, owner, WEB, "v2", contents=[b"two"])
        await push_image(ctx, owner, "library/other", "v1")
        where = {"namespace_name": "library", "repository_name": "web"}
        for fields, total in (
            ({}, 4),
            ({"image_version": "v1"}, 2),
            ({"image_version": "v1", "exact_match": True}, 1),
            ({"digest": str(first)}, 3),
        ):
            answer = await call(ctx, tag_operations.describe_images, **where, limit=1, **fields)
            assert answer.total_count == total
        answer = await call(ctx, tag_operations.describe_images, **where, limit=2, offset=3)
        assert ([each.image_version for each in answer.image_info_list], answer.last) == (["v2"], "")

    async def test_sizes_are_of_everything_that_is_named(self, ctx: Context, owner: Asker) -> None:
        config = encode(LINUX)
        digest = await push_image(ctx, owner, WEB, "latest", config=LINUX, contents=[b"x" * 100, b"y" * 1000])
        body = (await images.get(ctx, owner, NAME, str(digest), ""))[1]
        (info,) = await listed(ctx)
        assert info.size == len(body) + len(config) + 1100
        assert info.update_time == ctx.clock()

    async def test_tags_need_the_right_to_pull(self, ctx: Context, owner: Asker) -> None:
        await push_image(ctx, owner, WEB, "latest")
        with pytest.raises(NotAuthenticated):
            await tags(ctx, await asker(ctx))
