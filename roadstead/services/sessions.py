"""Logins of people: name and password, a second factor if there is one, and then a session.

What the browser keeps is 256 random bits; the database has their hash. A session ends by logging out, after a while
without use, at the end of its life, with a change of the password, and when its account is disabled or deleted. Its
row and its account's are read at each request, so all of that holds at once, in every process.

A request that changes something must also carry the session's CSRF token, which follows from what the browser keeps
and which only pages of this server can read. It is the way for doors: `session_caller`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from msgspec import Meta

from roadstead.domain.identity import Caller, CredentialKind, Origin
from roadstead.errors import (
    AccessDenied,
    Conflict,
    EndedToken,
    NotAuthenticated,
    NotFound,
    PasswordChangeNeeded,
    SecondFactorFailure,
)
from roadstead.metadata import accounts, sessions, users
from roadstead.metadata import recovery_codes as kept_codes
from roadstead.metadata.accounts import Account
from roadstead.metadata.database import Tx
from roadstead.metadata.sessions import Session
from roadstead.metadata.users import Factors
from roadstead.services.callers import caller_of
from roadstead.services.context import Context
from roadstead.services.operations import Wire
from roadstead.services.own_account import new_hash, note
from roadstead.services.second_factor import check, count_wrong
from roadstead.services.secrets import random_secret, secret_hash

# A session's last use is written down when it is older than this: a write for each request would be dear.
_USE_NOTED = timedelta(seconds=60)
_MOST_SHOWN = 100
_WRONG = "credential: the name or password is wrong"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody has typed to log in."""

    name: str
    password: str
    code: str = ""
    # What the browser says it is.
    client: str = ""
    # The password from now on, for an account that must change it.
    new_password: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """A new session: what the browser keeps, and whose it is."""

    cookie: str
    ends_at: datetime
    account: Account


class WhoAmI(Wire, frozen=True, kw_only=True):
    """Who is logged in, and what changes must carry."""

    uin: Annotated[str, Meta(description="Number of the account.")]
    name: Annotated[str, Meta(description="Name of the account.")]
    owner: Annotated[bool, Meta(description="Whether it owns the deployment.")]
    totp: Annotated[bool, Meta(description="Whether it logs in with a second factor.")]
    recovery_codes: Annotated[int, Meta(description="How many recovery codes it has left for that.")]
    csrf_token: Annotated[str, Meta(description="To be sent as X-CSRF-Token with whatever changes something.")]


class SessionInfo(Wire, frozen=True, kw_only=True):
    """One login."""

    id: Annotated[str, Meta(description="By which it can be ended.")]
    address: Annotated[str, Meta(description="From where.")]
    client: Annotated[str, Meta(description="What the browser said it was.")]
    created_at: Annotated[datetime, Meta(description="When it began.")]
    used_at: Annotated[datetime, Meta(description="When it was last used, to the minute.")]
    ends_at: Annotated[datetime, Meta(description="When it ends at the latest.")]
    current: Annotated[bool, Meta(description="Whether it is the one that asks.")]


class SessionList(Wire, frozen=True, kw_only=True):
    """The account's logins, the latest first."""

    sessions: Annotated[list[SessionInfo], Meta(description="The logins.")]


def session_id(cookie: str) -> str:
    """Under which the session of that cookie is kept."""
    return secret_hash(cookie)


def csrf_token(cookie: str) -> str:
    """What changes by the session of that cookie must carry."""
    return hmac.new(cookie.encode(), b"csrf", "sha256").hexdigest()


