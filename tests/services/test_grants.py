"""The token service: whoever logs in gets a token for what was asked and is allowed, and never for more."""

from __future__ import annotations

import pytest

from roadstead.domain.identity import CredentialKind, Presented
from roadstead.domain.policy import Action
from roadstead.domain.reference import RepositoryName
from roadstead.domain.scope import Scope, parse_scopes
from roadstead.errors import AccessDenied, EndedToken, NotAuthenticated
from roadstead.metadata import instances
from roadstead.services import credentials, namespaces
from roadstead.services.access import Asker, admit
from roadstead.services.context import Context
from roadstead.services.credentials import present_bearer
from roadstead.services.grants import Grant, from_refresh_token, grant
from tests.factories.accounts import Login, add_sub_account, asker, origin, owner_login, registry_id
from tests.factories.calls import call
from tests.jobs.bench import FakeClock


async def ask(ctx: Context, login: Login | None, *scopes: str, offline: bool = False) -> Grant:
    return await grant(ctx, await asker(ctx, login), parse_scopes(scopes), offline=offline)


def granted(of: Grant) -> str:
    return " ".join(str(scope) for scope in of.scopes if scope.actions)


async def bearer(ctx: Context, token: str) -> Asker:
    return await asker(ctx, presented=await present_bearer(ctx, await registry_id(ctx), token, origin()))


async def may(ctx: Context, token: str, action: Action, repository: str = "library/web") -> bool:
    request = await bearer(ctx, token)
    try:
        async with ctx.database.read() as tx:
            await admit(ctx, tx, request, RepositoryName.parse(repository), action)
    except (AccessDenied, NotAuthenticated):
        return False
    return True


async def make_public(ctx: Context) -> None:
    await call(ctx, namespaces.create_namespace, namespace_name="open", is_public=True)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ([], ""),
        (["repository:library/web:pull"], "repository:library/web:pull"),
        (["repository:library/web:push,pull"], "repository:library/web:pull,push"),
        (["repository:library/web:*"], "repository:library/web:pull,push,delete"),
        (["repository:library/web:pull,frob"], "repository:library/web:pull"),
        (
            ["repository:library/web:pull repository:open/web:push"],
            "repository:library/web:pull repository:open/web:push",
        ),
        (["repository(plugin):library/web:pull"], "repository:library/web:pull"),
        (["registry:catalog:*"], "registry:catalog:*"),
        (["registry:catalog:pull"], ""),
        (["registry:other:*"], ""),
        (["repository:web:pull"], ""),
        (["repository:UPPER/web:pull"], ""),
        (["other:library/web:pull"], ""),
        (["nonsense"], ""),
    ],
)
async def test_the_owner_gets_what_it_asks_for(ctx: Context, asked: list[str], given: str) -> None:
    found = await ask(ctx, owner_login(ctx), *asked)
    assert granted(found) == given
    claims = await ctx.keys.check(found.token, await registry_id(ctx))
    assert " ".join(f"{each.type}:{each.name}:{','.join(each.actions)}" for each in claims.access or ()) == given


async def test_nobody_gets_only_pulls_of_what_is_public(ctx: Context) -> None:
    await make_public(ctx)
    found = await ask(ctx, None, "repository:library/web:pull,push", "repository:open/web:*", "registry:catalog:*")
    assert granted(found) == "repository:open/web:pull registry:catalog:*"
    assert found.refresh_token is None
    shown = (await bearer(ctx, found.token)).presented
    assert (shown.kind, shown.uin) == (CredentialKind.NONE, "")


async def test_nobody_gets_nothing_where_nobody_may_pull(ctx: Context) -> None:
    await make_public(ctx)
    instance = await ctx.instances.find("default")
    async with ctx.database.write() as tx:
        await instances.modify(tx, instance.id, anonymous_access=False)
    assert granted(await ask(ctx, None, "repository:open/web:pull")) == ""


async def test_a_sub_account_without_a_policy_gets_what_is_public(ctx: Context) -> None:
    await make_public(ctx)
    sub = await add_sub_account(ctx)
    found = await ask(ctx, sub, "repository:library/web:pull,push", "repository:open/web:pull,push")
    assert granted(found) == "repository:open/web:pull"


async def test_a_token_does_what_it_was_issued_for_and_no_more(ctx: Context) -> None:
    token = (await ask(ctx, owner_login(ctx), "repository:library/web:pull")).token
    assert await may(ctx, token, Action.PULL)
    assert not await may(ctx, token, Action.PUSH)
    assert not await may(ctx, token, Action.DELETE)
    assert not await may(ctx, token, Action.PULL, "library/other")


async def test_a_token_gets_no_other_token(ctx: Context) -> None:
    """A token for one pull must not be exchanged for one that pushes, nor for its own prolongation."""
    for login in (owner_login(ctx), None):
        narrow = await ask(ctx, login, "repository:library/web:pull")
        request = await bearer(ctx, narrow.token)
        for scope in ("repository:library/web:push", "repository:library/web:pull"):
            with pytest.raises(NotAuthenticated, match="a token gets no other one"):
                await grant(ctx, request, parse_scopes([scope]), offline=True)


