"""Connections before HTTP: the PROXY protocol and TLS, on a real server."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from roadstead.config import Network, Settings, Tls
from tests.domain.test_proxy_protocol import binary
from tests.factories.certificates import Files, certificate_files, own_files
from tests.http.serving import Application, Served, Wire, served

WHERE = b"GET /where HTTP/1.1\r\nHost: x\r\n\r\n"
LINE = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n"
TELLING = Settings(network=Network(proxy_protocol=("127.0.0.1",)))


@pytest.fixture(scope="module")
def telling() -> Iterator[Served]:
    with served(Application(), TELLING) as server:
        yield server


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return certificate_files(tmp_path_factory.mktemp("certificates"), "localhost")


@pytest.fixture(scope="module")
def secure(files: Files) -> Iterator[Served]:
    tls = Tls(certificate=str(files.chain), key=str(files.key), minimum="1.3")
    with served(Application(), structs.replace(TELLING, tls=tls)) as server:
        yield server


@contextmanager
def connected(server: Served, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A connection from an address of this host."""
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=30, source_address=(source, 0)) as connection:
        yield connection


@contextmanager
def over_tls(connection: socket.socket, trust: ssl.SSLContext) -> Iterator[Wire]:
    """The same connection, by TLS."""
    with trust.wrap_socket(connection, server_hostname="localhost") as wrapped:
        yield Wire(wrapped)


def client_of(wire: Wire) -> object:
    wire.send(WHERE)
    return wire.answer().json()["client"]


@pytest.mark.parametrize("preface", [LINE, binary("203.0.113.9"), binary("203.0.113.9", extra=b"\x04\0\x01a")])
def test_the_client_is_whom_the_proxy_of_bytes_tells(telling: Served, preface: bytes) -> None:
    with connected(telling) as connection:
        wire = Wire(connection)
        wire.send(preface + WHERE)
        assert wire.answer().json()["client"] == ["203.0.113.9", 0]
        assert client_of(wire) == ["203.0.113.9", 0]


@pytest.mark.parametrize("preface", [LINE, binary("203.0.113.9")])
def test_a_preface_may_come_in_parts(telling: Served, preface: bytes) -> None:
    with connected(telling) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(connection)
        for place in range(len(preface)):
            wire.send(preface[place : place + 1])
        assert client_of(wire) == ["203.0.113.9", 0]


def test_a_body_behind_a_preface_is_still_lent(telling: Served) -> None:
    body = bytes(1 << 20)
    with connected(telling) as connection:
        wire = Wire(connection)
        wire.send(LINE + b"PUT /body HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body), body)
        facts = wire.answer().json()
        assert (facts["size"], facts["threads"]) == (len(body), ["transfer"])
        assert client_of(wire) == ["203.0.113.9", 0]


@pytest.mark.parametrize(
    ("preface", "client"),
    [
        (b"PROXY UNKNOWN\r\n", "unknown"),
        (binary("203.0.113.9", command=0x20), "unknown"),
        (b"PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\n", "127.0.0.9"),
    ],
)
def test_a_client_that_is_not_told_is_nobody(telling: Served, preface: bytes, client: str) -> None:
    with connected(telling) as connection:
        wire = Wire(connection)
        wire.send(preface)
        assert client_of(wire) == [client, 0]


@pytest.mark.parametrize("sent", [WHERE, b"PROXY TCP4 nonsense\r\n" + WHERE, b"\x16\x03\x01"])
def test_a_named_proxy_that_says_nothing_first_is_cut_off(telling: Served, sent: bytes) -> None:
    with connected(telling) as connection:
        wire = Wire(connection)
        wire.send(sent)
        assert wire.is_closed()
    with connected(telling) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert Wire(connection).is_closed()


@pytest.mark.parametrize("preface", [LINE, binary("203.0.113.9")])
def test_others_may_not_speak_the_proxy_protocol(telling: Served, preface: bytes) -> None:
    with connected(telling, "127.0.0.5") as connection:
        wire = Wire(connection)
        wire.send(preface + WHERE)
        answer = wire.answer()
        assert answer.status == 400
        assert b"network.proxy_protocol" in answer.body
    with connected(telling, "127.0.0.5") as connection:
        wire = Wire(connection)
        assert client_of(wire) == ["127.0.0.5", connection.getsockname()[1]]


def test_the_proxy_protocol_comes_before_tls(secure: Served, files: Files) -> None:
    with connected(secure) as connection:
        connection.sendall(LINE)
        with files.trust.wrap_socket(connection, server_hostname="localhost") as wrapped:
            wire = Wire(wrapped)
            wire.send(WHERE)
            facts = wire.answer().json()
    assert (facts["client"], facts["scheme"]) == (["203.0.113.9", 0], "https")


def test_plain_http_where_tls_is_spoken_is_told_so(secure: Served) -> None:
    with connected(secure, "127.0.0.5") as connection:
        wire = Wire(connection)
        wire.send(WHERE)
        answer = wire.answer()
        assert answer.status == 400
        assert "HTTPS" in answer.json()["errors"][0]["message"]  # type: ignore[index]
        assert wire.is_closed()


def test_tls_where_plain_http_is_spoken_is_told_so(telling: Served, files: Files) -> None:
    with connected(telling, "127.0.0.5") as connection:
        wire = Wire(connection)
        wire.send(b"\x16\x03\x01\x02\0\x01\0\r\n\r\n")
        assert b"plain HTTP, not TLS" in wire.answer().body


def test_an_older_version_than_the_setting_asks_for_is_refused(secure: Served, files: Files) -> None:
    trust = files.trust
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    with connected(secure, "127.0.0.5") as connection, pytest.raises(ssl.SSLError):
        trust.wrap_socket(connection, server_hostname="localhost")
    with connected(secure, "127.0.0.5") as connection, over_tls(connection, files.trust) as wire:
        assert client_of(wire) == ["127.0.0.5", wire.connection.getsockname()[1]]


def test_clients_must_show_a_certificate_of_the_named_authorities(tmp_path: Path, files: Files) -> None:
    theirs = own_files(tmp_path, "client.test")
    tls = Tls(
        certificate=str(files.chain),
        key=str(files.key),
        client_authorities=str(theirs.authority),
        client_certificates="all",
    )
    with served(Application(), Settings(tls=tls)) as server:
        stranger, known = files.trust, files.trust
        known.load_cert_chain(theirs.chain, theirs.key)
        with connected(server) as connection, over_tls(connection, known) as wire:
            assert client_of(wire) is not None
        with connected(server) as connection, suppress(ssl.SSLError), over_tls(connection, stranger) as wire:
            wire.send(WHERE)
            assert wire.is_closed()


def test_where_clients_must_show_a_certificate_plain_http_is_no_way_around(telling: Served) -> None:
    usual = telling.config.manners
    telling.config.manners = replace(usual, secure_only=lambda address: address == "127.0.0.1")
    try:
        with connected(telling, "127.0.0.5") as connection:
            wire = Wire(connection)
            wire.send(WHERE)
            answer = wire.answer()
    finally:
        telling.config.manners = usual
    assert (answer.status, b"HTTPS" in answer.body) == (400, True)


def test_a_server_stops_while_connections_have_not_begun(tmp_path: Path) -> None:
    with served(Application(), TELLING) as server, connected(server) as connection:
        connection.sendall(b"PROXY ")
        with connected(server) as other:
            other.sendall(LINE)
            assert client_of(Wire(other)) == ["203.0.113.9", 0]
        server.ask_to_stop()
        assert Wire(connection).is_closed()
