"""Where a request body ends (RFC 9112 section 6): after a number of bytes, or where its chunks say.

httptools reads heads; the framing of bodies is ours, one reading for the event loop and for the transfer threads, so
that a body means the same on both and what follows it is never mistaken for part of it. The chunked reading is
strict: hexadecimal sizes, CRLF line ends, capped lines. Chunk extensions and trailers are dropped.
"""

from __future__ import annotations

import re
from typing import Literal

from roadstead.domain.proxy_protocol import looks_like_preface

LINE_BYTES = 1024
TRAILER_BYTES = 16 << 10

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")


class ClientGone(ConnectionError):
    """The request cannot be completed or answered any more: the client went away, stalled or talked nonsense."""


class MalformedBody(ClientGone):
    """The chunked coding of a body is broken; the connection has been answered 400 and closes."""


class SizedFraming:
    """A body of as many bytes as its Content-Length says."""

    def __init__(self, length: int) -> None:
        self.left: int | None = length

    @property
    def done(self) -> bool:
        """Whether the whole body has been taken."""
        return not self.left

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """The part of `data` that belongs to the body, and what comes after the body."""
        left = self.left or 0
        self.left = max(0, left - len(data))
        return data[:left], data[left:]


class ChunkedFraming:
    """A body in chunked transfer coding (RFC 9112 section 7.1), taken apart however its bytes are split.

    `announced` is the sum of the chunk sizes read so far: a limit is known to be passed before the bytes come.
    """

    left: int | None = None

    def __init__(self) -> None:
        self.done = False
        self.announced = 0
        self._data = 0
        self._line = bytearray()
        self._expects: Literal["size", "end of chunk", "trailer"] = "size"
        self._trailer = 0
        # Clients send one chunk size after another of the same size: the bytes between two such chunks, and the size.
        self._between = b""
        self._size = 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """The payload in `data`, and what comes after the body. Raises MalformedBody."""
        wire = bytearray(data)
        start, end, used = self.decode(wire, len(wire))
        return bytes(memoryview(wire)[start:end]), data[used:]

    def decode(self, wire: bytearray, stop: int) -> tuple[int, int, int]:
        """`wire[:stop]` has been taken; its payload now lies together in `wire[start:end]`: (start, end, used).

        `used` is less than `stop` only when the body ended before it. Moving the payload over the size lines keeps
        one write per receive buffer instead of one per chunk. Raises MalformedBody.
        """
        position = start = end = 0
        with memoryview(wire) as view:
            while position < stop and not self.done:
                if not self._data:
                    position = self._take_line(wire, position, stop)
                    continue
                size = min(self._data, stop - position)
                if end == start:
                    start = end = position
                elif end != position:
                    view[end : end + size] = view[position : position + size]
                end += size
                position += size
                self._data -= size
                # All of a line that is like the one before is recognised at once; that is most of the work here.
                if not self._data and self._between and wire.startswith(self._between, position, stop):
                    position += len(self._between)
                    self.announced += self._size
                    self._data = self._size
        return start, end, position

    def _take_line(self, wire: bytearray, position: int, stop: int) -> int:
        """The line, or the part of one, that begins at `position` is taken; returns where it ends."""
        found = wire.find(b"\n", position, stop)
        end = stop if found < 0 else found
        if len(self._line) + end - position > LINE_BYTES:
            raise MalformedBody("a line of the chunked body is too long")
        self._line += wire[position:end]
        if found < 0:
            return stop
        line = bytes(self._line)
        self._line.clear()
        if not line.endswith(b"\r"):
            raise MalformedBody("a line of the chunked body does not end in CRLF")
        self._end_line(line[:-1])
        return end + 1

    def _end_line(self, line: bytes) -> None:
        if self._expects == "size":
            self._take_size(line)
        elif self._expects == "end of chunk":
            if line:
                raise MalformedBody("a chunk of the body is longer than its size says")
            self._expects = "size"
        else:
            self._trailer += len(line)
            if self._trailer > TRAILER_BYTES:
                raise MalformedBody("the trailer of the chunked body is too long")
            self.done = not line

    def _take_size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise MalformedBody("a chunk size of the body is not a hexadecimal number")
        self._data = self._size = int(match[1], 16)
        self._between = b"\r\n%b\r\n" % line
        self.announced += self._data
        self._expects = "end of chunk" if self._data else "trailer"


Framing = SizedFraming | ChunkedFraming


def malformed_head(data: bytes, cause: BaseException) -> str:
    """What is wrong with a head that does not parse; two mistakes of configuration are told as such."""
    # The empty lines that the second version begins with have been passed over.
    if looks_like_preface(data) or looks_like_preface(b"\r\n\r\n" + data):
        return "The PROXY protocol is not expected from this address; name it in the setting network.proxy_protocol."
    if data.startswith(b"\x16\x03"):
        return "This port speaks plain HTTP, not TLS; use http:// in the address, or set up HTTPS (settings tls)."
    return f"The request is malformed: {cause}."
