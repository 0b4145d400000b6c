"""One condition, rendered as each door's protocol has it. No other module writes an error body.

A refusal explains itself at every door: which gate said no, to which action on which resource, why, and under which
request id the owner finds the whole decision.
"""

from __future__ import annotations

import html

import msgspec
import structlog

from roadstead.errors import (
    AccessDenied,
    AppError,
    InvalidInput,
    MethodUnsupported,
    NotAuthenticated,
    RangeInvalid,
    TooManyRequests,
)
from roadstead.http.exchange import JSON, Exchange, Headers
from roadstead.services.refusals import Attempt

# Where the problems of our own API are explained; their types are addresses below it.
PROBLEMS = "/api/v1/problems/"
_PROBLEM: tuple[bytes, bytes] = (b"content-type", b"application/problem+json")

# Refusals by a gate: the audit has them under the request's id, which they therefore tell.
_REFUSALS = (NotAuthenticated, AccessDenied, TooManyRequests)

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


def explained(exchange: Exchange, error: AppError) -> dict[str, object]:
    """The detail of the error; that of a refusal says gate, action, resource and reason."""
    detail = dict(error.detail or {})
    if error.gate:
        action, resource = exchange.asked if exchange.asked[0] else ("connect", exchange.here)
        detail = {"gate": error.gate, "action": action, "resource": resource, "reason": error.reason} | detail
    return detail | {"request_id": exchange.origin.request_id}


def oci_body(exchange: Exchange, error: AppError) -> bytes:
    """The error as distribution-spec "Error Codes" has it; the detail carries the request id."""
    told = {"code": error.oci, "message": error.message, "detail": explained(exchange, error)}
    return msgspec.json.encode({"errors": [told]})


def problem(exchange: Exchange, error: AppError) -> dict[str, object]:
    """The error as RFC 9457 has it; members of our own are spelled as the API spells fields."""
    kind = type(error)
    detail = explained(exchange, error)
    return {
        "type": f"{PROBLEMS}{kind.__name__}",
        "title": (kind.__doc__ or "").partition("\n")[0].partition(";")[0].rstrip("."),
        "status": error.status,
        "detail": error.message,
        "Code": error.cloud,
        "Remedy": str(detail.pop("remedy", error.remedy)),
        **{"".join(part.capitalize() for part in name.split("_")): value for name, value in detail.items()},
    }


async def render_problem(exchange: Exchange, error: AppError) -> None:
    """The error has been sent as problem JSON, with the headers that its kind needs."""
    note(exchange, error)
    headers = [_PROBLEM, (b"cache-control", b"no-store"), *_headers_of(error)]
    by_page = exchange.header(b"cookie") or exchange.header(b"x-requested-with")
    if isinstance(error, NotAuthenticated) and not by_page:
        # A browser would ask its user for a key; only clients that are no page of the console are told of this way.
        headers.append((b"www-authenticate", b'Basic realm="SecretId and SecretKey", charset="UTF-8"'))
    await exchange.answer(error.status, headers, msgspec.json.encode(problem(exchange, error)))


async def render_oci(exchange: Exchange, error: AppError, *, scope: str = "") -> None:
    """The error has been sent in the registry protocol's form, with the headers that its kind needs."""
    note(exchange, error)
    headers: Headers = [JSON, *_headers_of(error)]
    if isinstance(error, NotAuthenticated):
        headers.append((b"www-authenticate", challenge(exchange, error, scope).encode("latin-1", "replace")))
    if isinstance(error, RangeInvalid) and error.detail and "location" in error.detail:
        headers.append((b"location", str(error.detail["location"]).encode()))
        headers.append((b"range", f"0-{max(0, int(str(error.detail['offset'])) - 1)}".encode()))
    await exchange.answer(error.status, headers, oci_body(exchange, error))


