"""An identity provider made by hand, whose answers a test can bend at any point."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from roadstead.config import Oidc, Outbound
from roadstead.services.single_sign_on import challenge
from tests.clients.web import Asked, Web, says, web

CLIENT = "registry"
SECRET = "client secret + / %"

Bend = Callable[[dict[str, Any]], None]


def nothing(_: dict[str, Any]) -> None:
    """Leaves an answer as it is."""


@dataclass
class Provider:
    """The provider; `login` is what a browser would do there."""

    site: Web
    now: Callable[[], float]
    keys: list[Any] = field(default_factory=lambda: [rsa_key("first")])
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    bend_claims: Bend = nothing
    bend_document: Bend = nothing
    bend_tokens: Bend = nothing
    header: dict[str, Any] = field(default_factory=dict)
    signed_with: Any = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return self.site.url

    def rules(self, **more: Any) -> Oidc:
        """Settings of a deployment that is registered here."""
        return Oidc(issuer=self.issuer, client_id=CLIENT, client_secret=SECRET, **more)

    def outbound(self) -> Outbound:
        return Outbound(allow=("127.0.0.1/32",), seconds=60)

    def login(self, url: str, code: str = "the-code") -> str:
        """The query with which somebody who logs in at this URL is sent back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert urlsplit(url).path == "/authorize"
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert (asked["code_challenge_method"], "openid" in asked["scope"].split()) == ("S256", True)
        self.codes[code] = asked
        return f"code={code}&state={asked['state']}"

    def asked_for(self, path: str) -> int:
        """How often the path was asked for."""
        return sum(request.target.partition("?")[0] == path for request in self.site.asked)

    async def document(self, _: Asked, writer: asyncio.StreamWriter) -> None:
        found: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/me",
        }
        self.bend_document(found)
        await says(200, json.dumps(found).encode())(_, writer)

    async def key_set(self, _: Asked, writer: asyncio.StreamWriter) -> None:
        found = KeySet(self.keys).as_dict(private=False)
        await says(200, json.dumps(found).encode())(_, writer)

    async def me(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        assert asked.headers["authorization"] == "Bearer access"
        await says(200, json.dumps(self.userinfo).encode())(asked, writer)

    async def token(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        known = self.codes.pop(form["code"], None)
        proven = known is not None and challenge(form["code_verifier"]) == known["code_challenge"]
        if known is None or not proven or form["redirect_uri"] != known["redirect_uri"]:
            error = {"error": "invalid_grant", "error_description": "no such code"}
            await says(400, json.dumps(error).encode())(asked, writer)
            return
        tokens = {"id_token": self.id_token(known["nonce"]), "access_token": "access", "token_type": "Bearer"}
        self.bend_tokens(tokens)
        await says(200, json.dumps(tokens).encode())(asked, writer)

    def id_token(self, nonce: str) -> str:
        now = int(self.now())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "alice-1",
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "preferred_username": "alice",
            "groups": ["dev", "admins"],
            **self.claims,
        }
        self.bend_claims(claims)
        key = self.signed_with or self.keys[-1]
        header = {"alg": "RS256", "kid": key.kid, **self.header}
        if header["alg"] == "none":
            return unsigned(header, claims)
        return jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=[header["alg"]])


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token that nobody has signed."""
    from base64 import urlsafe_b64encode

    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)]
    return ".".join([*parts, ""])


@asynccontextmanager
async def provider(now: Callable[[], float]) -> AsyncIterator[Provider]:
    """A provider on a free port of this host."""
    async with web() as site:
        found = Provider(site, now)
        site.handlers = {
            "/.well-known/openid-configuration": found.document,
            "/keys": found.key_set,
            "/token": found.token,
            "/me": found.me,
        }
        yield found


def elliptic(kid: str) -> ECKey:
    """A key of another kind."""
    return ECKey.generate_key("P-256", {"use": "sig", "kid": kid})


@cache
def rsa_key(kid: str) -> RSAKey:
    """A key of providers: making one takes longer than a whole login, so all have the same."""
    return RSAKey.generate_key(2048, {"use": "sig", "kid": kid})


@cache
def another(kid: str = "first") -> RSAKey:
    """A key that is not the provider's, whatever it is called."""
    return RSAKey.generate_key(2048, {"use": "sig", "kid": kid})


def shared(secret: bytes) -> OctKey:
    """A secret that both sides know, or all the world."""
    return OctKey.import_key(secret)
