"""The docker token service at /service/token (docker token and OAuth2 specifications)."""

from __future__ import annotations

import msgspec

from roadstead.domain.identity import Presented
from roadstead.domain.scope import parse_scopes
from roadstead.errors import AppError, InvalidInput, MethodUnsupported
from roadstead.http.bodies import read_small
from roadstead.http.caller import present
from roadstead.http.errors import render_oci
from roadstead.http.exchange import JSON, Exchange, parameters
from roadstead.services.credentials import present_basic
from roadstead.services.grants import Grant, from_refresh_token, grant


async def serve(exchange: Exchange) -> None:
    """The token request has been answered."""
    exchange.asked = ("token", exchange.here)
    try:
        if exchange.method == "GET":
            await _by_query(exchange)
        elif exchange.method == "POST":
            await _by_form(exchange)
        else:
            raise MethodUnsupported("tokens are asked for with GET or POST", detail={"allow": "GET, POST"})
    except AppError as error:
        await render_oci(exchange, error)


async def _by_query(exchange: Exchange) -> None:
    """GET with Basic, or with nothing for a token that pulls what is public."""
    query = exchange.query()
    exchange.presented = await present(exchange)
    offline = query.get("offline_token", [""])[0] in {"true", "1"}
    granted = await grant(exchange.ctx, exchange.asker, parse_scopes(query.get("scope", ())), offline=offline)
    await _answer(exchange, granted, {"token": granted.token})


async def _by_form(exchange: Exchange) -> None:
    """POST with `grant_type=password` or `refresh_token`."""
    limit = exchange.ctx.settings.limits.request_body_bytes

    def too_large() -> InvalidInput:
        return InvalidInput(f"a token request may have {limit} bytes")

    body = await read_small(exchange.scope, exchange.receive, limit, too_large)
    form = parameters(body)
    exchange.presented = await _presented(exchange, form)
    offline = form.get("access_type", [""])[0] == "offline" or "refresh_token" in form
    granted = await grant(exchange.ctx, exchange.asker, parse_scopes(form.get("scope", ())), offline=offline)
    await _answer(exchange, granted, {})


async def _presented(exchange: Exchange, form: dict[str, list[str]]) -> Presented:
    kind = form.get("grant_type", [""])[0]
    issuer = exchange.instance.row.registry_id
    if kind == "password":
        username, password = form.get("username", [""])[0], form.get("password", [""])[0]
        return await present_basic(exchange.ctx, issuer, username, password, exchange.origin)
    if kind == "refresh_token":
        return await from_refresh_token(exchange.ctx, issuer, form.get("refresh_token", [""])[0], exchange.origin)
    raise InvalidInput("grant_type must be password or refresh_token")


async def _answer(exchange: Exchange, granted: Grant, more: dict[str, object]) -> None:
    answer: dict[str, object] = {
        **more,
        "access_token": granted.token,
        "expires_in": granted.seconds,
        "issued_at": granted.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "scope": " ".join(str(scope) for scope in granted.scopes if scope.actions),
    }
    if granted.refresh_token is not None:
        answer["refresh_token"] = granted.refresh_token
    await exchange.answer(200, [JSON, (b"cache-control", b"no-store")], msgspec.json.encode(answer))
