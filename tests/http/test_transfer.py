"""The blocking halves over socket pairs, and the framing of bodies under every split of their bytes."""

from __future__ import annotations

import itertools
import random
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.errors import BlobTooLarge
from roadstead.http.framing import LINE_BYTES, TRAILER_BYTES, ChunkedFraming, ClientGone, MalformedBody, SizedFraming
from roadstead.http.transfer import PIECE, WINDOW, Received, Sending, read_range, receive, send_range


class Pot:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.largest = 0

    def write(self, data: memoryview, /) -> None:
        self.data += data
        self.largest = max(self.largest, len(data))


def chunked(payload: bytes, sizes: list[int], extension: bytes = b"", trailer: bytes = b"") -> bytes:
    """`payload` in chunked coding, the chunks taking `sizes` in turn."""
    wire, position, turn = bytearray(), 0, 0
    while position < len(payload):
        piece = payload[position : position + sizes[turn % len(sizes)]]
        wire += b"%x%b\r\n%b\r\n" % (len(piece), extension, piece)
        position += len(piece)
        turn += 1
    return bytes(wire) + b"0\r\n" + trailer + b"\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end of a connection, the server's with a time-out of one second."""
    server, client = socket.socketpair()
    with server, client:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            server.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", 1, 0))
        client.settimeout(60)
        yield server, client


def feed(client: socket.socket, data: bytes, close: bool = False) -> threading.Thread:
    def run() -> None:
        client.sendall(data)
        if close:
            client.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def take(
    server: socket.socket, first: bytes, length: int | None, limit: int = 1 << 40
) -> tuple[Received, bytes, int]:
    pot = Pot()
    received = receive(server, first, length, pot, limit, bytearray(PIECE))
    return received, bytes(pot.data), pot.largest


# Framing


@given(
    payload=st.binary(max_size=300),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    extension=st.sampled_from([b"", b";name=value", b' ; a="b c"', b";"]),
    trailer=st.sampled_from([b"", b"Digest: x\r\n", b"A: b\r\nC: d\r\n"]),
    after=st.sampled_from([b"", b"GET / HTTP/1.1\r\n\r\n", b"\r\n", b"0"]),
    cuts=st.lists(st.integers(0, 1000)),
)
def test_a_chunked_body_is_the_same_however_its_bytes_are_split(
    payload: bytes, sizes: list[int], extension: bytes, trailer: bytes, after: bytes, cuts: list[int]
) -> None:
    wire = chunked(payload, sizes, extension, trailer) + after
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    framing, got, rest = ChunkedFraming(), b"", b""
    for start, stop in itertools.pairwise(places):
        if framing.done:
            rest += wire[start:stop]
            continue
        piece, rest = framing.take(wire[start:stop])
        got += piece
    assert (framing.done, got, rest) == (True, payload, after)
    assert framing.announced == len(payload)


@given(length=st.integers(1, 50), data=st.binary(max_size=100), cuts=st.lists(st.integers(0, 100)))
def test_a_sized_body_takes_exactly_its_length(length: int, data: bytes, cuts: list[int]) -> None:
    framing, got, rest = SizedFraming(length), b"", b""
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, stop in itertools.pairwise(places):
        piece, more = framing.take(data[start:stop])
        got, rest = got + piece, rest + more
    assert (got, rest) == (data[:length], data[length:])
    assert framing.done == (len(data) >= length)


