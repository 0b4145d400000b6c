"""The S3 store keeps the contract on a real S3 server, streams in bounded memory, and fails in words."""

from __future__ import annotations

import asyncio
import os
import secrets
import tracemalloc
import urllib.error
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import obstore
import pytest

from roadstead.blobs import object as object_store
from roadstead.blobs.object import ObjectStore, part_size
from roadstead.blobs.store import BlobStore, Redirect, Sink
from roadstead.config import Storage
from roadstead.domain.reference import hasher
from roadstead.errors import StartRefused, Unavailable
from tests.contracts.blob_store import ANY_SIZE, MIB, BlobStoreContract, fetch, keys, noise, put, read
from tests.factories.bodies import BytesBody, HeldBody
from tests.servers.ports import free_port
from tests.servers.seaweed import S3Server


@pytest.fixture
def storage(s3_server: S3Server, s3_bucket: str) -> Storage:
    """Settings for an empty place in the bucket."""
    return Storage(
        kind="s3",
        bucket=s3_bucket,
        prefix=f"deep/{secrets.token_hex(8)}",
        endpoint=s3_server.endpoint,
        access_key=s3_server.access_key,
        secret_key=s3_server.secret_key,
    )


@pytest.fixture
async def store(storage: Storage) -> AsyncIterator[ObjectStore]:
    made = ObjectStore(storage)
    yield made
    await made.close()


class TestObjectStore(BlobStoreContract):
    @pytest.fixture
    async def store(self, storage: Storage, s3_server: S3Server) -> AsyncIterator[BlobStore]:
        made = ObjectStore(storage)
        yield made
        await made.close()
        unfinished = s3_server.unfinished(storage.bucket)
        assert [key for key in unfinished if key.startswith(storage.prefix)] == []


class TestRedirectingObjectStore:
    """Redirects work with no more than the URL, for a while, for reading, and for this blob alone."""

    @pytest.fixture
    async def store(self, storage: Storage) -> AsyncIterator[BlobStore]:
        made = ObjectStore(msgspec.structs.replace(storage, delivery="redirect"))
        yield made
        await made.close()

    async def url(self, store: BlobStore, key: str) -> str:
        place = await store.place(key)
        assert isinstance(place, Redirect)
        return place.url

    async def test_place_agrees_with_open(self, store: BlobStore) -> None:
        await put(store, "blobs/a", noise(70_000))
        assert await asyncio.to_thread(fetch, await self.url(store, "blobs/a")) == noise(70_000)

    async def test_a_redirect_answers_ranges(self, store: BlobStore) -> None:
        await put(store, "blobs/a", b"0123456789")
        assert await asyncio.to_thread(fetch, await self.url(store, "blobs/a"), Range="bytes=2-4") == b"234"

    async def test_a_redirect_is_for_one_blob(self, store: BlobStore) -> None:
        await put(store, "blobs/a", b"a")
        await put(store, "blobs/b", b"b")
        stolen = (await self.url(store, "blobs/a")).replace("blobs/a", "blobs/b")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            await asyncio.to_thread(fetch, stolen)

    async def test_a_redirect_ends(self, store: BlobStore) -> None:
        assert "X-Amz-Expires=1200&" in await self.url(store, "blobs/a")


async def test_streams_pass_through_without_redirects(store: ObjectStore) -> None:
    await put(store, "blobs/a", b"x")
    assert await store.place("blobs/a") is None


async def test_stores_with_other_prefixes_do_not_meet(store: ObjectStore, storage: Storage) -> None:
    other = ObjectStore(msgspec.structs.replace(storage, prefix=f"/{storage.prefix}-other/"))
    await put(store, "blobs/a", b"mine")
    await put(other, "blobs/b", b"yours")
    assert (await keys(store, ""), await keys(other, "")) == ({"blobs/a": 4}, {"blobs/b": 5})
    assert await other.stat("blobs/a") is None
    await other.close()


async def test_a_store_without_prefix_uses_the_whole_bucket(s3_server: S3Server, storage: Storage) -> None:
    bucket = s3_server.create_bucket(f"whole-{secrets.token_hex(4)}")
    whole = ObjectStore(msgspec.structs.replace(storage, bucket=bucket, prefix=""))
    await put(whole, "uploads/u/1", b"x")
    await whole.assemble(["uploads/u/1"], "blobs/a")
    assert await keys(whole, "") == await keys(whole, "blobs/") == {"blobs/a": 1}
    await whole.close()


async def test_a_part_too_large_to_copy_is_streamed(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "COPY_LARGEST", 9)
    await put(store, "uploads/u/1", noise(10))
    await put(store, "uploads/u/2", noise(9))
    copied = 0

    async def counting(*arguments: object) -> None:
        nonlocal copied
        copied += 1
        raise FileNotFoundError

    monkeypatch.setattr(obstore, "copy_async", counting)
    await store.assemble(["uploads/u/1"], "blobs/a")
    assert copied == 0
    with pytest.raises(FileNotFoundError):
        await store.assemble(["uploads/u/2"], "blobs/b")
    assert copied == 1
    assert await read(store, "blobs/a") == noise(10)


