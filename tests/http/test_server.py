"""The server over real sockets: heads, times, limits, TLS, its start and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadstead.errors import StartRefused
from roadstead.http.server import serve, server_config
from tests.factories.certificates import own_files
from tests.http.serving import PATIENCE, Application, Served, Wire, served, settings
from tests.http.talking import (
    BIG,
    GET,
    MIB,
    app,
    assert_alive,
    assert_arrived,
    blob,
    head,
    in_chunks,
    let_the_server_read,
    server,
    sized,
    wire,
)

__all__ = ["app", "blob", "server", "wire"]


# Requests without a body


def test_answers_follow_one_another_on_a_connection(wire: Wire) -> None:
    for path in ("/", "/?a=b", "/"):
        wire.send(head("GET", path))
        answer = wire.answer()
        assert answer.status == 200
        assert "date" in answer.headers
        assert "server" not in answer.headers
        assert "connection" not in answer.headers


def test_the_scope_tells_the_addresses_and_what_the_server_offers(server: Served, wire: Wire) -> None:
    wire.send(head("GET", "/where", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https"))
    facts = wire.answer().json()
    assert facts["client"] == list(wire.connection.getsockname())
    assert facts["server"] == ["127.0.0.1", server.port]
    assert facts["scheme"] == "http"
    assert facts["extensions"] == ["http.response.pathsend", "roadstead.pathsend_range"]


@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("size", [None, 65_536, 65_537])
def test_a_body_is_offered_when_it_is_large_or_chunked(wire: Wire, method: str, size: int | None) -> None:
    wire.send(in_chunks(method, "/where", b"a", [1]) if size is None else sized(method, "/where", bytes(size)))
    offered = b"roadstead.body" in wire.answer().body
    assert offered == (method != "DELETE" and size != 65_536)


def test_requests_may_be_pipelined(wire: Wire) -> None:
    count = 500
    wire.send(b"".join(head("GET", f"/?{number}") for number in range(count)))
    assert [wire.answer().json()["query"] for _ in range(count)] == [str(number) for number in range(count)]


def test_the_target_reaches_the_application_as_it_was_sent(wire: Wire) -> None:
    wire.send(head("GET", "/%72oot?q=%20"))
    assert wire.answer().json() == {"path": "/%72oot", "query": "q=%20"}


def test_empty_lines_before_a_request_are_skipped(wire: Wire) -> None:
    wire.send(b"\r\n\r\n" + GET + b"\r\n" + GET)
    assert [wire.answer().status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("cut", [1, 10, len(GET) - 4, len(GET) - 3, len(GET) - 2, len(GET) - 1])
def test_a_head_may_come_in_parts(wire: Wire, cut: int) -> None:
    for _ in range(2):
        wire.send(GET[:cut])
        let_the_server_read()
        wire.send(GET[cut:])
        assert wire.answer().status == 200


def test_a_head_may_come_byte_by_byte(wire: Wire) -> None:
    wire.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in GET:
        wire.send(bytes([byte]))
        if byte in b"\r\n":
            let_the_server_read()
    assert wire.answer().status == 200


def test_an_answer_without_length_is_chunked_for_http_1_1_and_ends_with_the_connection_for_1_0(wire: Wire) -> None:
    wire.send(head("GET", "/stream"))
    answer = wire.answer()
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == bytes(16 * MIB)
    wire.send(b"GET /stream HTTP/1.0\r\n\r\n")
    answer = wire.answer()
    assert "transfer-encoding" not in answer.headers
    assert answer.body == bytes(16 * MIB)


def test_an_answer_without_a_body_may_tell_a_length(wire: Wire) -> None:
    wire.send(head("GET", "/unchanged") + GET)
    assert wire.answer(head_only=True).status == 304
    assert wire.answer().status == 200


def test_a_line_break_in_a_header_of_the_answer_does_not_reach_the_client(wire: Wire) -> None:
    wire.send(head("GET", "/header"))
    assert wire.is_closed()


def test_an_offer_to_upgrade_is_ignored(wire: Wire) -> None:
    wire.send(sized("POST", "/body", b"hello", "Connection: Upgrade", "Upgrade: h2c"))
    assert_arrived(wire.answer(), b"hello")
    assert_alive(wire)


def test_the_client_may_ask_to_close(wire: Wire) -> None:
    wire.send(head("GET", "/", "Connection: close"))
    assert wire.answer().headers["connection"] == "close"
    assert wire.is_closed()


# Times and limits


def test_a_head_that_does_not_end_is_answered_408(app: Application) -> None:
    with served(app, settings(idle_seconds=1)) as server:
        with server.wire() as wire:
            wire.send(GET[:-2])
            assert wire.answer().status == 408
            assert wire.is_closed()
        with server.wire() as wire:
            assert_alive(wire)
            wire.send(GET[:-2])
            assert wire.answer().status == 408


def test_a_connection_that_says_nothing_is_closed(app: Application) -> None:
    with served(app, settings(idle_seconds=1)) as server, server.wire() as wire:
        assert wire.is_closed()
    with served(app, settings(keep_alive_seconds=1)) as server, server.wire() as wire:
        assert_alive(wire)
        assert wire.is_closed()


@pytest.mark.parametrize(
    "request_", [sized("PATCH", "/body", BIG), sized("PUT", "/body", BIG[:60_000]), sized("DELETE", "/body", BIG)]
)
def test_a_body_that_stalls_is_given_up(app: Application, request_: bytes) -> None:
    with served(app, settings(idle_seconds=1)) as server, server.wire() as wire:
        wire.send(request_[:50_000])
        assert wire.is_closed()
        assert app.ended.acquire(timeout=PATIENCE)
        assert len(app.gone) == 1
        assert server.is_healthy()


@pytest.mark.parametrize("path", ["/file", "/stream"])
def test_a_client_that_takes_nothing_is_cut_off(app: Application, path: str) -> None:
    with served(app, settings(idle_seconds=1)) as server, server.wire() as wire:
        wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(head("GET", path))
        assert app.ended.acquire(timeout=PATIENCE)
        assert server.is_healthy()


@pytest.mark.parametrize("packet", [1000, 1 << 20])
def test_a_head_over_the_limit_is_answered_431(app: Application, packet: int) -> None:
    with served(app, settings(header_bytes=10_000)) as server:
        for request in (
            head("GET", "/" + "a" * 10_000),
            head("GET", "/", "X: " + "a" * 10_000),
            head("GET", "/", *["X: a"] * 2000),
            b"GET / HTTP/1.1\r\nX: " + b"a" * 50_000,
        ):
            with server.wire() as wire:
                wire.send(*(request[start : start + packet] for start in range(0, len(request), packet)))
                answer = wire.answer()
                assert (answer.status, answer.headers["connection"]) == (431, "close")
        with server.wire() as wire:
            wire.send(head("GET", "/", "X: " + "a" * 9_900))
            assert wire.answer().status == 200


MALFORMED = {
    "no method": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no HTTP": b"hello\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare line feed at the end": b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "length and chunks": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "signed length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
    "another coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "another coding first": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two codings": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nA: b\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "space in the name": b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    "no target": b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_is_answered_400(app: Application, request_: bytes) -> None:
    with served(app) as server, server.wire() as wire:
        wire.send(request_)
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.body.endswith(b".\n")
        assert wire.is_closed()
        assert not app.began.is_set()


def test_a_malformed_request_after_a_good_one(wire: Wire) -> None:
    wire.send(GET + b"hello\r\n\r\n")
    assert [wire.answer().status, wire.answer().status] == [200, 400]


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The files of a certificate for localhost and of its key."""
    files = own_files(tmp_path_factory.mktemp("tls"), "localhost")
    return str(files.chain), str(files.key)


