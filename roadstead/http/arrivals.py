"""Connections before HTTP: what a proxy of bytes says first, and the beginning of TLS.

uvicorn's way of listening knows neither. So a socket whose connections may begin with either is listened on here: the
first bytes are looked at and left in place, the PROXY protocol is taken off, and what follows goes on as HTTP, with
TLS or without. Plain HTTP where TLS is spoken is answered in plain HTTP: a client that is told why can be mended.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from roadstead.domain.proxies import Proxies, away
from roadstead.domain.proxy_protocol import MOST_BYTES, read_preface
from roadstead.errors import AppError, ForwardingInvalid

if TYPE_CHECKING:
    from roadstead.http.certificates import Certificates

GREETING_SECONDS = 10.0
_AT_ONCE = 64
_PAUSE_SECONDS = 0.2
_TLS_HANDSHAKE = b"\x16"

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Greeted:
    """What is known of a connection when its HTTP begins."""

    # The client's address as a proxy of bytes tells it; empty when the peer is the client.
    client: str = ""
    # It came in plain HTTP where TLS is spoken.
    misled: bool = False


Make = Callable[[Greeted], asyncio.Protocol]


@dataclass(frozen=True, slots=True)
class Manners:
    """How connections may begin, whatever socket they come to."""

    # Whose connections begin with the PROXY protocol.
    telling: Proxies
    certificates: Certificates | None = None
    # Whether clients that connect to this address of ours must show a certificate.
    asks: Callable[[str], bool] = lambda _address: False
    # Whether plain HTTP is not spoken at this address of ours: nobody shows a certificate in it.
    secure_only: Callable[[str], bool] = lambda _address: False


class Arrivals:
    """One listening socket, with the connections on it whose HTTP has not begun. Used like an asyncio server."""

    def __init__(self, listener: socket.socket, manners: Manners, make: Make, *, secure: bool) -> None:
        self._listener = listener
        self._manners = manners
        self._make = make
        self._secure = secure
        self._loop = asyncio.get_running_loop()
        self._greetings: set[asyncio.Task[None]] = set()
        self._open = True
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """No connection is taken any more, and those whose HTTP has not begun have gone."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._listener)
            self._listener.close()
            for task in self._greetings:
                task.cancel()

    async def wait_closed(self) -> None:
        """Every greeting has ended."""
        await asyncio.gather(*self._greetings, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, peer = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    self._pause(error)
                    return
                continue  # the client has gone already
            task = self._loop.create_task(self._greet(connection, str(peer[0])))
            self._greetings.add(task)
            task.add_done_callback(self._greetings.discard)

    def _pause(self, error: OSError) -> None:
        """Connections wait in the kernel for a moment: there is no room for them."""
        _log.error("no connection can be taken", reason=error.strerror)
        self._loop.remove_reader(self._listener)
        self._loop.call_later(_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._listener, self._accept)

    async def _greet(self, connection: socket.socket, peer: str) -> None:
        """The connection goes on as HTTP, or has been closed and the log says why."""
        connection.setblocking(False)
        try:
            async with asyncio.timeout(GREETING_SECONDS):
                client = await self._client(connection, peer)
                secure = self._secure and await _peek(connection, 1) == _TLS_HANDSHAKE
            await self._hand_over(connection, Greeted(client, misled=self._secure and not secure), secure=secure)
        except (OSError, AppError, ssl.SSLError) as error:
            reason = error.message if isinstance(error, AppError) else str(error) or type(error).__name__
            _log.info("a connection did not begin", address=peer, reason=reason)
            connection.close()
        except BaseException:
            connection.close()
            raise

    async def _client(self, connection: socket.socket, peer: str) -> str:
        """The address that the PROXY protocol tells, taken off the connection; empty where none is due."""
        if not self._manners.telling.named(peer):
            return ""
        seen = b""
        while True:
            came = await _peek(connection, MOST_BYTES)
            found = read_preface(seen + came)
            connection.recv(len(came) if found is None else found.size - len(seen))
            if found is not None:
                return away(found.address, peer)
            if not came:
                raise ForwardingInvalid("network: the connection ended within the PROXY protocol")
            seen += came

    async def _hand_over(self, connection: socket.socket, greeted: Greeted, *, secure: bool) -> None:
        context = None
        if secure and self._manners.certificates is not None:
            local = str(connection.getsockname()[0])
            context = self._manners.certificates.context(local, asks=self._manners.asks(local))
        await self._loop.connect_accepted_socket(
            lambda: self._make(greeted),
            connection,
            ssl=context,
            ssl_handshake_timeout=GREETING_SECONDS if context else None,
        )


async def _peek(connection: socket.socket, most: int) -> bytes:
    """Bytes that have come, left where they are; none when the other side has ended."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return connection.recv(most, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(loop, connection)


async def _readable(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    come: asyncio.Future[None] = loop.create_future()

    def note() -> None:
        loop.remove_reader(connection)
        if not come.done():
            come.set_result(None)

    loop.add_reader(connection, note)
    try:
        await come
    finally:
        loop.remove_reader(connection)


async def explain_tls(scope: Scope, receive: Receive, send: Send) -> None:
    """A request in plain HTTP has been told that HTTPS is spoken here, in the registry protocol's form."""
    message = "this port speaks HTTPS: use https:// in the address (docker and podman: no insecure registry)"
    body = msgspec.json.encode({"errors": [{"code": "UNSUPPORTED", "message": message}]})
    length = (b"content-length", b"%d" % len(body))
    headers = [(b"content-type", b"application/json"), length, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})
