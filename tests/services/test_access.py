"""How a data-plane request is let in: credential, network, policy, token scope; each refusal names its gate."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from roadstead.domain.identity import CredentialKind, Presented
from roadstead.domain.policy import Action
from roadstead.domain.reference import RepositoryName
from roadstead.domain.scope import parse_scopes
from roadstead.errors import AccessDenied, AppError, InstanceUnknown, LoginNeeded, NetworkRefused, NotAuthenticated
from roadstead.metadata.schema.tenancy import instances as table
from roadstead.services import namespaces
from roadstead.services.access import Admitted, Asker, admit
from roadstead.services.context import Context
from tests.factories.accounts import add_sub_account, asker, owner_asker, owner_login
from tests.factories.calls import call

WEB = RepositoryName.parse("library/web")
OPEN = RepositoryName.parse("open/web")


async def let_in(ctx: Context, who: Asker, action: Action | None, name: RepositoryName | None = WEB) -> Admitted:
    async with ctx.database.read() as tx:
        return await admit(ctx, tx, who, name, action)


async def refused(ctx: Context, who: Asker, action: Action | None, name: RepositoryName | None = WEB) -> AppError:
    with pytest.raises((NotAuthenticated, AccessDenied)) as caught:
        await let_in(ctx, who, action, name)
    return caught.value


async def narrowed(ctx: Context, *scopes: str) -> Asker:
    """The owner with a token of these scopes."""
    login = owner_login(ctx)
    shown = Presented(CredentialKind.LONG_TERM, login.username, login.credential_id, scopes=parse_scopes(scopes))
    return await asker(ctx, presented=shown)


ACTIONS = [Action.PULL, Action.PUSH, Action.CREATE, Action.DELETE, Action.CREATE_NAMESPACE]


@pytest.mark.parametrize("action", ACTIONS)
async def test_who_may_do_what(ctx: Context, action: Action) -> None:
    await call(ctx, namespaces.create_namespace, namespace_name="open", is_public=True)
    owner, sub, nobody = await owner_asker(ctx), await asker(ctx, await add_sub_account(ctx)), await asker(ctx)
    for name in (WEB, OPEN):
        assert (await let_in(ctx, owner, action, name)).caller.owner
        for who, kind, gate in ((sub, AccessDenied, "policy"), (nobody, LoginNeeded, "credential")):
            if name is OPEN and action is Action.PULL:
                await let_in(ctx, who, action, name)
                continue
            error = await refused(ctx, who, action, name)
            assert type(error) is kind
            assert error.detail is not None
            assert error.detail["gate"] == gate
            assert error.detail["action"] == str(action)
            named = name.namespace if action is Action.CREATE_NAMESPACE else name
            assert str(error.detail["resource"]).endswith(f"/{named}")


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        ("repository:library/web:pull", {Action.PULL}),
        ("repository:library/web:push", {Action.PUSH, Action.CREATE, Action.CREATE_NAMESPACE}),
        ("repository:library/web:delete", {Action.DELETE}),
        ("repository:library/web:pull,push,delete", set(ACTIONS)),
        ("repository:library/web:*", set(ACTIONS)),
        ("repository:library/other:*", set()),
        ("registry:catalog:*", set()),
    ],
)
async def test_a_token_narrows_even_the_owner(ctx: Context, scope: str, allowed: set[Action]) -> None:
    who = await narrowed(ctx, scope)
    for action in ACTIONS:
        if action in allowed:
            await let_in(ctx, who, action)
        else:
            error = await refused(ctx, who, action)
            assert type(error) is NotAuthenticated and error.detail is not None
            assert error.detail["gate"] == "token"
            assert "ask the token service" in error.message


async def test_who_asks_is_checked_even_when_nothing_is_asked(ctx: Context) -> None:
    assert (await let_in(ctx, await owner_asker(ctx), None, None)).caller.owner
    assert (await let_in(ctx, await asker(ctx), None, None)).caller.anonymous
    login = owner_login(ctx)
    wrong = await asker(ctx, replace(login, password=login.password[:-1]))
    assert "wrong" in (await refused(ctx, wrong, None, None)).message


async def test_the_network_is_asked_by_the_address_that_the_request_came_from(ctx: Context) -> None:
    outside = await owner_asker(ctx, "192.0.2.1")
    await let_in(ctx, outside, Action.PULL)  # the entry asks first; here the instance is as the process knows it
    instance = await ctx.instances.find("default")
    async with ctx.database.write() as tx:
        await tx.run(sa.update(table).where(table.c.id == instance.id).values(revision=table.c.revision + 1))
    with pytest.raises(NetworkRefused):
        await let_in(ctx, outside, Action.PULL)


async def test_an_instance_that_is_gone_is_told_and_forgotten(ctx: Context) -> None:
    owner = await owner_asker(ctx)
    async with ctx.database.write() as tx:
        await tx.run(sa.delete(table))
    with pytest.raises(InstanceUnknown, match="deleted"):
        await let_in(ctx, owner, Action.PULL)
    assert ctx.instances.known("default") is None


async def test_what_was_met_is_told(ctx: Context) -> None:
    met = await let_in(ctx, await owner_asker(ctx), Action.PULL)
    assert met.facts.repository_id is None and met.facts.namespace_id is not None
    assert (met.place.instance_id, met.place.registry_id) == (met.instance.id, met.instance.row.registry_id)
