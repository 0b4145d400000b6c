"""A sink hashes and writes the same bytes, whichever thread hashes, and can be given up at any moment."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.blobs.sinks import WRITEBACK_EVERY, FileSink, writeback
from roadstead.domain.reference import hasher
from tests.contracts.blob_store import noise
from tests.factories.bodies import NotedHasher


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(2, thread_name_prefix="behind") as made:
        yield made


def _nothing(file: int, offset: int, length: int) -> None:
    pass


@pytest.mark.parametrize(
    ("behind_from", "room", "threads"),
    [
        (0, True, {"behind"}),
        (1000, True, {"behind", "MainThread"}),
        (10_000, True, {"MainThread"}),
        (0, False, {"MainThread"}),
    ],
)
def test_hashes_behind_where_there_is_room(
    tmp_path: Path, pool: Executor, behind_from: int, room: bool, threads: set[str]
) -> None:
    hash_ = NotedHasher()
    sink = FileSink(tmp_path / "file", hash_, _nothing, lambda: pool if room else None, behind_from)
    for _ in range(10):
        sink.write(memoryview(b"x" * 500))
    sink.finish()
    assert hash_.threads == threads
    assert hash_.hexdigest() == hashlib.sha256(b"x" * 5000).hexdigest()


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 700_000), max_size=8),
    behind_from=st.integers(0, 1_000_000),
    room=st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_hashes_what_it_writes(
    tmp_path_factory: pytest.TempPathFactory, pool: Executor, sizes: list[int], behind_from: int, room: list[bool]
) -> None:
    path = tmp_path_factory.mktemp("sink") / "file"
    hash_, rooms = hasher("sha256"), iter(room)
    sink = FileSink(path, hash_, _nothing, lambda: pool if next(rooms) else None, behind_from)
    data = noise(sum(sizes))
    for start, size in zip((sum(sizes[:number]) for number in range(len(sizes))), sizes, strict=True):
        piece = bytearray(data[start : start + size])
        sink.write(memoryview(piece))
        piece[:] = bytes(size)
    sink.finish()
    assert path.read_bytes() == data
    assert sink.size == len(data)
    assert hash_.hexdigest() == hashlib.sha256(data).hexdigest()


def test_has_the_kernel_write_as_it_goes(tmp_path: Path) -> None:
    ranges: list[tuple[int, int]] = []
    sink = FileSink(tmp_path / "file", hasher("sha256"), lambda _, *range_: ranges.append(range_), lambda: None)
    piece = memoryview(bytes(WRITEBACK_EVERY // 4 + 1))
    for _ in range(9):
        sink.write(piece)
    sink.finish()
    assert ranges == [(0, 4 * len(piece)), (4 * len(piece), 4 * len(piece))]


def test_the_kernel_takes_the_hint(tmp_path: Path) -> None:
    file = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.write(file, b"x" * 10_000)
    assert writeback()(file, 0, 10_000) == 0
    os.close(file)
    assert writeback()(file, 0, 10_000) == -1


@pytest.mark.parametrize("behind_from", [0, 1 << 40])
def test_nothing_can_be_written_after_it_was_given_up(tmp_path: Path, pool: Executor, behind_from: int) -> None:
    sink = FileSink(tmp_path / "file", hasher("sha256"), _nothing, lambda: pool, behind_from)
    sink.write(memoryview(noise(3_000_000)))
    sink.abort()
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(ConnectionAbortedError):
        sink.write(memoryview(b"x"))
    with pytest.raises(ConnectionAbortedError):
        sink.finish()
    sink.abort()


def test_a_file_that_got_shorter_is_noticed(tmp_path: Path, pool: Executor) -> None:
    reading = threading.Event()

    class SlowHasher(NotedHasher):
        def update(self, data: bytes | memoryview, /) -> None:
            reading.set()
            os.truncate(tmp_path / "file", 0)

    sink = FileSink(tmp_path / "file", SlowHasher(), _nothing, lambda: pool, 0)
    sink.write(memoryview(noise(1_000_000)))
    with pytest.raises(OSError, match="ends before byte 1000000"):
        sink.finish()
    sink.abort()
    assert [*tmp_path.iterdir()] == []
