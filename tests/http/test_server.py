"""The server over real sockets: each way in which a body, an answer or a client can go, lent and ordinary."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.errors import StartRefused
from roadstead.http.server import serve, server_config
from roadstead.http.transfer import Sending
from tests.factories.certificates import own_files
from tests.http.serving import PATIENCE, Answer, Application, Served, Wire, served, settings
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
        _let_the_server_read()
        wire.send(GET[cut:])
        assert wire.answer().status == 200


def test_a_head_may_come_byte_by_byte(wire: Wire) -> None:
    wire.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in GET:
        wire.send(bytes([byte]))
        if byte in b"\r\n":
            _let_the_server_read()
    assert wire.answer().status == 200


def _let_the_server_read() -> None:
    """A moment in which the server most likely takes what was sent; the test holds either way."""
    threading.Event().wait(0.02)


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


# Bodies


@pytest.mark.parametrize("method", ["PATCH", "PUT", "POST"])
def test_a_large_sized_body_is_received_by_a_transfer_thread(wire: Wire, method: str) -> None:
    body = random.Random(7).randbytes(30 * MIB + 5)
    wire.send(sized(method, "/body", body))
    assert_arrived(wire.answer(), body, "transfer")
    assert_alive(wire)


@pytest.mark.parametrize("sizes", [[32_768], [1, 65_537, 4095, 300_001], [8 * MIB + 1]])
def test_a_large_chunked_body_is_received_by_a_transfer_thread(wire: Wire, sizes: list[int]) -> None:
    body = random.Random(8).randbytes(30 * MIB + 5)
    wire.send(in_chunks("PATCH", "/body", body, sizes))
    assert_arrived(wire.answer(), body, "transfer")
    assert_alive(wire)


def test_a_small_body_takes_no_thread(wire: Wire) -> None:
    for body in (b"hello", bytes(65_536)):
        wire.send(sized("POST", "/body", body))
        answer = wire.answer()
        assert_arrived(answer, body)
        assert answer.json()["threads"] != ["transfer"]
    wire.send(sized("POST", "/body", b""))
    assert_arrived(wire.answer(), b"")


@pytest.mark.parametrize(("size", "at_once"), [(0, True), (1, True), (1000, True), (1001, False), (100_000, False)])
@pytest.mark.parametrize("chunk", [None, 7, 1 << 20])
def test_a_small_body_is_had_at_once_and_a_larger_one_as_ever(
    wire: Wire, size: int, at_once: bool, chunk: int | None
) -> None:
    body = BIG[:size]
    request = sized("PUT", "/quick", body) if chunk is None else in_chunks("PUT", "/quick", body, [chunk])
    wire.send((request + GET) * 2)
    for _ in range(2):
        answer = wire.answer()
        assert_arrived(answer, body)
        assert answer.json()["at_once"] == at_once
        assert wire.answer().status == 200


@pytest.mark.parametrize("chunk", [None, 7])
def test_a_small_body_in_several_packets_arrives(wire: Wire, chunk: int | None) -> None:
    body = BIG[:500]
    request = sized("PUT", "/quick", body) if chunk is None else in_chunks("PUT", "/quick", body, [chunk])
    wire.send(request[:-100])
    _let_the_server_read()
    wire.send(request[-100:] + GET)
    assert_arrived(wire.answer(), body)
    assert wire.answer().status == 200


def test_a_small_body_that_is_badly_chunked_is_refused(wire: Wire) -> None:
    wire.send(head("PUT", "/quick", "Transfer-Encoding: chunked") + b"5\r\nhello!\r\n0\r\n\r\n")
    assert wire.answer().status == 400


def test_a_chunked_body_may_be_read_the_ordinary_way(wire: Wire) -> None:
    wire.send(in_chunks("POST", "/small", BIG[:150_000], [1000, 7]) + GET)
    assert_arrived(wire.answer(), BIG[:150_000])
    assert wire.answer().status == 200


@pytest.mark.parametrize("part", [1, 30, 60, 100])
@pytest.mark.parametrize("chunk", [None, 50_000])
def test_head_and_body_may_come_in_any_packets(wire: Wire, part: int, chunk: int | None) -> None:
    request = sized("PATCH", "/body", BIG) if chunk is None else in_chunks("PATCH", "/body", BIG, [chunk])
    end = request.index(b"\r\n\r\n") + 4
    for start, stop in itertools.pairwise([0, *sorted([part, end, end + 3]), len(request)]):
        wire.send(request[start:stop])
        _let_the_server_read()
    assert_arrived(wire.answer(), BIG, "transfer")
    assert_alive(wire)


def test_what_follows_a_body_is_the_next_request(wire: Wire) -> None:
    wire.send(
        sized("PATCH", "/body", BIG),
        in_chunks("PUT", "/body", BIG, [77_777]) + GET + sized("POST", "/body", b"small") + GET,
        in_chunks("PATCH", "/body", BIG, [1 << 17]) + GET,
    )
    for expected in (BIG, BIG, None, b"small", None, BIG, None):
        answer = wire.answer()
        if expected is None:
            assert answer.status == 200
        else:
            assert_arrived(answer, expected)


def test_pipelined_requests_wait_while_a_body_is_awaited_by_the_application(app: Application) -> None:
    with served(app) as server, server.wire() as wire:
        wire.send(in_chunks("PATCH", "/late", b"hello", [2]) + GET)
        assert app.began.wait(PATIENCE)
        wire.send(GET)
        app.proceed.set()
        assert_arrived(wire.answer(), b"hello")
        assert [wire.answer().status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("length", ["Content-Length: 1048593", "Transfer-Encoding: chunked", "Content-Length: 5"])
def test_a_client_may_wait_to_be_told_to_continue(wire: Wire, length: str) -> None:
    wire.send(head("PUT", "/body", length, "Expect: 100-continue"))
    assert wire.answer().status == 100
    body = b"hello" if length.endswith(" 5") else BIG
    wire.send(chunked(body, [30_000]) if "chunked" in length else body)
    assert_arrived(wire.answer(), body)
    assert_alive(wire)


@pytest.mark.parametrize("length", [5, MIB])
def test_an_upload_refused_before_it_is_sent_gets_no_100(wire: Wire, length: int) -> None:
    wire.send(head("PUT", "/refuse", f"Content-Length: {length}", "Expect: 100-continue"))
    answer = wire.answer()
    assert (answer.status, answer.headers["connection"]) == (401, "close")
    assert wire.is_closed()


@pytest.mark.parametrize("length", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_a_refused_upload_gets_its_answer_while_it_is_sent(server: Served, wire: Wire, length: str) -> None:
    stopped = threading.Event()

    def send() -> None:
        try:
            wire.send(head("PATCH", "/refuse", length))
            while True:
                wire.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")
        except OSError:
            stopped.set()

    sender = threading.Thread(target=send)
    sender.start()
    answer = wire.answer()
    assert (answer.status, answer.headers["connection"]) == (401, "close")
    assert stopped.wait(PATIENCE)
    sender.join()
    assert server.is_healthy()


def test_a_refused_upload_gets_its_answer_when_the_client_sends_all_of_it_first(wire: Wire) -> None:
    wire.send(sized("PATCH", "/refuse", BIG[: MIB // 2]))
    assert wire.answer().status == 401
    assert wire.rest() == b"", "the connection was not closed in order"


def test_a_refused_small_body_keeps_the_connection(wire: Wire) -> None:
    wire.send(head("POST", "/refuse", "Content-Length: 10"))
    assert wire.answer().status == 401
    wire.send(b"0123456789" + GET)
    assert wire.answer().status == 200
    wire.send(sized("POST", "/refuse", b"0123456789") + GET)
    assert [wire.answer().status, wire.answer().status] == [401, 200]


@pytest.mark.parametrize("request_", [sized("PATCH", "/body", BIG), in_chunks("PATCH", "/body", BIG, [70_000])])
def test_a_body_over_the_limit_is_refused(app: Application, request_: bytes) -> None:
    app.limit = 100_000
    with served(app) as server, server.wire() as wire:
        wire.send(request_)
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert "100000" in str(answer.json()["error"])
        assert wire.is_closed()
        assert server.is_healthy()


@pytest.mark.parametrize(
    "request_",
    [
        sized("PATCH", "/body", BIG),
        in_chunks("PATCH", "/body", BIG, [70_000]),
        sized("PUT", "/body", BIG[:60_000]),
        in_chunks("DELETE", "/body", BIG, [70_000]),
    ],
)
@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_goes_in_the_middle(
    app: Application, request_: bytes, reset: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with served(app) as server:
        with server.wire() as wire:
            wire.send(request_[: len(request_) // 2])
            assert app.began.wait(PATIENCE)
            if reset:
                wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert app.ended.acquire(timeout=PATIENCE)
        assert len(app.gone) == 1
        assert server.is_healthy()
        assert server.config.lender.has_room
    assert "Exception" not in caplog.text


def test_a_sink_that_fails_lets_the_application_answer(server: Served, wire: Wire) -> None:
    wire.send(sized("PATCH", "/broken", BIG))
    answer = wire.answer()
    assert (answer.status, answer.headers["connection"]) == (503, "close")
    assert answer.json() == {"error": "no space left", "rest": "gone"}
    assert server.is_healthy()


@pytest.mark.parametrize(
    ("method", "garbage"),
    [("PATCH", b"xyz\r\n"), ("PATCH", b"3\r\nabcd\r\n"), ("DELETE", b"xyz\r\n"), ("DELETE", b"3\nabc")],
)
@pytest.mark.parametrize("apart", [False, True])
def test_garbage_instead_of_chunks(app: Application, method: str, garbage: bytes, apart: bool) -> None:
    with served(app) as server, server.wire() as wire:
        wire.send(in_chunks(method, "/body", b"hello", [5])[: -len(b"0\r\n\r\n")] + (b"" if apart else garbage))
        if apart:
            assert app.began.wait(PATIENCE)
            wire.send(garbage)
        assert wire.answer().status == 400
        assert wire.is_closed()
        assert server.is_healthy()
        if apart:
            assert app.ended.acquire(timeout=PATIENCE)
            assert len(app.gone) == 1


def test_more_bodies_than_threads_all_arrive(app: Application) -> None:
    body = BIG[:700_000]

    def push(few: Served, number: int) -> bool:
        mine = body + b"%d" % number
        with few.wire() as wire:
            wire.send(sized("PATCH", "/body", mine) if number % 2 else in_chunks("PATCH", "/body", mine, [99_999]))
            assert_arrived(wire.answer(), mine)
        return True

    with served(app, settings(transfer_threads=4)) as few:
        with ThreadPoolExecutor(100) as clients:
            assert all(clients.map(partial(push, few), range(100)))
        assert few.config.lender.has_room


def test_the_ordinary_path_serves_when_every_thread_is_taken(app: Application, blob: Path) -> None:
    with served(app, settings(transfer_threads=1)) as server, server.wire() as first, server.wire() as second:
        first.send(sized("PATCH", "/body", BIG)[:200_000])
        assert app.began.wait(PATIENCE)
        while server.config.lender.has_room:
            _let_the_server_read()
        second.send(sized("PATCH", "/body", BIG + BIG))
        assert_arrived(second.answer(), BIG + BIG, "uvloop")
        second.send(in_chunks("PATCH", "/body", BIG + BIG, [100_000]) + GET)
        assert_arrived(second.answer(), BIG + BIG, "uvloop")
        assert second.answer().status == 200
        second.send(head("GET", "/file"))
        assert second.answer().body == blob.read_bytes()
        first.send(sized("PATCH", "/body", BIG)[200_000:])
        assert_arrived(first.answer(), BIG, "transfer")


PAYLOADS = (b"", b"hello", BIG[:65_536], BIG[:65_537], BIG[:400_000])


@hypothesis.settings(max_examples=40, deadline=None)
@given(
    kinds=st.lists(st.tuples(st.sampled_from(["GET", "PATCH", "chunked", "DELETE", "refuse"]), st.integers(0, 4))),
    cuts=st.lists(st.integers(0, 600_000), max_size=8),
    pause=st.booleans(),
)
def test_any_requests_in_any_packets_get_their_answers(
    server: Served, kinds: list[tuple[str, int]], cuts: list[int], pause: bool
) -> None:
    requests, expected = [], []
    for kind, number in kinds:
        payload = PAYLOADS[number]
        if kind == "GET":
            requests.append(GET)
        elif kind == "refuse":
            requests.append(sized("PUT", "/refuse", payload[:60_000]))
        elif kind == "chunked":
            requests.append(in_chunks("PATCH", "/body", payload, [50_000, 1]))
        else:
            requests.append(sized(kind, "/body", payload))
        expected.append({"GET": 200, "refuse": 401}.get(kind, payload))
    stream = b"".join(requests)
    with server.wire() as wire, ThreadPoolExecutor(1) as sender:
        sending = sender.submit(send_in_parts, wire, stream, cuts, pause)
        for outcome in expected:
            if isinstance(outcome, bytes):
                assert_arrived(wire.answer(), outcome)
            else:
                assert wire.answer().status == outcome
        sending.result()
        assert_alive(wire)


def send_in_parts(wire: Wire, stream: bytes, cuts: list[int], pause: bool) -> None:
    for start, stop in itertools.pairwise(sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})):
        wire.send(stream[start:stop])
        if pause:
            _let_the_server_read()


# Files


@pytest.mark.parametrize("sending", ["mmap", "sendfile"])
def test_a_file_is_sent_whole_and_the_connection_goes_on(app: Application, blob: Path, sending: Sending) -> None:
    with served(app, sending=sending) as server, server.wire() as wire:
        for _ in range(2):
            wire.send(head("GET", "/file"))
            assert wire.answer().body == blob.read_bytes()
        wire.send(head("GET", "/file") + GET + sized("PATCH", "/body", BIG))
        assert wire.answer().body == blob.read_bytes()
        assert wire.answer().status == 200
        assert_arrived(wire.answer(), BIG, "transfer")


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (7, 65_543), (7, 65_544), (4095, 200_000), (16 * MIB - 1, 16 * MIB + 70_000), (9, 9)]
)
def test_a_range_of_a_file_is_sent(wire: Wire, blob: Path, start: int, stop: int) -> None:
    wire.send(head("GET", f"/file?start={start}&stop={stop}"))
    assert wire.answer().body == blob.read_bytes()[start:stop]
    assert_alive(wire)


def test_head_of_a_file_has_no_body(wire: Wire, blob: Path) -> None:
    wire.send(head("HEAD", "/file") + head("HEAD", "/file?stop=5") + GET)
    assert wire.answer(head_only=True).headers["content-length"] == str(blob.stat().st_size)
    assert wire.answer(head_only=True).headers["content-length"] == "5"
    assert wire.answer().status == 200


def test_answers_keep_their_order_and_the_server_its_pace_when_the_client_reads_slowly(
    app: Application, blob: Path
) -> None:
    """Each file fills the socket; so the small answer after it waits in the event loop, and the next file for it."""
    large, small = blob.read_bytes()[:400_000], blob.read_bytes()[:60_000]
    requests = head("GET", "/file?stop=400000") + head("GET", "/file?stop=60000")
    limits = settings(idle_seconds=2 * PATIENCE)
    with served(app, limits, send_buffer=32_768) as server, server.wire(receive_buffer=32_768) as wire:
        wire.send(requests * 12)
        read = b""
        for _ in range(110):
            assert server.is_healthy()
            read += wire.exactly(50_000)
        wire.unread(read)
        for _ in range(12):
            assert wire.answer().body == large
            assert wire.answer().body == small


def test_a_small_file_leaves_in_one_write_with_its_head(wire: Wire, blob: Path) -> None:
    wire.send(head("GET", "/file?stop=1000"))
    first = wire.connection.recv(1 << 16)
    assert first.endswith(blob.read_bytes()[:1000])


def test_a_file_shorter_than_announced_breaks_the_connection(app: Application, tmp_path: Path) -> None:
    app.content = tmp_path / "short"
    app.content.write_bytes(bytes(100_000))
    with served(app) as server:
        for stop in (100_001, 65_536 + 100_000):
            with server.wire() as wire:
                wire.send(head("GET", f"/file?stop={stop}"))
                assert len(wire.rest()) < 100_000
        assert server.is_healthy()


@pytest.mark.parametrize("path", ["/file", "/stream"])
def test_a_client_that_goes_during_an_answer(app: Application, path: str, caplog: pytest.LogCaptureFixture) -> None:
    with served(app) as server:
        with server.wire() as wire:
            wire.send(head("GET", path))
            assert wire.connection.recv(1000)
        assert app.ended.acquire(timeout=PATIENCE)
        assert len(app.gone) == 1
        assert server.is_healthy()
        while not server.config.lender.has_room:
            _let_the_server_read()
    assert "Exception" not in caplog.text


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
