"""The second factor of console logins: codes of six digits that an app makes every thirty seconds (RFC 6238).

A secret counts from when a first code has confirmed it, so nobody is locked out by an app that never took it. A code
is accepted once: the account's row keeps the time step of the last one, and only later ones pass. A recovery code
does wherever a code of the app does. These are the account's own affairs: whoever proves the password may change
them, and no permission is asked.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pyotp

from roadstead.domain.identity import Caller
from roadstead.errors import Conflict, InvalidInput, SecondFactorFailure
from roadstead.metadata import recovery_codes as kept_codes
from roadstead.metadata import users
from roadstead.metadata.database import Tx
from roadstead.metadata.users import Factors
from roadstead.services import recovery_codes
from roadstead.services.context import Context
from roadstead.services.operations import Wire
from roadstead.services.own_account import note, proven
from roadstead.services.recovery_codes import RecoveryCodes

_STEP = 30
_ISSUER = "Roadstead"


class Enrolment(Wire, frozen=True, kw_only=True):
    """What an app needs to make codes, shown this once."""

    secret: str
    uri: str


async def enrol(ctx: Context, caller: Caller, password: str) -> Enrolment:
    """The account has a new secret, which counts once `confirm` has seen a code of it.

    Raises NotAuthenticated for a wrong password, Conflict while another second factor stands.
    """
    factors = await proven(ctx, caller, password)
    if factors.totp_confirmed:
        raise Conflict("there is a second factor already; remove it first")
    secret = pyotp.random_base32()
    async with ctx.database.write() as tx:
        user = await users.get(tx, account_id=factors.account_id, lock=True)
        if user is None or user.totp_confirmed:
            raise Conflict("there is a second factor already; remove it first")
        sealed = ctx.secrets.seal(secret.encode())
        await users.modify(tx, user.id, totp_secret=sealed)
        await note(tx, ctx, caller, "cam:EnrolTotp")
    return Enrolment(secret=secret, uri=pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name=_ISSUER))


async def confirm(ctx: Context, caller: Caller, code: str) -> RecoveryCodes:
    """Logins of the account ask for a code from now on; its recovery codes, shown this once.

    Raises InvalidInput when the code is not of the secret.
    """
    async with ctx.database.write() as tx:
        factors = await users.factors(tx, account_id=caller.account_id or 0)
        if factors is None or factors.totp_secret is None or factors.totp_confirmed:
            raise Conflict("there is no second factor to confirm; enrol one first")
        if not await _accept(ctx, tx, factors, code):
            raise InvalidInput("the code is not of this secret; look at the app's clock and try the next one")
        await users.modify(tx, factors.account_id, totp_confirmed=True)
        codes = await recovery_codes.renew(tx, factors.account_id)
        await note(tx, ctx, caller, "cam:ConfirmTotp")
    return codes


async def remove(ctx: Context, caller: Caller, password: str, code: str) -> None:
    """Logins of the account ask for the password alone; raises when password or code do not hold."""
    factors = await proven(ctx, caller, password)
    if factors.totp_secret is None:
        raise Conflict("there is no second factor")
    async with _counted(ctx, factors, caller.origin.address, code) as tx:
        await check(ctx, tx, factors, code)
        await forget(tx, factors.account_id)
        await note(tx, ctx, caller, "cam:RemoveTotp")


async def renew_codes(ctx: Context, caller: Caller, password: str, code: str) -> RecoveryCodes:
    """The account's new recovery codes, shown this once; the earlier ones count no more.

    Raises when password or code do not hold, Conflict when there is no second factor.
    """
    factors = await proven(ctx, caller, password)
    if not factors.totp_confirmed:
        raise Conflict("there is no second factor, so there is nothing to recover; set one up first")
    async with _counted(ctx, factors, caller.origin.address, code) as tx:
        await check(ctx, tx, factors, code)
        codes = await recovery_codes.renew(tx, factors.account_id)
        await note(tx, ctx, caller, "cam:RenewRecoveryCodes")
    return codes


@asynccontextmanager
async def _counted(ctx: Context, factors: Factors, address: str, code: str) -> AsyncIterator[Tx]:
    """A transaction in which a wrong code ends, and is counted."""
    try:
        async with ctx.database.write() as tx:
            yield tx
    except SecondFactorFailure:
        await count_wrong(ctx, factors.uin, address, code)
        raise


async def forget(tx: Tx, account_id: int) -> None:
    """The account has no second factor and no recovery codes."""
    await users.modify(tx, account_id, totp_secret=None, totp_confirmed=False)
    await kept_codes.replace(tx, account_id, ())


async def check(ctx: Context, tx: Tx, factors: Factors, code: str) -> bool:
    """Whether the code was a recovery code, which is spent; returns when the account has no confirmed second factor
    or this is a code that was never used.

    Raises SecondFactorFailure; whoever asked counts a wrong code as a failed login, outside the transaction.
    """
    if not factors.totp_confirmed:
        return False
    if not code:
        raise SecondFactorFailure(
            "credential: the code of the second factor is missing", detail={"gate": "credential", "reason": "missing"}
        )
    if await _accept(ctx, tx, factors, code):
        return False
    if await recovery_codes.take(tx, factors.account_id, code):
        return True
    raise SecondFactorFailure(
        "credential: the code of the second factor is wrong, or was used before",
        detail={"gate": "credential", "reason": "wrong"},
    )


async def count_wrong(ctx: Context, uin: str, address: str, code: str) -> None:
    """A wrong code is counted as a failed login; a missing one is no guess."""
    if code:
        await ctx.logins.count(ctx.database, uin, address, ctx.clock())


async def _accept(ctx: Context, tx: Tx, factors: Factors, code: str) -> bool:
    """Whether the code is one of now, or of the step before or after for clocks that differ, and was never used."""
    secret = ctx.secrets.unseal(factors.totp_secret or b"").decode()
    step = matching_step(secret, code, ctx.clock())
    return step is not None and await users.take_step(tx, factors.account_id, step)


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """The time step, of this one and its two neighbours, whose code this is; None when it is of none."""
    typed = code.replace(" ", "").encode()
    made = pyotp.TOTP(secret, interval=_STEP)
    present = int(now.timestamp()) // _STEP
    for step in (present, present - 1, present + 1):
        if step >= 0 and hmac.compare_digest(made.generate_otp(step).encode(), typed):
            return step
    return None
