"""/openapi.json: every operation described for people and for generators of clients."""

from __future__ import annotations

import hashlib
from functools import cache

import msgspec

import roadstead
from roadstead.errors import AppError, MethodUnsupported
from roadstead.http.errors import render_problem
from roadstead.http.exchange import JSON, Exchange
from roadstead.services.openapi import document
from roadstead.services.table import OPERATIONS


async def serve(exchange: Exchange) -> None:
    """The description has been sent, or the word that the client's own is still right."""
    try:
        if exchange.method not in {"GET", "HEAD"}:
            raise MethodUnsupported("this is only read", detail={"allow": "GET, HEAD"})
        body, tag = written()
        headers = [(b"etag", tag.encode()), (b"cache-control", b"no-cache"), (b"x-content-type-options", b"nosniff")]
        known = {each.strip().removeprefix("W/") for each in exchange.header(b"if-none-match").split(",")}
        if tag in known or "*" in known:
            await exchange.answer(304, headers)
        else:
            await exchange.answer(200, [JSON, *headers], body)
    except AppError as error:
        await render_problem(exchange, error)


@cache
def written() -> tuple[bytes, str]:
    """The description as JSON and its ETag; it follows from the code alone, so a process writes it once."""
    body = msgspec.json.encode(document(OPERATIONS.values(), roadstead.__version__))
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
