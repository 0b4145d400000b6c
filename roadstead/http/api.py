"""Our own door to the operation table: POST /api/v1/{Action} with JSON, answered with JSON.

The console, the command line and scripts come in here. An error is problem JSON (RFC 9457). Nothing is allowed to
other origins: no header of CORS is ever sent.
"""

from __future__ import annotations

import inspect
import re

import msgspec

import roadstead
from roadstead.errors import (
    AppError,
    InvalidInput,
    LoginNeeded,
    MethodUnsupported,
    NotFound,
    RequestTooLarge,
    conditions,
)
from roadstead.http.bodies import read_small
from roadstead.http.caller import management_caller
from roadstead.http.errors import PROBLEMS, render_problem
from roadstead.http.exchange import JSON, Exchange, Headers
from roadstead.services.operations import run
from roadstead.services.requests import decode, named, request_of
from roadstead.services.table import OPERATIONS

_PREFIX = "/api/v1/"
# What a resource takes from the request, before the request has been read.
_FIELD = re.compile(r"\{\w+\}")
_HEADERS: Headers = [JSON, (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


async def serve(exchange: Exchange) -> None:
    """The request under /api/v1 has been answered, if need be with the condition it met."""
    try:
        if exchange.path.rstrip("/") == _PREFIX.rstrip("/"):
            await _index(exchange)
        elif exchange.path.startswith(PROBLEMS):
            await _explain(exchange, exchange.path.removeprefix(PROBLEMS))
        else:
            await _call(exchange, exchange.path.removeprefix(_PREFIX))
    except AppError as error:
        if exchange.started:
            raise
        await render_problem(exchange, error)


async def _call(exchange: Exchange, name: str) -> None:
    """The operation of that name has been done and answered."""
    op = named(OPERATIONS, name)
    exchange.asked = (op.action, _FIELD.sub("*", op.resource))
    if exchange.method != "POST":
        raise MethodUnsupported(f"{op.name} is asked for with POST", detail={"allow": "POST"})
    body = await _body(exchange)
    caller = await management_caller(exchange, body)
    if caller.anonymous:
        raise LoginNeeded(f"credential: log in to do {op.action}")
    request = request_of(op, decode(body))
    exchange.asked = (op.action, op.resource_of(request))
    answer = await run(exchange.ctx, caller, op, request)
    await exchange.answer(200, _HEADERS, msgspec.json.encode(answer))


async def _body(exchange: Exchange) -> bytes:
    """The body, which must be announced as JSON: no page of another origin can send that without asking first."""
    limit = exchange.ctx.settings.limits.request_body_bytes
    kind = exchange.header(b"content-type").partition(";")[0].strip().lower()
    problem = RequestTooLarge(f"a request may have {limit} bytes")
    body = await read_small(exchange.scope, exchange.receive, limit, lambda: problem)
    if kind != "application/json" and (body or kind):
        raise InvalidInput(f"the body must be application/json, not {kind[:60] or 'unnamed'!r}")
    return body


async def _index(exchange: Exchange) -> None:
    """Whoever opens the root of the API knows where to go on, and which instance this host name means."""
    _only_get(exchange)
    row = exchange.instance.row
    told = {
        "Product": "Roadstead",
        "Version": roadstead.__version__,
        "OpenApi": f"{exchange.base_url}/openapi.json",
        "Call": f"POST {exchange.base_url}{_PREFIX}{{Action}}",
        "Instance": {"RegistryId": row.registry_id, "Name": row.name},
    }
    await exchange.answer(200, _HEADERS, msgspec.json.encode(told))


async def _explain(exchange: Exchange, name: str) -> None:
    """The type of a problem has been explained, as RFC 9457 wants of an address."""
    _only_get(exchange)
    kind = conditions().get(name)
    if kind is None:
        raise NotFound(f"there is no problem {name[:60]!r}")
    told = {
        "Type": f"{PROBLEMS}{name}",
        "Description": inspect.getdoc(kind) or "",
        "Status": kind.status,
        "Code": kind.cloud,
        "Gate": kind.gate,
        "Remedy": kind.remedy,
    }
    await exchange.answer(200, _HEADERS, msgspec.json.encode(told))


def _only_get(exchange: Exchange) -> None:
    if exchange.method not in {"GET", "HEAD"}:
        raise MethodUnsupported("this is only read", detail={"allow": "GET, HEAD"})
