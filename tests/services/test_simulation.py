"""What somebody may do, told without doing it: as the request itself would be decided."""

from __future__ import annotations

import json
from typing import Any

import pytest

from roadstead.errors import AccessDenied, AccountUnknown, GroupUnknown, InvalidInput, PolicyInvalid
from roadstead.services import namespaces
from roadstead.services.context import Context
from roadstead.services.groups import Membership
from tests.factories.accounts import add_sub_account, owner_login, registry_id, set_account_enabled
from tests.factories.calls import call
from tests.factories.policies import allow, ask, deny, document, give, reader_of
from tests.services.test_policy_documents import ask_as


async def simulate(ctx: Context, action: str, resource: str, **fields: Any) -> Any:
    return await ask(ctx, "SimulatePolicy", action=action, resource=resource, **fields)


async def test_a_verdict_names_the_statement_that_decided(ctx: Context) -> None:
    reader = await reader_of(ctx, "project-a/frontend")
    uin, registry = int(reader.username), await registry_id(ctx)
    path = f"repository/{registry}/project-a/frontend"
    for resource in (path, f"qcs::tcr:::{path}", f"qcs::tcr:default:uin/1:{path}".replace(":default:", ":local:")):
        found = await simulate(ctx, "tcr:PullRepository", resource, uin=uin)
        assert (found.allowed, found.gate, found.policy, found.statement) == (True, "policy", "reader-policy", 0)
        assert json.loads(found.text)["action"][1] == "tcr:PullRepository"
    refused = await simulate(ctx, "tcr:PushRepository", path, uin=uin)
    assert (refused.allowed, refused.gate, refused.policy, refused.statement, refused.text) == (
        False,
        "policy",
        "",
        None,
        "",
    )
    await give(ctx, reader, deny("tcr:*", "*"))
    denied = await simulate(ctx, "tcr:PullRepository", path, uin=uin)
    assert (denied.allowed, denied.policy, denied.statement) == (False, "given", 0)
    assert json.loads(denied.text)["effect"] == "deny"


async def test_the_owner_may_do_everything_and_a_disabled_account_nothing(ctx: Context) -> None:
    owner = int(owner_login(ctx).username)
    found = await simulate(ctx, "cam:DeletePolicy", "policyid/1", uin=owner)
    assert (found.allowed, found.policy) == (True, "")
    login = await add_sub_account(ctx)
    await give(ctx, login, allow("*", "*"))
    await set_account_enabled(ctx, login.username, False)
    gone = await simulate(ctx, "tcr:PullRepository", "repository/tcr-1/a/b", uin=int(login.username))
    assert (gone.allowed, gone.gate) == (False, "credential")


async def test_a_public_namespace_is_for_everybody(ctx: Context) -> None:
    await call(ctx, namespaces.create_namespace, namespace_name="open", is_public=True)
    login, registry = await add_sub_account(ctx), await registry_id(ctx)
    found = await simulate(ctx, "tcr:PullRepository", f"repository/{registry}/open/tool", uin=int(login.username))
    assert (found.allowed, found.reason) == (True, "the namespace is public")


async def test_groups_and_documents_are_asked_by_themselves(ctx: Context) -> None:
    group = (await ask(ctx, "CreateGroup", group_name="people")).group_id
    text = document(allow("tcr:PullRepository", "*"))
    policy = (await ask(ctx, "CreatePolicy", policy_name="p", policy_document=text)).policy_id
    asked = ("tcr:PullRepository", "repository/tcr-1/a/b")
    assert not (await simulate(ctx, *asked, group_id=group)).allowed
    await ask(ctx, "AttachGroupPolicy", policy_id=policy, attach_group_id=group)
    assert (await simulate(ctx, *asked, group_id=group)).policy == "p"
    single = text.replace("[{", "{").replace("}]", "}")
    for written in (text, single):
        found = await simulate(ctx, *asked, policy_document=written)
        assert (found.allowed, found.policy) == (True, "(given)")
        assert json.loads(found.text)["effect"] == "allow"


async def test_conditions_are_asked_with_the_address_that_is_given(ctx: Context) -> None:
    text = document(allow("tcr:*", "*", condition={"ip_equal": {"qcs:ip": "10.0.0.0/8"}}))
    asked = ("tcr:PullRepository", "repository/tcr-1/a/b")
    assert (await simulate(ctx, *asked, policy_document=text, address="10.1.2.3")).allowed
    refused = await simulate(ctx, *asked, policy_document=text, address="192.0.2.1")
    assert not refused.allowed and "its condition is not met" in refused.reason


async def test_everybody_may_ask_about_itself_and_nobody_else(ctx: Context) -> None:
    login, other = await add_sub_account(ctx), await add_sub_account(ctx, "other")
    fields = {"action": "tcr:PullRepository", "resource": "repository/tcr-1/a/b"}
    assert not (await ask_as(ctx, login, "SimulatePolicy", **fields)).allowed
    assert not (await ask_as(ctx, login, "SimulatePolicy", **fields, uin=int(login.username))).allowed
    group = (await ask(ctx, "CreateGroup", group_name="people")).group_id
    await ask(ctx, "AddUserToGroup", info=[Membership(group_id=group, uin=int(login.username))])
    for more in ({"uin": int(other.username)}, {"group_id": group}):
        with pytest.raises(AccessDenied):
            await ask_as(ctx, login, "SimulatePolicy", **fields, **more)


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (InvalidInput, {"action": "PullRepository"}),
        (InvalidInput, {"action": "tcr:Pull*"}),
        (InvalidInput, {"resource": "qcs::tcr:instance/*"}),
        (InvalidInput, {"resource": "qcs::cam:::policyid/1"}),
        (InvalidInput, {"uin": 1, "group_id": 1}),
        (AccountUnknown, {"uin": 7}),
        (GroupUnknown, {"group_id": 7}),
        (PolicyInvalid, {"policy_document": "{}"}),
    ],
)
async def test_questions_that_make_no_sense(ctx: Context, error: type[Exception], fields: dict[str, Any]) -> None:
    usual = {"action": "tcr:PullRepository", "resource": "repository/tcr-1/a/b"}
    with pytest.raises(error):
        await simulate(ctx, **{**usual, **fields})


async def test_a_region_that_the_instance_is_not_in(ctx: Context) -> None:
    registry = await registry_id(ctx)
    with pytest.raises(InvalidInput, match="is in the region"):
        await simulate(ctx, "tcr:DescribeInstances", f"qcs::tcr:far::instance/{registry}")
