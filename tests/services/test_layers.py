"""Upload sessions, mounts and deletion as the services see them; what crashes and collectors do is in other files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.config import Limits
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import (
    AccessDenied,
    BlobTooLarge,
    BlobUnknown,
    DigestInvalid,
    MethodUnsupported,
    NotAuthenticated,
    RangeInvalid,
    SizeInvalid,
    TooManyRequests,
    UploadUnknown,
)
from roadstead.metadata.layers import SMALL, Upload
from roadstead.metadata.schema.content import small_blobs
from roadstead.services import blob_contents, layers, namespaces
from roadstead.services.access import Asker
from roadstead.services.context import Context
from roadstead.services.layers import Chunk
from tests.factories.accounts import add_sub_account, asker, owner_asker
from tests.factories.bodies import BytesBody
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.factories.pushes import push_blob, push_image
from tests.factories.shop_fixtures import in_row
from tests.jobs.bench import FakeClock

__all__ = ["in_row"]

NAME = RepositoryName.parse("library/web")
OTHER = RepositoryName.parse("library/other")


@pytest.fixture
async def owner(ctx: Context) -> Asker:
    return await owner_asker(ctx)


def chunk(data: bytes, start: int | None = None, length: int | None = None, **body: Any) -> Chunk:
    return Chunk(BytesBody(data, **body), start, length)


async def begin(ctx: Context, owner: Asker, algorithm: str = "sha256") -> Upload:
    return await layers.begin(ctx, owner, NAME, algorithm)


async def append(ctx: Context, owner: Asker, of: Upload, data: bytes, **where: Any) -> Upload:
    return await layers.append(ctx, owner, NAME, of.id, chunk(data, **where))


async def finish(ctx: Context, owner: Asker, of: Upload, digest: Digest, last: Chunk | None = None) -> None:
    await layers.finish(ctx, owner, NAME, of.id, digest, last or chunk(b""))


async def read(ctx: Context, who: Asker, digest: Digest, name: RepositoryName = NAME) -> bytes:
    found = await blob_contents.find(ctx, who, name, digest)
    data = await found.read()
    assert len(data) == found.blob.size
    return data


async def keys(ctx: Context, prefix: str = "") -> list[str]:
    return [entry.key async for entry in ctx.store("local").list(prefix)]


async def kept(ctx: Context) -> int:
    """How many blobs have bytes, in the store or in a row."""
    async with ctx.database.read() as tx:
        rows: int = await tx.scalar(sa.select(sa.func.count()).select_from(small_blobs))
    return rows + len(await keys(ctx))


@pytest.mark.usefixtures("in_row")
class TestSessions:
    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    @pytest.mark.parametrize("announced", ["sha256", "sha512"])
    async def test_chunks_become_one_blob(self, ctx: Context, owner: Asker, announced: str, algorithm: str) -> None:
        """The digest at the end may be of another algorithm than the one that the session began with."""
        begun = await begin(ctx, owner, announced)
        assert (begun.size, begun.algorithm) == (0, announced)
        stands = await append(ctx, owner, begun, b"abc", start=0, length=3)
        assert stands.size == 3
        stands = await append(ctx, owner, begun, b"def")
        assert await layers.session(ctx, owner, NAME, begun.id) == stands
        digest = Digest.of(b"abcdefgh", algorithm)
        await finish(ctx, owner, begun, digest, chunk(b"gh", start=6, length=2))
        assert await read(ctx, owner, digest) == b"abcdefgh"
        assert await keys(ctx, "uploads/") == []

    async def test_a_chunk_must_begin_where_the_session_stands(self, ctx: Context, owner: Asker) -> None:
        begun = await begin(ctx, owner)
        await append(ctx, owner, begun, b"abc")
        for start in (0, 2, 4):
            with pytest.raises(RangeInvalid, match="stands at 3") as caught:
                await append(ctx, owner, begun, b"x", start=start)
            assert caught.value.detail == {"offset": 3}
            with pytest.raises(RangeInvalid):
                await finish(ctx, owner, begun, Digest.of(b"abcx"), chunk(b"x", start=start))
            with pytest.raises(RangeInvalid):
                await finish(ctx, owner, begun, Digest.of(b"abc"), chunk(b"", start=start))
        assert (await layers.session(ctx, owner, NAME, begun.id)).size == 3
        await finish(ctx, owner, begun, Digest.of(b"abc"), chunk(b"", start=3))

    async def test_a_chunk_must_be_as_long_as_it_says(self, ctx: Context, owner: Asker) -> None:
        begun = await begin(ctx, owner)
        with pytest.raises(SizeInvalid, match="Content-Range speaks of 4"):
            await append(ctx, owner, begun, b"abc", start=0, length=4)
        with pytest.raises(SizeInvalid, match="3 came"):
            await layers.append(ctx, owner, NAME, begun.id, Chunk(BytesBody(b"abc", length=None), 0, 4))
        assert (await layers.session(ctx, owner, NAME, begun.id)).size == 0
        assert await keys(ctx) == []

    async def test_a_client_that_goes_leaves_the_session_where_it_stood(self, ctx: Context, owner: Asker) -> None:
        begun = await begin(ctx, owner)
        await append(ctx, owner, begun, b"abc")
        with pytest.raises(ConnectionResetError):
            await layers.append(ctx, owner, NAME, begun.id, chunk(b"defgh", fail_after=2))
        with pytest.raises(ConnectionResetError):
            await finish(ctx, owner, begun, Digest.of(b"abcdefgh"), chunk(b"defgh", fail_after=2))
        await finish(ctx, owner, begun, Digest.of(b"abcdefgh"), chunk(b"defgh"))

    async def test_a_wrong_digest_stores_nothing_and_the_session_goes_on(self, ctx: Context, owner: Asker) -> None:
        begun = await begin(ctx, owner)
        await append(ctx, owner, begun, b"abc")
        for wrong in (Digest.of(b"other"), Digest.of(b"abc"), Digest.of(b"other", "sha512")):
            with pytest.raises(DigestInvalid, match="damaged on its way") as caught:
                await finish(ctx, owner, begun, wrong, chunk(b"def"))
            assert caught.value.detail == {
                "expected": str(wrong),
                "actual": str(Digest.of(b"abcdef", wrong.algorithm)),
            }
        assert await keys(ctx, "blobs/") == []
        assert (await layers.session(ctx, owner, NAME, begun.id)).size == 3
        await finish(ctx, owner, begun, Digest.of(b"abcdef"), chunk(b"def"))

    async def test_two_chunks_at_one_place(self, ctx: Context, owner: Asker) -> None:
        begun = await begin(ctx, owner)
        outcomes = await asyncio.gather(
            *(append(ctx, owner, begun, data, start=0) for data in (b"abc", b"xyz")), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["RangeInvalid", "Upload"]
        stands = await layers.session(ctx, owner, NAME, begun.id)
        first = stands.data
        if first is None:
            (key,) = await keys(ctx, "uploads/")
            first = b"".join([piece async for piece in ctx.store("local").open(key)])
        assert stands.digest == str(Digest.of(first))
        await finish(ctx, owner, begun, Digest.of(first + b"!"), chunk(b"!"))

    async def test_it_can_be_finished_once(self, ctx: Context, owner: Asker) -> None:
        begun = await begin(ctx, owner)
        await append(ctx, owner, begun, b"abc")
        digest = Digest.of(b"abc")
        outcomes = await asyncio.gather(
            *(finish(ctx, owner, begun, digest) for _ in range(4)), return_exceptions=True
        )
        assert sum(each is None for each in outcomes) == 1
        assert {type(each) for each in outcomes if each is not None} == {UploadUnknown}
        assert await read(ctx, owner, digest) == b"abc"

    async def test_it_belongs_to_its_repository(self, ctx: Context, owner: Asker) -> None:
        begun = await begin(ctx, owner)
        with pytest.raises(UploadUnknown):
            await layers.session(ctx, owner, OTHER, begun.id)
        with pytest.raises(UploadUnknown):
            await layers.append(ctx, owner, OTHER, begun.id, chunk(b"abc"))
        with pytest.raises(UploadUnknown):
            await layers.session(ctx, owner, NAME, "nothing")

    async def test_it_can_be_cancelled(self, ctx: Context, owner: Asker) -> None:
        begun = await begin(ctx, owner)
        await append(ctx, owner, begun, b"abc")
        await layers.cancel(ctx, owner, NAME, begun.id)
        assert await keys(ctx) == []
        for again in (layers.cancel(ctx, owner, NAME, begun.id), append(ctx, owner, begun, b"x")):
            with pytest.raises(UploadUnknown):
                await again

    async def test_it_ends_some_time_after_its_last_chunk(self, ctx: Context, owner: Asker, clock: FakeClock) -> None:
        begun = await begin(ctx, owner)
        clock.turn(hours=23)
        await append(ctx, owner, begun, b"abc")
        clock.turn(hours=24)
        await layers.session(ctx, owner, NAME, begun.id)
        clock.turn(seconds=1)
        with pytest.raises(UploadUnknown, match="begin a new one"):
            await append(ctx, owner, begun, b"def")

    async def test_another_process_goes_on_with_it(self, folder: Path, clock: FakeClock, ctx: Context) -> None:
        """What the hash of the first bytes was is not only in the memory of who received them."""
        owner = await owner_asker(ctx)
        begun = await begin(ctx, owner)
        await append(ctx, owner, begun, b"abc")
        ctx.recent._hashes.clear()
        await append(ctx, owner, begun, b"def")
        ctx.recent._hashes.clear()
        await finish(ctx, owner, begun, Digest.of(b"abcdefghi"), chunk(b"ghi"))
        assert await read(ctx, owner, Digest.of(b"abcdefghi")) == b"abcdefghi"

    async def test_an_empty_blob(self, ctx: Context, owner: Asker) -> None:
        begun = await begin(ctx, owner)
        await append(ctx, owner, begun, b"")
        await finish(ctx, owner, begun, Digest.of(b""))
        assert await read(ctx, owner, Digest.of(b"")) == b""

    async def test_an_algorithm_that_nobody_knows(self, ctx: Context, owner: Asker) -> None:
        with pytest.raises(DigestInvalid):
            await begin(ctx, owner, "md5")


class TestLimits:
    async def test_a_blob_has_a_largest_size(self, folder: Path, clock: FakeClock) -> None:
        async with open_test_context(folder, clock, limits=Limits(blob_bytes=1024)) as ctx:
            owner = await owner_asker(ctx)
            begun = await begin(ctx, owner)
            await append(ctx, owner, begun, b"x" * 1000)
            for announced in (25, None):
                with pytest.raises(BlobTooLarge):
                    await layers.append(ctx, owner, NAME, begun.id, Chunk(BytesBody(b"x" * 25, length=announced)))
            await finish(ctx, owner, begun, Digest.of(b"x" * 1024), chunk(b"x" * 24))

    async def test_an_instance_has_a_largest_number_of_sessions(self, folder: Path, clock: FakeClock) -> None:
        async with open_test_context(folder, clock, limits=Limits(uploads=2)) as ctx:
            owner = await owner_asker(ctx)
            first = await begin(ctx, owner)
            await begin(ctx, owner)
            with pytest.raises(TooManyRequests, match=r"limits\.uploads") as caught:
                await begin(ctx, owner)
            assert caught.value.retry_after > 0
            await layers.cancel(ctx, owner, NAME, first.id)
            await begin(ctx, owner)


class TestBlobs:
    @pytest.mark.parametrize(("size", "files"), [(0, 0), (SMALL, 0), (SMALL + 1, 1)])
    async def test_a_small_one_needs_no_file(self, ctx: Context, owner: Asker, size: int, files: int) -> None:
        content = b"x" * size
        digest = await push_blob(ctx, owner, "library/web", content)
        assert len(await keys(ctx)) == files
        assert await read(ctx, owner, digest) == content

    async def test_a_small_one_that_an_earlier_release_has_stored_is_read_from_its_file(
        self, ctx: Context, owner: Asker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(layers, "SMALL", -1)
        digest = await push_blob(ctx, owner, "library/web", b"layer")
        assert len(await keys(ctx)) == 1
        monkeypatch.undo()
        assert await push_blob(ctx, owner, "library/other", b"layer") == digest
        assert await kept(ctx) == 1
        for name in (NAME, OTHER):
            assert await read(ctx, owner, digest, name) == b"layer"

    async def test_the_same_content_twice_is_stored_once(self, ctx: Context, owner: Asker) -> None:
        for repository in ("library/web", "library/web", "library/other"):
            await push_blob(ctx, owner, repository, b"layer")
        assert await kept(ctx) == 1
        assert await read(ctx, owner, Digest.of(b"layer"), OTHER) == b"layer"

    async def test_the_same_content_twice_at_once(self, ctx: Context, owner: Asker) -> None:
        await asyncio.gather(*(push_blob(ctx, owner, f"library/web{number % 3}", b"layer") for number in range(12)))
        assert await kept(ctx) == 1
        for number in range(3):
            assert (
                await read(ctx, owner, Digest.of(b"layer"), RepositoryName.parse(f"library/web{number}")) == b"layer"
            )

    async def test_a_repository_shows_only_its_own(self, ctx: Context, owner: Asker) -> None:
        digest = await push_blob(ctx, owner, "library/web", b"layer")
        with pytest.raises(BlobUnknown):
            await read(ctx, owner, digest, OTHER)
        with pytest.raises(BlobUnknown):
            await read(ctx, owner, Digest.of(b"layer", "sha512"))

    async def test_it_can_be_removed_unless_a_manifest_names_it(self, ctx: Context, owner: Asker) -> None:
        free = await push_blob(ctx, owner, "library/web", b"free")
        await push_image(ctx, owner, "library/web", "latest", contents=[b"named"])
        await layers.remove(ctx, owner, NAME, free)
        with pytest.raises(BlobUnknown):
            await layers.remove(ctx, owner, NAME, free)
        with pytest.raises(MethodUnsupported, match="delete that manifest first"):
            await layers.remove(ctx, owner, NAME, Digest.of(b"named"))
        assert await read(ctx, owner, Digest.of(b"named")) == b"named"


class TestMounts:
    async def test_the_owner_mounts_from_where_it_says_or_from_anywhere(self, ctx: Context, owner: Asker) -> None:
        digest = await push_blob(ctx, owner, "library/web", b"layer")
        for target, source in (("library/t1", NAME), ("library/t2", None)):
            name = RepositoryName.parse(target)
            assert await layers.mount(ctx, owner, name, digest, source)
            assert await read(ctx, owner, digest, name) == b"layer"
        assert await kept(ctx) == 1

    async def test_what_is_not_there_has_to_be_uploaded(self, ctx: Context, owner: Asker) -> None:
        digest = await push_blob(ctx, owner, "library/web", b"layer")
        assert not await layers.mount(ctx, owner, RepositoryName.parse("library/t1"), digest, OTHER)
        assert not await layers.mount(ctx, owner, OTHER, Digest.of(b"nothing"), NAME)
        assert not await layers.mount(ctx, owner, OTHER, Digest.of(b"nothing"), None)

    async def test_an_ended_blob_is_not_mounted(self, ctx: Context, owner: Asker, clock: FakeClock) -> None:
        digest = await push_blob(ctx, owner, "library/web", b"layer")
        clock.turn(days=1, seconds=1)
        assert not await layers.mount(ctx, owner, OTHER, digest, NAME)
        assert not await layers.mount(ctx, owner, OTHER, digest, None)

    async def test_who_may_not_push_may_not_mount(self, ctx: Context, owner: Asker) -> None:
        digest = await push_blob(ctx, owner, "library/web", b"layer")
        with pytest.raises(AccessDenied):
            await layers.mount(ctx, await asker(ctx, await add_sub_account(ctx)), OTHER, digest, NAME)
        with pytest.raises(NotAuthenticated):
            await layers.mount(ctx, await asker(ctx), OTHER, digest, None)


class TestWhoMayPull:
    async def test_a_public_namespace_is_everybodys(self, ctx: Context, owner: Asker) -> None:
        digest = await push_blob(ctx, owner, "library/web", b"layer")
        nobody, sub = await asker(ctx), await asker(ctx, await add_sub_account(ctx))
        with pytest.raises(NotAuthenticated):
            await read(ctx, nobody, digest)
        with pytest.raises(AccessDenied):
            await read(ctx, sub, digest)
        await call(ctx, namespaces.modify_namespace, namespace_name="library", is_public=True)
        for who in (nobody, sub):
            assert await read(ctx, who, digest) == b"layer"
            with pytest.raises((NotAuthenticated, AccessDenied)):
                await layers.remove(ctx, who, NAME, digest)
