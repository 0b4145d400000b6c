"""Single sign-on: people log in at their company's identity provider and come back as accounts of this deployment.

A login goes out with a state, a nonce and a code challenge. What must be known when it comes back is sealed and kept
by the browser itself: nothing is stored for logins that never return, and no other browser can finish them. The
provider's groups become membership of groups here, at each login anew: what the provider takes away is gone with the
next login, and what was given here by hand stays. Accounts with a password go on working beside it.

A command line cannot keep a browser's cookie. It listens on the loopback (RFC 8252), gets a code there that is used
once and within a minute, and takes a temporary API key for it with the secret behind its own challenge (RFC 7636).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from roadstead.clients.oidc import OidcClient, Proof, refuse
from roadstead.config import Oidc, Settings
from roadstead.domain.identity import CredentialKind, Origin
from roadstead.errors import AccessDenied, AppError, InvalidInput, NotFound, StartRefused
from roadstead.metadata import access_keys, accounts, audit, groups, identities, users
from roadstead.metadata.database import Tx
from roadstead.metadata.keys import TemporaryKey
from roadstead.services.callers import caller_of
from roadstead.services.context import Context
from roadstead.services.events import audit_entry
from roadstead.services.secrets import random_id, random_secret, secret_hash
from roadstead.services.sessions import Begun, begin

PENDING_SECONDS = 600
_CODE_LIFE = timedelta(seconds=60)
_KEY_LIFE = timedelta(hours=1)
_FORGOTTEN = 20
_MOST_GROUPS = 200
_LONGEST_TARGET = 500

_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}")
_GROUP = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_LOCAL_STATE = re.compile(r"[A-Za-z0-9._~-]{1,128}")


class Loopback(msgspec.Struct, frozen=True):
    """A command line that waits on this machine's port for the outcome, with its own state and challenge."""

    port: int
    state: str
    challenge: str


class Pending(msgspec.Struct, frozen=True):
    """What must be known of a login when it comes back."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    target: str
    ends_at: int
    loopback: Loopback | None = None


class _Parked(msgspec.Struct, frozen=True):
    account_id: int
    challenge: str


@dataclass(frozen=True, slots=True)
class Started:
    """A login on its way: where the browser goes, and what it keeps meanwhile under the state's name."""

    url: str
    state: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What the provider has sent the browser back with."""

    state: str
    code: str = ""
    error: str = ""
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A login that went well: a session for a browser, or none for a command line; and where to go."""

    target: str
    begun: Begun | None


@dataclass(frozen=True, slots=True)
class TakenKey:
    """A temporary API key, shown this once."""

    secret_id: str
    secret_key: str
    token: str
    expires_at: int


def secret_of(rules: Oidc) -> str:
    """The client secret; raises StartRefused when the settings do not say what single sign-on needs."""
    if not rules.issuer:
        return ""
    if not rules.client_id:
        raise StartRefused("configuration: oidc.issuer needs oidc.client_id")
    if not re.match(r"https://|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(/|$)", rules.issuer):
        raise StartRefused("configuration: oidc.issuer must be an https URL")
    if any("=" not in pair for pair in rules.group_map):
        raise StartRefused("configuration: oidc.group_map has entries CLAIMED=GROUP")
    if not rules.client_secret_file:
        return rules.client_secret
    try:
        with open(rules.client_secret_file, encoding="utf-8") as file:  # noqa: PTH123
            return file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefused(f"configuration: oidc.client_secret_file: {error}") from error


def offered(settings: Settings) -> bool:
    """Whether there is a provider to log in at."""
    return bool(settings.oidc.issuer)


def _provider(ctx: Context) -> OidcClient:
    if not offered(ctx.settings):
        raise NotFound("single sign-on is not set up here: the setting oidc.issuer is empty; log in with a password")
    return ctx.oidc


async def start(ctx: Context, callback: str, target: str = "/", loopback: Loopback | None = None) -> Started:
    """A login on its way to the provider, which will send the browser back to `callback`."""
    provider = _provider(ctx)
    _check_loopback(loopback)
    ends_at = int((ctx.clock() + timedelta(seconds=PENDING_SECONDS)).timestamp())
    pending = Pending(
        state=random_secret(),
        nonce=random_secret(),
        verifier=random_secret(),
        redirect_uri=ctx.settings.oidc.redirect_uri or callback,
        target=_local(target),
        ends_at=ends_at,
        loopback=loopback,
    )
    url = await provider.login_url(pending.state, _proof(pending), challenge(pending.verifier))
    return Started(url, pending.state, ctx.secrets.seal(msgspec.json.encode(pending)).decode())


