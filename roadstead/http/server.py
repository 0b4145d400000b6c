"""The HTTP server of one process: uvicorn on uvloop with our own protocol, transfer threads and orderly stop.

The application stays plain ASGI and would run on any server; `protocol.py` says what this one adds.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn._types import ASGI3Application
from uvicorn.config import STARTUP_FAILURE

from roadstead.config import Settings
from roadstead.domain.proxies import Proxies
from roadstead.errors import StartRefused
from roadstead.http.arrivals import Arrivals, Greeted, Manners, explain_tls
from roadstead.http.listening import Listening, Server
from roadstead.http.protocol import LendingProtocol, ServerConfig
from roadstead.http.transfer import Sending

if TYPE_CHECKING:
    from roadstead.http.certificates import Certificates, Stored

STOP_SECONDS = 10

Beside = Callable[[Server], Coroutine[None, None, None]]


def _nowhere(_address: str) -> bool:
    """No address is a private link's."""
    return False


def server_config(
    app: ASGIApp,
    settings: Settings,
    *,
    log_config: dict[str, Any] | None = None,
    sending: Sending = "mmap",
    stored: Stored | None = None,
    at_link: Callable[[str], bool] = _nowhere,
) -> ServerConfig:
    """How one serving process serves `app`. Logging stays as it is set up unless `log_config` says otherwise.

    `stored` finds certificates that are in no file, `at_link` says whether an address of ours is a private link's.
    Raises StartRefused when HTTPS is wanted and has no certificate.
    """
    return ServerConfig(
        app,
        settings,
        manners_of(settings, stored, at_link),
        sending,
        http=LendingProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        interface="asgi3",
        workers=1,
        log_config=log_config,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.limits.keep_alive_seconds,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def manners_of(
    settings: Settings, stored: Stored | None = None, at_link: Callable[[str], bool] = _nowhere
) -> Manners:
    """How connections may begin by these settings."""
    certificates = _certificates(settings, stored) if settings.tls.on else None
    wanted, everywhere = bool(settings.tls.client_authorities), settings.tls.client_certificates == "all"
    return Manners(
        Proxies.of(settings.network.proxy_protocol),
        certificates,
        lambda address: wanted and (everywhere or at_link(address)),
        lambda address: wanted and at_link(address),
    )


def _certificates(settings: Settings, stored: Stored | None) -> Certificates:
    # Processes that serve plain HTTP do without what reads certificates.
    from roadstead.http.certificates import Certificates

    return Certificates(settings, stored)


class _Server(uvicorn.Server):
    """uvicorn's server with our own way of listening.

    It has no hold on signals, which it would raise again before our own clean-up.
    """

    def __init__(self, config: ServerConfig, secure: Sequence[socket.socket], beside: Beside) -> None:
        super().__init__(config)
        self._ours = config
        self._secure = secure
        self._beside = beside
        self._running: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """The application has started, and connections to every socket are taken."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self.servers = []
        for listener in sockets or []:
            await self.open(listener, secure=listener in self._secure)
        self._running = asyncio.create_task(self._beside(self))
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """No connection is taken any more, and requests have had time to end."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await super().shutdown(sockets)

    def shut(self, listening: Listening) -> None:
        """No connection is taken there any more; those that were go on."""
        self.servers = [each for each in self.servers if each is not listening]
        listening.close()

    async def open(self, listener: socket.socket, *, secure: bool) -> Listening:
        """Connections to the socket are taken, as HTTPS if `secure`."""
        manners = self._ours.manners
        if secure or manners.telling.networks:
            arrivals = Arrivals(listener, manners, self._make, secure=secure)
            self.servers.append(cast(asyncio.base_events.Server, arrivals))
            return arrivals
        backlog = self._ours.backlog
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: self._make(Greeted()), sock=listener, backlog=backlog)
        self.servers.append(server)
        return server

    def _make(self, greeted: Greeted) -> LendingProtocol:
        protocol = LendingProtocol(self._ours, self.server_state, self.lifespan.state, told=greeted.client)
        if greeted.misled:
            protocol.app = cast(ASGI3Application, explain_tls)
        return protocol


def _nothing() -> None:
    """Stands for what need not be done."""


async def _no_more(_server: Server) -> None:
    """It is listened where it was when the server started."""


async def serve(
    config: ServerConfig,
    sockets: Sequence[socket.socket],
    stop: asyncio.Event | None = None,
    *,
    secure: Sequence[socket.socket] = (),
    stopping: Callable[[], None] = _nothing,
    beside: Beside = _no_more,
) -> None:
    """The application has been served on the bound `sockets` until `stop` was set, on those in `secure` by HTTPS.

    `beside` runs meanwhile and may have the server listen elsewhere too. Then `stopping` is called, no connection is
    accepted, running requests have 10 seconds to end, and every thread has ended. Without `stop`, SIGTERM and SIGINT
    stop the server. Raises StartRefused when the application's lifespan does not start.
    """
    server = _Server(config, secure, beside)
    stop = stop or _stop_on_signals()
    watch = asyncio.create_task(_pass_on(stop, server, stopping))
    try:
        await server.serve(sockets=[*sockets, *secure])
    except SystemExit:
        raise StartRefused("the application did not start; the log says why") from None
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await _settle(server)
        await asyncio.to_thread(config.lender.close)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _pass_on(stop: asyncio.Event, server: uvicorn.Server, stopping: Callable[[], None]) -> None:
    await stop.wait()
    stopping()
    server.should_exit = True


async def _settle(server: uvicorn.Server) -> None:
    """No request runs any more: those that outlived the time given them have been cancelled by uvicorn."""
    if tasks := set(server.server_state.tasks):
        await asyncio.wait(tasks, timeout=STOP_SECONDS)
    for connection in list(server.server_state.connections):
        connection.transport.abort()