@pytest.mark.parametrize(
    ("expected", "part"),
    [
        (0, 5 * MIB),
        (5 * MIB * 10_000, 5 * MIB),
        (5 * MIB * 10_000 + 1, 5 * MIB + 1),
        (1 << 62, -(-(5 << 40) // 10_000)),
    ],
)
def test_parts_are_small_and_not_too_many(expected: int, part: int) -> None:
    assert part_size(expected) == part


class _EndlessZeros:
    """A body whose bytes were never all in memory."""

    length = None

    def __init__(self, size: int) -> None:
        self._size = size

    async def at_once(self, most: int) -> bytes | None:
        return None

    async def into(self, sink: Sink, limit: int) -> int:
        return await asyncio.to_thread(self._send, sink)

    def _send(self, sink: Sink) -> int:
        piece = memoryview(bytes(MIB))
        for _ in range(self._size // MIB):
            sink.write(piece)
        return self._size


async def test_a_large_body_is_never_whole_in_memory(store: ObjectStore) -> None:
    # The library keeps the pieces that Python handed over, so Python's own count sees them.
    tracemalloc.start()
    try:
        await store.put("uploads/u/1", _EndlessZeros(100 * MIB), hasher("sha256"), 5 * MIB * 10_000)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 25 * MIB
    assert await store.stat("uploads/u/1") == 100 * MIB


async def test_an_upload_given_up_takes_nothing_more(store: ObjectStore) -> None:
    body = HeldBody(noise(6 * MIB), b"late")
    putting = asyncio.create_task(store.put("uploads/u/1", body, hasher("sha256"), ANY_SIZE))
    await body.held.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    body.release()
    assert await asyncio.to_thread(body.ended.wait, 30)
    assert isinstance(body.refusal, ConnectionAbortedError)


async def test_a_service_that_is_gone_is_reported_as_such(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_RETRIES", 0)
    gone = ObjectStore(msgspec.structs.replace(storage, endpoint=f"http://127.0.0.1:{free_port()}"))
    for size in (1, 6 * MIB):
        with pytest.raises(Unavailable):
            await gone.put("uploads/u/1", BytesBody(noise(size)), hasher("sha256"), ANY_SIZE)
    for call in (gone.stat, gone.delete):
        with pytest.raises(Unavailable):
            await call("blobs/a")
    with pytest.raises(Unavailable):
        await read(gone, "blobs/a")
    with pytest.raises(Unavailable):
        await keys(gone, "blobs/")
    with pytest.raises(Unavailable):
        await gone.assemble(["uploads/u/1"], "blobs/a")
    with pytest.raises(StartRefused, match=r"cannot use the bucket .* error sending request"):
        await gone.check()
    await gone.close()


async def test_a_bucket_that_is_gone_is_not_a_missing_blob_to_writers(storage: Storage) -> None:
    gone = ObjectStore(msgspec.structs.replace(storage, bucket="never-created"))
    with pytest.raises(Unavailable):
        await gone.put("uploads/u/1", BytesBody(b"x"), hasher("sha256"), ANY_SIZE)
    await gone.close()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"bucket": "never-created"}, "the bucket never-created does not exist at http.*; create it first"),
        ({"secret_key": "wrong"}, "does not let this access key write to the bucket .*signature"),
        ({"access_key": "wrong"}, "does not let this access key write to the bucket"),
        ({"bucket": "B"}, "cannot use the bucket B at http.*: The specified bucket is not valid"),
    ],
)
async def test_check_says_what_is_wrong(storage: Storage, change: dict[str, str], line: str) -> None:
    wrong = ObjectStore(msgspec.structs.replace(storage, **change))
    with pytest.raises(StartRefused, match=line) as refused:
        await wrong.check()
    assert "\n" not in refused.value.message
    await wrong.close()


async def test_credentials_of_the_environment_do_not_mix_in(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "AWS_SESSION_TOKEN", "of-other-keys")
    mine = ObjectStore(storage)
    await mine.check()
    await mine.close()


@pytest.mark.parametrize(
    ("endpoint", "begins"),
    [
        ("http://s3.example.com", "http://s3.example.com/layers/p/blobs/a?"),
        ("http://layers.s3.example.com", "http://layers.s3.example.com/p/blobs/a?"),
    ],
)
async def test_the_bucket_may_be_in_the_host_name(tmp_path: Path, endpoint: str, begins: str) -> None:
    storage = Storage(
        kind="s3", bucket="layers", prefix="p", endpoint=endpoint, access_key="k", secret_key="s", delivery="redirect"
    )
    store = ObjectStore(storage)
    place = await store.place("blobs/a")
    assert isinstance(place, Redirect)
    assert place.url.startswith(begins)
    await store.close()
