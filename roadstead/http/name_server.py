"""A small name server: the one door that does not speak HTTP (RFC 1035, over UDP and TCP).

It tells clients of a network (VPC) the address of an instance's private link in that network, and refuses every other
question: it is no resolver, and nobody learns from it what is linked elsewhere. Whose client asks, the address of the
question says. An answer leaves by the address that was asked, whichever of this host's that is.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from typing import Any

import structlog
from dnslib import AAAA, CLASS, OPCODE, QTYPE, RCODE, RR, SOA, A, DNSError, DNSRecord

from roadstead.config import Settings, host_and_port
from roadstead.domain.links import NamedLink
from roadstead.domain.network import numeric
from roadstead.errors import StartRefused
from roadstead.services.context import Context

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_QUESTION_BYTES = 4096
_AT_ONCE = 64
_TCP_SECONDS = 10.0
_TCP_CONNECTIONS = 64
_IP_PKTINFO = 8  # not in every Python's socket module


@asynccontextmanager
async def answering(ctx: Context) -> AsyncIterator[None]:
    """Questions are answered wherever `dns.addresses` says, as long as the block lasts.

    Raises StartRefused where it cannot be listened.
    """
    opened: list[_Datagrams | asyncio.Server] = []
    try:
        for listen in ctx.settings.dns.addresses:
            opened.append(_Datagrams(ctx, _bound(listen, socket.SOCK_DGRAM)))
            stream = _bound(listen, socket.SOCK_STREAM)
            room = asyncio.Semaphore(_TCP_CONNECTIONS)
            opened.append(await asyncio.start_server(partial(_converse, ctx, room), sock=stream))
        yield
    finally:
        for each in opened:
            each.close()


def check(settings: Settings) -> None:
    """Names can be answered wherever `dns.addresses` says; raises StartRefused, with one line."""
    for listen in settings.dns.addresses:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            _bound(listen, kind).close()


def _bound(listen: str, kind: int) -> socket.socket:
    """A socket on that HOST:PORT, which the other serving processes share."""
    try:
        host, port = host_and_port(listen)
    except ValueError as error:
        raise StartRefused(f"configuration: dns.addresses: {listen!r} is not HOST:PORT") from error
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    found = socket.socket(family, kind)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if kind == socket.SOCK_STREAM:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        # An empty host is every address, of both kinds; any other is its own kind's.
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if host else 0)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise StartRefused(f"cannot answer names on {listen}: {error.strerror or error}") from error
    found.setblocking(False)
    return found


class _Datagrams:
    """One UDP socket, answered on as long as it is open."""

    def __init__(self, ctx: Context, listener: socket.socket) -> None:
        self._ctx = ctx
        self._socket = listener
        if listener.family == socket.AF_INET:
            listener.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        else:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(listener, self._take)

    def close(self) -> None:
        """Nothing is answered any more."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _take(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                question, told, _, client = self._socket.recvmsg(_QUESTION_BYTES, 256)
                reply = answer(self._ctx.links.named, question, client[0], self._ctx.settings.dns.seconds)
                if reply is not None:
                    self._socket.sendmsg([reply], _by_the_same(told), 0, client)
            except BlockingIOError:
                return
            except OSError as error:
                # Of one client: it has gone, or what it was told is too much for its way.
                if error.errno != errno.ECONNREFUSED:
                    _log.info("a name was not answered", reason=error.strerror)


def _by_the_same(told: Sequence[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """What has an answer leave by the address at which the question came in; the way is the kernel's to find."""
    found = []
    for level, kind, data in told:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            _, here, _ = struct.unpack_from("=i4s4s", data)
            found.append((level, kind, struct.pack("=i4s4s", 0, here, bytes(4))))
        elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            here, index = struct.unpack_from("=16si", data)
            # A link-local address means nothing without its interface.
            found.append((level, kind, struct.pack("=16si", here, index if here[:2] == b"\xfe\x80" else 0)))
    return found


async def _converse(
    ctx: Context, room: asyncio.Semaphore, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """The questions of one TCP connection have been answered."""
    try:
        if room.locked():
            return
        async with room, asyncio.timeout(_TCP_SECONDS):
            client = str(writer.get_extra_info("peername")[0])
            while True:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                question = await reader.readexactly(size)
                reply = answer(ctx.links.named, question, client, ctx.settings.dns.seconds)
                if reply is None:
                    return
                writer.write(struct.pack("!H", len(reply)) + reply)
                await writer.drain()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


def answer(links: Sequence[NamedLink], question: bytes, client: str, seconds: int) -> bytes | None:
    """The answer to one message; None for what is no question."""
    try:
        asked = DNSRecord.parse(question)
    except (DNSError, ValueError, IndexError, struct.error, UnicodeError):
        return None
    if asked.header.qr:
        return None
    reply = asked.reply(ra=0, aa=0)
    if asked.header.opcode != OPCODE.QUERY or len(asked.questions) != 1:
        reply.header.rcode = RCODE.NOTIMP if asked.header.opcode != OPCODE.QUERY else RCODE.FORMERR
        return _packed(reply)
    name = str(asked.q.qname).rstrip(".").lower()
    found = _addresses(links, name, client) if asked.q.qclass == CLASS.IN else []
    if not found:
        reply.header.rcode = RCODE.REFUSED
        return _packed(reply)
    reply.header.aa = 1
    records = [record for address in found for record in _records(asked.q, address, seconds)]
    for record in records:
        reply.add_answer(record)
    if not records:
        times = (1, 3600, 600, 86400, seconds)
        reply.add_auth(RR(asked.q.qname, QTYPE.SOA, ttl=seconds, rdata=SOA(name, f"hostmaster.{name}", times)))
    return _packed(reply)


def _addresses(links: Sequence[NamedLink], name: str, client: str) -> list[str]:
    """Where the name leads for that client; nowhere when it is in no network that has the name."""
    number = numeric(client)
    if number is None:
        return []
    return [link.address for link in links if name in link.names and number in link.clients]


def _records(asked: Any, address: str, seconds: int) -> list[Any]:
    kind, data = (QTYPE.A, A) if ip_address(address).version == 4 else (QTYPE.AAAA, AAAA)
    if asked.qtype not in {kind, QTYPE.ANY}:
        return []
    return [RR(asked.qname, kind, ttl=seconds, rdata=data(address))]


def _packed(reply: DNSRecord) -> bytes:
    packed: bytes = reply.pack()
    return packed
