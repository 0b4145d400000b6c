"""Where connections to other hosts are made: to addresses that were judged, and to nothing else.

The HTTP library asks its network backend for a connection to a host; this backend resolves the name itself and
connects to the addresses it was allowed, so that judging and connecting cannot see different answers.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpcore2
import httpx2

from roadstead.errors import OutboundRefused

Judge = Callable[[str, int], Awaitable[Sequence[str]]]

_CONNECTIONS = 200
_IDLE_SECONDS = 30


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to what the judge gives for a host."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._plain = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            addresses = await self._judge(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(f"the name {host} has no address") from error
        problem: Exception = httpcore2.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
        raise problem

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise OutboundRefused("sockets of this host are not called")

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """The HTTP library's own transport over guarded connections; a test holds that it really asks the guard."""

    def __init__(self, trust: ssl.SSLContext, judge: Judge) -> None:
        super().__init__(verify=trust, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=trust,
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_CONNECTIONS // 5,
            keepalive_expiry=_IDLE_SECONDS,
            network_backend=GuardedBackend(judge),
        )
