"""The server over real sockets: each way in which a body, a file or a client can go, lent and ordinary."""

from __future__ import annotations

import itertools
import random
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.http.transfer import Sending
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
from tests.http.test_transfer import chunked

__all__ = ["app", "blob", "server", "wire"]


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
    let_the_server_read()
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
        let_the_server_read()
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
            let_the_server_read()
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
            let_the_server_read()


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
            let_the_server_read()
    assert "Exception" not in caplog.text
