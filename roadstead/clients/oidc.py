"""What this server asks of an identity provider, and what it believes of the answers (OpenID Connect Core 1.0).

The provider describes itself at a well-known address; its name there must be the configured issuer's, letter for
letter. Whoever logs in comes back from it with a code, for which the provider gives an ID token: a statement, signed
by one of the provider's keys, about who this is. The checks are those of section 3.1.3.7. Keys are read again when no
known one fits, since providers change them, but only once in a while: made-up tokens make no storm of requests.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from roadstead.clients.outbound import Answer, Outbound
from roadstead.config import Oidc
from roadstead.errors import NotAuthenticated, OutboundFailed

# Signatures by the provider's public keys; neither `none` nor the secret that both sides know.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_DESCRIBED = timedelta(hours=1)
_KEYS_PAUSE = timedelta(seconds=30)
_LEEWAY = 60
_LONGEST_SUBJECT = 200


class Description(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery 1.0 section 3), as far as it is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str
    access_token: str = ""


class _Error(msgspec.Struct, frozen=True):
    error: str = ""
    error_description: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """What only the browser that began a login, and this server, know of it."""

    nonce: str
    verifier: str
    redirect_uri: str


class OidcClient:
    """One deployment's dealings with its provider; what the provider says of itself and its keys are remembered."""

    def __init__(self, outbound: Outbound, rules: Oidc, secret: str, clock: Callable[[], datetime]) -> None:
        self._outbound = outbound
        self._rules = rules
        self._secret = secret
        self._clock = clock
        self._description: tuple[datetime, Description] | None = None
        self._keys: tuple[datetime, Any] | None = None

    async def describe(self) -> Description:
        """What the provider says of itself; raises OutboundFailed when it does not, or is another one."""
        if self._description is not None and self._clock() - self._description[0] < _DESCRIBED:
            return self._description[1]
        issuer = self._rules.issuer
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        found: Description = _read(await self._outbound.ask("GET", url), Description, "discovery document")
        if found.issuer != issuer:
            raise OutboundFailed(
                f"the identity provider names itself {found.issuer!r}, but oidc.issuer is {issuer!r}"
            )
        for endpoint in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint):
            if endpoint and urlsplit(issuer).scheme == "https" != urlsplit(endpoint).scheme:
                raise OutboundFailed(f"the identity provider's address {endpoint[:100]!r} is not https")
        self._description = (self._clock(), found)
        return found

    async def login_url(self, state: str, proof: Proof, challenge: str) -> str:
        """Where the browser goes to log in (section 3.1.2.1, and RFC 7636 for the challenge)."""
        description = await self.describe()
        asked = {
            "response_type": "code",
            "client_id": self._rules.client_id,
            "redirect_uri": proof.redirect_uri,
            "scope": " ".join(self._rules.scopes),
            "state": state,
            "nonce": proof.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = description.authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def identify(self, code: str, proof: Proof, issuer: str | None) -> Mapping[str, Any]:
        """The claims about who has come back with the code; raises NotAuthenticated when they are not believed.

        `issuer` is the parameter `iss` of the answer (RFC 9207): a code of another provider is not sent to this one.
        """
        description = await self.describe()
        if issuer is None and description.authorization_response_iss_parameter_supported:
            raise refuse("the answer does not say which identity provider it is from")
        if issuer is not None and issuer != description.issuer:
            raise refuse("the answer is from another identity provider")
        tokens = await self._redeem(description, code, proof)
        claims = await self._check(description, tokens.id_token, proof.nonce)
        return await self._complete(description, tokens, claims)

    async def _redeem(self, description: Description, code: str, proof: Proof) -> _Tokens:
        """The tokens for the code (section 3.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": proof.redirect_uri,
            "code_verifier": proof.verifier,
            "client_id": self._rules.client_id,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if self._secret and "client_secret_basic" in description.token_endpoint_auth_methods_supported:
            headers["authorization"] = _basic(self._rules.client_id, self._secret)
        elif self._secret:
            form["client_secret"] = self._secret
        answer = await self._outbound.ask(
            "POST", description.token_endpoint, headers=headers, content=urlencode(form).encode()
        )
        if 400 <= answer.status < 500:
            raise refuse(f"the identity provider does not take the code: {_problem(answer)}")
        tokens: _Tokens = _read(answer, _Tokens, "token answer")
        return tokens

    async def _check(self, description: Description, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token (section 3.1.3.7)."""
        claims = await self._verified(description, token)
        now = self._clock().timestamp()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        party = claims.get("azp")
        client = self._rules.client_id
        if claims.get("iss") != description.issuer:
            raise refuse("the ID token is from another issuer")
        if client not in audiences:
            raise refuse("the ID token is meant for another audience")
        if (len(audiences) > 1 or party is not None) and party != client:
            raise refuse("the ID token was issued to another party")
        if not _number(claims.get("exp")) or claims["exp"] + _LEEWAY <= now:
            raise refuse("the ID token has expired")
        if not _number(claims.get("iat")) or claims["iat"] - _LEEWAY > now:
            raise refuse("the ID token is from the future; check this server's clock")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise refuse("the ID token is of another login: its nonce differs")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
            raise refuse(f"the ID token names no subject of 1 to {_LONGEST_SUBJECT} characters")
        return claims

    async def _verified(self, description: Description, token: str) -> dict[str, Any]:
        """The claims of the token, whose signature is by a key of the provider."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        problem: Exception | None = None
        for fresh in (False, True):
            keys = await self._key_set(description, fresh=fresh)
            if keys is None:
                break
            try:
                return dict(jwt.decode(token, keys, algorithms=_ALGORITHMS).claims)
            except (JoseError, ValueError, TypeError, KeyError) as error:
                problem = error
        raise refuse("the signature of the ID token does not hold") from problem

    async def _key_set(self, description: Description, *, fresh: bool) -> Any:
        """The provider's keys; None when fresh ones are asked for too soon after the last reading."""
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        now = self._clock()
        if self._keys is not None:
            age = now - self._keys[0]
            if not fresh and age < _DESCRIBED:
                return self._keys[1]
            if fresh and age < _KEYS_PAUSE:
                return None
        document = _read(await self._outbound.ask("GET", description.jwks_uri), dict[str, Any], "key set")
        # Keys for encryption, and of kinds that are not known here, verify nothing.
        usable = [key for key in document.get("keys", ()) if isinstance(key, dict) and key.get("use", "sig") == "sig"]
        known = [key for key in usable if key.get("kty") in {"RSA", "EC", "OKP"}]
        try:
            keys = KeySet.import_key_set({"keys": known})
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise OutboundFailed("the identity provider's key set cannot be read") from error
        self._keys = (now, keys)
        return keys

    async def _complete(self, description: Description, tokens: _Tokens, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims with those that the provider only tells at its userinfo endpoint (section 5.3)."""
        wanted = {self._rules.username_claim, self._rules.groups_claim}
        if wanted <= claims.keys() or not (description.userinfo_endpoint and tokens.access_token):
            return claims
        headers = {"authorization": f"Bearer {tokens.access_token}", "accept": "application/json"}
        answer = await self._outbound.ask("GET", description.userinfo_endpoint, headers=headers)
        more = _read(answer, dict[str, Any], "userinfo answer")
        if more.get("sub") != claims["sub"]:
            raise refuse("the userinfo endpoint tells of somebody else")
        return {**more, **claims}


def refuse(reason: str) -> NotAuthenticated:
    """The condition of a login whose proof is not believed."""
    return NotAuthenticated(f"credential: {reason}", detail={"gate": "credential", "reason": reason})


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _basic(client: str, secret: str) -> str:
    """The header of RFC 6749 section 2.3.1, which encodes both parts as forms do."""
    from base64 import b64encode

    return f"Basic {b64encode(f'{quote_plus(client)}:{quote_plus(secret)}'.encode()).decode()}"


def _read(answer: Answer, kind: Any, what: str) -> Any:
    if answer.status != 200:
        raise OutboundFailed(f"the identity provider's {what} has status {answer.status}")
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutboundFailed(f"the identity provider's {what} cannot be read: {error}") from error


def _problem(answer: Answer) -> str:
    try:
        said = msgspec.json.decode(answer.body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"status {answer.status}"
    return f"{said.error}: {said.error_description}"[:200]
