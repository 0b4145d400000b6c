"""Lists of the management door show each caller what its policies let it see, page by page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from roadstead.domain.identity import Caller, CredentialKind
from roadstead.errors import AccessDenied, NamespaceUnknown
from roadstead.metadata import accounts
from roadstead.services import namespaces, registries, repositories
from roadstead.services.callers import caller_of
from roadstead.services.context import Context
from roadstead.services.operations import AnyOperation, run
from tests.factories.accounts import Login, add_sub_account, origin, registry_id
from tests.factories.calls import call
from tests.factories.instances import ask, create, work_off
from tests.factories.policies import allow, deny, give, reader_of

REPOSITORIES = ("project-a/backend", "project-a/frontend", "project-b/frontend", "project-c/tool")


async def lay_out(ctx: Context) -> None:
    for namespace in ("project-a", "project-b", "project-c"):
        await call(ctx, namespaces.create_namespace, namespace_name=namespace)
    for name in REPOSITORIES:
        namespace, _, repository = name.partition("/")
        await call(ctx, repositories.create_repository, namespace_name=namespace, repository_name=repository)


async def caller(ctx: Context, login: Login) -> Caller:
    async with ctx.database.read() as tx:
        account = await accounts.get(tx, uin=login.username)
        return await caller_of(ctx, tx, account, CredentialKind.API_KEY, replace(origin(), address="10.0.0.1"))


async def listed(ctx: Context, login: Login, op: AnyOperation, **fields: Any) -> tuple[list[str], int | None]:
    request = op.request(registry_id=await registry_id(ctx), **fields)
    answer = await run(ctx, await caller(ctx, login), op, request)
    rows = answer.repository_list if op is repositories.describe_repositories else answer.namespace_list
    return [row.name for row in rows], answer.total_count


async def test_the_published_sample_of_one_repository(ctx: Context) -> None:
    await lay_out(ctx)
    reader = await reader_of(ctx, "project-a/frontend")
    assert await listed(ctx, reader, namespaces.describe_namespaces) == (["project-a"], 1)
    assert await listed(ctx, reader, repositories.describe_repositories) == (["project-a/frontend"], 1)
    inside = await listed(ctx, reader, repositories.describe_repositories, namespace_name="project-a")
    assert inside == (["project-a/frontend"], 1)
    for unseen in ("project-b", "nothing"):
        with pytest.raises(NamespaceUnknown):
            await listed(ctx, reader, repositories.describe_repositories, namespace_name=unseen)


async def test_an_owner_of_one_namespace(ctx: Context) -> None:
    await lay_out(ctx)
    login = await add_sub_account(ctx)
    await give(ctx, login, allow("tcr:*", f"repository/{await registry_id(ctx)}/project-b/*"))
    assert await listed(ctx, login, namespaces.describe_namespaces) == (["project-b"], 1)
    who = await caller(ctx, login)
    fields = {"registry_id": await registry_id(ctx), "namespace_name": "project-b"}
    op = namespaces.modify_namespace
    await run(ctx, who, op, op.request(**fields, is_public=True))
    with pytest.raises(AccessDenied):
        await run(ctx, who, op, op.request(**{**fields, "namespace_name": "project-a"}, is_public=True))


async def test_what_is_denied_is_left_out_and_not_counted(ctx: Context) -> None:
    await lay_out(ctx)
    login = await add_sub_account(ctx)
    registry = await registry_id(ctx)
    await give(ctx, login, allow("tcr:*", "*"), deny("tcr:*", f"repository/{registry}/project-a/*"))
    assert await listed(ctx, login, namespaces.describe_namespaces) == (["library", "project-b", "project-c"], 3)
    assert await listed(ctx, login, repositories.describe_repositories) == (list(REPOSITORIES[2:]), 2)


async def test_pages_go_on_where_the_last_one_ended(ctx: Context) -> None:
    await lay_out(ctx)
    login = await add_sub_account(ctx)
    await give(ctx, login, allow("tcr:DescribeRepositories", f"repository/{await registry_id(ctx)}/*/*end"))
    op = repositories.describe_repositories
    wanted = list(REPOSITORIES[:3])
    assert await listed(ctx, login, op) == (wanted, 3)
    assert (await listed(ctx, login, op, limit=2))[0] == wanted[:2]
    assert (await listed(ctx, login, op, limit=2, last=wanted[1]))[0] == wanted[2:]
    assert (await listed(ctx, login, op, limit=2, offset=2))[0] == wanted[2:]


async def test_a_condition_narrows_lists_too(ctx: Context) -> None:
    await lay_out(ctx)
    login = await add_sub_account(ctx)
    away = {"ip_not_equal": {"qcs:ip": "10.0.0.0/8"}}
    await give(
        ctx, login, allow("tcr:*", "*"), deny("tcr:Describe*", "*", condition={"ip_equal": {"qcs:ip": "10.0.0.0/8"}})
    )
    assert await listed(ctx, login, repositories.describe_repositories) == ([], 0)
    other = await add_sub_account(ctx, "other")
    await give(ctx, other, allow("tcr:*", "*"), deny("tcr:Describe*", "*", condition=away), name="other")
    assert (await listed(ctx, other, repositories.describe_repositories))[1] == 4


async def test_who_has_no_policy_sees_empty_lists(ctx: Context) -> None:
    await lay_out(ctx)
    login = await add_sub_account(ctx)
    assert await listed(ctx, login, namespaces.describe_namespaces) == ([], 0)
    assert await listed(ctx, login, repositories.describe_repositories) == ([], 0)


async def several_instances(ctx: Context) -> dict[str, str]:
    """Three more instances, each with a namespace `shop`; the id of each."""
    found = {name: await create(ctx, name) for name in ("second", "third", "fourth")}
    await work_off(ctx)
    for made in found.values():
        await ask(ctx, namespaces.create_namespace, registry_id=made, namespace_name="shop")
    return found


async def seen_everywhere(ctx: Context, login: Login) -> tuple[list[str], list[str]]:
    """The instances, and the namespaces of all of them, by pages of one; each counted first."""
    found: tuple[list[str], list[str]] = ([], [])
    who = await caller(ctx, login)
    for op, names in zip(
        (registries.describe_instances, namespaces.describe_instance_all_namespaces), found, strict=True
    ):
        first: Any = await run(ctx, who, op, op.request())  # type: ignore[arg-type]
        last = ""
        while True:
            answer: Any = await run(ctx, who, op, op.request(limit=1, last=last))  # type: ignore[arg-type]
            if op is registries.describe_instances:
                names += [row.registry_name for row in answer.registries]
            else:
                names += [f"{row.registry_name}/{row.name}" for row in answer.namespace_list]
            last = answer.last
            if not last:
                break
        assert first.total_count == len(names)
    return found


async def test_instances_are_seen_for_themselves_or_for_what_is_in_them(ctx: Context) -> None:
    made = await several_instances(ctx)
    login = await add_sub_account(ctx)
    await give(
        ctx,
        login,
        allow("tcr:DescribeInstance*", f"instance/{made['second']}"),
        allow("tcr:*", f"repository/{made['third']}/shop/*", f"repository/{made['fourth']}/other/*"),
    )
    assert await seen_everywhere(ctx, login) == (["fourth", "second", "third"], ["third/shop"])
    who, op = await caller(ctx, login), registries.describe_instance_status
    answer = await run(ctx, who, op, op.request(registry_ids=[await registry_id(ctx), *made.values()]))
    assert [row.registry_id for row in answer.registry_status_set] == list(made.values())


async def test_denied_instances_are_neither_shown_nor_counted(ctx: Context) -> None:
    made = await several_instances(ctx)
    login = await add_sub_account(ctx)
    hidden = [f"{kind}/{made['second']}/*" for kind in ("instance", "repository")]
    await give(ctx, login, allow("tcr:*", "*"), deny("tcr:*", *hidden, f"repository/{made['third']}/shop/*"))
    assert await seen_everywhere(ctx, login) == (
        ["default", "fourth", "third"],
        ["default/library", "fourth/shop"],
    )
