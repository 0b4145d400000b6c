"""From the Authorization header to what the request shows to be known by."""

from __future__ import annotations

import base64
import binascii
import re

from roadstead.domain.identity import NOBODY, Caller, CredentialKind, Presented, anonymous
from roadstead.domain.signature import TC3, SignedRequest, read_header_signature
from roadstead.errors import LoginNeeded, NotAuthenticated
from roadstead.http.exchange import Exchange
from roadstead.services.credentials import present_basic, present_bearer
from roadstead.services.keys import caller_by_secret, caller_by_signature
from roadstead.services.sessions import session_caller

# What a browser keeps of its login to the console.
COOKIE = "roadstead_session"
_COOKIES = re.compile(rf"(?:^|[;,])\s*{COOKIE}=([A-Za-z0-9_-]{{1,100}})(?=\s*(?:[;,]|$))")


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


async def management_caller(exchange: Exchange, body: bytes) -> Caller:
    """Who asks for an operation, as `_management_caller` finds out; the request counts for them."""
    caller = await _management_caller(exchange, body)
    if exchange.toll is not None:
        exchange.toll.known(exchange.presented)
    return caller


async def _management_caller(exchange: Exchange, body: bytes) -> Caller:
    """Who asks for an operation: by API key, by session cookie, by signature over `body`; nobody when none is there.

    Raises NotAuthenticated for what does not hold. What docker logs in with does not open the management doors.
    """
    header = exchange.header(b"authorization")
    scheme, _, value = header.partition(" ")
    if not header:
        if session_cookie(exchange):
            return await cookie_caller(exchange, changes=True)
        return anonymous(exchange.origin)
    if scheme.lower() == "basic":
        secret_id, secret_key = basic(value)
        if secret_key.startswith("rs1."):
            raise NotAuthenticated(
                "credential: an access credential opens the registry, not the API; send an API key as "
                "SecretId:SecretKey"
            )
        exchange.presented = Presented(CredentialKind.API_KEY, secret_id, secret_id)
        token = exchange.header(b"x-tc-token")
        return await caller_by_secret(exchange.ctx, secret_id, secret_key, exchange.origin, token)
    if scheme == TC3:
        signature = read_header_signature(signed_request(exchange, body))
        exchange.presented = Presented(CredentialKind.API_KEY, signature.secret_id, signature.secret_id)
        return await caller_by_signature(exchange.ctx, signature, exchange.header(b"x-tc-token"), exchange.origin)
    raise NotAuthenticated(
        f"credential: the scheme {scheme[:20]!r} does not open the API; send an API key by Basic, SecretId:SecretKey"
    )


def signed_request(exchange: Exchange, body: bytes) -> SignedRequest:
    """The request as it was sent, which a signature covers."""
    headers = {name.decode("latin-1"): exchange.header(name) for name, _ in exchange.scope["headers"]}
    query: bytes = exchange.scope["query_string"]
    return SignedRequest(exchange.method, query.decode("latin-1"), headers, body)


def session_cookie(exchange: Exchange) -> str:
    """What the browser keeps of its session; empty when it has none."""
    found = _COOKIES.search(exchange.header(b"cookie"))
    return "" if found is None else found[1]


async def cookie_caller(exchange: Exchange, *, changes: bool, attended: bool = True) -> Caller:
    """Whose session the request's cookie is of; raises NotAuthenticated, or AccessDenied for a change without its
    CSRF token.

    What nobody has asked for, a page that looks again by itself or an open stream, does not keep the session from
    ending for want of use: `attended` is False, or the page says so in `X-Unattended`.
    """
    cookie = session_cookie(exchange)
    if not cookie:
        raise LoginNeeded("credential: nobody is logged in here", detail={"gate": "credential"})
    csrf = exchange.header(b"x-csrf-token") if changes else None
    used = attended and not exchange.header(b"x-unattended")
    caller = await session_caller(exchange.ctx, cookie, exchange.origin, csrf=csrf, used=used)
    exchange.presented = Presented(CredentialKind.SESSION, caller.uin, caller.credential_id)
    return caller


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
