"""A receiver of triggers in a process of its own: it accepts everything and keeps when it heard of which tag.

`GET /` tells how many tags it has heard of, `GET /heard` when, in the seconds of `time.perf_counter`, which is one
clock for all processes of the machine.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

from benchmarks.client import Connection, head_of

_ACCEPTED = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver:
    """The running receiver, as who measures sees it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.receiver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    @property
    def url(self) -> str:
        """Where triggers post to."""
        return f"http://127.0.0.1:{self.port}/"

    def count(self) -> int:
        """How many tags it has heard of."""
        return int(self._ask("/"))

    def heard(self) -> dict[str, float]:
        """When it heard first of each tag."""
        found: dict[str, float] = json.loads(self._ask("/heard"))
        return found

    def _ask(self, path: str) -> bytes:
        with Connection(self.port) as connection:
            return connection.read(connection.ask(head_of("GET", path, b"")))


class _Heard:
    """What the receiver has heard."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the other side closes it."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                _, _, rest = head.partition(b"content-length:")
                body = await reader.readexactly(int(rest.partition(b"\r\n")[0] or 0))
                writer.write(self._answer(head, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"post"):
            for resource in json.loads(body)["event_data"]["resources"]:
                self._at.setdefault(resource["tag"], time.perf_counter())
            return _ACCEPTED
        said = json.dumps(self._at if b" /heard " in head else len(self._at)).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)


async def main() -> None:
    """The port is printed, and everything accepted until the input ends."""
    server = await asyncio.start_server(_Heard().serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
