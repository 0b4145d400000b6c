"""The sink that fills one file of the local store and hashes what passes.

Three things run at the same time where there is room for it: the caller receives, a second thread hashes what has
been written by reading it back from the page cache, and the kernel carries it to the disk (`sync_file_range` after
each 8 MiB), so that the flush at the end has little left to do. With many uploads at once a thread of its own for
each hash only costs switches: then each upload hashes in the thread that receives it.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, wait
from pathlib import Path
from queue import SimpleQueue

from roadstead.blobs.trees import create
from roadstead.domain.reference import Hasher

HASH_BEHIND_FROM = 1 << 20
WRITEBACK_EVERY = 8 << 20

_READ_BACK = 256 << 10
_SYNC_FILE_RANGE_WRITE = 2
_END = -1

Writeback = Callable[[int, int, int], object]


def writeback() -> Writeback:
    """A call (descriptor, offset, length) that has the kernel begin to write that range to the disk.

    It is only a hint: where the C library has no such call, it does nothing.
    """
    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is None:
        return lambda descriptor, offset, length: None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return lambda descriptor, offset, length: call(descriptor, offset, length, _SYNC_FILE_RANGE_WRITE)


class FileSink:
    """Takes one body into the new file `path`, at any moment of which `abort` may be called from another thread."""

    def __init__(
        self,
        path: Path,
        hasher: Hasher,
        writeback: Writeback,
        room: Callable[[], Executor | None],
        behind_from: int = HASH_BEHIND_FROM,
    ) -> None:
        """The file exists and is empty. From `behind_from` bytes on, hashing moves into `room()` if there is one."""
        self.path = path
        self.size = 0
        self._hasher = hasher
        self._writeback = writeback
        self._room = room
        self._behind_from = behind_from
        self._behind: _HashBehind | None = None
        self._carried = 0
        self._closed = False
        self._lock = threading.Lock()
        self._file = create(path)

    def write(self, data: memoryview, /) -> None:
        """`data` is in the file and hashed or about to be. Raises ConnectionAbortedError after `abort`."""
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("the upload was given up")
            if self._behind is None and self.size >= self._behind_from:
                self._move_hashing()
            if self._behind is None:
                self._hasher.update(data)
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            self.size += written
            if self._behind is not None:
                self._behind.follow(self.size)
            if self.size - self._carried >= WRITEBACK_EVERY:
                self._writeback(self._file, self._carried, self.size - self._carried)
                self._carried = self.size

    def finish(self) -> None:
        """Every byte is on the medium and hashed; the file is closed."""
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("the upload was given up")
            os.fdatasync(self._file)
            if self._behind is not None:
                self._behind.finish()
            self._close()

    def abort(self) -> None:
        """The file is gone, unless it has been renamed, and nothing can be written any more."""
        with self._lock:
            if not self._closed:
                if self._behind is not None:
                    self._behind.give_up()
                self._close()
        self.path.unlink(missing_ok=True)

    def _move_hashing(self) -> None:
        room = self._room()
        if room is not None:
            self._behind = _HashBehind(room, self._file, self._hasher, self.size)

    def _close(self) -> None:
        self._closed = True
        os.close(self._file)


class _HashBehind:
    """Hashes a growing file in a thread of its own, from `start` up to what `follow` last said."""

    def __init__(self, room: Executor, file: int, hasher: Hasher, start: int) -> None:
        self._file = file
        self._hasher = hasher
        self._position = start
        self._given_up = False
        self._marks: SimpleQueue[int] = SimpleQueue()
        self._done = room.submit(self._run)

    def follow(self, size: int) -> None:
        """The file can be read up to `size`."""
        self._marks.put(size)

    def finish(self) -> None:
        """All that `follow` announced is hashed. Raises what reading raised."""
        self._marks.put(_END)
        self._done.result()

    def give_up(self) -> None:
        """The thread has let go of the file."""
        self._given_up = True
        self._marks.put(_END)
        wait([self._done])

    def _run(self) -> None:
        buffer = memoryview(bytearray(_READ_BACK))
        while (mark := self._marks.get()) != _END:
            while self._position < mark and not self._given_up:
                count = os.preadv(self._file, [buffer[: mark - self._position]], self._position)
                if not count:
                    raise OSError(f"the file of an upload ends before byte {mark}, which was written")
                self._hasher.update(buffer[:count])
                self._position += count
