"""Listening at the addresses of private links, which come and go while the process serves.

A server that listens on every address of the host hears what comes to a link's address already. One that listens on a
single address, or on those of the other kind only, opens the same ports at each link's address as well, and closes
them when the link is gone. An address that is not up yet is tried again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from roadstead.domain.network import plain_address

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.2
_EVERY_ADDRESS: dict[str, tuple[int, ...]] = {"0.0.0.0": (4,), "::": (6,)}  # noqa: S104


class Listening(Protocol):
    """What takes connections on one socket."""

    def close(self) -> None:
        """No connection is taken any more."""
        ...


class Server(Protocol):
    """The server of this process, as far as it can be told to listen."""

    async def open(self, listener: socket.socket, *, secure: bool) -> Listening:
        """Connections to the socket are taken, as HTTPS if `secure`."""
        ...

    def shut(self, listening: Listening) -> None:
        """No connection is taken there any more; those that were go on."""
        ...


@dataclass(frozen=True, slots=True)
class Port:
    """A port that the server listens on, and where."""

    number: int
    secure: bool
    # IP versions on all of whose addresses it is listened on already.
    everywhere: tuple[int, ...]

    @classmethod
    def of(cls, listener: socket.socket, *, secure: bool) -> Port:
        """The port of that socket."""
        host, number = listener.getsockname()[:2]
        everywhere = _EVERY_ADDRESS.get(host, ())
        if host == "::" and not listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            everywhere = (4, 6)
        return cls(number, secure, everywhere)


class LinkListeners:
    """What listens at the addresses of links, in one process."""

    def __init__(self, addresses: Callable[[], Sequence[str]], ports: Sequence[Port]) -> None:
        self._addresses = addresses
        self._ports = ports
        self._open: dict[tuple[str, Port], Listening] = {}

    def at_link(self, address: str) -> bool:
        """Whether that address of this host is a link's."""
        return plain_address(address) in self._addresses()

    async def follow(self, server: Server) -> None:
        """The listeners are those of the links, for ever."""
        while True:
            await self.match(server)
            await asyncio.sleep(_LOOK_SECONDS)

    async def match(self, server: Server) -> None:
        """It is listened at each link's address that is up, and at no other."""
        wanted = {(address, port) for address in self._addresses() for port in self._ports if _missing(address, port)}
        for gone in self._open.keys() - wanted:
            server.shut(self._open.pop(gone))
        for address, port in wanted - self._open.keys():
            with suppress(OSError):  # the address is not up yet
                listener = _listener(address, port.number)
                self._open[address, port] = await server.open(listener, secure=port.secure)
                _log.info("listening at a private link", address=address, port=port.number)


def _missing(address: str, port: Port) -> bool:
    return (6 if ":" in address else 4) not in port.everywhere


def _listener(address: str, port: int) -> socket.socket:
    """A socket at that address, which other serving processes share; raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((address, port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
