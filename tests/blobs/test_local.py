"""The local store keeps the contract, flushes what it must, and leaves nothing unfinished behind."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from roadstead.blobs.local import LocalStore
from roadstead.blobs.store import BlobStore
from roadstead.blobs.trees import create
from roadstead.domain.reference import hasher
from roadstead.errors import StartRefused, Unavailable
from tests.contracts.blob_store import ANY_SIZE, MIB, BlobStoreContract, keys, noise, put, read
from tests.factories.bodies import BytesBody, HeldBody, NotedHasher


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "storage"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[LocalStore]:
    made = LocalStore(folder)
    yield made
    await made.close()


class TestLocalStore(BlobStoreContract):
    @pytest.fixture
    async def store(self, folder: Path) -> AsyncIterator[BlobStore]:
        made = LocalStore(folder)
        yield made
        await made.close()
        assert [*(folder / "tmp").glob("*")] == []


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that are flushed, in order, by their names at that moment."""
    calls: list[Path] = []

    def counting(flush: Callable[[int], None]) -> Callable[[int], None]:
        def call(file: int) -> None:
            calls.append(Path(f"/proc/self/fd/{file}").readlink())
            flush(file)

        return call

    monkeypatch.setattr(os, "fsync", counting(os.fsync))
    monkeypatch.setattr(os, "fdatasync", counting(os.fdatasync))
    return calls


async def test_flushes_the_bytes_before_they_get_their_name(
    store: LocalStore, folder: Path, flushed: list[Path]
) -> None:
    await put(store, "uploads/u/1", b"x" * 100)
    assert [path.parent for path in flushed] == [folder / "tmp"]


async def test_flushes_the_folder_of_the_new_name(store: LocalStore, folder: Path, flushed: list[Path]) -> None:
    for number in range(3):
        await put(store, f"uploads/u/{number}", b"x")
    flushed.clear()
    await store.assemble(["uploads/u/0"], "blobs/sha256/ab/abc")
    # The new folders' own names must last, too.
    new = [folder, folder / "blobs", folder / "blobs/sha256"]
    assert flushed == [*new, folder / "blobs/sha256/ab"]
    flushed.clear()
    await store.assemble(["uploads/u/1"], "blobs/sha256/ab/abd")
    assert flushed == [folder / "blobs/sha256/ab"]
    # A folder that the upload leaves empty is removed instead, before the flush.
    flushed.clear()
    await store.assemble(["uploads/u/2"], "blobs/sha256/ab/abe")
    assert flushed == [folder / "blobs/sha256/ab"]


async def test_flushes_joined_bytes_before_they_get_their_name(
    store: LocalStore, folder: Path, flushed: list[Path]
) -> None:
    await store.assemble([], "blobs/known")
    for number in range(4):
        await put(store, f"uploads/u/{number}", b"x")
    flushed.clear()
    await store.assemble([f"uploads/u/{number}" for number in range(3)], "blobs/a")
    assert [flushed[0].parent, *flushed[1:]] == [folder / "tmp", folder / "blobs"]


