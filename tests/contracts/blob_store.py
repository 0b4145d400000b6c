"""What every byte store promises (`roadstead/blobs/store.py`), as tests that each implementation inherits.

A test module makes a class of `BlobStoreContract` and gives it a fixture `store`, of an empty store.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import urllib.request
from collections.abc import AsyncGenerator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadstead.blobs.store import BlobStore, LocalFile, Redirect
from roadstead.domain.reference import hasher
from roadstead.errors import BlobTooLarge
from tests.factories.bodies import BytesBody, HeldBody

MIB = 1 << 20
ANY_SIZE = 1 << 40
RANGED = 2 * MIB + 4321

WRONG_KEYS = [
    "",
    "/etc/passwd",
    "../outside",
    "blobs/../../outside",
    "blobs/..",
    "blobs/./x",
    "blobs//x",
    "blobs/",
    "blobs/.hidden",
    "blobs/x\n",
    "blobs/x\x00y",
    "blobs/é",
    "blobs\\x",
]


def noise(size: int, seed: int = 0) -> bytes:
    """`size` bytes that do not repeat, the same for the same seed."""
    return random.Random(seed).randbytes(size)


async def put(store: BlobStore, key: str, data: bytes) -> None:
    """`data` is stored under `key`."""
    assert await store.put(key, BytesBody(data), hasher("sha256"), ANY_SIZE) == len(data)


async def read(store: BlobStore, key: str, start: int = 0, stop: int | None = None) -> bytes:
    """The bytes that `open` gives."""
    return b"".join([piece async for piece in store.open(key, start, stop)])


async def keys(store: BlobStore, prefix: str) -> dict[str, int]:
    """The keys with their sizes that `list` gives."""
    found = [entry async for entry in store.list(prefix)]
    sizes = {entry.key: entry.size for entry in found}
    assert len(sizes) == len(found), "a key is listed twice"
    return sizes


def fetch(url: str, **headers: str) -> bytes:
    """What a client without credentials gets at `url`."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        data: bytes = answer.read()
        return data


