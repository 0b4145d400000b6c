"""A real server around a small application, and a client that writes and reads bytes as the tests say."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

import uvloop
from msgspec import structs
from starlette.types import Message, Receive, Scope, Send

from roadstead.config import Limits, Settings, Tls
from roadstead.errors import AppError, ManifestTooLarge
from roadstead.http.bodies import read_small, request_body, send_file
from roadstead.http.framing import ClientGone
from roadstead.http.protocol import ServerConfig
from roadstead.http.server import serve, server_config
from roadstead.http.transfer import Sending

PATIENCE = 60


class HashingSink:
    """Hashes what it is given and remembers which threads gave it."""

    def __init__(self, broken: bool = False) -> None:
        self.hash = hashlib.sha256()
        self.size = 0
        self.threads: set[str] = set()
        self.broken = broken

    def write(self, data: memoryview, /) -> None:
        if self.broken:
            raise OSError(28, "no space left")
        self.hash.update(data)
        self.size += len(data)
        self.threads.add(threading.current_thread().name.partition("_")[0])


@dataclass
class Application:
    """Bodies go to /body, /quick, /small, /refuse, /late; files come from /file; /where tells the addresses."""

    content: Path | None = None
    limit: int = 1 << 40
    starts: bool = True
    began: threading.Event = field(default_factory=threading.Event)
    proceed: threading.Event = field(default_factory=threading.Event)
    gone: deque[str] = field(default_factory=deque)
    ended: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        self.began.set()
        try:
            await getattr(self, scope["path"].strip("/") or "root")(scope, receive, send)
        except ClientGone as error:
            self.gone.append(str(error))
            raise
        except AppError as error:
            await answer(send, error.status, {"error": error.message})
        finally:
            self.ended.release()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup." + ("complete" if self.starts else "failed")})
        if self.starts:
            await receive()
            await send({"type": "lifespan.shutdown.complete"})

    async def root(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, {"path": scope["raw_path"].decode(), "query": scope["query_string"].decode()})

    async def where(self, scope: Scope, receive: Receive, send: Send) -> None:
        extensions = sorted(scope["extensions"])
        facts = {"client": scope["client"], "server": scope["server"], "scheme": scope["scheme"]}
        await answer(send, 200, {**facts, "extensions": extensions})

    async def body(self, scope: Scope, receive: Receive, send: Send) -> None:
        sink = HashingSink()
        size = await request_body(scope, receive).into(sink, self.limit)
        assert size == sink.size
        facts = {"size": size, "sha256": sink.hash.hexdigest(), "threads": sorted(sink.threads)}
        await answer(send, 201, facts)

    async def quick(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes a body of up to 1000 bytes at once if it can, and any other the long way."""
        body = request_body(scope, receive)
        data = await body.at_once(1000)
        sink = HashingSink()
        if data is None:
            await body.into(sink, self.limit)
        else:
            sink.write(memoryview(data))
        facts = {"size": sink.size, "sha256": sink.hash.hexdigest(), "at_once": data is not None}
        await answer(send, 201, facts)

    async def broken(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The sink fails; what remains of the body cannot be had another way."""
        try:
            await request_body(scope, receive).into(HashingSink(broken=True), self.limit)
        except OSError as error:
            facts: dict[str, object] = {"error": error.strerror, "rest": "here"}
        try:
            await request_body(scope, receive).into(HashingSink(), self.limit)
        except ClientGone:
            facts["rest"] = "gone"
        await answer(send, 503, facts)

    async def small(self, scope: Scope, receive: Receive, send: Send) -> None:
        data = await read_small(scope, receive, 200_000, lambda: ManifestTooLarge("over 200 kB"))
        await answer(send, 201, {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()})

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 401, {"error": "not you"})

    async def late(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads the body only when the test says so."""
        await asyncio.to_thread(self.proceed.wait, PATIENCE)
        await self.body(scope, receive, send)

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Some megabytes without a Content-Length."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": bytes(1 << 18), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def unchanged(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 304, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b""})

    async def header(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-name", b"a\r\nset-cookie: b")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def file(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.content is not None
        query = dict(parse_qsl(scope["query_string"].decode()))
        start = int(query.get("start", 0))
        stop = int(query.get("stop", self.content.stat().st_size))
        headers = [(b"content-length", b"%d" % (stop - start))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send_file(scope, send, self.content, start, stop)


async def answer(send: Send, status: int, content: dict[str, object]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


@dataclass
class Answer:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        content = json.loads(self.body)
        assert isinstance(content, dict)
        return content


class Wire:
    """A client's connection: what is sent is exactly what the test says."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._read = b""

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.connection.sendall(part)

    def answer(self, head_only: bool = False) -> Answer:
        """The next answer; its body ends as its headers say."""
        lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        status = int(lines[0].split()[1])
        if head_only or status < 200:
            return Answer(status, headers, b"")
        if "content-length" in headers:
            return Answer(status, headers, self.exactly(int(headers["content-length"])))
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, b"".join(iter(self._chunk, b"")))
        return Answer(status, headers, self.rest())

    def unread(self, data: bytes) -> None:
        """`data` is read again first."""
        self._read = data + self._read

    def rest(self) -> bytes:
        """Everything until the server closes; a reset is a failure."""
        while piece := self.connection.recv(1 << 18):
            self._read += piece
        rest, self._read = self._read, b""
        return rest

    def is_closed(self) -> bool:
        """Whether the server closes without another byte, by FIN or reset."""
        with suppress(ConnectionError):
            return self.rest() == b""
        return True

    def _chunk(self) -> bytes:
        data = self.exactly(int(self._until(b"\r\n"), 16))
        assert self._until(b"\r\n") == b"\r\n"
        return data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._more()
        end = self._read.index(mark) + len(mark)
        found, self._read = self._read[:end], self._read[end:]
        return found

    def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        pieces = [self._read]
        have = len(self._read)
        while have < size:
            self._read = b""
            self._more()
            pieces.append(self._read)
            have += len(self._read)
        data = b"".join(pieces)
        self._read = data[size:]
        return data[:size]

    def _more(self) -> None:
        piece = self.connection.recv(1 << 18)
        assert piece, f"the server closed; read so far: {self._read[:200]!r}"
        self._read += piece


@dataclass
class Served:
    """A running server."""

    app: Application
    config: ServerConfig
    port: int
    stop: asyncio.Event
    loop: asyncio.AbstractEventLoop
    thread: threading.Thread
    trust: ssl.SSLContext | None = None

    @contextmanager
    def wire(self, receive_buffer: int = 0) -> Iterator[Wire]:
        with socket.socket() as plain:
            if receive_buffer:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            plain.settimeout(PATIENCE)
            plain.connect(("127.0.0.1", self.port))
            if self.trust is None:
                yield Wire(plain)
                return
            with self.trust.wrap_socket(plain, server_hostname="localhost") as secure:
                yield Wire(secure)

    def ask_to_stop(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)

    def is_healthy(self) -> bool:
        with self.wire() as wire:
            wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return wire.answer().status == 200


def settings(**limits: int) -> Settings:
    return Settings(limits=Limits(**limits))


@contextmanager
def served(
    app: Application,
    options: Settings | None = None,
    *,
    tls: tuple[str, str] | None = None,
    sending: Sending = "mmap",
    stop_seconds: int = 10,
    send_buffer: int = 0,
) -> Iterator[Served]:
    """`app` is served in a thread, on its own event loop; `tls` names the files of a certificate and its key."""
    options = options or Settings()
    if tls is not None:
        options = structs.replace(options, tls=Tls(certificate=tls[0], key=tls[1]))
    config = server_config(app, options, sending=sending)
    config.timeout_graceful_shutdown = stop_seconds
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    if send_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    port = listener.getsockname()[1]
    ready: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    started = threading.Event()

    async def main() -> None:
        stop = asyncio.Event()
        ready.append((asyncio.get_running_loop(), stop))
        started.set()
        secure = options.tls.on
        await serve(config, [] if secure else [listener], stop, secure=[listener] if secure else [])

    thread = threading.Thread(target=lambda: uvloop.run(main()), daemon=True)
    thread.start()
    assert started.wait(PATIENCE)
    loop, stop = ready[0]
    context = ssl.create_default_context(cafile=tls[0]) if tls is not None else None
    running = Served(app, config, port, stop, loop, thread, context)
    try:
        yield running
    finally:
        if thread.is_alive():
            running.ask_to_stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server did not stop"
