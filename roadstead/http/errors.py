"""One condition, rendered as each door's protocol has it. No other module writes an error body."""

from __future__ import annotations

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

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


def oci_body(error: AppError, request_id: str) -> bytes:
    """The error as distribution-spec "Error Codes" has it; the detail carries the request id."""
    detail = {**(error.detail or {}), "request_id": request_id}
    return msgspec.json.encode({"errors": [{"code": error.oci, "message": error.message, "detail": detail}]})


async def render_oci(exchange: Exchange, error: AppError, *, scope: str = "") -> None:
    """The error has been sent in the registry protocol's form, with the headers that its kind needs."""
    note(exchange, error)
    headers: Headers = [JSON]
    status = error.status
    if isinstance(error, NotAuthenticated):
        headers.append((b"www-authenticate", challenge(exchange, error, scope).encode("latin-1", "replace")))
    if isinstance(error, TooManyRequests):
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if isinstance(error, MethodUnsupported) and error.detail and "allow" in error.detail:
        headers.append((b"allow", str(error.detail["allow"]).encode()))
    if isinstance(error, RangeInvalid) and error.detail and "location" in error.detail:
        headers.append((b"location", str(error.detail["location"]).encode()))
        headers.append((b"range", f"0-{max(0, int(str(error.detail['offset'])) - 1)}".encode()))
    await exchange.answer(status, headers, oci_body(error, exchange.origin.request_id))


def note(exchange: Exchange, error: AppError) -> None:
    """A refusal will be audited. Whatever writes an error's body calls this first."""
    if not isinstance(error, NotAuthenticated | AccessDenied | TooManyRequests):
        return
    instance = getattr(exchange, "instance", None)
    attempt = Attempt(
        exchange.origin,
        exchange.ctx.clock(),
        operator=exchange.presented.uin,
        instance_id=None if instance is None else instance.id,
        action=f"http:{exchange.method}",
        resource=exchange.path,
    )
    exchange.ctx.refusals.note(error, attempt)


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
