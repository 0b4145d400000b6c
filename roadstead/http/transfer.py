"""What transfer threads do: move one body or one file over a connection's own TCP socket, blocking.

The event loop lends a duplicate of the socket (`lending.py`) while it neither reads nor writes the connection. The
socket comes in blocking mode with receive and send time-outs set, so a thread makes one system call per 256 KiB
received or 1 MiB sent, and a silent peer ends the call after `limits.idle_seconds`.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from roadstead.blobs.store import Sink
from roadstead.errors import BlobTooLarge
from roadstead.http.framing import ChunkedFraming, ClientGone

PIECE = 256 << 10
WINDOW = 16 << 20
BURST = 1 << 20

Sending = Literal["mmap", "sendfile"]


class ReceiveBuffer(threading.local):
    """One buffer of 256 KiB for each transfer thread."""

    def __init__(self) -> None:
        self.wire = bytearray(PIECE)


class Pace(Protocol):
    """How fast a body or file may be moved."""

    @property
    def piece(self) -> int:
        """How many bytes should be moved before asking again."""
        ...

    def spend(self, size: int) -> float:
        """So many bytes were moved; returns for how many seconds no more shall be."""
        ...


def pace_of(scope: Mapping[str, Any]) -> Pace | None:
    """How fast the bodies of a request may be moved; None: as fast as they can."""
    found: Pace | None = scope.get("extensions", {}).get("roadstead.pace")
    return found


@dataclass(frozen=True, slots=True)
class Received:
    """The size of a body that has gone into its sink, and the bytes read past its end."""

    size: int
    rest: bytes


def too_large(limit: int) -> BlobTooLarge:
    """The error of a body that is over `limit` bytes."""
    return BlobTooLarge(f"the body is larger than the {limit} bytes allowed; ask the operator for limits.blob_bytes")


def receive(
    connection: socket.socket,
    first: bytes,
    length: int | None,
    sink: Sink,
    limit: int,
    wire: bytearray,
    pace: Pace | None = None,
) -> Received:
    """The body, of which `first` has been read already, is in `sink`; `length` None means chunked coding.

    `wire` is overwritten, or with a pace left alone. Raises BlobTooLarge, MalformedBody, ClientGone, and what `sink`
    raises.
    """
    if pace is not None:
        sink, wire = _PacedSink(sink, pace, connection), bytearray(pace.piece)
    if length is None:
        return _receive_chunked(connection, first, sink, limit, wire)
    if length > limit:
        raise too_large(limit)
    return _receive_sized(connection, first, length, sink, wire)


class _PacedSink:
    """Keeps whoever writes waiting, so that the connection fills up and the client waits too."""

    def __init__(self, sink: Sink, pace: Pace, connection: socket.socket) -> None:
        self._sink = sink
        self._pace = pace
        self._connection = connection

    def write(self, data: memoryview, /) -> None:
        self._sink.write(data)
        _pause(self._connection, self._pace.spend(len(data)))


def _pause(connection: socket.socket, seconds: float) -> None:
    """The time has passed; raises ClientGone as soon as the connection is broken off."""
    if seconds > 0:
        poller = select.poll()
        poller.register(connection, 0)
        if poller.poll(seconds * 1000):
            raise ClientGone("the connection broke while its transfer waited for its turn")


def _receive_sized(connection: socket.socket, first: bytes, length: int, sink: Sink, wire: bytearray) -> Received:
    left = length - min(len(first), length)
    if first:
        sink.write(memoryview(first)[:length])
    with memoryview(wire) as view:
        while left:
            # Waiting for a whole piece halves the number of times that the thread has to take the interpreter lock.
            size = _read(connection, view[: min(left, len(wire))], socket.MSG_WAITALL)
            sink.write(view[:size])
            left -= size
    return Received(length, first[length:])


def _receive_chunked(connection: socket.socket, first: bytes, sink: Sink, limit: int, wire: bytearray) -> Received:
    framing = ChunkedFraming()
    current, stop = bytearray(first), len(first)
    while True:
        start, end, used = framing.decode(current, stop)
        if framing.announced > limit:
            raise too_large(limit)
        with memoryview(current) as view:
            if end > start:
                sink.write(view[start:end])
            if framing.done:
                return Received(framing.announced, bytes(view[used:stop]))
        current = wire
        with memoryview(wire) as view:
            stop = _read(connection, view)


def _read(connection: socket.socket, view: memoryview, flags: int = 0) -> int:
    size = _in_time(lambda: connection.recv_into(view, 0, flags))
    if not size:
        raise ClientGone("the client went away in the middle of the body")
    return size


def _in_time(move: Callable[[], int]) -> int:
    """What `move` returns; whatever goes wrong with the socket is the client's going."""
    try:
        return move()
    except BlockingIOError:
        raise ClientGone("the client let the connection idle in the middle of a transfer") from None
    except OSError as error:
        raise ClientGone(f"the connection broke: {error.strerror}") from error


def send_range(
    connection: socket.socket, path: Path, start: int, stop: int, how: Sending = "mmap", pace: Pace | None = None
) -> None:
    """The bytes of the file from `start` up to but without `stop` are handed to the kernel for the client.

    Raises EOFError when the file is shorter, and ClientGone.
    """
    with path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < stop:
            raise EOFError(f"{path} ends before byte {stop}")
        if how == "sendfile":
            _send_file(connection, file.fileno(), start, stop, pace)
            return
        while start < stop:
            base = start - start % mmap.ALLOCATIONGRANULARITY
            end = min(stop, base + WINDOW)
            _send_window(connection, file.fileno(), base, start, end, pace)
            start = end


def _send_window(connection: socket.socket, file: int, base: int, start: int, stop: int, pace: Pace | None) -> None:
    """One window of the file is sent and unmapped; otherwise a process would come to map every file it sends."""
    with mmap.mmap(file, stop - base, mmap.MAP_SHARED, mmap.PROT_READ, offset=base) as window:
        window.madvise(mmap.MADV_SEQUENTIAL)
        with memoryview(window) as view:
            position, end = start - base, stop - base
            burst = BURST if pace is None else pace.piece
            while position < end:
                sent = _send(connection, view, position, min(end, position + burst))
                position += sent
                if pace is not None:
                    _pause(connection, pace.spend(sent))


def _send(connection: socket.socket, view: memoryview, start: int, stop: int) -> int:
    with view[start:stop] as piece:
        return _in_time(lambda: connection.send(piece))


def _send_file(connection: socket.socket, file: int, start: int, stop: int, pace: Pace | None) -> None:
    out = connection.fileno()
    burst = WINDOW if pace is None else pace.piece
    while start < stop:
        begin = start
        sent = _in_time(lambda: os.sendfile(out, file, begin, min(stop - begin, burst)))  # noqa: B023
        if not sent:
            raise EOFError(f"the file ended at byte {start} while it was sent")
        start += sent
        if pace is not None:
            _pause(connection, pace.spend(sent))


def read_range(path: Path, start: int, stop: int) -> bytes:
    """The bytes of the file from `start` up to but without `stop`. Raises EOFError when the file is shorter."""
    with path.open("rb", buffering=0) as file:
        data = os.pread(file.fileno(), stop - start, start)
    if len(data) < stop - start:
        raise EOFError(f"{path} ends before byte {stop}")
    return data