class BlobStoreContract:
    """The promises, of which `store` must keep all."""

    @pytest.fixture
    async def ranged(self, store: BlobStore) -> bytes:
        """The RANGED bytes of the blob `blobs/ranged`."""
        data = noise(RANGED)
        await put(store, "blobs/ranged", data)
        return data

    @pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 70_000, 5 * MIB, 5 * MIB + 1])
    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    async def test_keeps_what_is_put(self, store: BlobStore, size: int, algorithm: str) -> None:
        data, hash_ = noise(size), hasher(algorithm)
        assert await store.put("blobs/sha256/ab/abc", BytesBody(data), hash_, ANY_SIZE) == size
        assert hash_.hexdigest() == hashlib.new(algorithm, data).hexdigest()
        assert await store.stat("blobs/sha256/ab/abc") == size
        assert await read(store, "blobs/sha256/ab/abc") == data

    @pytest.mark.parametrize("announced", [20 * MIB, None])
    async def test_keeps_a_large_body_in_odd_pieces(self, store: BlobStore, announced: int | None) -> None:
        data, hash_ = noise(20 * MIB), hasher("sha256")
        body = BytesBody(data, chunk=300_007, length=announced)
        assert await store.put("uploads/u/1", body, hash_, ANY_SIZE) == len(data)
        assert hash_.hexdigest() == hashlib.sha256(data).hexdigest()
        assert await read(store, "uploads/u/1") == data

    async def test_continues_a_hash_that_has_begun(self, store: BlobStore) -> None:
        hash_ = hasher("sha256")
        first, second = noise(6 * MIB, 1), noise(6 * MIB, 2)
        await store.put("uploads/u/1", BytesBody(first), hash_, ANY_SIZE)
        await store.put("uploads/u/2", BytesBody(second, length=None), hash_, ANY_SIZE)
        assert hash_.hexdigest() == hashlib.sha256(first + second).hexdigest()

    @pytest.mark.parametrize("size", [0, 1, 32 << 10])
    async def test_keeps_what_is_written(self, store: BlobStore, size: int) -> None:
        await put(store, "blobs/sha256/ab/abc", b"before")
        for key in ("blobs/sha256/ab/abc", "blobs/sha256/cd/cde"):
            await store.write(key, noise(size))
            assert await read(store, key) == noise(size)
        assert await keys(store, "") == {"blobs/sha256/ab/abc": size, "blobs/sha256/cd/cde": size}

    async def test_replaces_what_stood_under_the_key(self, store: BlobStore) -> None:
        await put(store, "blobs/a", b"before, and longer")
        await put(store, "blobs/a", b"after")
        assert await read(store, "blobs/a") == b"after"

    async def test_knows_no_missing_key(self, store: BlobStore) -> None:
        await put(store, "blobs/sha256/ab/there", b"x")
        for key in ("blobs/sha256/ab/absent", "blobs/absent", "absent"):
            assert await store.stat(key) is None
            for start, stop in ((0, None), (1, 5), (3, 3)):
                with pytest.raises(FileNotFoundError):
                    await read(store, key, start, stop)

    @pytest.mark.parametrize("key", WRONG_KEYS)
    async def test_refuses_what_is_no_key(self, store: BlobStore, key: str) -> None:
        await put(store, "uploads/good", b"x")
        with pytest.raises(ValueError, match="key"):
            await store.put(key, BytesBody(b"x"), hasher("sha256"), ANY_SIZE)
        with pytest.raises(ValueError, match="key"):
            await store.assemble(["uploads/good"], key)
        with pytest.raises(ValueError, match="key"):
            await store.assemble([key], "blobs/good")
        for call in (store.stat, store.delete, store.place):
            with pytest.raises(ValueError, match="key"):
                await call(key)
        with pytest.raises(ValueError, match="key"):
            await read(store, key)
        assert await keys(store, "") == {"uploads/good": 1}

    @pytest.mark.parametrize("prefix", ["/", "../", "blobs/../..", "blobs//", "./"])
    async def test_refuses_to_list_what_begins_no_key(self, store: BlobStore, prefix: str) -> None:
        with pytest.raises(ValueError, match="key"):
            await keys(store, prefix)

    @pytest.mark.parametrize("sent", [0, 100_000, 11 * MIB])
    async def test_keeps_nothing_of_a_body_that_breaks_off(self, store: BlobStore, sent: int) -> None:
        data = noise(12 * MIB)
        with pytest.raises(ConnectionError):
            await store.put("uploads/u/1", BytesBody(data, fail_after=sent), hasher("sha256"), ANY_SIZE)
        assert await store.stat("uploads/u/1") is None
        assert await keys(store, "") == {}

    async def test_keeps_what_stood_when_a_body_breaks_off(self, store: BlobStore) -> None:
        await put(store, "blobs/a", b"before")
        with pytest.raises(ConnectionError):
            await store.put("blobs/a", BytesBody(b"after", chunk=2, fail_after=3), hasher("sha256"), ANY_SIZE)
        assert await read(store, "blobs/a") == b"before"

    @pytest.mark.parametrize("length", [12 * MIB, None])
    @pytest.mark.parametrize("limit", [0, 1000, 12 * MIB - 1])
    async def test_keeps_nothing_over_the_limit(self, store: BlobStore, length: int | None, limit: int) -> None:
        body = BytesBody(noise(12 * MIB), length=length)
        with pytest.raises(BlobTooLarge):
            await store.put("uploads/u/1", body, hasher("sha256"), limit)
        assert await keys(store, "") == {}

    async def test_takes_a_body_exactly_as_large_as_the_limit(self, store: BlobStore) -> None:
        assert await store.put("uploads/u/1", BytesBody(b"x" * 1000, length=None), hasher("sha256"), 1000) == 1000

    @pytest.mark.parametrize("size", [10, 11 * MIB])
    async def test_keeps_nothing_of_a_cancelled_put(self, store: BlobStore, size: int) -> None:
        body = HeldBody(noise(size), noise(MIB))
        putting = asyncio.create_task(store.put("uploads/u/1", body, hasher("sha256"), ANY_SIZE))
        await asyncio.wait_for(body.held.wait(), 30)
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
        body.release()
        assert await asyncio.to_thread(body.ended.wait, 30)
        assert await keys(store, "") == {}

    async def test_shows_nothing_before_the_body_has_ended(self, store: BlobStore) -> None:
        body = HeldBody(noise(6 * MIB), b"end")
        putting = asyncio.create_task(store.put("blobs/a", body, hasher("sha256"), ANY_SIZE))
        await asyncio.wait_for(body.held.wait(), 30)
        assert await store.stat("blobs/a") is None
        assert await keys(store, "") == {}
        body.release()
        assert await putting == 6 * MIB + 3
        assert await read(store, "blobs/a") == noise(6 * MIB) + b"end"

    async def test_assembles_one_part(self, store: BlobStore) -> None:
        await put(store, "uploads/u/1", noise(70_000))
        await store.assemble(["uploads/u/1"], "blobs/sha256/ab/abc")
        assert await read(store, "blobs/sha256/ab/abc") == noise(70_000)
        assert await keys(store, "") == {"blobs/sha256/ab/abc": 70_000}

    @pytest.mark.parametrize("sizes", [(5, 3), (0, 7, 0), (MIB, 1, 6 * MIB), tuple(range(1, 30)), (0, 0)])
    async def test_assembles_parts_in_their_order(self, store: BlobStore, sizes: tuple[int, ...]) -> None:
        names = [f"uploads/u/{number}" for number in range(len(sizes))]
        data = [noise(size, seed) for seed, size in enumerate(sizes)]
        for name, part in reversed(list(zip(names, data, strict=True))):
            await put(store, name, part)
        await put(store, "uploads/other/1", b"not of this upload")
        await store.assemble(names, "blobs/sha256/ab/abc")
        assert await read(store, "blobs/sha256/ab/abc") == b"".join(data)
        assert await keys(store, "") == {"blobs/sha256/ab/abc": sum(sizes), "uploads/other/1": 18}

    async def test_assembles_no_parts_to_an_empty_blob(self, store: BlobStore) -> None:
        await store.assemble([], "blobs/empty")
        assert await keys(store, "") == {"blobs/empty": 0}
        assert await read(store, "blobs/empty") == b""

    @pytest.mark.parametrize("count", [1, 2])
    async def test_assembles_over_what_stood(self, store: BlobStore, count: int) -> None:
        await put(store, "blobs/a", b"before, and longer")
        names = [f"uploads/u/{number}" for number in range(count)]
        for name in names:
            await put(store, name, b"after")
        await store.assemble(names, "blobs/a")
        assert await read(store, "blobs/a") == b"after" * count

    @pytest.mark.parametrize("missing", [0, 1, 2])
    async def test_assembles_nothing_when_a_part_is_missing(self, store: BlobStore, missing: int) -> None:
        names = [f"uploads/u/{number}" for number in range(3)]
        there = {name: 4 for number, name in enumerate(names) if number != missing}
        for name in there:
            await put(store, name, b"part")
        with pytest.raises(FileNotFoundError):
            await store.assemble(names, "blobs/a")
        assert await keys(store, "") == there
        for name in there:
            assert await read(store, name) == b"part"

    async def test_assembles_a_part_only_once(self, store: BlobStore) -> None:
        await put(store, "uploads/u/1", b"part")
        await store.assemble(["uploads/u/1"], "blobs/a")
        with pytest.raises(FileNotFoundError):
            await store.assemble(["uploads/u/1"], "blobs/b")
        assert await keys(store, "") == {"blobs/a": 4}

    async def test_deletes_twice(self, store: BlobStore) -> None:
        await put(store, "blobs/a", b"x")
        await put(store, "blobs/b", b"y")
        await store.delete("blobs/a")
        await store.delete("blobs/a")
        await store.delete("uploads/never/1")
        assert await keys(store, "") == {"blobs/b": 1}

    async def test_lists_by_the_beginning_of_keys(self, store: BlobStore) -> None:
        stored = {
            "blobs/sha256/ab/abc",
            "blobs/sha256/ab/abd.1",
            "blobs/sha256/ad/adc",
            "uploads/a/1",
            "uploads/ab/1",
        }
        for key in stored:
            await put(store, key, key.encode())
        for prefix in (
            "",
            "b",
            "blobs/",
            "blobs/sha256/a",
            "blobs/sha256/ab/abc",
            "uploads/a",
            "uploads/a/",
            "none/",
        ):
            expected = {key: len(key) for key in stored if key.startswith(prefix)}
            assert await keys(store, prefix) == expected, prefix

    async def test_lists_more_than_a_page(self, store: BlobStore) -> None:
        names = [f"blobs/{number % 7}/{number:04}" for number in range(1100)]
        for start in range(0, len(names), 50):
            await asyncio.gather(*(put(store, name, b"") for name in names[start : start + 50]))
        assert await keys(store, "blobs/") == dict.fromkeys(names, 0)

    async def test_puts_of_one_key_at_once_leave_one_of_them(self, store: BlobStore) -> None:
        candidates = [noise(size, size) for size in (3, 70_000, 6 * MIB, 7 * MIB, 100, 6 * MIB + 1)]
        hashes = [hasher("sha256") for _ in candidates]
        await asyncio.gather(
            *(
                store.put("blobs/a", BytesBody(data, length=None), hash_, ANY_SIZE)
                for data, hash_ in zip(candidates, hashes, strict=True)
            )
        )
        assert await read(store, "blobs/a") in candidates
        expected = [hashlib.sha256(data).hexdigest() for data in candidates]
        assert [hash_.hexdigest() for hash_ in hashes] == expected

    async def test_uploads_at_once_do_not_mix(self, store: BlobStore) -> None:
        async def push(number: int) -> None:
            data = noise(random.Random(number).randrange(100_000), number)
            await put(store, f"uploads/{number}/1", data)
            await store.assemble([f"uploads/{number}/1"], f"blobs/sha256/{number % 3}/{number}")
            assert await read(store, f"blobs/sha256/{number % 3}/{number}") == data

        await asyncio.gather(*(push(number) for number in range(40)))
        assert len(await keys(store, "blobs/")) == 40
        assert await keys(store, "uploads/") == {}

    async def test_pieces_are_not_large(self, store: BlobStore, ranged: bytes) -> None:
        sizes = [len(piece) async for piece in store.open("blobs/ranged")]
        assert max(sizes) <= 2 * MIB
        assert 0 not in sizes

    async def test_a_reading_may_end_early(self, store: BlobStore, ranged: bytes) -> None:
        pieces = store.open("blobs/ranged")
        async for piece in pieces:
            assert ranged.startswith(piece)
            break
        assert isinstance(pieces, AsyncGenerator)
        await pieces.aclose()

    # An example that one store fails is worth trying on the others, so their examples may mix.
    @settings(
        deadline=None,
        max_examples=40,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(start=st.integers(0, RANGED + 3), length=st.none() | st.integers(0, RANGED + 3))
    async def test_gives_any_range(self, store: BlobStore, ranged: bytes, start: int, length: int | None) -> None:
        stop = None if length is None else start + length
        assert await read(store, "blobs/ranged", start, stop) == ranged[start:stop]

    async def test_place_agrees_with_open(self, store: BlobStore, ranged: bytes) -> None:
        place = await store.place("blobs/ranged")
        if isinstance(place, LocalFile):
            assert place.path.read_bytes() == ranged
        elif isinstance(place, Redirect):
            assert await asyncio.to_thread(fetch, place.url) == ranged
        assert await read(store, "blobs/ranged") == ranged

    async def test_check_accepts_a_store_that_works_and_leaves_nothing(self, store: BlobStore) -> None:
        await put(store, "blobs/a", b"x")
        await store.check()
        assert await keys(store, "") == {"blobs/a": 1}
