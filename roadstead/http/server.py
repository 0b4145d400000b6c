"""The HTTP server of one process: uvicorn on uvloop with our own protocol, transfer threads and orderly stop.

The application stays plain ASGI and would run on any server; `protocol.py` says what this one adds.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from roadstead.config import Settings
from roadstead.errors import StartRefused
from roadstead.http.protocol import LendingProtocol, ServerConfig
from roadstead.http.transfer import Sending

STOP_SECONDS = 10


def server_config(
    app: ASGIApp,
    settings: Settings,
    *,
    log_config: dict[str, Any] | None = None,
    certificate: str | None = None,
    certificate_key: str | None = None,
    sending: Sending = "mmap",
) -> ServerConfig:
    """How one serving process serves `app`. Logging stays as it is set up unless `log_config` says otherwise."""
    return ServerConfig(
        app,
        settings,
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
        ssl_certfile=certificate,
        ssl_keyfile=certificate_key,
    )


class _Server(uvicorn.Server):
    """uvicorn's server without its hold on signals, which it would raise again before our own clean-up."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _nothing() -> None:
    """Stands for what need not be done."""


async def serve(
    config: ServerConfig,
    sockets: Sequence[socket.socket],
    stop: asyncio.Event | None = None,
    *,
    stopping: Callable[[], None] = _nothing,
) -> None:
    """The application has been served on the bound `sockets` until `stop` was set.

    Then `stopping` is called, no connection is accepted, running requests have 10 seconds to end, and every thread
    has ended. Without `stop`, SIGTERM and SIGINT stop the server. Raises StartRefused when the application's lifespan
    does not start.
    """
    server = _Server(config)
    stop = stop or _stop_on_signals()
    watch = asyncio.create_task(_pass_on(stop, server, stopping))
    try:
        await server.serve(sockets=list(sockets))
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
