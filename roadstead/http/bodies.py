"""Request bodies and file answers for any ASGI server, by the fast way when the server offers one.

Our own server offers `roadstead.body`, which receives a body in a transfer thread on the lent socket, and
`http.response.pathsend` with `roadstead.pathsend_range`, which sends part of a file the same way. Everywhere else,
and when all transfer threads are taken, the functions here go through ASGI messages and do their blocking work in
the event loop's default threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

from starlette.types import Message, Receive, Scope, Send

from roadstead.blobs.store import Body, Sink
from roadstead.errors import AppError
from roadstead.http.framing import ClientGone
from roadstead.http.transfer import Pace, pace_of, read_range, too_large

SMALL = 64 << 10
BATCH = 1 << 20
STREAM_PIECE = 512 << 10


def request_body(scope: Scope, receive: Receive) -> Body:
    """The body of the request, not yet read, by the fastest way that the server offers."""
    lent = scope.get("extensions", {}).get("roadstead.body")
    if lent is not None:
        return cast(Body, lent)
    return StreamedBody(receive, content_length(scope), pace_of(scope))


def content_length(scope: Scope) -> int | None:
    """The Content-Length of the request, or None."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)
    return None


async def read_small(scope: Scope, receive: Receive, limit: int, error: Callable[[], AppError]) -> bytes:
    """The whole body. Raises `error()` as soon as it is known to be over `limit` bytes, and ClientGone."""
    if (content_length(scope) or 0) > limit:
        raise error()
    body = bytearray()
    async for piece in _pieces(receive):
        body += piece
        if len(body) > limit:
            raise error()
    return bytes(body)


async def send_file(scope: Scope, send: Send, path: Path, start: int, stop: int) -> None:
    """The file from `start` up to but without `stop` has been sent as the body, after `http.response.start`.

    Raises EOFError when the file is shorter and, on our own server, ClientGone when the client goes first.
    """
    extensions = scope.get("extensions", {})
    if scope["method"] == "HEAD":
        await send({"type": "http.response.body", "body": b""})
    elif "roadstead.pathsend_range" in extensions:
        await send({**_pathsend(path), "offset": start, "count": stop - start})
    elif "http.response.pathsend" in extensions and start == 0 and stop == path.stat().st_size:
        await send(_pathsend(path))
    else:
        await stream_file(send, path, start, stop, pace_of(scope))


async def pause(scope: Scope, size: int) -> None:
    """So many bytes of the answer were sent, and more may be."""
    pace = pace_of(scope)
    if pace is not None:
        await asyncio.sleep(pace.spend(size))


def _pathsend(path: Path) -> Message:
    return {"type": "http.response.pathsend", "path": str(path)}


async def stream_file(send: Send, path: Path, start: int, stop: int, pace: Pace | None = None) -> None:
    """The same by ordinary body messages, read in threads."""
    if stop - start <= SMALL:
        await send({"type": "http.response.body", "body": read_range(path, start, stop)})
        return
    most = STREAM_PIECE if pace is None else pace.piece
    while start < stop:
        end = min(stop, start + most)
        piece = await asyncio.to_thread(read_range, path, start, end)
        await send({"type": "http.response.body", "body": piece, "more_body": end < stop})
        if pace is not None:
            await asyncio.sleep(pace.spend(end - start))
        start = end


class StreamedBody:
    """A body that comes as ASGI messages."""

    def __init__(self, receive: Receive, length: int | None, pace: Pace | None = None) -> None:
        self._pieces = _pieces(receive)
        self._pace = pace
        self._length = length
        self._begun = b""

    @property
    def length(self) -> int | None:
        """The bytes announced by Content-Length; None when the body is chunked."""
        return self._length

    async def at_once(self, most: int) -> bytes | None:
        """The whole body if it has no more than `most` bytes; None otherwise. Raises ClientGone."""
        if (self._length or 0) > most:
            return None
        async for piece in self._pieces:
            self._begun += piece
            if len(self._begun) > most:
                return None
        self._check_end(len(self._begun))
        return self._begun

    def _check_end(self, total: int) -> None:
        if self._length not in {None, total}:
            raise ClientGone(f"the body has {total} bytes, Content-Length says {self._length}")

    async def _all(self) -> AsyncIterator[bytes]:
        if self._begun:
            yield self._begun
        async for piece in self._pieces:
            yield piece

    async def into(self, sink: Sink, limit: int) -> int:
        """Every byte of the body has gone into `sink`; returns how many. Raises BlobTooLarge and ClientGone."""
        if self._length is not None and self._length > limit:
            raise too_large(limit)
        total = 0
        feeder = _Feeder(sink)
        try:
            async for piece in self._all():
                total += len(piece)
                if total > limit:
                    raise too_large(limit)
                await feeder.add(piece)
                if self._pace is not None and total > SMALL:
                    await asyncio.sleep(self._pace.spend(len(piece)))
            self._check_end(total)
            await feeder.finish()
        finally:
            await feeder.settle()
        return total


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client went away in the middle of the body")
        more = message.get("more_body", False)
        if body := message.get("body", b""):
            yield body


class _Feeder:
    """Writes batches of about 1 MiB into a sink from a thread, the next batch gathering meanwhile."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._batch = bytearray()
        self._writing: asyncio.Future[None] | None = None

    async def add(self, piece: bytes) -> None:
        self._batch += piece
        if len(self._batch) >= BATCH:
            await self._hand_over()

    async def finish(self) -> None:
        """Everything added is in the sink; a small body has been written without a thread."""
        if self._writing is None and len(self._batch) <= SMALL:
            if self._batch:
                self._sink.write(memoryview(self._batch))
            return
        if self._batch:
            await self._hand_over()
        await self._written()

    async def settle(self) -> None:
        """No thread uses the sink any more."""
        if self._writing is not None and not self._writing.done():
            await asyncio.wait({self._writing})

    async def _hand_over(self) -> None:
        await self._written()
        batch, self._batch = memoryview(self._batch), bytearray()
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._sink.write, batch)

    async def _written(self) -> None:
        if self._writing is not None:
            # Not awaited itself: when this task is cancelled the thread goes on, and settle() has to wait for it.
            await asyncio.wait({self._writing})
            self._writing.result()
