"""Bodies and files over ASGI messages, scripted and from an ordinary server that offers nothing special."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope
from uvicorn._types import ASGIApplication

from roadstead.errors import BlobTooLarge, ManifestTooLarge
from roadstead.http.bodies import BATCH, SMALL, StreamedBody, read_small, request_body, send_file
from roadstead.http.framing import ClientGone
from tests.http.serving import PATIENCE, Application, Wire
from tests.http.test_transfer import Pot, chunked


def receives(*parts: bytes, gone: bool = False) -> Receive:
    """A receive() that gives `parts`, and then the end of the body or, with `gone`, of the connection."""
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if gone:
        messages.append({"type": "http.disconnect"})
    elif messages:
        messages[-1]["more_body"] = False
    script = iter(messages)

    async def receive() -> Message:
        return next(script)

    return receive


def scope(method: str = "PUT", length: int | None = None, extensions: Mapping[str, object] | None = None) -> Scope:
    headers = [] if length is None else [(b"content-length", b"%d" % length)]
    return {"type": "http", "method": method, "headers": headers, "extensions": extensions or {}}


def too_large() -> ManifestTooLarge:
    return ManifestTooLarge("too large")


class Wall(Pot):
    """A sink that blocks until it may go on, and notes whether it was used after its caller had ended."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.proceed = threading.Event()
        self.left = False

    def write(self, data: memoryview, /) -> None:
        self.entered.set()
        assert self.proceed.wait(PATIENCE)
        super().write(data)
        self.left = True


# request_body and StreamedBody


def test_the_servers_own_body_is_taken_when_offered() -> None:
    lent = StreamedBody(receives(), 5)
    assert request_body(scope(length=5, extensions={"roadstead.body": lent}), receives()) is lent
    assert request_body(scope(length=5), receives()).length == 5
    assert request_body({"type": "http", "headers": []}, receives()).length is None


@pytest.mark.parametrize(
    "sizes", [[0], [1], [SMALL], [SMALL + 1], [BATCH], [BATCH - 1, 1, 1], [300_000] * 20, [0, 7, 0, 3 * BATCH, 0]]
)
async def test_a_streamed_body_goes_into_the_sink(sizes: list[int]) -> None:
    parts = [random.Random(size).randbytes(size) for size in sizes]
    pot = Pot()
    assert await StreamedBody(receives(*parts), None).into(pot, sum(sizes)) == sum(sizes)
    assert bytes(pot.data) == b"".join(parts)


async def test_a_large_streamed_body_is_written_off_the_event_loop() -> None:
    wall = Wall()
    task = asyncio.create_task(StreamedBody(receives(bytes(2 * BATCH)), None).into(wall, 1 << 40))
    assert await asyncio.to_thread(wall.entered.wait, PATIENCE)
    wall.proceed.set()
    assert await task == 2 * BATCH


async def test_a_streamed_body_over_the_limit() -> None:
    with pytest.raises(BlobTooLarge):
        await StreamedBody(receives(), 11).into(Pot(), 10)
    with pytest.raises(BlobTooLarge):
        await StreamedBody(receives(b"hello", b"world!"), None).into(Pot(), 10)
    assert await StreamedBody(receives(b"hello", b"world"), 10).into(Pot(), 10) == 10


@pytest.mark.parametrize("length", [None, 5, 6])
async def test_a_client_that_goes(length: int | None) -> None:
    with pytest.raises(ConnectionError):
        await StreamedBody(receives(b"hello", gone=True), length).into(Pot(), 10)


@pytest.mark.parametrize("length", [4, 6])
async def test_a_body_of_another_length_than_announced(length: int) -> None:
    with pytest.raises(ClientGone, match="Content-Length"):
        await StreamedBody(receives(b"hello"), length).into(Pot(), 10)


async def test_what_the_sink_raises_comes_out() -> None:
    class Broken(Pot):
        def write(self, data: memoryview, /) -> None:
            raise OSError("full")

    for size in (10, 3 * BATCH):
        with pytest.raises(OSError, match="full"):
            await StreamedBody(receives(bytes(size)), None).into(Broken(), 1 << 40)