async def render_chart(exchange: Exchange, error: AppError) -> None:
    """The error has been sent as chart repositories tell it and helm's clients print it."""
    note(exchange, error)
    headers: Headers = [JSON, *_headers_of(error)]
    if isinstance(error, NotAuthenticated):
        headers.append((b"www-authenticate", b'Basic realm="charts", charset="UTF-8"'))
    told = error.message
    if isinstance(error, _REFUSALS):
        # Clients print this text and nothing else: with the id the owner sees the whole decision.
        told = f"{told} (request {exchange.origin.request_id})"
    await exchange.answer(error.status, headers, msgspec.json.encode({"error": told}))


_NOTHING_ELSE = b"default-src 'none'; frame-ancestors 'none'"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Refused · Roadstead</title><h1>Refused</h1><p>{message}</p><p>What helps: {remedy}</p>
<p>Request <code>{request_id}</code></p><p><a href="/console/">Back to the console</a></p></html>
"""


async def render_page(exchange: Exchange, error: AppError) -> None:
    """The error has been told to a person, with a way back where it is a browser that shows it."""
    note(exchange, error)
    request_id, headers = exchange.origin.request_id, [(b"cache-control", b"no-store"), *_headers_of(error)]
    if "text/html" in exchange.header(b"accept"):
        told = _PAGE.format(
            message=html.escape(error.message), remedy=html.escape(error.remedy), request_id=request_id
        )
        headers += [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", _NOTHING_ELSE)]
    else:
        told = f"{error.message}\n\nRequest {request_id}\n"
        headers.append((b"content-type", b"text/plain; charset=utf-8"))
    await exchange.answer(error.status, headers, told.encode())


def _headers_of(error: AppError) -> Headers:
    """The headers that the condition has at every door."""
    if isinstance(error, TooManyRequests):
        return [(b"retry-after", b"%d" % error.retry_after)]
    if isinstance(error, MethodUnsupported) and error.detail and "allow" in error.detail:
        return [(b"allow", str(error.detail["allow"]).encode())]
    return []


def note(exchange: Exchange, error: AppError) -> None:
    """A refusal will be audited. Whatever writes an error's body calls this first."""
    if not isinstance(error, _REFUSALS):
        return
    instance = getattr(exchange, "instance", None)
    attempt = Attempt(
        exchange.origin,
        exchange.ctx.clock(),
        operator=exchange.presented.uin,
        instance_id=None if instance is None else instance.id,
        action=exchange.asked[0] or f"http:{exchange.method}",
        resource=exchange.asked[1] or exchange.path,
    )
    exchange.ctx.refusals.note(error, attempt)


async def render_action(exchange: Exchange, error: AppError) -> None:
    """The error has been sent in the form of the cloud's API, whose status is 200 whatever happened."""
    note(exchange, error)
    told = {"Code": error.cloud, "Message": error.message}
    body = {"Response": {"Error": told, "RequestId": exchange.origin.request_id}}
    await exchange.answer(200, [JSON, *_headers_of(error)], msgspec.json.encode(body))


def challenge(exchange: Exchange, error: NotAuthenticated, scope: str) -> str:
    """The WWW-Authenticate header: where to get a token and for what (docker token specification)."""
    base = exchange.base_url
    parts = [f'realm="{base}/service/token"', f'service="{exchange.instance.row.registry_id}"']
    if scope:
        parts.append(f'scope="{scope}"')
    if exchange.header(b"authorization"):
        narrow = error.detail is not None and "action" in error.detail
        parts.append(f'error="{"insufficient_scope" if narrow else "invalid_token"}"')
    return "Bearer " + ",".join(parts)


def fault(exchange: Exchange, error: Exception) -> AppError:
    """What an unforeseen exception is told as; it is logged once, with the request id."""
    _log.error(
        "request failed",
        request_id=exchange.origin.request_id,
        method=exchange.method,
        path=exchange.path,
        exc_info=error,
    )
    return AppError(
        f"an unexpected error occurred; the server's log has it under request {exchange.origin.request_id}"
    )


def unknown_path(path: str) -> InvalidInput:
    """The condition of an address that means nothing here."""
    error = InvalidInput(f"{path[:200]!r} is not an address of this registry; its API begins at /v2/")
    return error
