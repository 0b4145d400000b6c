"""What tests of the server begin with: a server that runs, connections to it, and what is said over them."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.http.serving import Answer, Application, Served, Wire, served
from tests.http.test_transfer import chunked

MIB = 1 << 20
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def blob(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "blob"
    path.write_bytes(random.Random(5).randbytes(18 * MIB + 321))
    return path


@pytest.fixture(scope="module")
def server(blob: Path) -> Iterator[Served]:
    with served(Application(content=blob)) as running:
        yield running


@pytest.fixture
def wire(server: Served) -> Iterator[Wire]:
    with server.wire() as wire:
        yield wire


@pytest.fixture
def app(blob: Path) -> Application:
    return Application(content=blob)


def head(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def sized(method: str, path: str, body: bytes, *headers: str) -> bytes:
    return head(method, path, f"Content-Length: {len(body)}", *headers) + body


def in_chunks(method: str, path: str, body: bytes, sizes: list[int], *headers: str) -> bytes:
    return head(method, path, "Transfer-Encoding: chunked", *headers) + chunked(body, sizes)


def assert_arrived(answer: Answer, body: bytes, thread: str | None = None) -> None:
    facts = answer.json()
    assert (answer.status, facts["size"]) == (201, len(body)), facts
    assert facts["sha256"] == hashlib.sha256(body).hexdigest()
    if thread is not None:
        assert facts["threads"] == [thread]


def assert_alive(wire: Wire) -> None:
    wire.send(GET)
    assert wire.answer().status == 200


BIG = random.Random(6).randbytes(MIB + 17)


def let_the_server_read() -> None:
    """A moment in which the server most likely takes what was sent; the test holds either way."""
    threading.Event().wait(0.02)
