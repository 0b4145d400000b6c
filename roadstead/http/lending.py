"""Lent sockets: a request's body or a file answer is moved by a thread on the connection's own socket.

`Lender` owns the transfer threads of one process and counts how many are taken. `LendingCycle` is uvicorn's cycle of
one request and its answer with two offers to the application: `roadstead.body` (receive the body into a sink) and
`http.response.pathsend` with a range. When no thread is free, or the connection is TLS, both take the ordinary way
through the event loop, and the application cannot tell.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from starlette.types import Message, Receive
from uvicorn._types import ASGI3Application, ASGIReceiveEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from roadstead.blobs.store import Sink
from roadstead.config import Limits
from roadstead.http.bodies import SMALL, StreamedBody, stream_file
from roadstead.http.framing import ClientGone, MalformedBody
from roadstead.http.transfer import (
    ReceiveBuffer,
    Received,
    Sending,
    pace_of,
    read_range,
    receive,
    send_range,
    too_large,
)

T = TypeVar("T")

_ABOUT_FRAMING = frozenset({b"content-length", b"connection"})
_HOP_BY_HOP = frozenset({b"connection", b"transfer-encoding"})


class Lender:
    """The transfer threads of one process."""

    def __init__(self, limits: Limits, how: Sending = "mmap") -> None:
        self.how = how
        self.idle_seconds = limits.idle_seconds
        self.buffer = ReceiveBuffer()
        self._free = limits.transfer_threads
        self._threads = ThreadPoolExecutor(limits.transfer_threads, thread_name_prefix="transfer")

    @property
    def has_room(self) -> bool:
        """Whether a thread is free."""
        return self._free > 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """One thread is kept for the caller meanwhile; ask `has_room` first."""
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    async def lend(self, transport: asyncio.Transport, work: Callable[[socket.socket], T]) -> T:
        """What `work(socket)` returned in a transfer thread; the socket has gone back to the event loop.

        The caller has paused reading and waited until nothing is left to write. When the task is cancelled, the
        connection is shut down and the thread has ended before CancelledError comes out.
        """
        connection = _duplicate(transport)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, _work, connection, self.idle_seconds, work)
        future.add_done_callback(lambda _: connection.close())
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            await asyncio.wait({future})
            future.exception()
            raise
        return future.result()

    def close(self) -> None:
        """Every transfer thread has ended."""
        self._threads.shutdown()


def _duplicate(transport: asyncio.Transport) -> socket.socket:
    origin = transport.get_extra_info("socket")
    return socket.socket(origin.family, origin.type, origin.proto, fileno=os.dup(origin.fileno()))


def _work(connection: socket.socket, idle_seconds: int, work: Callable[[socket.socket], T]) -> T:
    """Blocking mode belongs to the open socket, not to the descriptor: it must end before the event loop goes on."""
    try:
        connection.setblocking(True)
        idle = struct.pack("ll", idle_seconds, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, idle)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, idle)
        return work(connection)
    finally:
        connection.setblocking(False)


class Connection(Protocol):
    """What a cycle asks of the connection that carries it."""

    lender: Lender
    # Whether the socket carries HTTP itself, so that a thread can take it over.
    plain: bool

    @property
    def body_is_held(self) -> bool:
        """Whether the body's bytes are still kept as they came."""
        ...

    @property
    def unread(self) -> int | None:
        """The bytes of the body that have not arrived; None when that is not known."""
        ...

    def open_body(self) -> None:
        """The body comes by receive()."""
        ...

    def take_held(self) -> bytes:
        """The bytes of the body that arrived with the head; they are the caller's now."""
        ...

    def take_whole(self, most: int) -> bytes | None:
        """The body, taken, if all of it came with the head and it has no more than `most` bytes; None otherwise."""
        ...

    def end_body(self, rest: bytes) -> None:
        """The body is complete and `rest` came after it."""
        ...

    def refuse(self, status: int, message: str) -> None:
        """The client has been told so and the connection closes."""
        ...

    def give_up(self) -> None:
        """The connection is broken off."""
        ...


