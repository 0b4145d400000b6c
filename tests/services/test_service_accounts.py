"""Service accounts: made and changed in the words of TCR, and let in as long as their row says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.domain.identity import Caller, CredentialKind, Presented
from roadstead.domain.policy import Action
from roadstead.domain.reference import RepositoryName
from roadstead.domain.scope import parse_scopes
from roadstead.errors import (
    AccessDenied,
    AlreadyExists,
    AppError,
    InvalidInput,
    LimitReached,
    NameInvalid,
    NotAuthenticated,
    ParameterMissing,
    ServiceAccountUnknown,
    TooManyRequests,
)
from roadstead.metadata.schema.access import service_accounts as table
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.services import service_accounts
from roadstead.services.access import admit
from roadstead.services.context import Context
from roadstead.services.credentials import present_bearer
from roadstead.services.grants import grant
from roadstead.services.service_accounts import NameFilter, Permission
from tests.factories.accounts import Login, asker, origin, registry_id
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.jobs.bench import FakeClock

PULL, PUSH, CREATE = "tcr:PullRepository", "tcr:PushRepository", "tcr:CreateRepository"
WEB, OTHER = RepositoryName.parse("library/web"), RepositoryName.parse("other/web")
CHOSEN = "Secret12"


def may(*permissions: tuple[str, str]) -> list[Permission]:
    return [Permission(resource=where, actions=actions.split()) for where, actions in permissions]


async def create(ctx: Context, name: str = "ci", **fields: Any) -> Login:
    given: dict[str, Any] = {"duration": 30, "permissions": may(("library", f"{PULL} {PUSH}")), **fields}
    made = await call(ctx, service_accounts.create_service_account, name=name, **given)
    return Login(made.name, made.password)


async def modify(ctx: Context, **fields: Any) -> None:
    await call(ctx, service_accounts.modify_service_account, name="ci", **fields)


async def choose(ctx: Context, password: str = CHOSEN) -> Login:
    change = service_accounts.modify_service_account_password
    await call(ctx, change, name="tcr$ci", random=False, password=password)
    return Login("tcr$ci", password)


async def enter(
    ctx: Context, login: Login | Presented, action: Action | None = None, repository: RepositoryName | None = None
) -> Caller:
    shown = login if isinstance(login, Presented) else None
    given = login if isinstance(login, Login) else None
    request = await asker(ctx, given, presented=shown)
    async with ctx.database.read() as tx:
        return (await admit(ctx, tx, request, repository, action)).caller


async def token(ctx: Context, login: Login, scope: str = "repository:library/web:pull,push") -> Presented:
    """What a client shows with the token that it got for the login."""
    granted = await grant(ctx, await asker(ctx, login), parse_scopes([scope]), offline=True)
    assert granted.refresh_token is None
    return await present_bearer(ctx, await registry_id(ctx), granted.token, origin())


class TestMaking:
    async def test_it_is_shown_with_its_prefix_and_a_password_once(self, ctx: Context) -> None:
        made = await call(
            ctx,
            service_accounts.create_service_account,
            name="ci",
            duration=30,
            description="of the build server",
            permissions=may(("library", PULL), ("*", f"{PUSH} {CREATE}")),
        )
        assert made.name == "tcr$ci" and len(made.password) == 32
        assert datetime.fromtimestamp(made.expires_at / 1000, UTC) == ctx.clock() + timedelta(days=30)
        page = await call(ctx, service_accounts.describe_service_accounts, embed_permission=True)
        (found,) = page.service_accounts
        assert (found.name, found.description, found.disable) == ("tcr$ci", "of the build server", False)
        assert (found.expires_at, found.create_time, found.update_time) == (
            made.expires_at,
            made.create_time,
            made.create_time,
        )
        assert found.permissions == may(("library", PULL), ("*", f"{PUSH} {CREATE}"))
        (bare,) = (await call(ctx, service_accounts.describe_service_accounts)).service_accounts
        assert bare.permissions == []

    async def test_its_password_is_kept_as_a_hash_and_told_nowhere(self, ctx: Context) -> None:
        made, chosen = await create(ctx), await choose(ctx)
        async with ctx.database.read() as tx:
            told = str(await tx.all(sa.select(table))) + str(await tx.all(sa.select(audit_entries)))
        assert made.password not in told and chosen.password not in told

    @pytest.mark.parametrize(
        ("fields", "error", "problem"),
        [
            ({"permissions": []}, InvalidInput, "permission can not be empty"),
            ({"permissions": may(("library/web", PULL))}, InvalidInput, r"resource\(library/web\) is illegal"),
            ({"permissions": may(("library", "tcr:DeleteImage"))}, InvalidInput, "not support action"),
            ({"duration": None}, ParameterMissing, "Duration or ExpiresAt"),
            ({"duration": None, "expires_at": 1000}, InvalidInput, "past"),
            ({"name": "a/b"}, NameInvalid, "service account"),
            ({"name": "tcr$"}, NameInvalid, "service account"),
        ],
    )
    async def test_what_cannot_be_made(
        self, ctx: Context, fields: dict[str, Any], error: type[AppError], problem: str
    ) -> None:
        with pytest.raises(error, match=problem):
            await create(ctx, **fields)

    async def test_a_name_is_taken_once_however_it_is_written(self, ctx: Context) -> None:
        await create(ctx, "ci")
        for name in ("ci", "tcr$ci", "tcr@ci"):
            with pytest.raises(AlreadyExists):
                await create(ctx, name)

    async def test_there_is_a_limit(self, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(service_accounts, "_MOST_ACCOUNTS", 1)
        await create(ctx, "ci")
        with pytest.raises(LimitReached):
            await create(ctx, "cd")

    async def test_duration_wins_over_an_end(self, ctx: Context) -> None:
        late = int((ctx.clock() + timedelta(days=300)).timestamp() * 1000)
        await create(ctx, "a", duration=1, expires_at=late)
        await create(ctx, "b", duration=None, expires_at=late)
        page = await call(ctx, service_accounts.describe_service_accounts)
        assert [each.expires_at == late for each in page.service_accounts] == [False, True]


class TestListing:
    async def test_twenty_a_page_unless_asked_and_a_hundred_at_most(self, ctx: Context) -> None:
        for number in range(21):
            await create(ctx, f"ci-{number:02}")
        describe = service_accounts.describe_service_accounts
        page = await call(ctx, describe)
        assert (len(page.service_accounts), page.total_count, page.last) == (20, 21, "ci-19")
        rest = await call(ctx, describe, last=page.last)
        assert [each.name for each in rest.service_accounts] == ["tcr$ci-20"] and rest.last == ""
        assert len((await call(ctx, describe, limit=100)).service_accounts) == 21
        assert len((await call(ctx, describe, limit=0)).service_accounts) == 0
        assert len((await call(ctx, describe, limit=-1)).service_accounts) == 0
        assert len((await call(ctx, describe, all=True, limit=1, offset=7)).service_accounts) == 21
        skipped = await call(ctx, describe, offset=19, limit=5)
        assert [each.name for each in skipped.service_accounts] == ["tcr$ci-19", "tcr$ci-20"]

    async def test_a_filter_by_name(self, ctx: Context) -> None:
        for name in ("ci", "cd", "deploy"):
            await create(ctx, name)

        async def names(**fields: Any) -> list[str]:
            page = await call(ctx, service_accounts.describe_service_accounts, filters=[NameFilter(**fields)])
            assert page.total_count == len(page.service_accounts)
            return [each.name for each in page.service_accounts]

        assert await names(name="ServiceAccountName", values=["tcr$c"]) == ["tcr$cd", "tcr$ci"]
        assert await names(name="ServiceAccountName", values=["plo"]) == ["tcr$deploy"]
        assert await names(name="ServiceAccountName", values=["%"]) == []
        assert len(await names(name="ServiceAccountName", values=[])) == 3
        for fields in ({"name": "Name", "values": ["x"]}, {"name": "ServiceAccountName", "values": ["a", "b"]}):
            with pytest.raises(InvalidInput, match="filter"):
                await names(**fields)


@pytest.mark.parametrize("name", ["cd", "tcr$cd", "x/y", ""])
async def test_one_that_is_not_there(ctx: Context, name: str) -> None:
    for op, fields in (
        (service_accounts.modify_service_account, {}),
        (service_accounts.modify_service_account_password, {"random": True}),
        (service_accounts.delete_service_account, {}),
    ):
        with pytest.raises((ServiceAccountUnknown, NameInvalid)):
            await call(ctx, op, name=name, **fields)


@pytest.mark.parametrize("chosen", [False, True])
class TestLoggingIn:
    async def test_by_either_prefix(self, ctx: Context, chosen: bool) -> None:
        made = await create(ctx)
        login = await choose(ctx) if chosen else made
        for username in ("tcr$ci", "tcr@ci"):
            caller = await enter(ctx, Login(username, login.password))
            assert (caller.kind, caller.name, caller.owner, caller.anonymous) == (
                CredentialKind.SERVICE_ACCOUNT,
                "tcr$ci",
                False,
                False,
            )

    async def test_it_may_what_it_was_given_and_no_more(self, ctx: Context, chosen: bool) -> None:
        made = await create(ctx)
        login = await choose(ctx) if chosen else made
        for shown in (login, await token(ctx, login)):
            await enter(ctx, shown, Action.PULL, WEB)
            await enter(ctx, shown, Action.PUSH, WEB)
            for action, repository in ((Action.DELETE, WEB), (Action.PULL, OTHER)):
                with pytest.raises((AccessDenied, NotAuthenticated)):
                    await enter(ctx, shown, action, repository)
        await modify(ctx, permissions=may(("*", PULL)))
        await enter(ctx, login, Action.PULL, OTHER)
        with pytest.raises(AccessDenied, match="no permission of the service account"):
            await enter(ctx, login, Action.PUSH, WEB)

    @pytest.mark.parametrize("end", ["disable", "expire", "delete", "random", "chosen", "permissions"])
    async def test_what_ends_it_ends_its_tokens_at_once_in_every_process(
        self, ctx: Context, folder: Path, clock: FakeClock, chosen: bool, end: str
    ) -> None:
        made = await create(ctx)
        login = await choose(ctx) if chosen else made
        async with open_test_context(folder, clock) as other:
            shown = await token(other, login)
            for each in (login, shown):
                await enter(other, each, Action.PULL, WEB)
            change = service_accounts.modify_service_account_password
            if end == "disable":
                await modify(ctx, disable=True)
            elif end == "expire":
                await modify(ctx, expires_at=int(clock().timestamp() * 1000) + 1)
                clock.turn(seconds=1)
            elif end == "delete":
                await call(ctx, service_accounts.delete_service_account, name="ci")
            elif end == "permissions":
                await modify(ctx, permissions=may(("other", PULL)))
            else:
                await call(ctx, change, name="ci", random=end == "random", password="Secret13")
            for each in (login, shown):
                with pytest.raises((NotAuthenticated, AccessDenied)):
                    await enter(other, each, Action.PULL, WEB)

    async def test_a_wrong_password_reads_as_every_wrong_login(self, ctx: Context, chosen: bool) -> None:
        made = await create(ctx)
        login = await choose(ctx) if chosen else made
        for username, password in (
            ("tcr$ci", login.password + "x"),
            ("tcr$ci", ""),
            ("tcr$ci", "-"),
            ("tcr$CI", login.password),
            ("tcr$cd", login.password),
            ("tcr$", login.password),
            ("tcr$" + "x" * 1000, login.password),
            ("tcr$tcr$ci", login.password),
        ):
            with pytest.raises(NotAuthenticated, match="the username or password is wrong"):
                await enter(ctx, Login(username, password))
            ctx.logins._blocked.clear()

    async def test_the_hash_is_no_password(self, ctx: Context, chosen: bool) -> None:
        await create(ctx)
        if chosen:
            await choose(ctx)
        async with ctx.database.read() as tx:
            kept = await tx.scalar(sa.select(table.c.password_hash))
        with pytest.raises(NotAuthenticated):
            await enter(ctx, Login("tcr$ci", kept))


async def test_guessing_is_slowed_before_the_slow_check(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await create(ctx)
    await choose(ctx)
    checked = []
    real = ctx.passwords.holds

    async def holds(hashed: str | None, password: str) -> bool:
        checked.append(password)
        return await real(hashed, password)

    monkeypatch.setattr(type(ctx.passwords), "holds", lambda self, hashed, password: holds(hashed, password))
    monkeypatch.setattr("roadstead.services.passwords.password_holds", lambda hashed, password: False)
    for number in range(14):
        with pytest.raises((NotAuthenticated, TooManyRequests)):
            await enter(ctx, Login("tcr$ci", f"Guess-{number}"))
    assert len(checked) == 10


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"password": "short"}, InvalidInput),
        ({"password": "x" * 21}, InvalidInput),
        ({"password": ""}, ParameterMissing),
        ({}, ParameterMissing),
    ],
)
async def test_a_password_that_cannot_be_chosen(ctx: Context, fields: dict[str, Any], error: type[AppError]) -> None:
    made = await create(ctx)
    with pytest.raises(error):
        await call(ctx, service_accounts.modify_service_account_password, name="ci", random=False, **fields)
    await enter(ctx, made)


async def test_a_chosen_password_is_answered_as_it_was_given(ctx: Context) -> None:
    await create(ctx)
    change = service_accounts.modify_service_account_password
    answer = await call(ctx, change, name="ci", random=False, password=CHOSEN)
    assert answer.password == CHOSEN
    answer = await call(ctx, change, name="ci", random=True, password=CHOSEN)
    assert len(answer.password) == 32


async def test_what_is_left_out_stays(ctx: Context) -> None:
    made = await create(ctx, description="old")
    await modify(ctx)
    await modify(ctx, description="new")
    await modify(ctx, disable=True)
    await modify(ctx, duration=90)
    await modify(ctx, disable=False)
    (found,) = (await call(ctx, service_accounts.describe_service_accounts, embed_permission=True)).service_accounts
    assert (found.description, found.disable) == ("new", False)
    assert found.permissions == may(("library", f"{PULL} {PUSH}"))
    assert datetime.fromtimestamp(found.expires_at / 1000, UTC) == ctx.clock() + timedelta(days=90)
    await enter(ctx, made, Action.PUSH, WEB)


async def test_a_token_of_one_instance_is_none_of_another(ctx: Context) -> None:
    shown = await token(ctx, await create(ctx))
    with pytest.raises(NotAuthenticated, match="not meant for this instance"):
        signed = ctx.keys.sign(issuer="tcr-other", uin="tcr$ci", kind="access", seconds=60)
        await present_bearer(ctx, await registry_id(ctx), signed, origin())
    assert shown.kind is CredentialKind.SERVICE_ACCOUNT


async def test_a_service_account_does_not_pass_for_an_account(ctx: Context) -> None:
    """Not even with a token that carries no print of a password."""
    await create(ctx)
    for credential_id in ("", "-", "x" * 32):
        signed = ctx.keys.sign(
            issuer=await registry_id(ctx),
            uin="tcr$ci",
            kind="access",
            seconds=60,
            credential_id=credential_id,
        )
        shown = await present_bearer(ctx, await registry_id(ctx), signed, origin())
        with pytest.raises(NotAuthenticated):
            await enter(ctx, shown)
        ctx.logins._blocked.clear()