def challenge(verifier: str) -> str:
    """The code challenge of a verifier (RFC 7636, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _proof(pending: Pending) -> Proof:
    return Proof(pending.nonce, pending.verifier, pending.redirect_uri)


def _local(target: str) -> str:
    """The target, when it is a path of this server; its root otherwise, so that nobody is led elsewhere."""
    plain = target.isprintable() and len(target) <= _LONGEST_TARGET and "\\" not in target
    return target if plain and target.startswith("/") and not target.startswith("//") else "/"


def _check_loopback(loopback: Loopback | None) -> None:
    if loopback is None:
        return
    if not 1024 <= loopback.port <= 65535:
        raise InvalidInput("port must be one of 1024 to 65535, where the command line listens on the loopback")
    if not _LOCAL_STATE.fullmatch(loopback.state) or not _CHALLENGE.fullmatch(loopback.challenge):
        raise InvalidInput("state and challenge (S256) are missing or malformed")


async def finish(ctx: Context, sealed: str, returned: Returned, origin: Origin, client: str) -> Finished:
    """The login that came back has become one here; raises NotAuthenticated or AccessDenied, which say why not."""
    provider = _provider(ctx)
    now = ctx.clock()
    ctx.logins.refuse_blocked("", origin.address, now)
    try:
        pending = _pending(ctx, sealed, returned.state)
        if returned.error or not returned.code:
            raise refuse(f"the identity provider has refused: {returned.error[:200] or 'it sent no code'}")
        claims = await provider.identify(returned.code, _proof(pending), returned.issuer)
        wanted = _groups(ctx.settings.oidc, claims)
    except AppError as error:
        if error.status in {401, 403}:
            await ctx.logins.failed(ctx.database, "", origin.address, now)
        raise
    async with ctx.database.write() as tx:
        account_id = await _account(ctx, tx, claims)
        await _join(ctx, tx, account_id, wanted)
        await _note(ctx, tx, account_id, claims, wanted, origin)
        if pending.loopback is None:
            return Finished(pending.target, await begin(ctx, tx, account_id, origin, client, audited=True))
        return Finished(await _park(ctx, tx, account_id, pending.loopback), None)


def _pending(ctx: Context, sealed: str, state: str) -> Pending:
    """What the browser has kept; raises NotAuthenticated when that is of another login, or too old."""
    kept = ctx.secrets.opened(sealed.encode())
    try:
        pending = msgspec.json.decode(kept or b"", type=Pending)
    except msgspec.MsgspecError:
        raise refuse("this browser has not begun the login here, or has forgotten it; begin again") from None
    if not hmac.compare_digest(pending.state.encode(), state.encode()):
        raise refuse("the answer belongs to another login: its state differs; begin again")
    if pending.ends_at <= ctx.clock().timestamp():
        raise refuse("the login has taken too long; begin again")
    return pending


def _groups(rules: Oidc, claims: Mapping[str, Any]) -> Sequence[str]:
    """The groups here that the claims stand for; raises AccessDenied when none of those needed is claimed."""
    said = claims.get(rules.groups_claim, [])
    listed = said if isinstance(said, list) else [said]
    claimed = [each for each in listed if isinstance(each, str)]
    if rules.allowed_groups and not set(rules.allowed_groups) & set(claimed):
        reason = f"the identity provider's claim {rules.groups_claim!r} names none of the groups that may log in here"
        raise AccessDenied(f"policy: {reason}", detail={"gate": "policy", "reason": reason, "action": "cam:Login"})
    if rules.group_map:
        pairs = [pair.rpartition("=") for pair in rules.group_map]
        claimed = [here.strip() for there, _, here in pairs if there.strip() in claimed]
    return sorted({name for name in claimed if _GROUP.fullmatch(name)})[:_MOST_GROUPS]


async def _account(ctx: Context, tx: Tx, claims: Mapping[str, Any]) -> int:
    """The account of whoever the claims are about, made or adopted at the first login if the settings allow it."""
    rules, now = ctx.settings.oidc, ctx.clock()
    subject: str = claims["sub"]
    known = await identities.account_of(tx, rules.issuer, subject)
    if known is not None:
        return known
    name = claims.get(rules.username_claim)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise refuse(
            f"the claim {rules.username_claim!r} gives no name for an account: 1 to 64 letters, digits and _ . @ + -"
        )
    found = await users.get(tx, name=name)
    if found is not None:
        if found.owner or not rules.adopt_accounts:
            raise refuse(f"the name {name} belongs to a local account; log in to that with its password")
        return await identities.link(tx, rules.issuer, subject, found.id, now)
    owner = await accounts.owner(tx)
    if not rules.create_accounts or owner is None:
        raise refuse(f"there is no account for {name} here; ask the owner for one")
    made = await users.add(
        tx,
        owner_uin=owner.uin,
        name=name,
        remark="made by single sign-on",
        password_hash=None,
        placeholder=random_id(20),
        now=now,
    )
    if made is None:
        raise refuse(f"the name {name} has just been taken; log in again")
    return await identities.link(tx, rules.issuer, subject, made.id, now)


async def _join(ctx: Context, tx: Tx, account_id: int, wanted: Sequence[str]) -> None:
    """The account is in these groups, and by claims in no others."""
    if ctx.settings.oidc.create_groups:
        for name in wanted:
            await groups.add(tx, name, "made by single sign-on", ctx.clock())
    await groups.follow_claims(tx, account_id, wanted)


async def _note(
    ctx: Context, tx: Tx, account_id: int, claims: Mapping[str, Any], wanted: Sequence[str], origin: Origin
) -> None:
    account = await accounts.get(tx, account_id=account_id)
    caller = await caller_of(ctx, tx, account, CredentialKind.SESSION, origin)
    said = {"Issuer": ctx.settings.oidc.issuer, "Subject": claims["sub"], "Groups": wanted}
    entry = audit_entry(
        caller,
        action="cam:SingleSignOn",
        resource=f"uin/{caller.uin}",
        data=msgspec.json.encode(said).decode(),
        now=ctx.clock(),
        instance_id=None,
    )
    await audit.add_entry(tx, entry)


async def _park(ctx: Context, tx: Tx, account_id: int, loopback: Loopback) -> str:
    """Where the command line gets its code."""
    code, now = random_secret(), ctx.clock()
    await identities.forget_parked(tx, now, _FORGOTTEN)
    parked = ctx.secrets.seal(msgspec.json.encode(_Parked(account_id, loopback.challenge)))
    await identities.park(tx, secret_hash(code), parked, now + _CODE_LIFE)
    return f"http://127.0.0.1:{loopback.port}/?{urlencode({'code': code, 'state': loopback.state})}"


async def take_key(ctx: Context, code: str, verifier: str, origin: Origin) -> TakenKey:
    """A temporary API key for the code that a command line got; raises NotAuthenticated when it has none coming."""
    now = ctx.clock()
    ctx.logins.refuse_blocked("", origin.address, now)
    async with ctx.database.write() as tx:
        sealed = await identities.take(tx, secret_hash(code), now)
        taken = None if sealed is None else await _taken(ctx, tx, sealed, verifier, origin)
    # The code is gone, whoever has sent it: the transaction above has ended well.
    if taken is None:
        await ctx.logins.failed(ctx.database, "", origin.address, now)
        raise refuse("the code has been used, has ended, or was given to another command line; log in again")
    return taken


async def _taken(ctx: Context, tx: Tx, sealed: bytes, verifier: str, origin: Origin) -> TakenKey | None:
    parked = msgspec.json.decode(ctx.secrets.unseal(sealed), type=_Parked)
    if not hmac.compare_digest(parked.challenge, challenge(verifier)):
        return None
    account = await accounts.get(tx, account_id=parked.account_id)
    await caller_of(ctx, tx, account, CredentialKind.TEMPORARY_KEY, origin)
    secret_id, secret_key, token = "AKID" + random_id(32), random_secret(), random_secret()
    ends_at = ctx.clock() + _KEY_LIFE
    await access_keys.add_temporary(
        tx,
        TemporaryKey(
            secret_id=secret_id,
            account_id=parked.account_id,
            secret_key=ctx.secrets.seal(secret_key.encode()),
            token_hash=secret_hash(token),
            policy="",
            created_at=ctx.clock(),
            ends_at=ends_at,
        ),
    )
    return TakenKey(secret_id, secret_key, token, int(ends_at.timestamp()))