class LentBody:
    """A `Body` that a transfer thread receives."""

    def __init__(self, cycle: LendingCycle, length: int | None) -> None:
        self._cycle = cycle
        self._length = length

    @property
    def length(self) -> int | None:
        """The bytes announced by Content-Length; None when the body is chunked."""
        return self._length

    async def at_once(self, most: int) -> bytes | None:
        """The whole body, if it came with the head and has no more than `most` bytes; None otherwise."""
        return self._cycle.take_whole(most)

    async def into(self, sink: Sink, limit: int) -> int:
        """Every byte of the body has gone into `sink`; returns how many. Raises BlobTooLarge and ClientGone."""
        if self._length is not None and self._length > limit:
            raise too_large(limit)
        return await self._cycle.receive_into(sink, self._length, limit)


class LendingCycle(RequestResponseCycle):
    """One request and its answer."""

    def __init__(self, connection: Connection, **options: Any) -> None:
        super().__init__(**options)
        self._connection = connection
        self._lender = connection.lender
        self._head = b""
        self._left: int | None = 0
        self._body_lost = False

    async def run_asgi(self, app: ASGI3Application) -> None:
        """The application has answered; what fails because the client went is not logged as its error."""

        async def quiet(*call: Any) -> None:
            try:
                await app(*call)
            except ConnectionError:
                if not self.disconnected:
                    raise

        await super().run_asgi(cast(ASGI3Application, quiet))

    # Receiving

    async def receive(self) -> ASGIReceiveEvent:
        """The next part of the body; after `limits.idle_seconds` without a byte, the client counts as gone."""
        if self._body_lost:
            return {"type": "http.disconnect"}
        self._connection.open_body()
        if self.body or not self.more_body:
            return await super().receive()
        timer = asyncio.get_running_loop().call_later(self._lender.idle_seconds, self._connection.give_up)
        try:
            return await super().receive()
        finally:
            timer.cancel()

    def take_whole(self, most: int) -> bytes | None:
        """The body, if it came with the head and has no more than `most` bytes: no thread is worth its while."""
        return None if self._body_lost else self._connection.take_whole(most)

    async def receive_into(self, sink: Sink, length: int | None, limit: int) -> int:
        """Every byte of the body has gone into `sink`, by a transfer thread if one is free."""
        if self._body_lost or not (self._connection.body_is_held and self._lender.has_room):
            pace = pace_of(self.scope)
            return await StreamedBody(cast(Receive, self.receive), length, pace).into(sink, limit)
        with self._lender.place():
            received = await self._receive_lent(sink, length, limit)
        self._connection.end_body(received.rest)
        return received.size

    async def _receive_lent(self, sink: Sink, length: int | None, limit: int) -> Received:
        if self.disconnected or self.transport.is_closing():
            raise ClientGone("the client went away before its body was read")
        first = self._connection.take_held()
        if self.waiting_for_100_continue and not first:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.waiting_for_100_continue = False
        buffer, pace = self._lender.buffer, pace_of(self.scope)
        self._body_lost = True
        try:
            received = await self._lend(lambda peer: receive(peer, first, length, sink, limit, buffer.wire, pace))
        except MalformedBody as error:
            self._connection.refuse(400, str(error))
            raise
        except (ClientGone, asyncio.CancelledError):
            self._connection.give_up()
            raise
        self._body_lost = False
        return received

    async def _lend(self, work: Callable[[socket.socket], T]) -> T:
        self.flow.pause_reading()
        await self._flush()
        return await self._lender.lend(self.transport, work)

    async def _flush(self) -> None:
        """Everything written has reached the kernel, so that a thread's bytes come after it."""
        if self.transport.get_write_buffer_size():
            self.transport.set_write_buffer_limits(high=0)
            await self.flow.drain()
        if self.disconnected or self.transport.is_closing():
            raise ClientGone("the client went away")
        self.transport.set_write_buffer_limits()

    # Sending

    async def send(self, message: Message) -> None:  # type: ignore[override]
        """The message is on its way. Raises ClientGone for part of an answer to a client that has gone."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        kind = message["type"]
        if self.disconnected:
            if message.get("more_body") or kind == "http.response.pathsend":
                raise ClientGone("the client went away before its answer was complete")
            return
        if not self.response_started and kind == "http.response.start":
            self._start(message["status"], [*self.default_headers, *message.get("headers", ())])
        elif self.response_started and not self.response_complete and kind == "http.response.body":
            self._send_body(message.get("body", b""), message.get("more_body", False))
        elif self.response_started and not self.response_complete and kind == "http.response.pathsend":
            await self._send_path(message)
        else:
            raise RuntimeError(f"ASGI message {kind!r} sent out of turn")

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The head is ready and kept for a moment, to leave in one write with a body that follows at once."""
        self.response_started = True
        self._settle_unread_body()
        self.waiting_for_100_continue = False
        lines = [STATUS_LINE[status]]
        for name, value in headers:
            key = name.lower()
            if key in _ABOUT_FRAMING:
                self._note(key, value)
            if key not in _HOP_BY_HOP:
                lines.append(b"%b: %b\r\n" % (key, value))
        lines += self._framing_lines(status)
        lines.append(b"\r\n")
        self._head = b"".join(lines)
        if not self._head.count(b"\n") == self._head.count(b"\r") == len(lines):
            raise RuntimeError("a header of the answer contains a line break")
        asyncio.get_running_loop().call_soon(self._write)

    def _settle_unread_body(self) -> None:
        """An answer before the body came closes the connection, unless what is missing is little enough to drop."""
        if self.more_body:
            unread = self._connection.unread
            if self.waiting_for_100_continue or unread is None or unread > SMALL:
                self.keep_alive = False

    def _note(self, name: bytes, value: bytes) -> None:
        """What the application's header means for the framing is known; how to say it is the server's business."""
        if name == b"content-length":
            self.chunked_encoding, self._left = False, int(value)
        elif name == b"connection" and b"close" in value.lower():
            self.keep_alive = False

    def _framing_lines(self, status: int) -> list[bytes]:
        lines = []
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in {204, 304}:
            self._left = None
            self.chunked_encoding = self.scope["http_version"] != "1.0"
            if self.chunked_encoding:
                lines.append(b"transfer-encoding: chunked\r\n")
        elif status in {204, 304}:
            self._left = 0
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        return lines

    def _write(self, *parts: bytes) -> None:
        """The parts are written, after the head if that still waits."""
        if self._head:
            parts, self._head = (self._head, *parts), b""
        if not parts or self.transport.is_closing():
            return
        if sum(map(len, parts)) <= 2 * SMALL:
            self.transport.write(b"".join(parts))
        else:
            self.transport.writelines(parts)

    def _send_body(self, body: bytes, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            self._left, body = 0, b""
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0:
                raise RuntimeError("the answer is longer than its Content-Length")
        if self.chunked_encoding and self.scope["method"] != "HEAD":
            if body:
                self._write(b"%x\r\n" % len(body), body, b"\r\n" if more else b"\r\n0\r\n\r\n")
            elif not more:
                self._write(b"0\r\n\r\n")
        else:
            self._write(body)
        if not more:
            self._complete()

    def _complete(self) -> None:
        if self._left:
            raise RuntimeError("the answer is shorter than its Content-Length")
        self.response_complete = True
        self.message_event.set()
        self.on_response()

    async def _send_path(self, message: Message) -> None:
        """A file, or `count` bytes of it from `offset`, is the answer's body."""
        path = Path(message["path"])
        start = message.get("offset", 0)
        stop = start + message["count"] if "count" in message else path.stat().st_size
        if self.scope["method"] == "HEAD":
            self._send_body(b"", False)
        elif stop - start <= SMALL:
            self._send_body(read_range(path, start, stop), False)
        elif self._left == stop - start and self._connection.plain and self._lender.has_room:
            await self._send_lent(path, start, stop)
        else:
            await stream_file(self.send, path, start, stop, pace_of(self.scope))

    async def _send_lent(self, path: Path, start: int, stop: int) -> None:
        self._write()
        how, pace = self._lender.how, pace_of(self.scope)
        try:
            with self._lender.place():
                await self._lend(lambda peer: send_range(peer, path, start, stop, how, pace))
        except (ClientGone, asyncio.CancelledError):
            self._connection.give_up()
            raise
        self._left = 0
        self._complete()
