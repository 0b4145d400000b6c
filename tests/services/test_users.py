"""Sub-accounts: made, listed, changed, disabled and deleted; and what ends with them, in every process at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa

from roadstead.domain.identity import Caller, CredentialKind
from roadstead.domain.policy import EVERYTHING
from roadstead.errors import (
    AccessDenied,
    AccountUnknown,
    Conflict,
    InvalidInput,
    LimitReached,
    NotAuthenticated,
    NotEmpty,
    PasswordChangeNeeded,
    SecondFactorFailure,
    UserExists,
)
from roadstead.metadata import accounts
from roadstead.metadata import users as metadata
from roadstead.metadata.schema.access import api_keys, sessions, temporary_keys
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.services import access_keys, credentials, federation, second_factor, users
from roadstead.services.access import admit
from roadstead.services.accounts import local_owner
from roadstead.services.callers import caller_of
from roadstead.services.context import Context
from roadstead.services.grants import grant
from roadstead.services.own_account import change_password
from roadstead.services.sessions import Attempt, log_in, session_caller
from tests.factories.accounts import Login, asker, origin, owner_caller
from tests.factories.calls import call, call_as
from tests.factories.contexts import open_test_context
from tests.jobs.bench import FakeClock

PASSWORD = "Correct-horse-7"


async def become(ctx: Context, name: str, **more: Any) -> Caller:
    """The user of that name, as if a policy allowed it everything."""
    async with ctx.database.read() as tx:
        account = await accounts.get(tx, name=name)
        caller = await caller_of(ctx, tx, account, CredentialKind.API_KEY, origin())
    return replace(caller, rights=EVERYTHING, **more)


class TestMaking:
    async def test_a_user_with_nothing(self, ctx: Context) -> None:
        made = await call(ctx, users.add_user, name="alice", remark="of the shop")
        assert (made.name, made.password, made.secret_id, made.secret_key) == ("alice", "", "", "")
        shown = await call(ctx, users.get_user, name="alice")
        assert (shown.uin, shown.uid, shown.remark) == (made.uin, made.uid, "of the shop")
        assert (shown.console_login, shown.enabled, shown.totp) == (0, True, False)
        assert shown.create_time == ctx.clock()
        with pytest.raises(NotAuthenticated):
            await log_in(ctx, Attempt("alice", ""), origin())

    async def test_a_user_with_everything(self, ctx: Context) -> None:
        made = await call(ctx, users.add_user, name="alice", console_login=1, use_api=1)
        assert len(made.password) == 32
        assert (await log_in(ctx, Attempt("alice", made.password), origin())).account.uin == str(made.uin)
        async with ctx.database.read() as tx:
            sealed = await tx.scalar(sa.select(api_keys.c.secret_key).where(api_keys.c.secret_id == made.secret_id))
        assert ctx.secrets.unseal(sealed).decode() == made.secret_key

    async def test_a_chosen_password_is_not_shown_again(self, ctx: Context) -> None:
        made = await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
        assert made.password == ""
        await log_in(ctx, Attempt("alice", PASSWORD), origin())

    async def test_no_secret_is_in_the_audit(self, ctx: Context) -> None:
        made = await call(ctx, users.add_user, name="alice", console_login=1, use_api=1)
        await call(ctx, users.update_user, name="alice", password=PASSWORD)
        async with ctx.database.read() as tx:
            told = str(await tx.all(sa.select(audit_entries)))
        assert '"Name":"alice"' in told and '"Password":"***"' in told
        for secret in (made.password, made.secret_key, PASSWORD, "argon2"):
            assert secret not in told

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"name": "200000000002"}, "digits alone"),
            ({"name": "alice", "console_login": 1, "password": "short"}, "8 to 128"),
            ({"name": "alice", "console_login": 1, "password": "Alice-Alice1"}, "user's name"),
        ],
    )
    async def test_what_cannot_be_made(self, ctx: Context, fields: dict[str, Any], problem: str) -> None:
        with pytest.raises(InvalidInput, match=problem):
            await call(ctx, users.add_user, **fields)

    async def test_no_transaction_waits_for_the_hash(self, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
        await call(ctx, users.add_user, name="bob")

        async def hash_beside_a_change(password: str) -> str:
            async with asyncio.timeout(10), ctx.database.write() as tx:
                await metadata.modify(tx, 0, remark="")
            return f"hash of {password}"

        monkeypatch.setattr(ctx.passwords, "hash", hash_beside_a_change)
        await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
        await call(ctx, users.update_user, name="bob", password=PASSWORD)
        async with ctx.database.read() as tx:
            factors = [await metadata.factors(tx, name=name) for name in ("alice", "bob")]
        assert [each and each.password_hash for each in factors] == [f"hash of {PASSWORD}"] * 2

    async def test_a_name_is_taken_once(self, ctx: Context) -> None:
        await call(ctx, users.add_user, name="alice")
        for name in ("alice", "admin"):
            with pytest.raises(UserExists):
                await call(ctx, users.add_user, name=name)

    async def test_there_is_a_limit(self, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(users, "_MOST_USERS", 1)
        await call(ctx, users.add_user, name="alice")
        with pytest.raises(LimitReached):
            await call(ctx, users.add_user, name="bob")

    async def test_a_number_is_not_given_again(self, ctx: Context) -> None:
        first = await call(ctx, users.add_user, name="alice")
        await call(ctx, users.delete_user, name="alice")
        second = await call(ctx, users.add_user, name="alice")
        assert second.uin != first.uin


class TestListing:
    async def test_page_by_page_without_the_owner(self, ctx: Context) -> None:
        for name in ("carol", "alice", "bob"):
            await call(ctx, users.add_user, name=name)
        page = await call(ctx, users.list_users, limit=2)
        assert [each.name for each in page.data] == ["alice", "bob"]
        assert (page.total_count, page.last) == (3, "bob")
        rest = await call(ctx, users.list_users, limit=2, last=page.last)
        assert ([each.name for each in rest.data], rest.total_count, rest.last) == (["carol"], None, "")
        skipped = await call(ctx, users.list_users, offset=1)
        assert [each.name for each in skipped.data] == ["bob", "carol"]
        named = await call(ctx, users.list_users, limit=1, keyword="o")
        assert ([each.name for each in named.data], named.total_count, named.last) == (["bob"], 2, "bob")
        assert (await call(ctx, users.list_users, keyword="%")).data == []

    async def test_somebody_unknown(self, ctx: Context) -> None:
        for op in (users.get_user, users.delete_user, users.update_user, users.modify_user_status):
            with pytest.raises(AccountUnknown):
                await call(ctx, op, name="nobody")


class TestChanging:
    async def test_a_new_password_ends_the_logins(self, ctx: Context) -> None:
        await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
        begun = await log_in(ctx, Attempt("alice", PASSWORD), origin())
        await call(ctx, users.update_user, name="alice", remark="still here")
        await session_caller(ctx, begun.cookie, origin(), csrf=None)
        await call(ctx, users.update_user, name="alice", password=PASSWORD + "x")
        with pytest.raises(NotAuthenticated):
            await session_caller(ctx, begun.cookie, origin(), csrf=None)
        with pytest.raises(NotAuthenticated):
            await log_in(ctx, Attempt("alice", PASSWORD), origin())
        await log_in(ctx, Attempt("alice", PASSWORD + "x"), origin())
        assert (await call(ctx, users.get_user, name="alice")).remark == "still here"

    async def test_the_console_can_be_closed_and_opened(self, ctx: Context) -> None:
        await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
        begun = await log_in(ctx, Attempt("alice", PASSWORD), origin())
        await call(ctx, users.update_user, name="alice", console_login=0)
        assert (await call(ctx, users.get_user, name="alice")).console_login == 0
        for attempt in (log_in(ctx, Attempt("alice", PASSWORD), origin()),):
            with pytest.raises(NotAuthenticated):
                await attempt
        with pytest.raises(NotAuthenticated):
            await session_caller(ctx, begun.cookie, origin(), csrf=None)
        shown = await call(ctx, users.update_user, name="alice", console_login=1)
        await log_in(ctx, Attempt("alice", shown.password), origin())
        assert (await call(ctx, users.update_user, name="alice", console_login=1)).password == ""
        await log_in(ctx, Attempt("alice", shown.password), origin())

    async def test_a_changed_user_is_in_the_audit_as_before_and_after(self, ctx: Context) -> None:
        await call(ctx, users.add_user, name="alice")
        await call(ctx, users.modify_user_status, name="alice", enabled=False)
        async with ctx.database.read() as tx:
            row = await tx.one(
                sa.select(audit_entries.c.before, audit_entries.c.after, audit_entries.c.resource).where(
                    audit_entries.c.action == "cam:ModifyUserStatus"
                )
            )
        assert row is not None
        assert ('"Enabled":true' in row.before, '"Enabled":false' in row.after) == (True, True)
        assert row.resource == "uin/alice"

    async def test_how_people_are_reached_is_kept(self, ctx: Context) -> None:
        await call(
            ctx, users.add_user, name="alice", phone_num="555 0100", country_code="86", email="alice@example.com"
        )
        await call(ctx, users.update_user, name="alice", remark="shop team", phone_num="555 0199")
        shown = await call(ctx, users.get_user, name="alice")
        assert (shown.phone_num, shown.country_code, shown.email) == ("555 0199", "86", "alice@example.com")
        assert (await call(ctx, users.list_users)).data == [shown]
        await call(ctx, users.update_user, name="alice", email="")
        assert (await call(ctx, users.get_user, name="alice")).email == ""

    async def test_the_last_login_is_known(self, ctx: Context) -> None:
        await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
        shown = await call(ctx, users.get_user, name="alice")
        assert (shown.recently_login_ip, shown.recently_login_time) == ("", None)
        await log_in(ctx, Attempt("alice", PASSWORD), origin())
        shown = await call(ctx, users.get_user, name="alice")
        assert (shown.recently_login_ip, shown.recently_login_time) == (origin().address, ctx.clock())


class TestPasswordsThatMustBeChanged:
    async def test_the_first_login_brings_another_one(self, ctx: Context) -> None:
        made = await call(ctx, users.add_user, name="alice", console_login=1, need_reset_password=1)
        assert (await call(ctx, users.get_user, name="alice")).need_reset_password == 1
        with pytest.raises(PasswordChangeNeeded):
            await log_in(ctx, Attempt("alice", made.password), origin())
        for wrong in (made.password, "short", "Alice-Alice1"):
            with pytest.raises(InvalidInput):
                await log_in(ctx, Attempt("alice", made.password, new_password=wrong), origin())
        with pytest.raises(NotAuthenticated, match="name or password"):
            await log_in(ctx, Attempt("alice", "wrong", new_password=PASSWORD), origin())
        await log_in(ctx, Attempt("alice", made.password, new_password=PASSWORD), origin())
        assert (await call(ctx, users.get_user, name="alice")).need_reset_password == 0
        await log_in(ctx, Attempt("alice", PASSWORD), origin())
        with pytest.raises(NotAuthenticated):
            await log_in(ctx, Attempt("alice", made.password), origin())

    async def test_a_second_factor_is_asked_for_too(self, ctx: Context, clock: FakeClock) -> None:
        await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
        begun = await log_in(ctx, Attempt("alice", PASSWORD), origin())
        caller = await session_caller(ctx, begun.cookie, origin(), csrf=None)
        secret = (await second_factor.enrol(ctx, caller, PASSWORD)).secret
        codes = await second_factor.confirm(ctx, caller, pyotp.TOTP(secret).at(clock()))
        await call(ctx, users.update_user, name="alice", need_reset_password=1)
        code = codes.recovery_codes[0]
        # No code is spent before there is a new password, and no password changed without a code.
        with pytest.raises(PasswordChangeNeeded):
            await log_in(ctx, Attempt("alice", PASSWORD, code), origin())
        with pytest.raises(SecondFactorFailure):
            await log_in(ctx, Attempt("alice", PASSWORD, new_password="Battery-staple-8"), origin())
        await session_caller(ctx, begun.cookie, origin(), csrf=None)
        await log_in(ctx, Attempt("alice", PASSWORD, code, new_password="Battery-staple-8"), origin())
        # Whoever was logged in with the old password is not any more.
        with pytest.raises(NotAuthenticated):
            await session_caller(ctx, begun.cookie, origin(), csrf=None)

    async def test_who_changes_it_while_logged_in_has_done_it(self, ctx: Context) -> None:
        await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
        begun = await log_in(ctx, Attempt("alice", PASSWORD), origin())
        caller = await session_caller(ctx, begun.cookie, origin(), csrf=None)
        await call(ctx, users.update_user, name="alice", need_reset_password=1)
        await change_password(ctx, caller, caller.credential_id, PASSWORD, "Battery-staple-8")
        await log_in(ctx, Attempt("alice", "Battery-staple-8"), origin())

    async def test_it_can_be_called_off(self, ctx: Context) -> None:
        await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD, need_reset_password=1)
        await call(ctx, users.update_user, name="alice", remark="shop team")
        with pytest.raises(PasswordChangeNeeded):
            await log_in(ctx, Attempt("alice", PASSWORD), origin())
        with pytest.raises(NotAuthenticated, match="disabled"):
            await call(ctx, users.modify_user_status, name="alice", enabled=False)
            await log_in(ctx, Attempt("alice", PASSWORD), origin())
        await call(ctx, users.modify_user_status, name="alice", enabled=True)
        await call(ctx, users.update_user, name="alice", need_reset_password=0)
        await log_in(ctx, Attempt("alice", PASSWORD), origin())


class TestTheOwner:
    async def test_it_can_neither_go_nor_be_locked_out(self, ctx: Context) -> None:
        for op, fields in (
            (users.delete_user, {"force": 1}),
            (users.modify_user_status, {"enabled": False}),
            (users.update_user, {"console_login": 0}),
        ):
            with pytest.raises(Conflict, match="owner"):
                await call(ctx, op, name="admin", **fields)
        assert (await owner_caller(ctx)).owner

    async def test_whoever_manages_users_does_not_become_the_owner_by_it(self, ctx: Context) -> None:
        await call(ctx, users.add_user, name="alice")
        alice, owner = await become(ctx, "alice"), await local_owner(ctx)
        for op, fields in (
            (users.update_user, {"name": "admin", "password": PASSWORD}),
            (users.modify_user_status, {"name": "admin", "reset_totp": True}),
            (users.delete_user, {"name": "admin"}),
            (access_keys.create_access_key, {"target_uin": int(owner.uin)}),
            (access_keys.list_access_keys, {"target_uin": int(owner.uin)}),
        ):
            with pytest.raises(AccessDenied, match="only the owner"):
                await call_as(ctx, alice, op, **fields)
        await call_as(ctx, alice, users.add_user, name="bob")
        await call_as(ctx, alice, users.modify_user_status, name="bob", enabled=False)


class Ways:
    """Everything by which one user gets in."""

    def __init__(self, uin: str, token: str, temporary: str, bearer: str, cookie: str, secret_id: str) -> None:
        self.uin, self.token, self.temporary = uin, token, temporary
        self.bearer, self.cookie, self.secret_id = bearer, cookie, secret_id

    @classmethod
    async def open(cls, ctx: Context) -> Ways:
        made = await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD, use_api=1)
        alice = await become(ctx, "alice")
        create = credentials.create_instance_token
        token = await call_as(ctx, alice, create, token_type="longterm")
        temporary = await call_as(ctx, alice, create, token_type="temp")
        granted = await grant(ctx, await asker(ctx, Login(token.username, token.token)), (), offline=False)
        await call_as(ctx, alice, federation.get_federation_token, name="ci")
        begun = await log_in(ctx, Attempt("alice", PASSWORD), origin())
        return cls(str(made.uin), token.token, temporary.token, granted.token, begun.cookie, made.secret_id)

    def each(self, ctx: Context) -> dict[str, Callable[[], Awaitable[object]]]:
        async def registry(password: str) -> object:
            request = await asker(ctx, Login(self.uin, password))
            async with ctx.database.read() as tx:
                return await admit(ctx, tx, request, None, None)

        async def bearer() -> object:
            from roadstead.services.credentials import present_bearer

            instance = await ctx.instances.find("default")
            shown = await present_bearer(ctx, instance.row.registry_id, self.bearer, origin())
            async with ctx.database.read() as tx:
                return await admit(ctx, tx, await asker(ctx, presented=shown), None, None)

        async def key() -> object:
            async with ctx.database.read() as tx:
                number = await tx.scalar(
                    sa.select(api_keys.c.account_id).where(api_keys.c.secret_id == self.secret_id)
                )
                account = None if number is None else await accounts.get(tx, account_id=number)
                return await caller_of(ctx, tx, account, CredentialKind.API_KEY, origin())

        return {
            "credential": lambda: registry(self.token),
            "temporary credential": lambda: registry(self.temporary),
            "token": bearer,
            "session": lambda: session_caller(ctx, self.cookie, origin(), csrf=None),
            "login": lambda: log_in(ctx, Attempt("alice", PASSWORD), origin()),
            "key": key,
        }


@pytest.mark.parametrize("end", ["disable", "delete"])
async def test_all_ways_in_end_at_once_in_every_process(
    ctx: Context, folder: Path, clock: FakeClock, end: str
) -> None:
    ways = await Ways.open(ctx)
    async with open_test_context(folder, clock) as other:
        for name, enter in ways.each(other).items():
            assert await enter() is not None, name
        if end == "disable":
            await call(ctx, users.modify_user_status, name="alice", enabled=False)
        else:
            await call(ctx, users.delete_user, name="alice", force=1)
        for name, enter in ways.each(other).items():
            with pytest.raises(NotAuthenticated):
                assert await enter() is None, name
            other.logins._blocked.clear()
        if end == "disable":
            await call(ctx, users.modify_user_status, name="alice", enabled=True)
            for name, enter in ways.each(other).items():
                if name == "session":
                    with pytest.raises(NotAuthenticated):
                        await enter()
                else:
                    assert await enter() is not None, name


async def test_a_deleted_user_leaves_nothing(ctx: Context) -> None:
    await Ways.open(ctx)
    with pytest.raises(NotEmpty, match="API keys"):
        await call(ctx, users.delete_user, name="alice")
    await call(ctx, users.delete_user, name="alice", force=1)
    async with ctx.database.read() as tx:
        left = [
            await tx.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (sessions, temporary_keys, api_keys)
        ]
    assert left == [0, 0, 1]
