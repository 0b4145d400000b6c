"""One's own password: changed only by whoever knows it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from roadstead.errors import Conflict, InvalidInput, NotAuthenticated, TooManyRequests
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.services import users
from roadstead.services.context import Context
from roadstead.services.own_account import change_password
from roadstead.services.sessions import Attempt, log_in, session_caller
from tests.factories.accounts import origin
from tests.factories.calls import call

OLD, NEW = "Correct-horse-7", "Battery-staple-8"


async def test_other_logins_end_with_the_old_password(ctx: Context) -> None:
    await call(ctx, users.add_user, name="alice", console_login=1, password=OLD)
    here, there = [await log_in(ctx, Attempt("alice", OLD), origin()) for _ in range(2)]
    caller = await session_caller(ctx, here.cookie, origin(), csrf=None)
    await change_password(ctx, caller, caller.credential_id, OLD, NEW)
    await session_caller(ctx, here.cookie, origin(), csrf=None)
    with pytest.raises(NotAuthenticated):
        await session_caller(ctx, there.cookie, origin(), csrf=None)
    with pytest.raises(NotAuthenticated):
        await log_in(ctx, Attempt("alice", OLD), origin())
    await log_in(ctx, Attempt("alice", NEW), origin())
    async with ctx.database.read() as tx:
        told = str(await tx.all(sa.select(audit_entries)))
    assert "cam:ChangePassword" in told and OLD not in told and NEW not in told


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [(OLD, OLD, "the old one"), (OLD, "short", "8 to 128"), (OLD, "Alice-Alice1", "user's name")],
)
async def test_a_new_one_that_is_no_good(ctx: Context, old: str, new: str, problem: str) -> None:
    await call(ctx, users.add_user, name="alice", console_login=1, password=OLD)
    begun = await log_in(ctx, Attempt("alice", OLD), origin())
    caller = await session_caller(ctx, begun.cookie, origin(), csrf=None)
    with pytest.raises(InvalidInput, match=problem):
        await change_password(ctx, caller, caller.credential_id, old, new)
    await log_in(ctx, Attempt("alice", OLD), origin())


async def test_whoever_has_stolen_a_session_cannot_guess_on(ctx: Context) -> None:
    await call(ctx, users.add_user, name="alice", console_login=1, password=OLD)
    begun = await log_in(ctx, Attempt("alice", OLD), origin())
    caller = await session_caller(ctx, begun.cookie, origin(), csrf=None)
    seen = []
    for number in range(12):
        with pytest.raises((NotAuthenticated, TooManyRequests)) as caught:
            await change_password(ctx, caller, caller.credential_id, f"Guess-{number}", NEW)
        seen.append(caught.type)
    assert seen == [NotAuthenticated] * 10 + [TooManyRequests] * 2


async def test_a_password_that_was_taken_away_meanwhile(ctx: Context) -> None:
    await call(ctx, users.add_user, name="alice", console_login=1, password=OLD)
    begun = await log_in(ctx, Attempt("alice", OLD), origin())
    caller = await session_caller(ctx, begun.cookie, origin(), csrf=None)
    await call(ctx, users.update_user, name="alice", console_login=0)
    with pytest.raises(Conflict, match="no password"):
        await change_password(ctx, caller, caller.credential_id, OLD, NEW)
    await call(ctx, users.delete_user, name="alice")
    with pytest.raises(NotAuthenticated, match="gone"):
        await change_password(ctx, caller, caller.credential_id, OLD, NEW)