@pytest.mark.parametrize("ending", ["cancelled", "gone"])
async def test_no_thread_uses_the_sink_after_the_end(ending: str) -> None:
    wall = Wall()
    body = StreamedBody(receives(bytes(BATCH), bytes(BATCH), gone=True), None)
    task = asyncio.create_task(body.into(wall, 1 << 40))
    assert await asyncio.to_thread(wall.entered.wait, PATIENCE)
    if ending == "cancelled":
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    wall.proceed.set()
    with pytest.raises(asyncio.CancelledError if ending == "cancelled" else ClientGone):
        await task
    assert wall.left


# read_small


async def test_read_small() -> None:
    assert await read_small(scope(), receives(b"ab", b"", b"c"), 3, too_large) == b"abc"
    assert await read_small(scope(length=3), receives(b"abc"), 3, too_large) == b"abc"
    assert await read_small(scope(), receives(b""), 0, too_large) == b""


async def test_read_small_does_not_wait_for_more_than_the_limit() -> None:
    with pytest.raises(ManifestTooLarge):
        await read_small(scope(length=4), receives(), 3, too_large)
    with pytest.raises(ManifestTooLarge):
        await read_small(scope(), receives(b"ab", b"cd", gone=True), 3, too_large)


async def test_read_small_of_a_client_that_goes() -> None:
    with pytest.raises(ClientGone):
        await read_small(scope(), receives(b"ab", gone=True), 3, too_large)


# send_file


class Sent:
    """A send() that keeps its messages."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        assert [message["more_body"] for message in self.messages[:-1]] == [True] * (len(self.messages) - 1)
        assert not self.messages[-1].get("more_body")
        return b"".join(message["body"] for message in self.messages)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(random.Random(9).randbytes(3_000_000))
    return path


@pytest.mark.parametrize(("start", "stop"), [(0, 3_000_000), (0, 10), (1, SMALL + 1), (5, 2_900_000), (7, 7)])
async def test_a_file_is_streamed_where_nothing_better_is_offered(file: Path, start: int, stop: int) -> None:
    sent = Sent()
    await send_file(scope("GET"), sent, file, start, stop)
    assert sent.body == file.read_bytes()[start:stop]


async def test_a_file_is_left_to_the_server_where_it_can_be(file: Path) -> None:
    whole: dict[str, object] = {"http.response.pathsend": {}}
    ranges: dict[str, object] = {**whole, "roadstead.pathsend_range": {}}
    message = {"type": "http.response.pathsend", "path": str(file)}
    sent = Sent()
    await send_file(scope("GET", extensions=whole), sent, file, 0, 3_000_000)
    await send_file(scope("GET", extensions=ranges), sent, file, 5, 10)
    assert sent.messages == [message, {**message, "offset": 5, "count": 5}]
    part = Sent()
    await send_file(scope("GET", extensions=whole), part, file, 5, 10)
    assert part.body == file.read_bytes()[5:10]


@pytest.mark.parametrize("extension", ["x", "roadstead.pathsend_range"])
async def test_head_sends_nothing(file: Path, extension: str) -> None:
    sent = Sent()
    await send_file(scope("HEAD", extensions={extension: {}}), sent, file, 0, 3_000_000)
    assert sent.body == b""


async def test_a_file_shorter_than_asked_is_an_error(file: Path) -> None:
    for start in (0, 2_999_999):
        with pytest.raises(EOFError):
            await send_file(scope("GET"), Sent(), file, start, 3_000_001)


# Another server


@contextmanager
def plain_uvicorn(app: Application) -> Iterator[Wire]:
    """A connection to uvicorn as it comes."""
    config = uvicorn.Config(
        cast(ASGIApplication, app), http="httptools", ws="none", log_config=None, interface="asgi3", lifespan="on"
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        with socket.create_connection(address, timeout=PATIENCE) as connection:
            yield Wire(connection)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)


def test_everything_works_on_plain_uvicorn(file: Path) -> None:
    body = random.Random(10).randbytes(3_000_000)
    with plain_uvicorn(Application(content=file)) as wire:
        for request in (
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
            b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, [32_768, 5]),
        ):
            wire.send(b"PATCH /body HTTP/1.1\r\nHost: x\r\n" + request)
            facts = wire.answer().json()
            assert (facts["size"], facts["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
        wire.send(b"GET /file?start=3 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.answer().body == file.read_bytes()[3:]
