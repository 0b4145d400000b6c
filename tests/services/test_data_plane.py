"""What sub-accounts may do at the registry's door: the same evaluator, on repositories, tokens, lists and mounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from roadstead.domain.policy import Action
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.domain.scope import parse_scopes
from roadstead.errors import AccessDenied, NamespaceUnknown, NotAuthenticated
from roadstead.services import images, layers, namespaces, repositories
from roadstead.services.access import admit
from roadstead.services.context import Context
from roadstead.services.credentials import present_bearer
from roadstead.services.grants import grant
from tests.factories.accounts import Login, add_sub_account, asker, origin, owner_asker, registry_id
from tests.factories.calls import call
from tests.factories.policies import allow, deny, give, reader_of
from tests.factories.pushes import push_blob, push_image

FRONTEND = "project-a/frontend"


async def lay_out(ctx: Context) -> str:
    """Images in two projects; the instance's id."""
    for namespace in ("project-a", "project-b"):
        await call(ctx, namespaces.create_namespace, namespace_name=namespace)
    await call(ctx, namespaces.create_namespace, namespace_name="open", is_public=True)
    owner = await owner_asker(ctx)
    for name in (FRONTEND, "project-a/frontend-2", "project-a/backend", "project-b/frontend", "open/tool"):
        await push_image(ctx, owner, name, "latest")
    return await registry_id(ctx)


async def may(ctx: Context, login: Login | None, name: str, action: Action) -> bool:
    request = await asker(ctx, login)
    try:
        async with ctx.database.read() as tx:
            await admit(ctx, tx, request, RepositoryName.parse(name), action)
    except (AccessDenied, NotAuthenticated):
        return False
    return True


async def test_a_reader_of_one_repository_does_exactly_that(ctx: Context) -> None:
    await lay_out(ctx)
    reader = await reader_of(ctx, FRONTEND)
    may_do = {
        (name, action)
        for name in (FRONTEND, "project-a/frontend-2", "project-a/backend", "project-b/frontend", "open/tool")
        for action in (Action.PULL, Action.PUSH, Action.DELETE, Action.CREATE)
        if await may(ctx, reader, name, action)
    }
    assert may_do == {(FRONTEND, Action.PULL), ("open/tool", Action.PULL)}
    assert await repositories.catalog(ctx, await asker(ctx, reader), "", 99) == ["open/tool", FRONTEND]
    got = await images.get(ctx, await asker(ctx, reader), RepositoryName.parse(FRONTEND), "latest", "")
    assert got[1]


NAMES = ("project-a/frontend", "project-a/fresh", "project-b/frontend")
ACTIONS = (Action.PULL, Action.PUSH, Action.DELETE, Action.CREATE)


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([allow("tcr:*", "*")], {name: "pull push delete create" for name in NAMES}),
        ([allow(["tcr:Describe*", "tcr:PullRepository*"], "*")], {name: "pull" for name in NAMES}),
        (
            [allow("tcr:*", "repository/{registry}/project-a/*")],
            {name: "pull push delete create" for name in NAMES[:2]},
        ),
        (
            [allow(["tcr:PullRepository", "tcr:PushRepository"], "repository/{registry}/project-a/*")],
            {name: "pull push" for name in NAMES[:2]},
        ),
        (
            [allow("tcr:*", "*"), deny("tcr:DeleteImage", "repository/{registry}/*")],
            {name: "pull push create" for name in NAMES},
        ),
        ([allow("tcr:*", "instance/{registry}")], {}),
        ([allow("tcr:PushRepository", "*", condition={"ip_equal": {"qcs:ip": "10.0.0.0/8"}})], {}),
        (
            [allow("tcr:PushRepository", "*", condition={"ip_equal": {"qcs:ip": "127.0.0.0/8"}})],
            {name: "push" for name in NAMES},
        ),
    ],
)
async def test_policies_at_the_registry(
    ctx: Context, statements: list[Mapping[str, Any]], allowed: dict[str, str]
) -> None:
    registry = await lay_out(ctx)
    login = await add_sub_account(ctx)
    placed = [
        {**each, "resource": [text.format(registry=registry) for text in each["resource"]]} for each in statements
    ]
    await give(ctx, login, *placed)
    words = {Action.PULL: "pull", Action.PUSH: "push", Action.DELETE: "delete", Action.CREATE: "create"}
    found: dict[str, str] = {}
    for name in NAMES:
        mine = [words[action] for action in ACTIONS if await may(ctx, login, name, action)]
        if mine:
            found[name] = " ".join(mine)
    assert found == allowed


