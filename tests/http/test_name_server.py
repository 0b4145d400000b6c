"""The name server: what it tells whom, over real sockets and for what comes that is no question."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dnslib import QTYPE, RCODE, DNSRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.config import Dns
from roadstead.domain.links import NamedLink
from roadstead.domain.network import Addresses, parse_cidr
from roadstead.errors import StartRefused
from roadstead.http.name_server import answer, answering, check
from roadstead.services.context import Context
from tests.factories.contexts import open_test_context
from tests.servers.ports import free_port

LAB = Addresses([parse_cidr("10.7.0.0/16"), parse_cidr("fd00:7::/48")])
HERE = Addresses([parse_cidr("127.0.0.0/8"), parse_cidr("::1")])
BEGUN = DNSRecord.question("acme.registry.test").pack()[:20]
NAMES = ("acme.registry.test", "acme-vpc.registry.test")
LINKS = [
    NamedLink("10.7.1.2", LAB, NAMES),
    NamedLink("fd00:7::2", LAB, NAMES[:1]),
    NamedLink("10.8.1.2", Addresses([parse_cidr("10.8.0.0/16")]), NAMES[:1]),
    NamedLink("10.9.1.2", HERE, NAMES[:1]),
]


def asked(name: str, kind: str, client: str) -> tuple[str, list[str]]:
    """The condition and the addresses that the client is told."""
    reply = answer(LINKS, DNSRecord.question(name, kind).pack(), client, 60)
    assert reply is not None
    told = DNSRecord.parse(reply)
    assert told.header.qr and not told.header.ra
    assert all(record.ttl == 60 for record in (*told.rr, *told.auth))
    return RCODE[told.header.rcode], [str(parse_cidr(str(record.rdata)).network_address) for record in told.rr]


@pytest.mark.parametrize(
    ("name", "kind", "client", "condition", "addresses"),
    [
        ("acme.registry.test", "A", "10.7.9.9", "NOERROR", ["10.7.1.2"]),
        ("ACME.registry.TEST.", "A", "::ffff:10.7.9.9", "NOERROR", ["10.7.1.2"]),
        ("acme.registry.test", "AAAA", "10.7.9.9", "NOERROR", ["fd00:7::2"]),
        ("acme.registry.test", "A", "fd00:7::9", "NOERROR", ["10.7.1.2"]),
        ("acme.registry.test", "ANY", "10.7.9.9", "NOERROR", ["10.7.1.2", "fd00:7::2"]),
        ("acme-vpc.registry.test", "A", "10.7.9.9", "NOERROR", ["10.7.1.2"]),
        ("acme-vpc.registry.test", "AAAA", "10.7.9.9", "NOERROR", []),
        ("acme.registry.test", "TXT", "10.7.9.9", "NOERROR", []),
        ("acme.registry.test", "A", "10.8.9.9", "NOERROR", ["10.8.1.2"]),
        ("acme-vpc.registry.test", "A", "10.8.9.9", "REFUSED", []),
        ("acme.registry.test", "A", "192.0.2.1", "REFUSED", []),
        ("acme.registry.test", "A", "unknown", "REFUSED", []),
        ("other.registry.test", "A", "10.7.9.9", "REFUSED", []),
        ("x.acme.registry.test", "A", "10.7.9.9", "REFUSED", []),
        ("registry.test", "A", "10.7.9.9", "REFUSED", []),
        (".", "A", "10.7.9.9", "REFUSED", []),
    ],
)
def test_clients_of_a_network_are_told_its_links(
    name: str, kind: str, client: str, condition: str, addresses: list[str]
) -> None:
    assert asked(name, kind, client) == (condition, addresses)


def test_a_name_without_such_records_says_for_how_long_that_holds() -> None:
    told = DNSRecord.parse(answer(LINKS, DNSRecord.question(NAMES[1], "AAAA").pack(), "10.7.9.9", 60) or b"")
    assert told.header.aa and [QTYPE[record.rtype] for record in told.auth] == ["SOA"]


def test_other_requests_than_questions_are_refused() -> None:
    question = DNSRecord.question(NAMES[0])
    question.header.opcode = 5
    assert DNSRecord.parse(answer(LINKS, question.pack(), "10.7.9.9", 60) or b"").header.rcode == RCODE.NOTIMP
    several = DNSRecord.question(NAMES[0])
    several.add_question(several.q)
    assert DNSRecord.parse(answer(LINKS, several.pack(), "10.7.9.9", 60) or b"").header.rcode == RCODE.FORMERR
    reply = DNSRecord.question(NAMES[0]).reply().pack()
    assert answer(LINKS, reply, "10.7.9.9", 60) is None, "two name servers would talk for ever"


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: BEGUN + tail))
@settings(max_examples=60)
def test_no_bytes_break_it(question: bytes) -> None:
    reply = answer(LINKS, question, "10.7.9.9", 60)
    assert reply is None or len(reply) < 600


class Keeper:
    """Stands for the keeper of links, which would need interfaces."""

    named = LINKS


@pytest.fixture
async def served(folder: Path) -> AsyncIterator[int]:
    """The port at which names are answered, on 127.0.0.1 and ::1."""
    port = free_port()
    listen = (f"127.0.0.1:{port}", f"[::1]:{port}")
    async with open_test_context(folder, dns=Dns(addresses=listen)) as opened:
        ctx = replace(opened, links=Keeper())  # type: ignore[arg-type]
        async with answering(ctx), answering(ctx):  # as two processes
            yield port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("tcp", [False, True])
async def test_questions_are_answered_by_both_protocols(served: int, host: str, tcp: bool) -> None:
    question = DNSRecord.question(NAMES[0])
    reply = await asyncio.to_thread(question.send, host, served, tcp=tcp, timeout=5, ipv6=":" in host)
    told = DNSRecord.parse(reply)
    assert told.header.id == question.header.id
    assert [str(record.rdata) for record in told.rr] == ["10.9.1.2"]


async def test_a_connection_that_says_nothing_sensible_is_closed(served: int) -> None:
    for sent in (b"\0\3abc", b"\0"):
        reader, writer = await asyncio.open_connection("127.0.0.1", served)
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


async def test_where_it_cannot_listen_the_start_is_refused(ctx: Context) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        for listen in (taken, "127.0.0.1"):
            wanted = replace_dns(ctx, listen)
            with pytest.raises(StartRefused):
                check(wanted.settings)
            with pytest.raises(StartRefused):
                async with answering(wanted):
                    raise AssertionError


def replace_dns(ctx: Context, listen: str) -> Context:
    import msgspec

    return replace(ctx, settings=msgspec.structs.replace(ctx.settings, dns=Dns(addresses=(listen,))))
