"""Where every request comes in: which instance it is for, from where, whether it is admitted, and by which door.

The instance follows from the Host header, the address from the connection or from the proxies that the operator has
named. The network gate is asked before anything of the request is read.
"""

from __future__ import annotations

import itertools
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from starlette.types import Receive, Scope, Send

from roadstead.domain import identity
from roadstead.domain.identity import Origin
from roadstead.domain.network import plain_address
from roadstead.domain.proxies import TOLD_BY
from roadstead.errors import AppError
from roadstead.http import (
    actions,
    api,
    charts,
    console,
    event_stream,
    health,
    metrics,
    oci,
    openapi,
    session,
    single_sign_on,
    token,
    welcome,
)
from roadstead.http.errors import (
    fault,
    render_action,
    render_chart,
    render_oci,
    render_page,
    render_problem,
    unknown_path,
)
from roadstead.http.exchange import Exchange
from roadstead.services.access import admit_client, admit_use
from roadstead.services.context import Context
from roadstead.services.instances import ServedInstance

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
        door = _door(scope)
        exchange = Exchange(self._ctx, scope, receive, send, self._origin(scope, door))
        try:
            await self._admit(exchange, door)
            await door.serve(exchange)
        except AppError as error:
            await self._refuse(exchange, door, error)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001  the last place that can still answer and log
            await self._refuse(exchange, door, fault(exchange, error))
        seconds = time.perf_counter() - began
        self._ctx.meters.note(door.label, exchange.status, seconds)
        if self._log_requests:
            _log.info(
                "request",
                method=exchange.method,
                path=path,
                status=exchange.status,
                request_id=exchange.origin.request_id,
                address=exchange.origin.address,
                seconds=round(seconds, 4),
            )

    async def _admit(self, exchange: Exchange, door: _Door) -> None:
        """The exchange knows its instance and its client's own address, and the network gate has let it in."""
        proxies = self._ctx.proxies
        exchange.instance = await self._instance(exchange)
        if proxies.networks or not TOLD_BY.isdisjoint(exchange.headers):
            exchange.come_from(proxies.client(exchange.origin.address, exchange.headers))
            exchange.instance = await self._instance(exchange)
        if door is not _METRICS:
            # Each request that the registry's door lets in asks `admit`, which reads the instance with the rest.
            exchange.instance = await admit_client(
                self._ctx, exchange.instance, exchange.origin, current=door is not _REGISTRY
            )
            if exchange.instance.limits is not None:
                exchange.instance, toll = await admit_use(self._ctx, exchange.instance, exchange.origin)
                exchange.pay(toll)

    async def _instance(self, exchange: Exchange) -> ServedInstance:
        """The instance whose name the Host header carries."""
        directory = self._ctx.instances
        label = directory.label(exchange.header(b"host"))
        return directory.known(label) or await directory.find(label)

    def _origin(self, scope: Scope, door: _Door) -> Origin:
        client, local = scope.get("client"), scope.get("server")
        # Clients of the cloud's API know request ids as UUIDs.
        request_id = str(uuid.uuid4()) if door is _ACTIONS else f"{self._run}{next(self._count):08x}"
        address = plain_address(client[0]) if client else "unknown"
        return Origin(door.name, address, request_id, local=plain_address(local[0]) if local else "")

    async def _refuse(self, exchange: Exchange, door: _Door, error: AppError) -> None:
        if exchange.started:
            # Half an answer is out; only closing the connection tells the client that it is not whole.
            raise ConnectionResetError from error
        await door.refuse(exchange, error)


@dataclass(frozen=True, slots=True)
class _Door:
    """One way in: its name in the audit, who answers there, and how it tells a condition met before it opens."""

    name: identity.Door
    serve: Callable[[Exchange], Awaitable[None]]
    refuse: Callable[[Exchange, AppError], Awaitable[None]]
    # The name as a plain text: an enumeration's member takes longer to look up, and each request is counted.
    label: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", str(self.name))


async def _nowhere(exchange: Exchange) -> None:
    raise unknown_path(exchange.path)


_REGISTRY = _Door(identity.Door.REGISTRY, oci.serve, oci.refuse)
_CHARTS = _Door(identity.Door.CHARTS, charts.serve, render_chart)
_TOKEN = _Door(identity.Door.TOKEN, token.serve, render_oci)
_API = _Door(identity.Door.API, api.serve, render_problem)
_EVENTS = _Door(identity.Door.API, event_stream.serve, render_problem)
_SESSION = _Door(identity.Door.API, session.serve, render_problem)
_SINGLE_SIGN_ON = _Door(identity.Door.API, single_sign_on.serve, render_page)
_OPENAPI = _Door(identity.Door.API, openapi.serve, render_problem)
_ACTIONS = _Door(identity.Door.ACTIONS, actions.serve, render_action)
_CONSOLE = _Door(identity.Door.API, console.serve, render_page)
_WELCOME = _Door(identity.Door.REGISTRY, welcome.serve, render_oci)
# Not an instance's: it has a gate of its own.
_METRICS = _Door(identity.Door.API, metrics.serve, render_problem)
_NOWHERE = _Door(identity.Door.REGISTRY, _nowhere, render_oci)


def _door(scope: Scope) -> _Door:
    path: str = scope["path"]
    if path.startswith("/v2/") or path == "/v2":
        return _REGISTRY
    if path.startswith(charts.PATHS):
        return _CHARTS
    if path.startswith(single_sign_on.PATH):
        return _SINGLE_SIGN_ON
    if path == session.PATH or path.startswith(f"{session.PATH}/"):
        return _SESSION
    if path == event_stream.PATH:
        return _EVENTS
    if path.startswith("/api/v1/") or path == "/api/v1":
        return _API
    if path.startswith(f"{console.PATH}/") or path == console.PATH:
        return _CONSOLE
    if path == "/":
        return _ACTIONS if actions.asked(scope) else _WELCOME
    return {"/service/token": _TOKEN, "/openapi.json": _OPENAPI, metrics.PATH: _METRICS}.get(path, _NOWHERE)
