"""Policies and groups as operations: versions, presets, limits, lists, and who may give what to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.domain.policy_documents import parse
from roadstead.domain.presets import PRESETS
from roadstead.errors import (
    AccessDenied,
    AccountUnknown,
    Conflict,
    GroupExists,
    GroupUnknown,
    InvalidInput,
    LimitReached,
    PolicyExists,
    PolicyInvalid,
    PolicyUnknown,
)
from roadstead.metadata.schema.access import policies, policy_versions
from roadstead.services import policy_documents as service
from roadstead.services.context import Context
from roadstead.services.groups import Membership
from roadstead.services.operations import run
from roadstead.services.table import OPERATIONS
from tests.factories.accounts import Login, add_sub_account, owner_login
from tests.factories.contexts import open_test_context
from tests.factories.policies import allow, ask, document, give
from tests.jobs.bench import FakeClock
from tests.services.test_narrowed_lists import caller

READ = document(allow("tcr:Describe*", "*"))
WRITE = document(allow("tcr:*", "*"))


async def ask_as(ctx: Context, login: Login, name: str, **fields: Any) -> Any:
    op = OPERATIONS[name]
    return await run(ctx, await caller(ctx, login), op, op.request(**fields))


async def make(ctx: Context, name: str = "mine") -> int:
    number: int = (await ask(ctx, "CreatePolicy", policy_name=name, policy_document=READ, description="d")).policy_id
    return number


async def test_a_policy_has_five_versions_of_which_one_is_in_force(ctx: Context) -> None:
    policy = await make(ctx)
    for number in (2, 3, 4, 5):
        made = await ask(ctx, "CreatePolicyVersion", policy_id=policy, policy_document=WRITE, set_as_default=False)
        assert made.version_id == number
    with pytest.raises(LimitReached, match="5 versions"):
        await ask(ctx, "CreatePolicyVersion", policy_id=policy, policy_document=WRITE, set_as_default=False)
    await ask(ctx, "SetDefaultPolicyVersion", policy_id=policy, version_id=3)
    with pytest.raises(Conflict, match="in force"):
        await ask(ctx, "DeletePolicyVersion", policy_id=policy, version_id=[3])
    await ask(ctx, "DeletePolicyVersion", policy_id=policy, version_id=[1, 2])
    listed = (await ask(ctx, "ListPolicyVersions", policy_id=policy)).versions
    assert [(each.version_id, each.is_default_version) for each in listed] == [(5, 0), (4, 0), (3, 1)]
    shown = await ask(ctx, "GetPolicyVersion", policy_id=policy, version_id=3)
    assert (shown.policy_version.document, shown.policy_version.is_default_version) == (WRITE, 1)
    assert (await ask(ctx, "GetPolicy", policy_id=policy)).policy_document == WRITE
    # The number of a deleted version is not given again while a higher one stands.
    made = await ask(ctx, "CreatePolicyVersion", policy_id=policy, policy_document=READ, set_as_default=True)
    assert made.version_id == 6


async def test_a_policy_is_changed_by_number_or_name(ctx: Context) -> None:
    policy = await make(ctx)
    await ask(ctx, "UpdatePolicy", policy_id=policy, policy_name="other", description="new")
    await ask(ctx, "UpdatePolicy", policy_name="other", policy_document=WRITE)
    shown = await ask(ctx, "GetPolicy", policy_id=policy)
    assert (shown.policy_name, shown.description, shown.policy_document) == ("other", "new", WRITE)
    assert (shown.type, shown.version_id) == (1, 1)


async def test_what_cannot_be_done_to_policies(ctx: Context) -> None:
    policy = await make(ctx)
    await make(ctx, "second")
    refused: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (PolicyExists, "CreatePolicy", {"policy_name": "mine", "policy_document": READ}),
        (PolicyInvalid, "CreatePolicy", {"policy_name": "bad", "policy_document": "{}"}),
        (PolicyInvalid, "UpdatePolicy", {"policy_id": policy, "policy_document": "{}"}),
        (PolicyInvalid, "CreatePolicyVersion", {"policy_id": policy, "policy_document": "", "set_as_default": True}),
        (PolicyExists, "UpdatePolicy", {"policy_id": policy, "policy_name": "second"}),
        (InvalidInput, "UpdatePolicy", {"description": "x"}),
        (PolicyUnknown, "UpdatePolicy", {"policy_name": "third"}),
        (PolicyUnknown, "GetPolicy", {"policy_id": 999}),
        (PolicyUnknown, "GetPolicyVersion", {"policy_id": policy, "version_id": 7}),
        (PolicyUnknown, "DeletePolicyVersion", {"policy_id": policy, "version_id": [7]}),
        (PolicyUnknown, "SetDefaultPolicyVersion", {"policy_id": policy, "version_id": 7}),
        (PolicyUnknown, "DeletePolicy", {"policy_id": [policy, 999]}),
    ]
    for error, name, fields in refused:
        with pytest.raises(error):
            await ask(ctx, name, **fields)
    # Of several deletions none happens when one cannot.
    assert (await ask(ctx, "GetPolicy", policy_id=policy)).policy_name == "mine"


async def preset(ctx: Context, name: str) -> int:
    rows = (await ask(ctx, "ListPolicies", scope="QCS", keyword=name)).list_
    assert len(rows) == 1
    number: int = rows[0].policy_id
    return number


async def test_presets_are_there_and_cannot_be_changed(ctx: Context) -> None:
    names = [row.policy_name for row in (await ask(ctx, "ListPolicies", scope="QCS")).list_]
    assert names == ["AdministratorAccess", "QcloudTCRFullAccess", "QcloudTCRReadOnlyAccess"]
    number = await preset(ctx, "QcloudTCRReadOnlyAccess")
    for name, fields in (
        ("UpdatePolicy", {"policy_id": number, "policy_document": WRITE}),
        ("DeletePolicy", {"policy_id": [number]}),
        ("CreatePolicyVersion", {"policy_id": number, "policy_document": WRITE, "set_as_default": True}),
        ("SetDefaultPolicyVersion", {"policy_id": number, "version_id": 1}),
        ("DeletePolicyVersion", {"policy_id": number, "version_id": [1]}),
    ):
        with pytest.raises(Conflict, match="preset"):
            await ask(ctx, name, **fields)
    assert (await ask(ctx, "GetPolicy", policy_id=number)).type == 2


async def test_a_start_brings_presets_up_to_date_and_leaves_ones_own_alone(folder: Path, clock: FakeClock) -> None:
    async with open_test_context(folder, clock) as ctx:
        await make(ctx)
        async with ctx.database.write() as tx:
            old = policy_versions.c.document.contains("PullRepository")
            await tx.run(sa.update(policy_versions).where(old).values(document=READ))
            await tx.run(sa.delete(policies).where(policies.c.name == "AdministratorAccess"))
    async with open_test_context(folder, clock) as ctx:
        for each in PRESETS:
            shown = await ask(ctx, "GetPolicy", policy_id=await preset(ctx, each.name))
            assert shown.policy_document == each.document
            assert parse(each.document).statements
        assert [row.policy_name for row in (await ask(ctx, "ListPolicies", scope="Local")).list_] == ["mine"]


async def test_lists_are_paged_by_key_and_by_page(ctx: Context) -> None:
    for number in range(5):
        await make(ctx, f"p{number}")
    first = await ask(ctx, "ListPolicies", scope="Local", limit=2)
    assert ([row.policy_name for row in first.list_], first.total_num, first.last) == (["p0", "p1"], 5, "p1")
    rest = await ask(ctx, "ListPolicies", scope="Local", limit=9, last=first.last)
    assert ([row.policy_name for row in rest.list_], rest.total_num, rest.last) == (["p2", "p3", "p4"], None, "")
    paged = await ask(ctx, "ListPolicies", scope="Local", page=2, rp=2)
    assert ([row.policy_name for row in paged.list_], paged.total_num) == (["p2", "p3"], 5)


async def test_groups_and_attachments_are_listed_from_both_ends(ctx: Context) -> None:
    policy, login = await make(ctx), await add_sub_account(ctx, "alice")
    uin = int(login.username)
    group = (await ask(ctx, "CreateGroup", group_name="people", remark="r")).group_id
    await ask(ctx, "AddUserToGroup", info=[Membership(group_id=group, uin=uin)])
    await ask(ctx, "AttachGroupPolicy", policy_id=policy, attach_group_id=group)
    await ask(ctx, "AttachUserPolicy", policy_id=policy, attach_uin=uin)
    holders = await ask(ctx, "ListEntitiesForPolicy", policy_id=policy)
    assert [(each.name, each.uin, each.related_type) for each in holders.list_] == [
        ("alice", uin, 1),
        ("people", 0, 2),
    ]
    own = await ask(ctx, "ListAttachedUserPolicies", target_uin=uin)
    assert [(each.policy_name, each.policy_type) for each in own.list_] == [("mine", "User")]
    by_group = await ask(ctx, "ListAttachedGroupPolicies", target_group_id=group)
    assert ([each.policy_id for each in by_group.list_], by_group.total_num) == ([policy], 1)
    shown = await ask(ctx, "GetGroup", group_id=group)
    assert (shown.group_num, [each.name for each in shown.user_info], shown.remark) == (1, ["alice"], "r")
    members = await ask(ctx, "ListUsersForGroup", group_id=group)
    assert [each.uin for each in members.user_info] == [uin]
    of_user = await ask(ctx, "ListGroupsForUser", uid=members.user_info[0].uid)
    assert ([each.group_name for each in of_user.group_info], of_user.total_num) == (["people"], 1)
    await ask(ctx, "UpdateGroup", group_id=group, group_name="staff", remark="")
    assert [each.group_name for each in (await ask(ctx, "ListGroups", keyword="sta")).group_info] == ["staff"]
    assert [row.attachments for row in (await ask(ctx, "ListPolicies", scope="Local")).list_] == [2]


async def test_what_cannot_be_done_to_groups_and_attachments(ctx: Context) -> None:
    policy, uin = await make(ctx), int((await add_sub_account(ctx)).username)
    owner = int(owner_login(ctx).username)
    group = (await ask(ctx, "CreateGroup", group_name="people")).group_id
    await ask(ctx, "CreateGroup", group_name="others")
    refused: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (GroupExists, "CreateGroup", {"group_name": "people"}),
        (GroupExists, "UpdateGroup", {"group_id": group, "group_name": "others"}),
        (GroupUnknown, "GetGroup", {"group_id": 99}),
        (GroupUnknown, "AddUserToGroup", {"info": [Membership(group_id=99, uin=uin)]}),
        (AccountUnknown, "AddUserToGroup", {"info": [Membership(group_id=group, uin=7)]}),
        (InvalidInput, "AddUserToGroup", {"info": [Membership(group_id=group)]}),
        (Conflict, "AddUserToGroup", {"info": [Membership(group_id=group, uin=owner)]}),
        (PolicyUnknown, "AttachUserPolicy", {"policy_id": 99, "attach_uin": uin}),
        (AccountUnknown, "AttachUserPolicy", {"policy_id": policy, "attach_uin": 7}),
        (Conflict, "AttachUserPolicy", {"policy_id": policy, "attach_uin": owner}),
        (GroupUnknown, "AttachGroupPolicy", {"policy_id": policy, "attach_group_id": 99}),
        (AccountUnknown, "ListAttachedUserPolicies", {"target_uin": 7}),
        (GroupUnknown, "DetachGroupPolicy", {"policy_id": policy, "detach_group_id": 99}),
    ]
    for error, name, fields in refused:
        with pytest.raises(error):
            await ask(ctx, name, **fields)


async def test_limits(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roadstead.services.policy_documents.MOST_POLICIES", 1)
    monkeypatch.setattr("roadstead.services.groups.MOST_GROUPS", 1)
    monkeypatch.setattr("roadstead.services.attachments.MOST_ATTACHED", 1)
    policy, uin = await make(ctx), int((await add_sub_account(ctx)).username)
    group = (await ask(ctx, "CreateGroup", group_name="people")).group_id
    await ask(ctx, "AttachUserPolicy", policy_id=policy, attach_uin=uin)
    await ask(ctx, "AttachGroupPolicy", policy_id=policy, attach_group_id=group)
    other = await preset(ctx, "AdministratorAccess")
    for name, fields in (
        ("CreatePolicy", {"policy_name": "more", "policy_document": READ}),
        ("CreateGroup", {"group_name": "more"}),
        ("AttachUserPolicy", {"policy_id": other, "attach_uin": uin}),
        ("AttachGroupPolicy", {"policy_id": other, "attach_group_id": group}),
    ):
        with pytest.raises(LimitReached):
            await ask(ctx, name, **fields)


async def test_no_policy_on_the_registry_gives_rights(ctx: Context) -> None:
    """Who may do everything in the registry may neither write policies nor give them, not even to itself."""
    login = await add_sub_account(ctx)
    await give(ctx, login, allow("tcr:*", "*"))
    admin = await preset(ctx, "AdministratorAccess")
    for name, fields in (
        ("CreatePolicy", {"policy_name": "mine", "policy_document": WRITE}),
        ("AttachUserPolicy", {"policy_id": admin, "attach_uin": int(login.username)}),
        ("ListPolicies", {}),
        ("CreateGroup", {"group_name": "mine"}),
        ("DeletePolicy", {"policy_id": [1]}),
    ):
        with pytest.raises(AccessDenied):
            await ask_as(ctx, login, name, **fields)


async def test_who_gives_needs_the_right_on_the_policy_and_on_who_gets_it(ctx: Context) -> None:
    lead, member, other = [await add_sub_account(ctx, name) for name in ("lead", "member", "other")]
    policy, spare = await make(ctx), await make(ctx, "spare")
    uin = int(member.username)
    await give(ctx, lead, allow("cam:AttachUserPolicy", f"policyid/{policy}", f"uin/{uin}"))
    await ask_as(ctx, lead, "AttachUserPolicy", policy_id=policy, attach_uin=uin)
    for policy_id, to in ((spare, uin), (policy, int(other.username)), (policy, int(lead.username))):
        with pytest.raises(AccessDenied):
            await ask_as(ctx, lead, "AttachUserPolicy", policy_id=policy_id, attach_uin=to)
    with pytest.raises(AccessDenied):
        await ask_as(ctx, lead, "DetachUserPolicy", policy_id=policy, detach_uin=uin)


async def test_of_several_memberships_each_is_asked_for(ctx: Context) -> None:
    lead, member = await add_sub_account(ctx, "lead"), await add_sub_account(ctx, "member")
    mine, other = [(await ask(ctx, "CreateGroup", group_name=name)).group_id for name in ("mine", "other")]
    await give(ctx, lead, allow("cam:AddUserToGroup", f"groupid/{mine}", "uin/*"))
    uin = int(member.username)
    both = [Membership(group_id=mine, uin=uin), Membership(group_id=other, uin=uin)]
    with pytest.raises(AccessDenied):
        await ask_as(ctx, lead, "AddUserToGroup", info=both)
    assert (await ask(ctx, "ListUsersForGroup", group_id=mine)).total_num == 0
    await ask_as(ctx, lead, "AddUserToGroup", info=both[:1])
    assert (await ask(ctx, "ListUsersForGroup", group_id=mine)).total_num == 1


async def test_presets_do_not_take_the_place_of_ones_own_policy(ctx: Context) -> None:
    async with ctx.database.write() as tx:
        await tx.run(sa.delete(policies))
    await make(ctx, "AdministratorAccess")
    async with ctx.database.write() as tx:
        await service.ensure_presets(tx, ctx.clock())
    rows = (await ask(ctx, "ListPolicies", keyword="AdministratorAccess")).list_
    assert [(row.policy_name, row.type) for row in rows] == [("AdministratorAccess", 1)]
