"""Logins of people: name, password, code; and how a session lives and ends."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from roadstead.config import Login as LoginRules
from roadstead.config import Sessions
from roadstead.domain.identity import Caller, CredentialKind
from roadstead.errors import AccessDenied, NotAuthenticated, NotFound, TooManyRequests
from roadstead.metadata.schema.access import sessions as session_table
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.services import gc, sessions, users
from roadstead.services.context import Context
from roadstead.services.sessions import Attempt, Begun, csrf_token, log_in, session_caller
from tests.factories.accounts import origin
from tests.factories.calls import call
from tests.factories.contexts import initial_credentials, open_test_context
from tests.jobs.bench import FakeClock

PASSWORD = "Correct-horse-7"


async def begin(ctx: Context, address: str = "127.0.0.1", client: str = "a browser") -> Begun:
    """A session of the owner."""
    made = initial_credentials(ctx)
    return await log_in(ctx, Attempt(made.user_name, made.password, "", client), origin(address))


async def enter(ctx: Context, begun: Begun, csrf: str | None = None) -> Caller:
    return await session_caller(ctx, begun.cookie, origin(), csrf=csrf)


async def test_the_owner_logs_in_by_name_or_number(ctx: Context) -> None:
    made = initial_credentials(ctx)
    for name in (made.user_name, made.account_uin):
        begun = await log_in(ctx, Attempt(name, made.password), origin())
        caller = await enter(ctx, begun)
        assert (caller.uin, caller.owner, caller.kind) == (made.account_uin, True, CredentialKind.SESSION)


async def test_what_the_browser_keeps_is_not_kept_here(ctx: Context) -> None:
    begun = await begin(ctx)
    async with ctx.database.read() as tx:
        told = str(await tx.all(sa.select(session_table))) + str(await tx.all(sa.select(audit_entries)))
    assert begun.cookie not in told and csrf_token(begun.cookie) not in told
    assert '"cam:Login"' in told or "cam:Login" in told


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("admin", "wrong"),
        ("admin", ""),
        ("nobody", "wrong"),
        ("", ""),
        ("ADMIN", None),
        ("admin ", None),
        ("x" * 1000, "y" * 1000),
        ("admin\0", None),
    ],
)
async def test_every_wrong_login_reads_the_same(ctx: Context, name: str, password: str | None) -> None:
    given = initial_credentials(ctx).password if password is None else password
    with pytest.raises(NotAuthenticated) as caught:
        await log_in(ctx, Attempt(name, given), origin())
    assert caught.value.message == "credential: the name or password is wrong"
    assert type(caught.value) is NotAuthenticated


async def test_an_account_without_a_password_has_no_login(ctx: Context) -> None:
    await call(ctx, users.add_user, name="alice")
    for password in ("", "-", "None"):
        with pytest.raises(NotAuthenticated, match="name or password"):
            await log_in(ctx, Attempt("alice", password), origin())


async def test_a_disabled_account_is_told_so_only_with_its_password(ctx: Context) -> None:
    await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
    await call(ctx, users.modify_user_status, name="alice", enabled=False)
    with pytest.raises(NotAuthenticated, match="is disabled"):
        await log_in(ctx, Attempt("alice", PASSWORD), origin())
    with pytest.raises(NotAuthenticated, match="name or password"):
        await log_in(ctx, Attempt("alice", "wrong"), origin())


class TestGuessing:
    async def test_it_is_slowed_by_account_and_by_address(self, folder: Path, clock: FakeClock) -> None:
        async with open_test_context(folder, clock, login=LoginRules(free_failures=2)) as ctx:
            made = initial_credentials(ctx)
            for address in ("192.0.2.1", "192.0.2.2"):
                with pytest.raises(NotAuthenticated):
                    await log_in(ctx, Attempt(made.user_name, "wrong"), origin(address))
            with pytest.raises(TooManyRequests, match="this account"):
                await log_in(ctx, Attempt(made.user_name, made.password), origin("192.0.2.3"))
            with pytest.raises(NotAuthenticated):
                await log_in(ctx, Attempt("other", "wrong"), origin("192.0.2.1"))
            with pytest.raises(TooManyRequests, match="this address"):
                await log_in(ctx, Attempt("third", "wrong"), origin("192.0.2.1"))
            clock.turn(seconds=301)
            await log_in(ctx, Attempt(made.user_name, made.password), origin("192.0.2.3"))

    async def test_who_was_here_before_is_not_kept_out_by_guesses_from_elsewhere(
        self, folder: Path, clock: FakeClock
    ) -> None:
        async with open_test_context(folder, clock, login=LoginRules(free_failures=1)) as ctx:
            made = initial_credentials(ctx)
            await begin(ctx, "192.0.2.1")
            await ctx.logins.write_down(ctx.database)
            with pytest.raises(NotAuthenticated):
                await log_in(ctx, Attempt(made.user_name, "wrong"), origin("192.0.2.2"))
            await begin(ctx, "192.0.2.1")
            with pytest.raises(NotAuthenticated):
                await log_in(ctx, Attempt(made.user_name, "wrong"), origin("192.0.2.1"))
            with pytest.raises(TooManyRequests, match="this address"):
                await begin(ctx, "192.0.2.1")


class TestLife:
    async def test_a_session_ends_when_it_is_not_used(self, ctx: Context, clock: FakeClock) -> None:
        begun = await begin(ctx)
        for _ in range(3):
            clock.turn(hours=2)
            await enter(ctx, begun)
        clock.turn(hours=2, seconds=1)
        with pytest.raises(NotAuthenticated, match="has ended"):
            await enter(ctx, begun)

    async def test_a_session_ends_however_much_it_is_used(self, ctx: Context, clock: FakeClock) -> None:
        begun = await begin(ctx)
        for _ in range(23):
            clock.turn(hours=1)
            await enter(ctx, begun)
        clock.turn(hours=1)
        with pytest.raises(NotAuthenticated, match="has ended"):
            await enter(ctx, begun)

    async def test_both_are_settings(self, folder: Path, clock: FakeClock) -> None:
        rules = Sessions(idle_seconds=60, life_seconds=100)
        async with open_test_context(folder, clock, sessions=rules) as ctx:
            begun = await begin(ctx)
            assert begun.ends_at == clock() + timedelta(seconds=100)
            clock.turn(seconds=60)
            await enter(ctx, begun)
            clock.turn(seconds=40)
            with pytest.raises(NotAuthenticated):
                await enter(ctx, begun)

    async def test_its_use_is_not_written_down_each_time(self, ctx: Context, clock: FakeClock) -> None:
        begun = await begin(ctx)
        first = clock()

        async def used() -> object:
            await enter(ctx, begun)
            async with ctx.database.read() as tx:
                return await tx.scalar(sa.select(session_table.c.used_at))

        clock.turn(seconds=60)
        assert await used() == first
        clock.turn(seconds=1)
        assert await used() == clock()

    async def test_ended_ones_are_collected(self, ctx: Context, clock: FakeClock) -> None:
        await begin(ctx)
        clock.turn(hours=25)
        await begin(ctx)
        await gc.collect(ctx)
        async with ctx.database.read() as tx:
            assert await tx.scalar(sa.select(sa.func.count()).select_from(session_table)) == 1

    async def test_logging_out_ends_it_in_every_process(self, ctx: Context, folder: Path, clock: FakeClock) -> None:
        begun, other = await begin(ctx), await begin(ctx)
        async with open_test_context(folder, clock) as second:
            await enter(second, begun)
            await sessions.log_out(ctx, await enter(ctx, begun))
            with pytest.raises(NotAuthenticated):
                await enter(second, begun)
            await enter(second, other)


@pytest.mark.parametrize("cookie", ["", "-", "x" * 43, "x" * 100_000, "é", "a\0"])
async def test_a_cookie_that_is_of_nobody(ctx: Context, cookie: str) -> None:
    await begin(ctx)
    with pytest.raises(NotAuthenticated, match="has ended"):
        await session_caller(ctx, cookie, origin(), csrf=None)


async def test_a_change_must_carry_the_token_of_its_own_session(ctx: Context) -> None:
    begun, other = await begin(ctx), await begin(ctx)
    await enter(ctx, begun, csrf_token(begun.cookie))
    for wrong in ("", "x", begun.cookie, csrf_token(other.cookie), csrf_token(begun.cookie)[:-1], "é"):
        with pytest.raises(AccessDenied, match="X-CSRF-Token"):
            await enter(ctx, begun, wrong)


class TestListing:
    async def test_ones_own_logins_the_latest_first(self, ctx: Context, clock: FakeClock) -> None:
        await begin(ctx, "192.0.2.1", "first\nbrowser" + "x" * 300)
        clock.turn(minutes=10)
        begun = await begin(ctx, "192.0.2.2", "second")
        await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
        alice = await log_in(ctx, Attempt("alice", PASSWORD), origin())
        shown = (await sessions.list_sessions(ctx, await enter(ctx, begun))).sessions
        assert [(each.address, each.current) for each in shown] == [("192.0.2.2", True), ("192.0.2.1", False)]
        assert shown[1].client.startswith("firstbrowserxxx") and len(shown[1].client) == 200
        assert len((await sessions.list_sessions(ctx, await enter(ctx, alice))).sessions) == 1
        clock.turn(hours=1, minutes=55)
        await enter(ctx, begun)
        assert len((await sessions.list_sessions(ctx, await enter(ctx, begun))).sessions) == 1

    async def test_one_or_all_others_can_be_ended(self, ctx: Context) -> None:
        first, second, third = [await begin(ctx) for _ in range(3)]
        caller = await enter(ctx, first)
        await sessions.end_session(ctx, caller, sessions.session_id(second.cookie))
        with pytest.raises(NotAuthenticated):
            await enter(ctx, second)
        await enter(ctx, third)
        await sessions.end_session(ctx, caller, "others")
        with pytest.raises(NotAuthenticated):
            await enter(ctx, third)
        await enter(ctx, first)
        with pytest.raises(NotFound):
            await sessions.end_session(ctx, caller, "x")

    async def test_nobody_ends_those_of_others(self, ctx: Context) -> None:
        await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
        alice, owner = await log_in(ctx, Attempt("alice", PASSWORD), origin()), await begin(ctx)
        caller = await enter(ctx, alice)
        with pytest.raises(NotFound):
            await sessions.end_session(ctx, caller, sessions.session_id(owner.cookie))
        await sessions.end_session(ctx, caller, "others")
        await enter(ctx, owner)
