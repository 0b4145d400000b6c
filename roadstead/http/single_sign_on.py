"""Single sign-on at /api/v1/session/oidc: a browser goes out to the identity provider and comes back logged in.

    GET                                          whether there is a provider, for login pages
    GET  login?next=/path                        on to the provider
    GET  login?port=…&state=…&challenge=…        the same for a command line that listens on the loopback
    GET  callback?code=…&state=…                 back from it: a session cookie, or on to the command line
    POST key {"Code": …, "Verifier": …}          the command line's temporary API key
    POST end                                     that key, with which it is asked, ends before its hour

People see these answers in a browser, so a refusal is a page with a way back, or plain text for other clients.
"""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.errors import AppError, InvalidInput, MethodUnsupported
from roadstead.http.bodies import read_small
from roadstead.http.caller import management_caller
from roadstead.http.errors import render_page, render_problem, unknown_path
from roadstead.http.exchange import JSON, Exchange, Headers
from roadstead.http.session import cookie
from roadstead.services import federation, single_sign_on
from roadstead.services.operations import Done, Wire
from roadstead.services.secrets import secret_hash
from roadstead.services.single_sign_on import Loopback, Returned

PATH = "/api/v1/session/oidc/"
_NOT_STORED: tuple[bytes, bytes] = (b"cache-control", b"no-store")
_PAGE = """<!doctype html><meta charset="utf-8"><title>Logged in</title>
<meta http-equiv="refresh" content="0;url={target}"><p>You are logged in. <a href="{target}">Continue</a></p>
"""


class TakeKey(Wire, frozen=True, kw_only=True):
    """The code that the command line got, and the secret behind its challenge."""

    code: Annotated[str, Meta(max_length=100)]
    verifier: Annotated[str, Meta(max_length=128)]


class TemporaryKey(Wire, frozen=True, kw_only=True):
    """An API key for an hour, which holds only together with its token."""

    tmp_secret_id: str
    tmp_secret_key: str
    token: str
    expired_time: int


async def serve(exchange: Exchange) -> None:
    """The request has been answered."""
    method, answer, refuse = _ROUTES.get(exchange.path.removeprefix(PATH), ("GET", _unknown, render_problem))
    try:
        if exchange.method != method:
            raise MethodUnsupported(f"{exchange.path[:100]} takes {method}", detail={"allow": method})
        await answer(exchange)
    except AppError as error:
        await refuse(exchange, error)


async def _unknown(exchange: Exchange) -> None:
    raise unknown_path(exchange.path)


async def _offer(exchange: Exchange) -> None:
    settings = exchange.ctx.settings
    told = {"Offered": single_sign_on.offered(settings), "Issuer": settings.oidc.issuer}
    await exchange.answer(200, [JSON, _NOT_STORED], msgspec.json.encode(told))


async def _login(exchange: Exchange) -> None:
    loopback = None
    if port := _parameter(exchange, "port"):
        number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
        loopback = Loopback(number, _parameter(exchange, "state"), _parameter(exchange, "challenge"))
    callback = f"{exchange.base_url}{PATH}callback"
    started = await single_sign_on.start(exchange.ctx, callback, _parameter(exchange, "next") or "/", loopback)
    headers = [(b"location", started.url.encode()), _NOT_STORED]
    headers.append(_kept(exchange, started.state, started.sealed, single_sign_on.PENDING_SECONDS))
    await exchange.answer(302, headers)


async def _callback(exchange: Exchange) -> None:
    state = _parameter(exchange, "state")
    problem = ": ".join(filter(None, (_parameter(exchange, "error"), _parameter(exchange, "error_description"))))
    issuer = exchange.query().get("iss", [None])[0]
    returned = Returned(state, _parameter(exchange, "code"), problem, issuer)
    found = re.search(rf"(?:^|[;,])\s*{_name(state)}=([A-Za-z0-9_=-]+)", exchange.header(b"cookie"))
    finished = await single_sign_on.finish(
        exchange.ctx,
        "" if found is None else found[1],
        returned,
        exchange.origin,
        exchange.header(b"user-agent"),
    )
    forget = _kept(exchange, state, "", 0)
    if finished.begun is None:
        await exchange.answer(303, [(b"location", finished.target.encode()), _NOT_STORED, forget])
        return
    seconds = max(0, int((finished.begun.ends_at - exchange.ctx.clock()).total_seconds()))
    # A page, since the session's cookie is not sent along by a redirect that another site has begun.
    page = _PAGE.format(target=html.escape(finished.target)).encode()
    headers: Headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"referrer-policy", b"no-referrer"),
        _NOT_STORED,
        forget,
    ]
    await exchange.answer(200, [*headers, *cookie(exchange, finished.begun.cookie, seconds)], page)


async def _key(exchange: Exchange) -> None:
    if exchange.header(b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise InvalidInput("send the request as application/json")
    limit = exchange.ctx.settings.limits.request_body_bytes
    body = await read_small(
        exchange.scope, exchange.receive, limit, lambda: InvalidInput(f"the request may have {limit} bytes")
    )
    try:
        request = msgspec.json.decode(body, type=TakeKey)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("the request must be JSON with Code and Verifier") from None
    taken = await single_sign_on.take_key(exchange.ctx, request.code, request.verifier, exchange.origin)
    answer = TemporaryKey(
        tmp_secret_id=taken.secret_id,
        tmp_secret_key=taken.secret_key,
        token=taken.token,
        expired_time=taken.expires_at,
    )
    await exchange.answer(200, [JSON, _NOT_STORED], msgspec.json.encode(answer))


async def _end(exchange: Exchange) -> None:
    limit = exchange.ctx.settings.limits.request_body_bytes
    body = await read_small(
        exchange.scope, exchange.receive, limit, lambda: InvalidInput(f"the request may have {limit} bytes")
    )
    await federation.end_key(exchange.ctx, await management_caller(exchange, body))
    await exchange.answer(200, [JSON, _NOT_STORED], msgspec.json.encode(Done()))


def _parameter(exchange: Exchange, name: str) -> str:
    return exchange.query().get(name, [""])[0]


def _name(state: str) -> str:
    """Each login has a cookie of its own, so that two windows do not undo each other's."""
    return f"roadstead_sso_{secret_hash(state)[:12]}"


def _kept(exchange: Exchange, state: str, value: str, seconds: int) -> tuple[bytes, bytes]:
    """The browser keeps the value for the way back, which begins at another site: hence Lax."""
    secure = "; Secure" if exchange.base_url.startswith("https:") else ""
    text = f"{_name(state)}={value}; Path={PATH}; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
    return (b"set-cookie", text.encode())


Answering = Callable[[Exchange], Awaitable[None]]
Refusing = Callable[[Exchange, AppError], Awaitable[None]]

_ROUTES: dict[str, tuple[str, Answering, Refusing]] = {
    "": ("GET", _offer, render_problem),
    "login": ("GET", _login, render_page),
    "callback": ("GET", _callback, render_page),
    "key": ("POST", _key, render_problem),
    "end": ("POST", _end, render_problem),
}
