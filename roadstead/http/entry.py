"""Where every request comes in: which instance it is for, from where, whether it is admitted, and by which door.

The instance follows from the Host header, the address from the connection. The network gate is asked before
anything of the request is read.
"""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from starlette.types import Receive, Scope, Send

from roadstead.domain.identity import Door, Origin
from roadstead.errors import AppError
from roadstead.http import health, oci, token, welcome
from roadstead.http.errors import fault, render_oci, unknown_path
from roadstead.http.exchange import Exchange
from roadstead.services.access import admit_client
from roadstead.services.context import Context

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Entry:
    """The ASGI application of one serving process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._log_requests = ctx.settings.log_requests
        # Request ids need to be told apart, not to be secret.
        self._run = secrets.token_hex(4)
        self._count = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request has been answered."""
        path: str = scope["path"]
        if path == "/healthz":
            await health.serve(self._ctx, scope, send)
            return
        began = time.perf_counter()
        exchange = Exchange(self._ctx, scope, receive, send, self._origin(scope))
        try:
            await self._admit(exchange)
            await _door(path)(exchange)
        except AppError as error:
            await self._refuse(exchange, error)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001  the last place that can still answer and log
            await self._refuse(exchange, fault(exchange, error))
        if self._log_requests:
            _log.info(
                "request",
                method=exchange.method,
                path=path,
                status=exchange.status,
                request_id=exchange.origin.request_id,
                address=exchange.origin.address,
                seconds=round(time.perf_counter() - began, 4),
            )

    async def _admit(self, exchange: Exchange) -> None:
        """The exchange knows its instance and its client's own address, and the network gate has let it in."""
        directory = self._ctx.instances
        label = directory.label(exchange.header(b"host"))
        instance = directory.known(label) or await directory.find(label)
        forwarded_for = exchange.header(b"x-forwarded-for")
        if forwarded_for:
            address = self._ctx.proxies.client(exchange.origin.address, forwarded_for)
            exchange.origin = replace(exchange.origin, address=address)
        exchange.instance = instance
        exchange.instance = await admit_client(self._ctx, instance, exchange.origin.address)

    def _origin(self, scope: Scope) -> Origin:
        client = scope.get("client")
        door = Door.TOKEN if scope["path"] == "/service/token" else Door.REGISTRY
        return Origin(door, client[0] if client else "unknown", f"{self._run}{next(self._count):08x}")

    async def _refuse(self, exchange: Exchange, error: AppError) -> None:
        if exchange.started:
            # Half an answer is out; only closing the connection tells the client that it is not whole.
            raise ConnectionResetError from error
        await render_oci(exchange, error)


def _door(path: str) -> Callable[[Exchange], Awaitable[None]]:
    if path.startswith("/v2/") or path == "/v2":
        return oci.serve
    if path == "/service/token":
        return token.serve
    if path == "/":
        return welcome.serve
    return _nowhere


async def _nowhere(exchange: Exchange) -> None:
    raise unknown_path(exchange.path)
