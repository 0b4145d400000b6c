"""API keys at the doors: who is behind a SecretId and SecretKey, or behind a signature made with them.

A signature may be that of a temporary key too, which holds only with its session token.
A request of the older form carries a nonce, which counts once. The newer form has none: what may be repeated within
its five minutes, and why, stands in docs/decisions/0010.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from roadstead.domain.identity import Caller, CredentialKind, Origin
from roadstead.domain.narrowing import narrowed
from roadstead.domain.signature import Signature
from roadstead.errors import (
    EndedToken,
    KeyUnknown,
    NotAuthenticated,
    SessionTokenWrong,
    SignatureExpired,
    SignatureWrong,
)
from roadstead.metadata import accounts, keys
from roadstead.metadata.database import Tx
from roadstead.services.callers import caller_of
from roadstead.services.context import Context
from roadstead.services.secrets import secret_hash

# How far the clock of a client may be from the server's (Tencent Cloud API 3.0, "AuthFailure.SignatureExpire").
SKEW = timedelta(minutes=5)
_DETAIL = {"gate": "credential"}


@dataclass(frozen=True, slots=True)
class _Key:
    """An API key or a temporary one."""

    account_id: int
    sealed: bytes
    kind: CredentialKind
    # Of the session token; empty when none belongs to the key.
    token_hash: str = ""
    policy: str = ""
    enabled: bool = True
    ends_at: datetime | None = None

    def ended(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.ends_at is not None and self.ends_at <= now


async def caller_by_secret(ctx: Context, secret_id: str, secret_key: str, origin: Origin, token: str = "") -> Caller:
    """The account that the key belongs to, with its rights; `token` is the session token of a temporary one.

    Raises NotAuthenticated, after counting the failure, EndedToken or TooManyRequests. An unknown SecretId and a
    wrong SecretKey read the same, so that none can be probed for.
    """
    now = ctx.clock()
    async with ctx.database.read() as tx:
        key = await _any_key(tx, secret_id[:40])
        # Compared as bytes: text beyond ASCII cannot be.
        right = key is not None and hmac.compare_digest(
            ctx.secrets.unseal(key.sealed), secret_key.encode("utf-8", "surrogateescape")
        )
        if key is not None and right and _token_holds(key, token):
            await ctx.logins.admit(tx, secret_id, origin.address, now)
            if not key.enabled:
                raise NotAuthenticated(f"credential: the API key {secret_id} is disabled", detail=_DETAIL)
            if key.ended(now):
                raise EndedToken(
                    f"credential: the temporary key ended at {key.ends_at:%Y-%m-%d %H:%M:%S} UTC; log in again",
                    detail=_DETAIL,
                )
            account = await accounts.get(tx, account_id=key.account_id)
            caller = await caller_of(ctx, tx, account, key.kind, origin, secret_id)
            if key.kind is CredentialKind.API_KEY:
                ctx.key_uses.note(secret_id, now)
            return replace(caller, rights=narrowed(caller.rights, key.policy))
    await ctx.logins.failed(ctx.database, secret_id, origin.address, now)
    temporary = ", or the temporary key is not of this session token or has ended: log in again" if token else ""
    raise NotAuthenticated(f"credential: the SecretId or SecretKey is wrong{temporary}", detail=_DETAIL)


async def caller_by_signature(ctx: Context, signature: Signature, token: str, origin: Origin) -> Caller:
    """The account whose key has signed, with its rights; `token` is the session token, empty without one.

    Raises the condition for a signature that does not hold, after counting the failure as a failed login.
    """
    now = ctx.clock()
    _check_time(signature, now)
    async with ctx.database.read() as tx:
        key = await _key(tx, signature.secret_id, now)
    try:
        if key is None:
            raise KeyUnknown(
                f"credential: there is no API key {signature.secret_id!r}, or it is disabled or has ended",
                detail=_DETAIL,
            )
        _check(ctx, key, signature, token)
    except NotAuthenticated:
        await ctx.logins.failed(ctx.database, signature.secret_id, origin.address, now)
        raise
    async with ctx.database.read() as tx:
        await ctx.logins.admit(tx, signature.secret_id, origin.address, now)
        account = await accounts.get(tx, account_id=key.account_id)
        caller = await caller_of(ctx, tx, account, key.kind, origin, signature.secret_id)
    caller = replace(caller, rights=narrowed(caller.rights, key.policy))
    if signature.nonce:
        await _take_nonce(ctx, signature)
    if key.kind is CredentialKind.API_KEY:
        ctx.key_uses.note(signature.secret_id, now)
    return caller


def _check_time(signature: Signature, now: datetime) -> None:
    difference = abs(now.timestamp() - signature.timestamp)
    if difference > SKEW.total_seconds():
        raise SignatureExpired(
            f"credential: the signature was made {difference:.0f} s from this server's time, "
            f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; up to {SKEW.total_seconds():.0f} s are accepted: "
            "set the client's clock, or sign again",
            detail=_DETAIL,
        )


async def _key(tx: Tx, secret_id: str, now: datetime) -> _Key | None:
    """The key of that id, unless it is disabled or has ended."""
    found = await _any_key(tx, secret_id)
    return None if found is None or not found.enabled or found.ended(now) else found


async def _any_key(tx: Tx, secret_id: str) -> _Key | None:
    """The key of that id, whether it still holds or not."""
    found = await keys.api_key(tx, secret_id)
    if found is not None:
        return _Key(found.account_id, found.secret_key, CredentialKind.API_KEY, enabled=found.enabled)
    short = await keys.temporary_key(tx, secret_id)
    if short is None:
        return None
    kind = CredentialKind.TEMPORARY_KEY
    return _Key(short.account_id, short.secret_key, kind, short.token_hash, short.policy, ends_at=short.ends_at)


def _token_holds(key: _Key, token: str) -> bool:
    return hmac.compare_digest(secret_hash(token) if token else "", key.token_hash)


def _check(ctx: Context, key: _Key, signature: Signature, token: str) -> None:
    if not signature.holds(ctx.secrets.unseal(key.sealed).decode()):
        raise SignatureWrong(
            "credential: the signature is not that of this key over this request; see that the secret key is the "
            "right one and that no proxy changes the Host header",
            detail=_DETAIL,
        )
    if not _token_holds(key, token):
        raise SessionTokenWrong("credential: the session token is not that of this key", detail=_DETAIL)


async def _take_nonce(ctx: Context, signature: Signature) -> None:
    """The nonce of the key has been used now, which is remembered as long as the signature could be sent again."""
    name = hashlib.sha256(f"{signature.secret_id}:{signature.nonce}".encode()).hexdigest()
    ends_at = datetime.fromtimestamp(signature.timestamp, UTC) + SKEW
    async with ctx.database.write(durable=False) as tx:
        fresh = await keys.take_nonce(tx, name, ends_at)
    if not fresh:
        raise SignatureWrong(
            "credential: a signature with this Nonce was used already; sign each request anew", detail=_DETAIL
        )


async def forget_nonces(ctx: Context) -> int:
    """Nonces whose signatures have expired are gone, as many as one step takes; how many."""
    async with ctx.database.write(durable=False) as tx:
        return await keys.forget_nonces(tx, ctx.clock(), ctx.settings.collection.batch)
