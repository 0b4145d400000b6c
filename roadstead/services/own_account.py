"""What everybody may do with the own account without any permission, by proving the password once more.

An API key or a session token cannot do this: only a person's login, and only with the password, which whoever has
stolen a session does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from roadstead.domain.identity import Caller
from roadstead.domain.passwords import check_password
from roadstead.errors import Conflict, InvalidInput, NotAuthenticated
from roadstead.metadata import audit, sessions, users
from roadstead.metadata.database import Tx
from roadstead.metadata.users import Factors
from roadstead.services.context import Context
from roadstead.services.events import audit_entry


async def proven(ctx: Context, caller: Caller, password: str) -> Factors:
    """The factors of the caller's account, whose password this is.

    Raises NotAuthenticated, after counting, when it is not; Conflict when the account has none.
    """
    address, now = caller.origin.address, ctx.clock()
    async with ctx.database.read() as tx:
        factors = await users.factors(tx, account_id=caller.account_id or 0)
        await ctx.logins.may_try(tx, caller.uin, address, now)
    if factors is None:
        raise NotAuthenticated("credential: the account is gone", detail={"gate": "credential"})
    if factors.password_hash is None:
        raise Conflict("the account has no password; whoever manages users can give it one")
    if not await ctx.passwords.holds(factors.password_hash, password):
        await ctx.logins.count(ctx.database, factors.uin, address, now)
        raise NotAuthenticated("credential: the password is wrong", detail={"gate": "credential"})
    return factors


async def change_password(ctx: Context, caller: Caller, session_id: str, old: str, new: str) -> None:
    """The caller's account has the new password and its logins have ended, except the one of `session_id`."""
    factors = await proven(ctx, caller, old)
    hashed = await new_hash(ctx, factors, old, new)
    async with ctx.database.write() as tx:
        current = await users.factors(tx, account_id=factors.account_id)
        if current is None or current.password_hash != factors.password_hash:
            raise Conflict("the password has been changed meanwhile; log in with the new one")
        await users.modify(tx, factors.account_id, password_hash=hashed, password_reset=False)
        await sessions.remove_of(tx, factors.account_id, but=session_id)
        await note(tx, ctx, caller, "cam:ChangePassword")


async def new_hash(ctx: Context, factors: Factors, old: str, new: str) -> str:
    """The hash of the account's new password; raises InvalidInput when it cannot be that."""
    if new == old:
        raise InvalidInput("the new password is the old one")
    check_password(new, factors.name)
    return await ctx.passwords.hash(new)


async def note(
    tx: Tx, ctx: Context, caller: Caller, action: str, outcome: str = "done", said: Mapping[str, Any] | None = None
) -> None:
    """The audit says that the caller has done this to the own account."""
    entry = audit_entry(
        caller,
        action=action,
        resource=f"uin/{caller.uin}",
        data=msgspec.json.encode(said or {}).decode(),
        now=ctx.clock(),
        instance_id=None,
        outcome=outcome,
    )
    await audit.add_entry(tx, entry)