async def test_lists_only_the_folder_that_the_prefix_names(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("blobs/sha256/ab/abc", "blobs/sha256/ab/abd", "blobs/sha256/cd/cde", "uploads/u/1"):
        await put(store, key, b"x")
    walked: list[Path] = []
    scan = os.scandir

    def noting(path: Path) -> Iterator[os.DirEntry[str]]:
        walked.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", noting)
    assert set(await keys(store, "blobs/sha256/ab/abc")) == {"blobs/sha256/ab/abc"}
    assert walked == [folder / "blobs/sha256/ab"]
    walked.clear()
    assert set(await keys(store, "blobs/sha256/c")) == {"blobs/sha256/cd/cde"}
    assert walked == [folder / "blobs/sha256", folder / "blobs/sha256/cd"]


async def test_removes_folders_that_uploads_leave_empty(store: LocalStore, folder: Path) -> None:
    await put(store, "uploads/a/1", b"x")
    await put(store, "uploads/b/1", b"x")
    await put(store, "uploads/b/2", b"x")
    await store.assemble(["uploads/a/1"], "blobs/sha256/ab/abc")
    await store.delete("uploads/b/1")
    assert [path.name for path in (folder / "uploads").iterdir()] == ["b"]
    await store.delete("uploads/b/2")
    await store.delete("blobs/sha256/ab/abc")
    assert [*(folder / "uploads").iterdir(), *(folder / "blobs").iterdir()] == []


async def test_folders_that_come_and_go_disturb_no_upload(store: LocalStore) -> None:
    async def push(number: int) -> None:
        for turn in range(25):
            key = f"blobs/sha256/ab/{number}"
            await put(store, f"uploads/shared/{number}", b"%d" % turn)
            await store.assemble([f"uploads/shared/{number}"], key)
            assert await read(store, key) == b"%d" % turn
            await store.delete(key)

    await asyncio.gather(*(push(number) for number in range(8)))
    assert await keys(store, "") == {}


async def test_an_upload_given_up_cannot_write_into_a_later_file(store: LocalStore, folder: Path) -> None:
    body = HeldBody(b"first", b"late")
    putting = asyncio.create_task(store.put("uploads/u/1", body, hasher("sha256"), ANY_SIZE))
    await body.held.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    # The descriptor's number is free now, and one of these takes it.
    bystanders = [(folder / f"bystander{number}").open("w+b") for number in range(30)]
    body.release()
    assert await asyncio.to_thread(body.ended.wait, 30)
    assert isinstance(body.refusal, ConnectionAbortedError)
    assert [each.read() for each in bystanders] == [b""] * 30
    for each in bystanders:
        each.close()


@pytest.mark.parametrize("uploads", [1, 2, 5])
async def test_hashes_right_however_many_upload(store: LocalStore, uploads: int) -> None:
    data = [noise(9 * MIB + number, number) for number in range(uploads)]
    hashes = [hasher("sha256") for _ in data]
    bodies = [BytesBody(each, chunk=MIB // 3, length=None if len(each) % 2 else ...) for each in data]
    await asyncio.gather(
        *(
            store.put(f"uploads/{number}/1", body, hash_, ANY_SIZE)
            for number, (body, hash_) in enumerate(zip(bodies, hashes, strict=True))
        )
    )
    for each, hash_ in zip(data, hashes, strict=True):
        expected = hasher("sha256")
        expected.update(each)
        assert hash_.hexdigest() == expected.hexdigest()


async def test_hashes_beside_the_receiving_while_few_upload(store: LocalStore) -> None:
    async def threads() -> set[str]:
        hash_ = NotedHasher()
        await store.put("uploads/noted/1", BytesBody(noise(5 * MIB)), hash_, ANY_SIZE)
        return hash_.threads

    held = [HeldBody(b"x", b"y") for _ in range(2)]
    putting = [
        asyncio.create_task(store.put(f"uploads/{number}/1", body, hasher("sha256"), ANY_SIZE))
        for number, body in enumerate(held)
    ]
    for body in held:
        await body.held.wait()
    assert "blob-hash" not in await threads()
    held[0].release()
    await putting[0]
    assert await threads() == {"blob-hash"}
    held[1].release()
    await putting[1]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_full_disk_is_reported_as_such(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(file: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(Unavailable, match=os.strerror(code)):
        await store.put("uploads/u/1", BytesBody(b"x"), hasher("sha256"), ANY_SIZE)
    assert await keys(store, "") == {}
    assert [*(folder / "tmp").iterdir()] == []


async def test_files_are_not_for_every_user_of_the_machine(store: LocalStore, folder: Path) -> None:
    await put(store, "blobs/a", b"x")
    assert stat.S_IMODE((folder / "blobs/a").stat().st_mode) & 0o007 == 0


async def test_place_of_a_missing_key_is_nowhere(store: LocalStore) -> None:
    assert await store.place("blobs/absent") is None


async def test_unfinished_files_are_no_keys(store: LocalStore, folder: Path) -> None:
    await store.check()
    (folder / "tmp" / "leftover").write_bytes(b"x")
    assert await keys(store, "") == {}
    with pytest.raises(ValueError, match="unfinished"):
        await store.stat("tmp/leftover")


async def test_check_makes_the_folder(store: LocalStore, folder: Path) -> None:
    await store.check()
    assert [path.name for path in folder.iterdir()] == ["tmp"]


async def test_check_removes_what_killed_processes_left(store: LocalStore, folder: Path) -> None:
    await store.check()
    left, fresh, held = (folder / "tmp" / name for name in ("left", "fresh", "held"))
    left.write_bytes(b"x")
    fresh.write_bytes(b"x")
    descriptor = create(held)
    try:
        long_ago = time.time() - 3600
        for path in (left, held):
            os.utime(path, (long_ago, long_ago))
        await store.check()
        assert {*(folder / "tmp").iterdir()} == {fresh, held}
    finally:
        os.close(descriptor)
    await store.check()
    assert [*(folder / "tmp").iterdir()] == [fresh]


async def test_check_refuses_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        store = LocalStore(folder)
        with pytest.raises(StartRefused) as refused:
            await store.check()
        assert str(folder) in refused.value.message
        assert "\n" not in refused.value.message
        await store.close()


async def test_check_refuses_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    store = LocalStore(Path("/proc/roadstead"))
    with pytest.raises(StartRefused, match="cannot write to the storage folder /proc/roadstead"):
        await store.check()
    await store.close()