async def log_in(ctx: Context, attempt: Attempt, origin: Origin) -> Begun:
    """A session for whom name, password and code prove to be.

    Raises NotAuthenticated, the same for a wrong name and a wrong password and after the same time;
    PasswordChangeNeeded when the password must be changed and no new one came; SecondFactorFailure when only the code
    is missing or wrong; TooManyRequests when one has to wait.
    """
    address = origin.address
    found = await _found(ctx, attempt.name, attempt.password, address)
    changed = await _changed_hash(ctx, found, attempt)
    try:
        async with ctx.database.write() as tx:
            factors = await _unchanged(tx, found)
            if factors.password_reset and not changed:
                raise _change_needed()
            said = {"RecoveryCode": True} if await check(ctx, tx, factors, attempt.code) else {}
            await ctx.logins.admit(tx, factors.uin, address, ctx.clock())
            if changed:
                await users.modify(tx, factors.account_id, password_hash=changed, password_reset=False)
                await sessions.remove_of(tx, factors.account_id)
                said["PasswordChanged"] = True
            return await begin(ctx, tx, factors.account_id, origin, attempt.client, said=said)
    except SecondFactorFailure:
        await count_wrong(ctx, found.uin, address, attempt.code)
        raise


async def prove(ctx: Context, name: str, password: str, origin: Origin) -> Caller:
    """Whose name and password these are, for one request that changes the second factor and brings a code of it.

    Raises as `log_in` does for name and password; the code is left to whoever makes the change, so that it is spent
    by that and not by a login before it.
    """
    found = await _found(ctx, name, password, origin.address)
    async with ctx.database.read() as tx:
        factors = await _unchanged(tx, found)
        if factors.password_reset:
            raise _change_needed()
        account = await accounts.get(tx, account_id=factors.account_id)
        return await caller_of(ctx, tx, account, CredentialKind.SESSION, origin)


async def _found(ctx: Context, name: str, password: str, address: str) -> Factors:
    """The factors of the account of that name, whose password this is.

    Raises NotAuthenticated, the same for a wrong name and a wrong password and after the same time and counted, and
    TooManyRequests when one has to wait.
    """
    async with ctx.database.read() as tx:
        found = await users.factors(tx, name=name)
        subject = name if found is None else found.uin
        await ctx.logins.may_try(tx, subject, address, ctx.clock())
    right = await ctx.passwords.holds(None if found is None else found.password_hash, password)
    if found is None or not right:
        await ctx.logins.count(ctx.database, subject, address, ctx.clock())
        raise NotAuthenticated(_WRONG, detail={"gate": "credential"})
    return found


async def _changed_hash(ctx: Context, found: Factors, attempt: Attempt) -> str:
    """The hash of the password that the account must have from now on; empty when the present one stays.

    Raises PasswordChangeNeeded when there must be another and none came, InvalidInput when that cannot be one, and
    Conflict when none is needed: it is changed when logged in.
    """
    if not found.enabled or not (found.password_reset or attempt.new_password):
        return ""
    if not found.password_reset:
        raise Conflict("the password need not be changed to log in; log in with it, then change it")
    if not attempt.new_password:
        raise _change_needed()
    return await new_hash(ctx, found, attempt.password, attempt.new_password)


def _change_needed() -> PasswordChangeNeeded:
    return PasswordChangeNeeded(
        "credential: the password is right, but it must be changed before it opens anything: log in with a new one "
        "beside it",
        detail={"gate": "credential", "reason": "the password must be changed"},
    )


async def _unchanged(tx: Tx, found: Factors) -> Factors:
    """The factors as they stand now: while the password was checked, it may have been changed."""
    factors = await users.factors(tx, account_id=found.account_id)
    if factors is None or factors.password_hash != found.password_hash:
        raise NotAuthenticated(_WRONG, detail={"gate": "credential"})
    if not factors.enabled:
        raise NotAuthenticated(f"credential: the account {factors.uin} is disabled", detail={"gate": "credential"})
    return factors


