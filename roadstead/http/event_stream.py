"""GET /api/v1/events: what happens, as server-sent events (HTML standard, section 9.2) for as long as the client
listens.

Each event carries its id; a client that comes back says the last one it has seen in `Last-Event-ID` and misses
nothing. The query may narrow it: `RegistryId`, `NamespaceName`, `Repository`, `Kind` (several parted by commas),
and `LastEventId` for clients that cannot send the header. It opens to an API key or a session of the console; both
are asked again as time passes, which is no use of the session that would keep it from ending. A comment comes where
nothing happens, so that dead connections are found out.
"""

from __future__ import annotations

import asyncio

import msgspec

from roadstead.domain.identity import Caller
from roadstead.errors import AppError, LoginNeeded, MethodUnsupported
from roadstead.http.caller import cookie_caller, management_caller, session_cookie
from roadstead.http.errors import render_problem
from roadstead.http.exchange import Exchange, Headers
from roadstead.services.access import admit_client
from roadstead.services.event_log import ACTION, LoggedEvent, Wanted, follow, place, watched

PATH = "/api/v1/events"

_HEADERS: Headers = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    # nginx would keep events back until it has a buffer full of them.
    (b"x-accel-buffering", b"no"),
]
_ALIVE = b": nothing new\n\n"


async def serve(exchange: Exchange) -> None:
    """The client has had all that it may see until it went, or until the process was told to stop."""
    exchange.asked = (ACTION, f"repository/{exchange.instance.row.registry_id}/*")
    try:
        if exchange.method != "GET":
            raise MethodUnsupported("events are followed with GET", detail={"allow": "GET"})
        await _stream(exchange)
    except AppError as error:
        if not exchange.started:
            await render_problem(exchange, error)
            return
        # A right that ended meanwhile: the client is told so, and asks anew or not.
        await _send(exchange, b"event: refused\ndata: %s\n\n" % msgspec.json.encode({"detail": error.message}))
        await _end(exchange)


async def _stream(exchange: Exchange) -> None:
    pumping = asyncio.create_task(_pump(exchange))
    leaving = asyncio.create_task(_left(exchange))
    try:
        await asyncio.wait({pumping, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if pumping.done():
            pumping.result()
            await _end(exchange)
    finally:
        for task in (pumping, leaving):
            task.cancel()
        await asyncio.gather(pumping, leaving, return_exceptions=True)


async def _pump(exchange: Exchange) -> None:
    """Everything that the client wants and may see is sent as it happens."""
    caller = await _identify(exchange)
    if caller.anonymous:
        raise LoginNeeded(f"credential: log in to do {ACTION}")
    query = {name: values[0] for name, values in exchange.query().items()}
    instance = await watched(exchange.ctx, query.get("RegistryId") or exchange.instance.row.registry_id)
    kinds = [kind for kind in query.get("Kind", "").split(",") if kind]
    wanted = Wanted(query.get("NamespaceName", ""), query.get("Repository", ""), kinds)
    last = place(exchange.header(b"last-event-id") or query.get("LastEventId", ""))
    async for batch in follow(exchange.ctx, instance, wanted, last, lambda: _identify(exchange)):
        if not exchange.started:
            await exchange.start(200, _HEADERS)
        await _send(exchange, b"".join(map(_written, batch)) or _ALIVE)


async def _identify(exchange: Exchange) -> Caller:
    """Who asks, if the address and the credential still hold."""
    exchange.instance = await admit_client(exchange.ctx, exchange.instance, exchange.origin, current=True)
    if not exchange.header(b"authorization") and session_cookie(exchange):
        return await cookie_caller(exchange, changes=False, attended=False)
    return await management_caller(exchange, b"")


def _written(event: LoggedEvent) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.kind.encode(), msgspec.json.encode(event))


async def _left(exchange: Exchange) -> None:
    """The client has gone."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


async def _send(exchange: Exchange, body: bytes) -> None:
    await exchange.send({"type": "http.response.body", "body": body, "more_body": True})


async def _end(exchange: Exchange) -> None:
    await exchange.send({"type": "http.response.body", "body": b""})
