"""From the Authorization header to what the request shows to be known by."""

from __future__ import annotations

import base64
import binascii

from roadstead.domain.identity import NOBODY, Presented
from roadstead.errors import NotAuthenticated
from roadstead.http.exchange import Exchange
from roadstead.services.credentials import present_basic, present_bearer


async def present(exchange: Exchange) -> Presented:
    """What the request shows; nobody when it shows nothing. Raises NotAuthenticated for what cannot hold."""
    header = exchange.header(b"authorization")
    if not header:
        return NOBODY
    scheme, _, value = header.partition(" ")
    issuer = exchange.instance.row.registry_id
    if scheme.lower() == "bearer":
        return await present_bearer(exchange.ctx, issuer, value.strip(), exchange.origin)
    if scheme.lower() == "basic":
        username, password = basic(value)
        if not username and not password:
            return NOBODY
        return await present_basic(exchange.ctx, issuer, username, password, exchange.origin)
    raise NotAuthenticated(f"credential: the scheme {scheme[:20]!r} is not known; use Basic or Bearer")


def basic(value: str) -> tuple[str, str]:
    """Username and password of a Basic header (RFC 7617); raises NotAuthenticated when it does not parse."""
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise NotAuthenticated("credential: the Basic authorization does not parse") from error
    username, colon, password = text.partition(":")
    if not colon:
        raise NotAuthenticated("credential: the Basic authorization has no password")
    if "\0" in text:
        raise NotAuthenticated("credential: the Basic authorization holds a NUL character")
    return username, password
