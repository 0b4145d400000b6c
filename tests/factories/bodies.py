"""For tests of the byte stores: bodies whole, broken off or held in the middle, and a hash that takes notes."""

from __future__ import annotations

import asyncio
import threading
from types import EllipsisType

from roadstead.blobs.store import Sink
from roadstead.domain.reference import Hasher, hasher
from roadstead.errors import BlobTooLarge


class BytesBody:
    """A body that sends `data` in pieces out of one buffer, which it overwrites after each piece as a socket's would.

    `length` is what it announces: by itself the true length, None as for a chunked body. After `fail_after` bytes the
    client is gone.
    """

    def __init__(
        self,
        data: bytes,
        chunk: int = 65536,
        length: int | EllipsisType | None = ...,
        fail_after: int | None = None,
    ) -> None:
        self._data = data
        self._chunk = chunk
        self._length = len(data) if isinstance(length, EllipsisType) else length
        self._fail_after = fail_after

    @property
    def length(self) -> int | None:
        """The bytes announced."""
        return self._length

    async def at_once(self, most: int) -> bytes | None:
        """All bytes if they are so few. Raises ConnectionResetError."""
        if len(self._data) > most:
            return None
        if self._fail_after is not None:
            raise ConnectionResetError("the client is gone")
        return self._data

    async def into(self, sink: Sink, limit: int) -> int:
        """Every byte has gone into `sink`; how many. Raises BlobTooLarge and ConnectionResetError as bodies do."""
        return await asyncio.to_thread(self._send, sink, limit)

    def _send(self, sink: Sink, limit: int) -> int:
        buffer = bytearray(self._chunk)
        end = len(self._data) if self._fail_after is None else self._fail_after
        sent = 0
        while sent < end:
            count = min(self._chunk, end - sent)
            if sent + count > limit:
                raise BlobTooLarge(f"the body is larger than {limit} bytes")
            buffer[:count] = self._data[sent : sent + count]
            sink.write(memoryview(buffer)[:count])
            buffer[:count] = bytes(count)
            sent += count
        if self._fail_after is not None:
            raise ConnectionResetError("the client is gone")
        return sent


class TricklingBody(BytesBody):
    """The same in a way that nobody can tell how few bytes will come."""

    async def at_once(self, most: int) -> bytes | None:
        """Never."""
        return None


class HeldBody:
    """A chunked body that stops after `first` until `release`, and then sends `rest` whether it is wanted or not."""

    def __init__(self, first: bytes, rest: bytes) -> None:
        self._first = first
        self._rest = rest
        self._released = threading.Event()
        self.held = asyncio.Event()
        self.refusal: Exception | None = None
        self.ended = threading.Event()

    @property
    def length(self) -> int | None:
        """Nothing is announced."""
        return None

    async def at_once(self, most: int) -> bytes | None:
        """Never: its bytes come one after the other."""
        return None

    async def into(self, sink: Sink, limit: int) -> int:
        """Every byte has gone into `sink`; how many."""
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(self._send, sink, loop)

    def release(self) -> None:
        """The rest may be sent."""
        self._released.set()

    def _send(self, sink: Sink, loop: asyncio.AbstractEventLoop) -> int:
        try:
            sink.write(memoryview(self._first))
            loop.call_soon_threadsafe(self.held.set)
            self._released.wait(30)
            sink.write(memoryview(self._rest))
        except Exception as error:
            self.refusal = error
            raise
        finally:
            self.ended.set()
        return len(self._first) + len(self._rest)


class NotedHasher:
    """A hash that notes in which threads it runs, by the names of their pools."""

    def __init__(self) -> None:
        """Nothing is hashed yet."""
        self.threads: set[str] = set()
        self._hash: Hasher = hasher("sha256")

    def update(self, data: bytes | memoryview, /) -> None:
        """`data` is hashed."""
        self.threads.add(threading.current_thread().name.partition("_")[0])
        self._hash.update(data)

    def hexdigest(self) -> str:
        """The SHA-256 of all that was hashed."""
        return self._hash.hexdigest()

    def copy(self) -> Hasher:
        """A hash that goes on from here and notes nothing."""
        return self._hash.copy()
