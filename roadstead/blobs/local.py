"""Blobs as files below one folder: a key is a path, and what is not finished lies in `tmp/`.

Nothing is ever written under a key. Bytes go to a file in `tmp/`, are flushed, and take their name by a rename, which
the file system does whole or not at all. `assemble` and `write` also flush the folders that hold the names, so that
after their return a power failure loses neither bytes nor name. Whatever waits for the disk runs in the store's own
threads.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from roadstead.blobs.sinks import HASH_BEHIND_FROM, FileSink, writeback
from roadstead.blobs.store import CHUNK, Body, Entry, LocalFile, valid_prefix
from roadstead.blobs.trees import FileTree
from roadstead.domain.reference import Hasher
from roadstead.errors import StartRefused, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_DISK_THREADS = 16
_HASHING_UPLOADS = 2
_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


class LocalStore:
    """A BlobStore whose keys are files below `folder`, which several processes may share."""

    def __init__(self, folder: Path) -> None:
        """Nothing on the disk is touched yet."""
        self._tree = FileTree(folder)
        self._disk = ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="blob-disk")
        self._hashing = ThreadPoolExecutor(_HASHING_UPLOADS, thread_name_prefix="blob-hash")
        self._writeback = writeback()
        self._receiving = 0

    async def stat(self, key: str) -> int | None:
        """The size in bytes under `key`, or None."""
        try:
            return self._tree.path(key).stat().st_size
        except FileNotFoundError:
            return None

    async def open(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but without `stop`, in pieces of up to 1 MiB, each read in a thread."""
        file = os.open(self._tree.path(key), os.O_RDONLY | os.O_CLOEXEC)
        try:
            end = os.fstat(file).st_size
            end = end if stop is None else min(stop, end)
            while start < end:
                piece = await self._run(os.pread, file, min(CHUNK, end - start), start)
                if not piece:
                    raise OSError(errno.EIO, "the file became shorter while it was read", key)
                start += len(piece)
                yield piece
        finally:
            os.close(file)

    async def put(self, key: str, body: Body, hasher: Hasher, limit: int) -> int:
        """The body's bytes are under `key`, flushed to the medium, and have passed through `hasher`; their number."""
        target = self._tree.path(key)
        with _disk_errors():
            sink = self._sink(hasher, body.length)
            self._receiving += 1
            try:
                await body.into(sink, limit)
                await self._run(self._finish, sink, target)
            except BaseException:
                # A cancelled upload may still have a thread in `write`: the sink waits before it closes the file.
                await asyncio.shield(self._run(sink.abort))
                raise
            finally:
                self._receiving -= 1
        return sink.size

    async def write(self, key: str, data: bytes) -> None:
        """`key` holds `data`, durably, whole or not at all."""
        with _disk_errors():
            await self._run(self._tree.write, data, self._tree.path(key))

    async def assemble(self, parts: Sequence[str], key: str) -> None:
        """`key` holds the parts' bytes in order, durably, whole or not at all; the parts are gone."""
        paths = [self._tree.path(part) for part in parts]
        with _disk_errors():
            await self._run(self._tree.assemble, paths, self._tree.path(key))

    async def delete(self, key: str) -> None:
        """`key` is gone; it need not have existed."""
        await self._run(self._tree.delete, self._tree.path(key))

    async def list(self, prefix: str) -> AsyncIterator[Entry]:
        """Every key that starts with `prefix`; only the folder that the prefix names is walked."""
        parent, _, start = valid_prefix(prefix).rpartition("/")
        waiting = [self._tree.folder / parent]
        while waiting:
            entries, folders = await self._run(self._tree.scan, waiting.pop(), start)
            start = ""
            waiting += folders
            for entry in entries:
                yield entry

    async def place(self, key: str) -> LocalFile | None:
        """The file of `key`, when there is one."""
        path = self._tree.path(key)
        return LocalFile(path) if path.is_file() else None

    async def check(self) -> None:
        """The folder exists and can be written; what killed processes left in `tmp/` is gone."""
        try:
            await self._run(self._tree.check)
        except OSError as error:
            reason = error.strerror or error
            raise StartRefused(f"cannot write to the storage folder {self._tree.folder}: {reason}") from error

    async def close(self) -> None:
        """The store's threads have ended; it is not used again."""
        await asyncio.to_thread(self._disk.shutdown)
        await asyncio.to_thread(self._hashing.shutdown)

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)

    def _sink(self, hasher: Hasher, length: int | None) -> FileSink:
        """A sink into a new file. A body that is known to be large is hashed behind from its first byte."""
        behind_from = 0 if length is not None and length > HASH_BEHIND_FROM else HASH_BEHIND_FROM
        make = partial(FileSink, self._tree.new_path(), hasher, self._writeback, self._room_to_hash, behind_from)
        try:
            return make()
        except FileNotFoundError:
            self._tree.prepare()
            return make()

    def _room_to_hash(self) -> Executor | None:
        return self._hashing if self._receiving <= _HASHING_UPLOADS else None

    def _finish(self, sink: FileSink, target: Path) -> None:
        sink.finish()
        self._tree.rename(sink.path, target)


@contextmanager
def _disk_errors() -> Iterator[None]:
    """A disk that takes no more bytes is reported as a part that does not work now."""
    try:
        yield
    except OSError as error:
        if error.errno in _CANNOT_WRITE:
            raise Unavailable(f"the storage cannot take more bytes: {error.strerror}") from error
        raise
