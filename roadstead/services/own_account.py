"""What everybody may do with the own account without any permission, by proving the password once more.

An API key or a session token cannot do this: only a person's login, and only with the password, which whoever has
stolen a session does not know.
"""

from __future__ import annotations

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
    if new == old:
        raise InvalidInput("the new password is the old one")
    async with ctx.database.read() as tx:
        user = await users.get(tx, account_id=factors.account_id)
    check_password(new, user.name if user is not None else "")
    hashed = await ctx.passwords.hash(new)
    async with ctx.database.write() as tx:
        current = await users.factors(tx, account_id=factors.account_id)
        if current is None or current.password_hash != factors.password_hash:
            raise Conflict("the password has been changed meanwhile; log in with the new one")
        await users.modify(tx, factors.account_id, password_hash=hashed)
        await sessions.remove_of(tx, factors.account_id, but=session_id)
        await note(tx, ctx, caller, "cam:ChangePassword")


async def note(tx: Tx, ctx: Context, caller: Caller, action: str, outcome: str = "done") -> None:
    """The audit says that the caller has done this to the own account."""
    entry = audit_entry(
        caller,
        action=action,
        resource=f"uin/{caller.uin}",
        data="{}",
        now=ctx.clock(),
        instance_id=None,
        outcome=outcome,
    )
    await audit.add_entry(tx, entry)
