"""Logging in and out of the console at /api/v1/session, and what a person does with the own account there.

The cookie is HttpOnly, is never sent along from other sites (SameSite=Strict) and, over https, never in the clear.
Every change must carry the session's CSRF token in `X-CSRF-Token`; logging in must be sent as JSON, which pages of
other sites cannot do unasked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from roadstead.domain.identity import Caller, CredentialKind, Presented
from roadstead.errors import AppError, InvalidInput, MethodUnsupported
from roadstead.http.bodies import read_small
from roadstead.http.caller import COOKIE, cookie_caller, session_cookie
from roadstead.http.errors import render_problem, unknown_path
from roadstead.http.exchange import JSON, Exchange, Headers
from roadstead.services import own_account, second_factor, sessions
from roadstead.services.operations import Done, Wire

PATH = "/api/v1/session"
_NOT_STORED = (b"cache-control", b"no-store")

Typed = Annotated[str, Meta(max_length=1024)]
Body = TypeVar("Body", bound=Wire)


class LogIn(Wire, frozen=True, kw_only=True):
    """Who logs in: the name or number of an account, its password, and the code if it has a second factor.

    An account whose password must be changed sends the new one too.
    """

    name: Typed
    password: Typed
    code: Typed = ""
    new_password: Typed = ""


class EndSession(Wire, frozen=True, kw_only=True):
    """Which login: its id, or `others` for all but this one."""

    id: Typed


class ChangePassword(Wire, frozen=True, kw_only=True):
    """The password as it is, and as it shall be."""

    old_password: Typed
    new_password: Typed


class Proof(Wire, frozen=True, kw_only=True):
    """The password once more, and a code where one is needed.

    The name is for who has not logged in: removing a second factor and new recovery codes need no login before them,
    which would spend a code.
    """

    name: Typed = ""
    password: Typed = ""
    code: Typed = ""


async def serve(exchange: Exchange) -> None:
    """The request has been answered."""
    try:
        found = _ROUTES.get(exchange.path.removeprefix(PATH).rstrip("/"))
        if found is None:
            raise unknown_path(exchange.path)
        method, answer = found
        if exchange.method != method:
            raise MethodUnsupported(f"{exchange.path} takes {method}", detail={"allow": method})
        await answer(exchange)
    except AppError as error:
        await render_problem(exchange, error)


async def _log_in(exchange: Exchange) -> None:
    request = await _read(exchange, LogIn)
    exchange.presented = Presented(CredentialKind.SESSION, request.name)
    attempt = sessions.Attempt(
        name=request.name,
        password=request.password,
        code=request.code,
        client=exchange.header(b"user-agent"),
        new_password=request.new_password,
    )
    begun = await sessions.log_in(exchange.ctx, attempt, exchange.origin)
    caller = await sessions.session_caller(exchange.ctx, begun.cookie, exchange.origin, csrf=None)
    answer = await sessions.who_am_i(exchange.ctx, caller, begun.cookie)
    await _answer(exchange, answer, cookie(exchange, begun.cookie, exchange.ctx.settings.sessions.life_seconds))


async def _log_out(exchange: Exchange) -> None:
    caller = await cookie_caller(exchange, changes=True)
    await sessions.log_out(exchange.ctx, caller)
    await _answer(exchange, Done(), cookie(exchange, "", 0))


async def _who(exchange: Exchange) -> None:
    caller = await cookie_caller(exchange, changes=False)
    await _answer(exchange, await sessions.who_am_i(exchange.ctx, caller, session_cookie(exchange)))


async def _list(exchange: Exchange) -> None:
    caller = await cookie_caller(exchange, changes=False)
    await _answer(exchange, await sessions.list_sessions(exchange.ctx, caller))


async def _end(exchange: Exchange) -> None:
    caller = await cookie_caller(exchange, changes=True)
    await sessions.end_session(exchange.ctx, caller, (await _read(exchange, EndSession)).id)
    await _answer(exchange, Done())


async def _change_password(exchange: Exchange) -> None:
    caller = await cookie_caller(exchange, changes=True)
    request = await _read(exchange, ChangePassword)
    await own_account.change_password(
        exchange.ctx, caller, caller.credential_id, request.old_password, request.new_password
    )
    await _answer(exchange, Done())


async def _enrol_totp(exchange: Exchange) -> None:
    caller = await cookie_caller(exchange, changes=True)
    request = await _read(exchange, Proof)
    await _answer(exchange, await second_factor.enrol(exchange.ctx, caller, request.password))


async def _confirm_totp(exchange: Exchange) -> None:
    caller = await cookie_caller(exchange, changes=True)
    code = (await _read(exchange, Proof)).code
    await _answer(exchange, await second_factor.confirm(exchange.ctx, caller, code))


async def _remove_totp(exchange: Exchange) -> None:
    request, caller = await _proof(exchange)
    await second_factor.remove(exchange.ctx, caller, request.password, request.code)
    await _answer(exchange, Done())


async def _renew_codes(exchange: Exchange) -> None:
    request, caller = await _proof(exchange)
    await _answer(exchange, await second_factor.renew_codes(exchange.ctx, caller, request.password, request.code))


async def _proof(exchange: Exchange) -> tuple[Proof, Caller]:
    """The request, and whose it is: by the login that it belongs to, or by the name and password in it."""
    request = await _read(exchange, Proof)
    if not request.name:
        return request, await cookie_caller(exchange, changes=True)
    exchange.presented = Presented(CredentialKind.SESSION, request.name)
    return request, await sessions.prove(exchange.ctx, request.name, request.password, exchange.origin)


_ROUTES: dict[str, tuple[str, Callable[[Exchange], Awaitable[None]]]] = {
    "": ("GET", _who),
    "/login": ("POST", _log_in),
    "/logout": ("POST", _log_out),
    "/list": ("GET", _list),
    "/end": ("POST", _end),
    "/password": ("POST", _change_password),
    "/totp/enrol": ("POST", _enrol_totp),
    "/totp/confirm": ("POST", _confirm_totp),
    "/totp/remove": ("POST", _remove_totp),
    "/totp/recovery": ("POST", _renew_codes),
}


async def _read(exchange: Exchange, kind: type[Body]) -> Body:
    """The request's body; raises InvalidInput, which never repeats what was sent."""
    if exchange.header(b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise InvalidInput("send the request as application/json")
    limit = exchange.ctx.settings.limits.request_body_bytes

    def too_large() -> InvalidInput:
        return InvalidInput(f"the request may have {limit} bytes")

    body = await read_small(exchange.scope, exchange.receive, limit, too_large)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, msgspec.ValidationError) else "it does not parse"
        raise InvalidInput(f"the request is not as it should be: {reason}") from None


async def _answer(exchange: Exchange, answer: Any, more: Headers | None = None) -> None:
    await exchange.answer(200, [JSON, _NOT_STORED, *(more or [])], msgspec.json.encode(answer))


def cookie(exchange: Exchange, value: str, seconds: int) -> Headers:
    """The header by which the browser keeps the value for that long; none and 0 make it forget."""
    secure = "; Secure" if exchange.base_url.startswith("https:") else ""
    text = f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}"
    return [(b"set-cookie", text.encode())]