async def begin(
    ctx: Context,
    tx: Tx,
    account_id: int,
    origin: Origin,
    client: str,
    *,
    audited: bool = False,
    said: Mapping[str, Any] | None = None,
) -> Begun:
    """A session of the account, however it has proved who it is; raises NotAuthenticated when it is disabled.

    `said` goes into the login's audit entry; `audited` says that it has one already, which tells more of it.
    """
    account = await accounts.get(tx, account_id=account_id)
    caller = await caller_of(ctx, tx, account, CredentialKind.SESSION, origin)
    if account is None:
        raise NotAuthenticated("credential: the account is gone", detail={"gate": "credential"})
    cookie, now = random_secret(), ctx.clock()
    ends = now + timedelta(seconds=ctx.settings.sessions.life_seconds)
    row = Session(session_id(cookie), account.id, origin.address[:60], _shown(client), now, now, ends)
    await sessions.add(tx, row)
    await users.modify(tx, account.id, login_address=row.address, login_at=now)
    if not audited:
        await note(tx, ctx, caller, "cam:Login", said=said)
    return Begun(cookie, ends, account)


def _shown(client: str) -> str:
    return "".join(character for character in client if character.isprintable())[:200]


async def session_caller(ctx: Context, cookie: str, origin: Origin, *, csrf: str | None, used: bool = True) -> Caller:
    """Whose session the cookie is of; the request changes something unless `csrf` is None. The session is used by it
    if it is `used`: by somebody, and not by a page that was left open.

    Raises NotAuthenticated when the session has ended or its account is disabled, AccessDenied when what the request
    carries as CSRF token is not the session's.
    """
    now, rules = ctx.clock(), ctx.settings.sessions
    async with ctx.database.read() as tx:
        found = await sessions.get(tx, session_id(cookie))
        if found is None or _ended(found[0], now, rules.idle_seconds):
            raise EndedToken("credential: the login has ended; log in again", detail={"gate": "credential"})
        session, account = found
        if csrf is not None and not hmac.compare_digest(csrf.encode(), csrf_token(cookie).encode()):
            raise AccessDenied(
                "credential: the header X-CSRF-Token is missing or not of this login; GET /api/v1/session tells it",
                detail={"gate": "credential", "reason": "the CSRF token is missing or wrong"},
            )
        caller = await caller_of(ctx, tx, account, CredentialKind.SESSION, origin, session.id)
    if used and now - session.used_at > _USE_NOTED:
        async with ctx.database.write(durable=False) as tx:
            await sessions.touch(tx, session.id, now)
    return caller


def _ended(session: Session, now: datetime, idle_seconds: int) -> bool:
    return session.ends_at <= now or now - session.used_at > timedelta(seconds=idle_seconds)


async def who_am_i(ctx: Context, caller: Caller, cookie: str) -> WhoAmI:
    """Who is logged in."""
    async with ctx.database.read() as tx:
        user = await users.get(tx, account_id=caller.account_id or 0)
        left = await kept_codes.count(tx, caller.account_id or 0)
    return WhoAmI(
        uin=caller.uin,
        name=user.name if user is not None else "",
        owner=caller.owner,
        totp=user is not None and user.totp_confirmed,
        recovery_codes=left,
        csrf_token=csrf_token(cookie),
    )


async def list_sessions(ctx: Context, caller: Caller) -> SessionList:
    """The caller's logins that have not ended."""
    now, idle = ctx.clock(), ctx.settings.sessions.idle_seconds
    async with ctx.database.read() as tx:
        rows = await sessions.of_account(tx, caller.account_id or 0, _MOST_SHOWN)
    return SessionList(
        sessions=[
            SessionInfo(
                id=row.id,
                address=row.address,
                client=row.client,
                created_at=row.created_at,
                used_at=row.used_at,
                ends_at=row.ends_at,
                current=row.id == caller.credential_id,
            )
            for row in rows
            if not _ended(row, now, idle)
        ]
    )


async def end_session(ctx: Context, caller: Caller, ended: str) -> None:
    """The caller's login of that id has ended, or all but the one that asks when `ended` is `others`."""
    account_id = caller.account_id or 0
    async with ctx.database.write() as tx:
        if ended == "others":
            await sessions.remove_of(tx, account_id, but=caller.credential_id)
        elif not await sessions.remove(tx, account_id, ended):
            raise NotFound("there is no such login")
        await note(tx, ctx, caller, "cam:Logout")


async def log_out(ctx: Context, caller: Caller) -> None:
    """The login that asks has ended."""
    await end_session(ctx, caller, caller.credential_id)