def test_tls_takes_the_ordinary_path(app: Application, blob: Path, certificate: tuple[str, str]) -> None:
    with served(app, tls=certificate) as server, server.wire() as wire:
        wire.send(in_chunks("PATCH", "/where", b"a", [1]))
        facts = wire.answer().json()
        assert facts["scheme"] == "https"
        assert "roadstead.body" not in str(facts["extensions"])
        wire.send(sized("PATCH", "/body", BIG + BIG) + GET)
        assert_arrived(wire.answer(), BIG + BIG, "uvloop")
        assert wire.answer().status == 200
        wire.send(in_chunks("PATCH", "/body", BIG + BIG, [100_000]))
        assert_arrived(wire.answer(), BIG + BIG, "uvloop")
        wire.send(head("GET", "/file"))
        assert wire.answer().body == blob.read_bytes()
        wire.send(sized("PATCH", "/refuse", BIG[:200_000]))
        assert wire.answer().status == 401


# Start and stop


def test_running_requests_end_before_the_server_does(app: Application) -> None:
    with served(app) as server, server.wire() as wire, server.wire() as idle:
        assert_alive(idle)
        app.began.clear()
        wire.send(sized("PATCH", "/body", BIG)[:100_000])
        assert app.began.wait(PATIENCE)
        server.ask_to_stop()
        assert idle.is_closed()
        wire.send(sized("PATCH", "/body", BIG)[100_000:])
        answer = wire.answer()
        assert_arrived(answer, BIG, "transfer")
        assert answer.headers["connection"] == "close"
        server.thread.join(PATIENCE)
        assert not server.thread.is_alive()


@pytest.mark.parametrize("request_", [sized("PATCH", "/body", BIG)[:100_000], head("GET", "/file")])
def test_requests_that_do_not_end_are_broken_off(app: Application, request_: bytes) -> None:
    with served(app, stop_seconds=1) as server, server.wire() as wire:
        wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(request_)
        assert app.began.wait(PATIENCE)
        server.ask_to_stop()
        server.thread.join(PATIENCE)
        assert not server.thread.is_alive()


async def test_an_application_that_does_not_start_is_an_error() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, pytest.raises(StartRefused):
        await serve(server_config(Application(starts=False), settings()), [listener], asyncio.Event())


SERVER = """
import socket, sys, uvloop
from pathlib import Path
from roadstead.http.server import serve, server_config
from roadstead.http.transfer import Sending
from tests.http.serving import Application, settings
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
uvloop.run(serve(server_config(Application(content=Path(sys.argv[1])), settings()), [listener]))
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(300 * MIB)
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SERVER, str(sparse)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=environment) as running:
        assert running.stdout is not None
        port = int(running.stdout.readline())
        yield running, port
        running.kill()


def test_memory_stays_flat_during_a_large_download_and_sigterm_ends_the_process(
    process: tuple[subprocess.Popen[str], int],
) -> None:
    running, port = process
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(GET)
        Wire(connection).answer()
        before = _peak_memory(running.pid)
        connection.sendall(head("GET", "/file", "Connection: close"))
        total = 0
        while piece := connection.recv(MIB):
            total += len(piece)
    assert total > 300 * MIB
    assert _peak_memory(running.pid) - before < 40 * MIB
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE) == 0


def _peak_memory(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10
