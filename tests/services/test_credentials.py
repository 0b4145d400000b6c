"""Access credentials: made once, listed without secrets, disabled and deleted at once; and what each shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from roadstead.domain.identity import Caller, CredentialKind
from roadstead.domain.narrowing import Narrowed
from roadstead.domain.policy import EVERYTHING
from roadstead.errors import AccessDenied, CredentialUnknown, EndedToken, InvalidInput, NotAuthenticated
from roadstead.metadata.schema.access import credentials as credential_table
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.services import credentials
from roadstead.services.access import admit
from roadstead.services.context import Context
from roadstead.services.credentials import present_basic, present_bearer
from roadstead.services.secrets import secret_hash
from tests.factories.accounts import (
    Login,
    add_sub_account,
    asker,
    origin,
    owner_caller,
    owner_login,
    registry_id,
    set_account_enabled,
    sub_caller,
)
from tests.factories.calls import call, call_as
from tests.jobs.bench import FakeClock


async def create(ctx: Context, kind: str = "longterm", **fields: Any) -> Login:
    made = await call(ctx, credentials.create_instance_token, token_type=kind, **fields)
    return Login(made.username, made.token, made.token_id)


async def login(ctx: Context, given: Login, address: str = "127.0.0.1") -> Caller:
    """The caller that docker login with these words makes."""
    request = await asker(ctx, given, address=address)
    async with ctx.database.read() as tx:
        return (await admit(ctx, tx, request, None, None)).caller


class TestLongTerm:
    async def test_it_works_until_it_is_disabled_or_deleted_at_once(self, ctx: Context) -> None:
        made = await create(ctx, desc="build server")
        caller = await login(ctx, made)
        assert (caller.kind, caller.owner, caller.credential_id) == (
            CredentialKind.LONG_TERM,
            True,
            made.credential_id,
        )
        await call(ctx, credentials.modify_instance_token, token_id=made.credential_id, enable=False)
        with pytest.raises(NotAuthenticated, match=f"{made.credential_id} is disabled"):
            await login(ctx, made)
        await call(ctx, credentials.modify_instance_token, token_id=made.credential_id, enable=True)
        await login(ctx, made)
        await call(ctx, credentials.delete_instance_token, token_id=made.credential_id)
        with pytest.raises(NotAuthenticated, match="wrong"):
            await login(ctx, made)

    async def test_its_secret_is_kept_only_as_a_hash(self, ctx: Context) -> None:
        made = await create(ctx)
        secret = made.password.split(".")[2]
        async with ctx.database.read() as tx:
            kept = await tx.scalar(
                sa.select(credential_table.c.secret_hash).where(credential_table.c.id == made.credential_id)
            )
            audit = await tx.all(sa.select(audit_entries.c.data, audit_entries.c.resource))
        assert kept == secret_hash(secret)
        assert audit and not any(secret in str(row) for row in audit)

    async def test_it_is_listed_without_its_secret(self, ctx: Context) -> None:
        made = await create(ctx, desc="build server")
        answer = await call(ctx, credentials.describe_instance_token)
        assert made.password not in msgspec.json.encode(answer).decode()
        (found,) = [each for each in answer.tokens if each.id == made.credential_id]
        assert (found.desc, found.enabled, found.registry_id) == ("build server", True, await registry_id(ctx))
        assert datetime.fromtimestamp(found.expired_at / 1000, UTC) > ctx.clock() + timedelta(days=3000)
        assert len(answer.tokens) == 2 and answer.last == ""
        page = await call(ctx, credentials.describe_instance_token, limit=1)
        rest = await call(ctx, credentials.describe_instance_token, limit=9, last=page.last)
        assert [each.id for each in [*page.tokens, *rest.tokens]] == sorted(each.id for each in answer.tokens)

    async def test_its_description_can_be_changed(self, ctx: Context) -> None:
        made = await create(ctx, desc="old")
        modify = credentials.modify_instance_token
        await call(ctx, modify, token_id=made.credential_id, modify_flag=1, desc="new")
        answer = await call(ctx, credentials.describe_instance_token)
        assert "new" in [each.desc for each in answer.tokens if each.enabled]
        with pytest.raises(InvalidInput, match="Enable is missing"):
            await call(ctx, modify, token_id=made.credential_id)

    async def test_a_description_that_is_too_long(self, ctx: Context) -> None:
        with pytest.raises(InvalidInput, match="200"):
            await create(ctx, desc="x" * 201)
        await create(ctx, desc="x" * 200)

    @pytest.mark.parametrize("credential_id", ["", "-", "x" * 20, "x" * 1000])
    async def test_one_that_is_not_there(self, ctx: Context, credential_id: str) -> None:
        with pytest.raises(CredentialUnknown):
            await call(ctx, credentials.delete_instance_token, token_id=credential_id)
        with pytest.raises(CredentialUnknown):
            await call(ctx, credentials.modify_instance_token, token_id=credential_id, enable=False)

    async def test_two_are_never_alike(self, ctx: Context) -> None:
        made = [await create(ctx) for _ in range(3)]
        assert len({each.password for each in made}) == len({each.credential_id for each in made}) == 3
        assert all(len(each.password.split(".")[2]) >= 43 for each in made)


class TestTemporary:
    async def test_it_works_for_an_hour(self, ctx: Context, clock: FakeClock) -> None:
        made = await create(ctx, "temp")
        assert made.credential_id == ""
        for _ in range(2):
            assert (await login(ctx, made)).kind is CredentialKind.TEMPORARY
            clock.turn(minutes=59, seconds=59)
            assert (await login(ctx, made)).owner
            clock.turn(seconds=1)
            with pytest.raises(EndedToken):
                await login(ctx, made)
            made = await create(ctx, "temp")

    async def test_it_is_not_listed(self, ctx: Context) -> None:
        await create(ctx, "temp")
        assert len((await call(ctx, credentials.describe_instance_token)).tokens) == 1

    async def test_it_is_for_one_account(self, ctx: Context) -> None:
        made = await create(ctx, "temp")
        other = await add_sub_account(ctx)
        with pytest.raises(NotAuthenticated, match="wrong"):
            await login(ctx, Login(other.username, made.password))

    async def test_it_ends_with_its_account(self, ctx: Context) -> None:
        made = await create(ctx, "temp")
        await set_account_enabled(ctx, made.username, False)
        with pytest.raises(NotAuthenticated, match="disabled"):
            await login(ctx, made)


class TestWhatDoesNotHold:
    async def test_every_wrong_login_reads_the_same(self, ctx: Context) -> None:
        owner, other = owner_login(ctx), await add_sub_account(ctx)
        prefix, credential_id, secret = owner.password.split(".")
        wrong = [
            Login(owner.username, f"{prefix}.{credential_id}.{secret[:-1]}"),
            Login(owner.username, f"{prefix}.{credential_id}."),
            Login(owner.username, f"{prefix}.{credential_id}"),
            Login(owner.username, f"{prefix}.{'x' * 20}.{secret}"),
            Login(owner.username, f"{prefix}.{credential_id}x.{secret}"),
            # Without an id there is no secret to compare with: that must not pass for a right one.
            Login(owner.username, f"{prefix}."),
            Login(owner.username, f"{prefix}.."),
            Login(owner.username, f"{prefix}..{secret}"),
            Login(owner.username, "-"),
            Login(owner.username, ""),
            Login(owner.username, secret),
            Login(owner.username, "a.b.c"),
            Login("", owner.password),
            Login("0", owner.password),
            Login(other.username, owner.password),
            Login(owner.username, other.password),
        ]
        messages = set()
        for given in wrong:
            with pytest.raises(NotAuthenticated) as caught:
                await login(ctx, given)
            messages.add(caught.value.message)
            # The guard is not what this test is about.
            ctx.logins._blocked.clear()
        assert messages <= {
            "credential: the username or password is wrong",
            "credential: the token was not issued by this registry; log in again",
        }

    async def test_a_disabled_account_takes_its_credentials_with_it(self, ctx: Context) -> None:
        owner = owner_login(ctx)
        await set_account_enabled(ctx, owner.username, False)
        with pytest.raises(NotAuthenticated, match=f"account {owner.username} is disabled"):
            await login(ctx, owner)

    async def test_a_token_of_another_kind_is_no_password_and_no_bearer(self, ctx: Context) -> None:
        registry, uin = await registry_id(ctx), owner_login(ctx).username
        for kind in ("refresh", "access", "apikey", ""):
            token = ctx.keys.sign(issuer=registry, uin=uin, kind=kind, seconds=60)
            with pytest.raises(NotAuthenticated):
                await login(ctx, Login(uin, token))
            ctx.logins._blocked.clear()
            if kind != "access":
                with pytest.raises(NotAuthenticated, match="not an access token"):
                    await present_bearer(ctx, registry, token, origin())

    async def test_an_ended_token_is_not_counted_as_a_guess(self, ctx: Context, clock: FakeClock) -> None:
        registry, uin = await registry_id(ctx), owner_login(ctx).username
        token = ctx.keys.sign(issuer=registry, uin=uin, kind="access", seconds=60)
        clock.turn(seconds=61)
        for _ in range(50):
            with pytest.raises(EndedToken):
                await present_bearer(ctx, registry, token, origin())
        assert (await login(ctx, owner_login(ctx))).owner

    async def test_what_basic_shows_is_not_yet_believed(self, ctx: Context) -> None:
        shown = await present_basic(ctx, await registry_id(ctx), "100", "rs1.abc.secret", origin())
        assert (shown.kind, shown.uin, shown.credential_id) == (CredentialKind.LONG_TERM, "100", "abc")
        assert shown.secret_hash == secret_hash("secret")
        assert shown.scopes is None


class TestOfOthers:
    """Credentials log in with the rights of whoever made them."""

    async def test_an_account_sees_and_manages_its_own_and_the_owner_all(self, ctx: Context) -> None:
        owners = await create(ctx)
        sub = replace(await sub_caller(ctx), rights=EVERYTHING)
        made = await call_as(ctx, sub, credentials.create_instance_token, token_type="longterm")
        own = await call_as(ctx, sub, credentials.describe_instance_token)
        assert {each.username for each in own.tokens} == {sub.uin}
        assert own.total_count == len(own.tokens) == 2
        every = await call(ctx, credentials.describe_instance_token)
        assert every.total_count == len(every.tokens) == 4
        for token_id in (owners.credential_id, owner_login(ctx).credential_id):
            for op, fields in (
                (credentials.modify_instance_token, {"enable": False}),
                (credentials.delete_instance_token, {}),
            ):
                with pytest.raises(CredentialUnknown):
                    await call_as(ctx, sub, op, token_id=token_id, **fields)
        await login(ctx, owners)
        await call_as(ctx, sub, credentials.modify_instance_token, token_id=made.token_id, enable=False)
        await call(ctx, credentials.modify_instance_token, token_id=made.token_id, enable=True)
        await call(ctx, credentials.delete_instance_token, token_id=made.token_id)

    async def test_a_narrowed_session_token_makes_none(self, ctx: Context) -> None:
        caller = replace(await owner_caller(ctx), rights=Narrowed(EVERYTHING, EVERYTHING))
        for kind in ("temp", "longterm"):
            with pytest.raises(AccessDenied, match="session token"):
                await call_as(ctx, caller, credentials.create_instance_token, token_type=kind)
