"""A client for large bodies that costs next to nothing: blocking sockets, buffers made once, no copies, no hashes.

What it receives of large answers is counted and dropped by the kernel; what it sends are views of bytes that were
made before. One thread for each connection is enough, because the calls that move bytes release the interpreter lock.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

Buffer = bytes | memoryview

END_OF_HEAD = b"\r\n\r\n"

_BUFFER = 1 << 20
_IDLE_SECONDS = 60


class WrongAnswer(Exception):
    """A server answered something that makes the measurement worthless."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer."""

    head: bytes

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head[9:12])

    def header(self, name: str) -> str:
        """The header's value; empty when it is missing."""
        wanted = name.lower().encode()
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.lower() == wanted:
                return value.strip().decode("latin-1")
        return ""

    @property
    def location(self) -> str:
        """Path and query of the Location header, which may also name the host."""
        parts = urlsplit(self.header("Location"))
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def expect(self, status: int) -> None:
        """Returns when the answer has that status; raises WrongAnswer otherwise."""
        if self.status != status:
            raise WrongAnswer(f"expected {status}, got: {self.head[:400].decode('latin-1')}")


def head_of(method: str, target: str, headers: bytes, *more: str) -> bytes:
    """The head of a request; `headers` are whole lines, `more` are lines without their ends."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *more, ""]
    return "\r\n".join(lines).encode() + headers + b"\r\n"


class Connection:
    """One connection to a server on loopback, kept open."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's time-outs: with one of Python's own, each call would poll first.
        idle = struct.pack("ll", _IDLE_SECONDS, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, idle)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, idle)
        self._buffer = memoryview(bytearray(_BUFFER))
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, head: bytes, body: Sequence[Buffer] = ()) -> Answer:
        """The answer's head; its body, if it has one, has to be taken by `read` or `skip`."""
        self._socket.sendall(head)
        for piece in body:
            self._socket.sendall(piece)
        found, self._rest = b"", b""
        while END_OF_HEAD not in found:
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise WrongAnswer("the server closed the connection before its answer")
            found += self._buffer[:count]
        found, _, self._rest = found.partition(END_OF_HEAD)
        return Answer(found)

    def skip(self, answer: Answer) -> int:
        """The answer's body has been received and forgotten; its size."""
        size = int(answer.header("Content-Length"))
        left = size - len(self._rest)
        while left > 0:
            # The kernel drops the bytes instead of copying them (tcp(7)): what is measured is the server.
            count = self._socket.recv_into(self._buffer[: min(left, _BUFFER)], 0, socket.MSG_TRUNC)
            if not count:
                raise WrongAnswer("the server closed the connection within a body")
            left -= count
        return size

    def read(self, answer: Answer) -> bytes:
        """The answer's body; for small ones."""
        body, size = self._rest, int(answer.header("Content-Length"))
        while len(body) < size:
            count = self._socket.recv_into(self._buffer[: min(size - len(body), _BUFFER)])
            if not count:
                raise WrongAnswer("the server closed the connection within a body")
            body += self._buffer[:count]
        return body
