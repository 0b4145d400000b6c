"""Signed tokens: docker access and refresh tokens, and temporary credentials; and the keys that sign them.

Tokens are JWTs signed with ECDSA P-256 (ES256). Keys are rows, encrypted, shared by all processes; a new one
replaces the signing key at a set age, and the old one stays valid for checking until its last token has ended.
A token says who asks and what it is narrowed to. Whether the account and credential still hold is asked of the
database at each use, so a disabled credential ends its tokens at once.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from roadstead.config import Tokens
from roadstead.domain.identity import CredentialKind, Presented
from roadstead.domain.scope import Scope
from roadstead.domain.service_accounts import login_name
from roadstead.errors import EndedToken, NotAuthenticated, Unavailable
from roadstead.metadata import credentials
from roadstead.metadata.credentials import StoredKey
from roadstead.metadata.database import Database
from roadstead.services.secrets import SecretBox, random_id

_REMEMBERED = 4096
_LEEWAY = 5


class Access(msgspec.Struct, frozen=True):
    """One entry of a token's `access` claim (docker token specification)."""

    type: str
    name: str
    actions: tuple[str, ...]


class Claims(msgspec.Struct, frozen=True):
    """What a token says."""

    iss: str
    sub: str
    kind: str
    exp: int
    nbf: int
    aud: str = ""
    cid: str = ""
    access: tuple[Access, ...] | None = None


class KeyRing:
    """The keys by which this process signs and checks tokens."""

    def __init__(self, database: Database, box: SecretBox, rules: Tokens, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._box = box
        self._rules = rules
        self._clock = clock
        self._signing: ECKey | None = None
        self._checking: dict[str, ECKey] = {}
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    def sign(
        self,
        *,
        issuer: str,
        uin: str,
        kind: CredentialKind | str,
        seconds: int,
        credential_id: str = "",
        scopes: tuple[Scope, ...] | None = None,
    ) -> str:
        """A token for the account, valid for `seconds` from now. `refresh` has been called before."""
        if self._signing is None:
            raise Unavailable("the signing keys are not loaded yet; try again")
        issued = int(self._clock().timestamp())
        claims: dict[str, Any] = {
            "iss": issuer,
            "aud": issuer,
            "sub": uin,
            "kind": str(kind),
            "cid": credential_id,
            "iat": issued,
            "nbf": issued,
            "exp": issued + seconds,
            "jti": random_id(16),
        }
        if scopes is not None:
            claims["access"] = [
                {"type": scope.kind, "name": scope.name, "actions": list(scope.actions)} for scope in scopes
            ]
        header = {"alg": "ES256", "kid": self._signing.kid}
        return jwt.encode(header, claims, self._signing)

    async def check(self, token: str, issuer: str) -> Claims:
        """What the token says; raises NotAuthenticated when it was not signed here, for this, or has ended."""
        claims = self._verified.get(token)
        if claims is None:
            claims = await self._verify(token)
            self._verified[token] = claims
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        now = self._clock().timestamp()
        if claims.exp <= now:
            self._verified.pop(token, None)
            raise EndedToken("credential: the token has ended; log in again")
        if claims.nbf > now + _LEEWAY or not (claims.iss == claims.aud == issuer):
            raise NotAuthenticated("credential: the token is not meant for this instance; log in again")
        return claims

    async def _verify(self, token: str) -> Claims:
        try:
            kid = str(msgspec.json.decode(_segment(token)).get("kid", ""))
            if kid not in self._checking:
                await self._read(self._clock())
            key = self._checking[kid]
            decoded = jwt.decode(token, KeySet([key]), algorithms=["ES256"])
            return msgspec.convert(decoded.claims, Claims)
        except (JoseError, msgspec.MsgspecError, ValueError, KeyError, AttributeError, RecursionError) as error:
            raise NotAuthenticated("credential: the token was not issued by this registry; log in again") from error

    async def refresh(self) -> None:
        """The ring holds the keys of the database, among them one that is young enough to sign.

        Called at the start and every minute. It may write, so never inside a transaction.
        """
        now = self._clock()
        newest = await self._read(now)
        if newest is None or (now - newest.created_at).total_seconds() > self._rules.rotate_seconds:
            await self._rotate(now)
            await self._read(now)

    async def _read(self, now: datetime) -> StoredKey | None:
        async with self._database.read() as tx:
            stored = await credentials.signing_keys_valid(tx, now)
        for key in stored:
            if key.id not in self._checking:
                self._checking[key.id] = ECKey.import_key(msgspec.json.decode(key.public_key))
        newest = next((key for key in stored if key.ends_at is None), None)
        if newest is not None and (self._signing is None or self._signing.kid != newest.id):
            self._signing = self._private(newest)
        return newest

    def _private(self, key: StoredKey) -> ECKey:
        return ECKey.import_key(msgspec.json.decode(self._box.unseal(key.private_key)))

    async def _rotate(self, now: datetime) -> None:
        made = ECKey.generate_key("P-256", {"kid": random_id(16)}, private=True)
        key = StoredKey(
            id=str(made.kid),
            private_key=self._box.seal(msgspec.json.encode(made.as_dict(private=True))),
            public_key=msgspec.json.encode(made.as_dict(private=False)).decode(),
            created_at=now,
            ends_at=None,
        )
        rules = self._rules
        longest = max(rules.access_seconds, rules.temporary_seconds, rules.refresh_seconds)
        async with self._database.write() as tx:
            await credentials.add_signing_key(tx, key, now + timedelta(seconds=longest), now)


def _segment(token: str) -> bytes:
    head = token.partition(".")[0]
    return base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))


@lru_cache(maxsize=_REMEMBERED)
def presented(claims: Claims) -> Presented:
    """What a checked token shows its bearer to be."""
    scopes = None
    if claims.access is not None:
        scopes = tuple(Scope(entry.type, entry.name, entry.actions) for entry in claims.access)
    kind = CredentialKind.LONG_TERM if claims.cid else CredentialKind.TEMPORARY
    if login_name(claims.sub) is not None:
        kind = CredentialKind.SERVICE_ACCOUNT
    if not claims.sub:
        kind = CredentialKind.NONE
    return Presented(kind, claims.sub, claims.cid, "", scopes)