async def test_a_push_to_a_new_repository_needs_the_right_to_create_it(ctx: Context) -> None:
    registry = await lay_out(ctx)
    pusher, creator = await add_sub_account(ctx, "pusher"), await add_sub_account(ctx, "creator")
    push = allow(["tcr:PushRepository", "tcr:PullRepository"], f"repository/{registry}/project-a/*")
    await give(ctx, pusher, push, name="push")
    await give(ctx, creator, push, allow("tcr:CreateRepository", f"repository/{registry}/project-a/*"), name="create")
    await push_image(ctx, await asker(ctx, pusher), FRONTEND, "2")
    with pytest.raises(AccessDenied) as caught:
        await push_image(ctx, await asker(ctx, pusher), "project-a/fresh", "1")
    assert caught.value.detail is not None
    assert caught.value.detail["action"] == "tcr:CreateRepository"
    assert caught.value.detail["resource"] == f"repository/{registry}/project-a/fresh"
    await push_image(ctx, await asker(ctx, creator), "project-a/fresh", "1")
    await push_image(ctx, await asker(ctx, pusher), "project-a/fresh", "2")
    with pytest.raises(NamespaceUnknown):
        await give(ctx, creator, allow("tcr:*", "*"), name="all")
        await push_image(ctx, await asker(ctx, creator), "project-c/fresh", "1")


async def test_tokens_are_narrowed_to_what_policies_allow(ctx: Context) -> None:
    await lay_out(ctx)
    reader = await reader_of(ctx, FRONTEND)
    asked = parse_scopes(
        [f"repository:{FRONTEND}:pull,push,delete", "repository:project-b/frontend:pull", "registry:catalog:*"]
    )
    given = await grant(ctx, await asker(ctx, reader), asked, offline=False)
    assert [str(scope) for scope in given.scopes if scope.actions] == [
        f"repository:{FRONTEND}:pull",
        "registry:catalog:*",
    ]
    presented = await present_bearer(ctx, await registry_id(ctx), given.token, origin())
    bearer = await asker(ctx, presented=presented)
    assert await repositories.catalog(ctx, bearer, "", 99) == ["open/tool", FRONTEND]


async def test_a_token_loses_what_its_account_loses(ctx: Context) -> None:
    registry = await lay_out(ctx)
    reader = await reader_of(ctx, FRONTEND)
    given = await grant(ctx, await asker(ctx, reader), parse_scopes([f"repository:{FRONTEND}:pull"]), offline=False)
    presented = await present_bearer(ctx, registry, given.token, origin())
    bearer = await asker(ctx, presented=presented)
    assert (await images.get(ctx, bearer, RepositoryName.parse(FRONTEND), "latest", ""))[1]
    await give(ctx, reader, deny("tcr:Pull*", f"repository/{registry}/project-a/*"), name="stop")
    with pytest.raises(AccessDenied, match="statement 1 of the policy stop denies it"):
        await images.get(ctx, bearer, RepositoryName.parse(FRONTEND), "latest", "")


@pytest.mark.parametrize(
    ("source", "pulls", "mounted"),
    [
        ("project-b/frontend", "project-b/frontend", True),
        ("project-b/frontend", "project-a/frontend", False),
        (None, "project-b/frontend", True),
        (None, "project-b/other", False),
        (None, "project-*", True),
    ],
)
async def test_a_mount_needs_the_right_to_pull_the_source(
    ctx: Context, source: str | None, pulls: str, mounted: bool
) -> None:
    registry = await lay_out(ctx)
    data = b"only in project-b"
    await push_blob(ctx, await owner_asker(ctx), "project-b/frontend", data)
    login = await add_sub_account(ctx)
    await give(
        ctx,
        login,
        allow("tcr:PushRepository", f"repository/{registry}/project-a/frontend"),
        allow("tcr:PullRepository", f"repository/{registry}/{pulls}"),
    )
    where = None if source is None else RepositoryName.parse(source)
    name = RepositoryName.parse(FRONTEND)
    assert await layers.mount(ctx, await asker(ctx, login), name, Digest.of(data), where) is mounted


async def test_who_may_see_nothing_sees_only_what_is_public(ctx: Context) -> None:
    await lay_out(ctx)
    stranger = await add_sub_account(ctx)
    assert await repositories.catalog(ctx, await asker(ctx, stranger), "", 99) == ["open/tool"]


async def test_the_catalog_is_paged_over_what_the_caller_sees(ctx: Context) -> None:
    registry = await lay_out(ctx)
    login = await add_sub_account(ctx)
    await give(ctx, login, allow("tcr:DescribeRepositories", f"repository/{registry}/project-a/*"))
    request = await asker(ctx, login)
    first = await repositories.catalog(ctx, request, "", 2)
    rest = await repositories.catalog(ctx, request, first[-1], 99)
    assert first + rest == ["open/tool", "project-a/backend", FRONTEND, "project-a/frontend-2"]