async def test_a_token_ends_with_its_credential_at_once(ctx: Context) -> None:
    made = await call(ctx, credentials.create_instance_token, token_type="longterm")
    token = (await ask(ctx, Login(made.username, made.token), "repository:library/web:pull")).token
    assert await may(ctx, token, Action.PULL)
    await call(ctx, credentials.modify_instance_token, token_id=made.token_id, enable=False)
    assert not await may(ctx, token, Action.PULL)
    await call(ctx, credentials.modify_instance_token, token_id=made.token_id, enable=True)
    assert await may(ctx, token, Action.PULL)
    await call(ctx, credentials.delete_instance_token, token_id=made.token_id)
    assert not await may(ctx, token, Action.PULL)


async def test_a_token_for_what_is_public_ends_when_it_is_made_private(ctx: Context) -> None:
    await make_public(ctx)
    token = (await ask(ctx, None, "repository:open/web:pull")).token
    assert await may(ctx, token, Action.PULL, "open/web")
    await call(ctx, namespaces.modify_namespace, namespace_name="open", is_public=False)
    assert not await may(ctx, token, Action.PULL, "open/web")


async def test_a_token_lasts_as_long_as_it_says(ctx: Context, clock: FakeClock) -> None:
    found = await ask(ctx, owner_login(ctx), "repository:library/web:pull")
    assert (found.seconds, found.issued_at) == (300, clock())
    clock.turn(seconds=299)
    assert await may(ctx, found.token, Action.PULL)
    clock.turn(seconds=1)
    with pytest.raises(EndedToken):
        await bearer(ctx, found.token)


@pytest.mark.parametrize("login", [Login("100", "rs1.a.b"), Login("", "x")])
async def test_who_shows_a_wrong_credential_gets_no_token_at_all(ctx: Context, login: Login) -> None:
    with pytest.raises(NotAuthenticated):
        await ask(ctx, login, "repository:library/web:pull")


class TestRefreshTokens:
    async def test_it_gets_further_tokens_until_it_ends(self, ctx: Context, clock: FakeClock) -> None:
        found = await ask(ctx, owner_login(ctx), offline=True)
        assert found.refresh_token is not None
        registry = await registry_id(ctx)
        clock.turn(days=29)
        shown = await from_refresh_token(ctx, registry, found.refresh_token, origin())
        request = await asker(ctx, presented=shown)
        again = await grant(ctx, request, parse_scopes(["repository:library/web:push"]), offline=False)
        assert granted(again) == "repository:library/web:push"
        assert again.refresh_token is None
        clock.turn(days=2)
        with pytest.raises(EndedToken):
            await from_refresh_token(ctx, registry, found.refresh_token, origin())

    async def test_only_a_long_term_credential_gets_one_and_only_when_it_asks(self, ctx: Context) -> None:
        assert (await ask(ctx, owner_login(ctx))).refresh_token is None
        made = await call(ctx, credentials.create_instance_token, token_type="temp")
        assert (await ask(ctx, Login(made.username, made.token), offline=True)).refresh_token is None
        assert (await ask(ctx, None, offline=True)).refresh_token is None

    async def test_it_ends_with_its_credential(self, ctx: Context) -> None:
        made = await call(ctx, credentials.create_instance_token, token_type="longterm")
        found = await ask(ctx, Login(made.username, made.token), offline=True)
        await call(ctx, credentials.modify_instance_token, token_id=made.token_id, enable=False)
        shown = await from_refresh_token(ctx, await registry_id(ctx), found.refresh_token or "", origin())
        with pytest.raises(NotAuthenticated, match="disabled"):
            await grant(ctx, await asker(ctx, presented=shown), (), offline=False)

    async def test_nothing_else_passes_for_one(self, ctx: Context) -> None:
        registry = await registry_id(ctx)
        access = (await ask(ctx, owner_login(ctx))).token
        with pytest.raises(NotAuthenticated, match="not a refresh token"):
            await from_refresh_token(ctx, registry, access, origin())
        for text in ("", "a.b.c", owner_login(ctx).password):
            with pytest.raises(NotAuthenticated):
                await from_refresh_token(ctx, registry, text, origin())

    async def test_it_is_no_bearer_token(self, ctx: Context) -> None:
        found = await ask(ctx, owner_login(ctx), offline=True)
        with pytest.raises(NotAuthenticated, match="not an access token"):
            await bearer(ctx, found.refresh_token or "")


async def test_a_temporary_credential_gets_tokens_too(ctx: Context) -> None:
    made = await call(ctx, credentials.create_instance_token, token_type="temp")
    found = await ask(ctx, Login(made.username, made.token), "repository:library/web:push")
    assert granted(found) == "repository:library/web:push"
    assert (await bearer(ctx, found.token)).presented == Presented(
        CredentialKind.TEMPORARY,
        made.username,
        scopes=(Scope("repository", "library/web", ("push",)),),
    )