BROKEN = {
    "no number": b"\r\n",
    "not hexadecimal": b"g\r\n",
    "prefix": b"0x5\r\nhello\r\n",
    "sign": b"+5\r\nhello\r\n",
    "minus": b"-5\r\nhello\r\n",
    "underscore": b"1_0\r\n",
    "space before": b" 5\r\nhello\r\n",
    "space after": b"5 \r\nhello\r\n",
    "bare line feed": b"5\nhello\r\n",
    "carriage return inside": b"5;a\rb\r\n",
    "nul in extension": b"5;a\0\r\n",
    "seventeen digits": b"0" * 16 + b"5\r\nhello\r\n",
    "line too long": b"5;" + b"a" * LINE_BYTES,
    "data longer than its size": b"5\r\nhello!\r\n",
    "no line end after data": b"5\r\nhello5\r\nworld\r\n",
    "bare line feed after data": b"5\r\nhello\n",
    "trailer too long": b"0\r\n" + (b"a: " + b"b" * 500 + b"\r\n") * (TRAILER_BYTES // 500 + 1),
    "bare line feed in trailer": b"0\r\na: b\n\r\n",
}


@pytest.mark.parametrize("wire", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_broken_chunking_is_refused_however_it_is_split(wire: bytes, step: int) -> None:
    framing = ChunkedFraming()
    with pytest.raises(MalformedBody):
        for start in range(0, len(wire), step):
            framing.take(wire[start : start + step])


def test_payload_is_moved_together_in_the_buffer() -> None:
    wire = bytearray(b"3\r\nabc\r\n2\r\nde\r\n4\r\nfg")
    framing = ChunkedFraming()
    start, end, used = framing.decode(wire, len(wire))
    assert (bytes(wire[start:end]), used) == (b"abcdefg", len(wire))


# Receiving


def test_a_sized_body_goes_into_the_sink(pair: tuple[socket.socket, socket.socket]) -> None:
    server, client = pair
    body = random.Random(1).randbytes(3 * PIECE + 12_345)
    thread = feed(client, body[1000:] + b"NEXT")
    received, data, largest = take(server, body[:1000], len(body))
    thread.join()
    assert received == Received(len(body), b"")
    assert data == body
    assert largest <= PIECE
    assert server.recv(4) == b"NEXT"


def test_bytes_after_a_sized_body_that_came_with_it_are_handed_back(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    received, data, _ = take(pair[0], b"bodyNEXT", 4)
    assert (received, data) == (Received(4, b"NEXT"), b"body")


@pytest.mark.parametrize("sizes", [[1, 2, 3], [32_768], [65_536, 1, 4095], [PIECE * 2 + 3]])
def test_a_chunked_body_goes_into_the_sink(pair: tuple[socket.socket, socket.socket], sizes: list[int]) -> None:
    server, client = pair
    body = random.Random(2).randbytes(20_000 if sizes[0] == 1 else 3 * PIECE + 7)
    wire = chunked(body, sizes) + b"NEXT"
    thread = feed(client, wire[11:], close=True)
    received, data, largest = take(server, wire[:11], None)
    thread.join()
    assert (received.size, data) == (len(body), body)
    assert received.rest + server.recv(10) == b"NEXT"
    assert largest <= PIECE


def test_a_first_piece_larger_than_the_buffer(pair: tuple[socket.socket, socket.socket]) -> None:
    body = random.Random(3).randbytes(2 * PIECE)
    received, data, _ = take(pair[0], chunked(body, [PIECE + 5]) + b"NEXT", None)
    assert (received, data) == (Received(len(body), b"NEXT"), body)


def test_a_body_over_the_limit_is_refused_before_its_bytes_are_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with pytest.raises(BlobTooLarge):
        take(pair[0], b"", 11, limit=10)
    with pytest.raises(BlobTooLarge):
        take(pair[0], b"5\r\nhello\r\n6\r\n", None, limit=10)
    assert take(pair[0], b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", None, limit=10)[1] == b"helloworld"


@pytest.mark.parametrize("length", [1000, None])
def test_a_client_that_goes_away(pair: tuple[socket.socket, socket.socket], length: int | None) -> None:
    server, client = pair
    feed(client, b"5\r\nhel", close=True).join()
    with pytest.raises(ClientGone, match="went away"):
        take(server, b"", length)


@pytest.mark.parametrize("length", [1000, None])
def test_a_client_that_says_nothing(pair: tuple[socket.socket, socket.socket], length: int | None) -> None:
    with pytest.raises(ClientGone, match="idle"):
        take(pair[0], b"", length)


# Sending


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(random.Random(4).randbytes(WINDOW + 3_000_000))
    return path


@pytest.mark.parametrize("how", ["mmap", "sendfile"])
@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, None), (0, 1), (5, 5), (4095, 4097), (WINDOW - 1, WINDOW + 1), (12_345, WINDOW + 2_000_001)],
)
def test_a_range_of_a_file_is_sent(
    pair: tuple[socket.socket, socket.socket], file: Path, how: Sending, start: int, stop: int | None
) -> None:
    server, client = pair
    expected = file.read_bytes()[start:stop]
    got = bytearray()

    def read() -> None:
        while piece := client.recv(1 << 20):
            got.extend(piece)

    thread = threading.Thread(target=read)
    thread.start()
    send_range(server, file, start, file.stat().st_size if stop is None else stop, how)
    server.shutdown(socket.SHUT_WR)
    thread.join()
    assert got == expected


@pytest.mark.parametrize("how", ["mmap", "sendfile"])
def test_sending_ends_when_the_client_takes_nothing(
    pair: tuple[socket.socket, socket.socket], file: Path, how: Sending
) -> None:
    with pytest.raises(ClientGone, match="idle"):
        send_range(pair[0], file, 0, file.stat().st_size, how)


def test_sending_ends_when_the_client_goes(pair: tuple[socket.socket, socket.socket], file: Path) -> None:
    server, client = pair
    client.close()
    with pytest.raises(ClientGone, match="broke"):
        send_range(server, file, 0, 1000)


def test_a_file_shorter_than_asked_is_an_error_not_a_short_answer(
    pair: tuple[socket.socket, socket.socket], file: Path
) -> None:
    size = file.stat().st_size
    with pytest.raises(EOFError):
        send_range(pair[0], file, 0, size + 1)
    with pytest.raises(EOFError):
        read_range(file, size - 1, size + 1)


def test_read_range(file: Path) -> None:
    assert read_range(file, 10, 30) == file.read_bytes()[10:30]


class Slow:
    """A pace that lets pieces of 10,000 bytes through and keeps each waiting for a moment."""

    piece = 10_000

    def __init__(self, seconds: float = 0.001) -> None:
        self.seconds = seconds
        self.spent: list[int] = []

    def spend(self, size: int) -> float:
        self.spent.append(size)
        return self.seconds


@pytest.mark.parametrize("coding", ["sized", "chunked"])
def test_a_body_is_received_at_its_pace(pair: tuple[socket.socket, socket.socket], coding: str) -> None:
    server, client = pair
    payload, pace, pot = random.Random(3).randbytes(65_000), Slow(), Pot()
    wire = payload if coding == "sized" else chunked(payload, [7000])
    thread = feed(client, wire)
    length = len(payload) if coding == "sized" else None
    assert receive(server, b"", length, pot, 1 << 20, bytearray(PIECE), pace).size == len(payload)
    thread.join()
    assert bytes(pot.data) == payload and pot.largest <= pace.piece
    assert sum(pace.spent) == len(payload)


@pytest.mark.parametrize("how", ["mmap", "sendfile"])
def test_a_file_is_sent_at_its_pace(pair: tuple[socket.socket, socket.socket], file: Path, how: Sending) -> None:
    server, client = pair
    pace, got = Slow(), bytearray()
    thread = threading.Thread(target=send_range, args=(server, file, 5, 65_005, how, pace))
    thread.start()
    while len(got) < 65_000:
        got += client.recv(1 << 20)
    thread.join()
    assert bytes(got) == file.read_bytes()[5:65_005]
    assert sum(pace.spent) == 65_000 and max(pace.spent) <= pace.piece


def test_who_waits_for_a_turn_notices_that_the_connection_is_broken_off(
    pair: tuple[socket.socket, socket.socket], file: Path
) -> None:
    server, _ = pair
    failed: list[BaseException] = []

    def send() -> None:
        try:
            send_range(server, file, 0, 65_000, "mmap", Slow(60))
        except ClientGone as error:
            failed.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    server.shutdown(socket.SHUT_RDWR)
    thread.join(30)
    assert not thread.is_alive() and failed
