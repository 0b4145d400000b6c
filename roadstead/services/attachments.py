"""Policies given to users and groups and taken from them, under the names and shapes of the cloud's CAM API.

Who gives a policy must be allowed to give that policy (`policyid/7`) and to give to that user or group (`uin/…`,
`groupid/3`). There is no other rule: who may do both can give more than he has, himself included, as in CAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roadstead.errors import AccountUnknown, Conflict, GroupUnknown, LimitReached, PolicyUnknown
from roadstead.metadata import accounts, attachments, rights
from roadstead.metadata.accounts import Account
from roadstead.metadata.attachments import Attached, Holder
from roadstead.metadata.database import Tx
from roadstead.services.fields import AccountUin, GroupId, PolicyId, TotalNum
from roadstead.services.groups import existing as existing_group
from roadstead.services.operations import Call, Done, PageAnswer, Slice, Wire, operation
from roadstead.services.policy_documents import CamPageRequest
from roadstead.services.policy_documents import existing as existing_policy

MOST_ATTACHED = 200

AttachedAt = Annotated[datetime, Meta(description="When the policy was attached.")]


class AttachUserPolicy(Wire, frozen=True, kw_only=True):
    """Which policy to which user."""

    policy_id: PolicyId
    attach_uin: AccountUin


class DetachUserPolicy(Wire, frozen=True, kw_only=True):
    """Which policy from which user."""

    policy_id: PolicyId
    detach_uin: AccountUin


class AttachGroupPolicy(Wire, frozen=True, kw_only=True):
    """Which policy to which group."""

    policy_id: PolicyId
    attach_group_id: GroupId


class DetachGroupPolicy(Wire, frozen=True, kw_only=True):
    """Which policy from which group."""

    policy_id: PolicyId
    detach_group_id: GroupId


class ListAttachedUserPolicies(CamPageRequest, frozen=True, kw_only=True):
    """Which page of the policies of which user."""

    target_uin: AccountUin


class ListAttachedGroupPolicies(CamPageRequest, frozen=True, kw_only=True):
    """Which page of the policies of which group."""

    target_group_id: GroupId


class AttachedPolicy(Wire, frozen=True, kw_only=True):
    """One policy that a user or group has."""

    policy_id: PolicyId
    policy_name: Annotated[str, Meta(description="Name of the policy.")]
    add_time: AttachedAt
    policy_type: Annotated[Literal["User", "QCS"], Meta(description="QCS: a preset; User: written here.")]
    remark: Annotated[str, Meta(description="What the policy is for.")]
    create_mode: Annotated[int, Meta(description="Always 2: written as a document.")] = 2


class AttachedPage(PageAnswer, frozen=True, kw_only=True):
    """A page of attached policies, by name."""

    list_: Annotated[list[AttachedPolicy], Meta(description="The policies.")] = msgspec.field(name="List")
    total_num: TotalNum | None = None


class ListEntitiesForPolicy(CamPageRequest, frozen=True, kw_only=True):
    """Which page of those who have which policy."""

    policy_id: PolicyId
    entity_filter: Annotated[
        Literal["All", "User", "Group"], Meta(description="Only users, only groups, or both.")
    ] = "All"


class Entity(Wire, frozen=True, kw_only=True):
    """One user or group that has the policy."""

    id: Annotated[str, Meta(description="Number of the user or the group.")]
    name: Annotated[str, Meta(description="Its name.")]
    uin: Annotated[int, Meta(description="Number of the user's account; 0 for a group.")]
    related_type: Annotated[Literal[1, 2], Meta(description="1: a user; 2: a group.")]
    attachment_time: AttachedAt


class EntityPage(PageAnswer, frozen=True, kw_only=True):
    """A page of those who have a policy: users, then groups."""

    list_: Annotated[list[Entity], Meta(description="The users and groups.")] = msgspec.field(name="List")
    total_num: TotalNum | None = None


async def sub_account(tx: Tx, uin: int) -> Account:
    """The account of that number; raises AccountUnknown, or Conflict for the owner, who needs no policy."""
    found = await accounts.get(tx, uin=str(uin))
    if found is None:
        raise AccountUnknown(f"there is no user {uin}")
    if found.owner:
        raise Conflict(f"{found.name} owns the deployment and may do everything; policies and groups are for others")
    return found


_ATTACHING = (PolicyUnknown, AccountUnknown, LimitReached, Conflict)


class _Held(Wire, frozen=True, kw_only=True):
    """Who has which policy, as the audit shows it."""

    policy: str
    user: str = ""
    group: str = ""


@operation(resource="policyid/{policy_id}", changes=True, service="cam", raises=_ATTACHING)
async def attach_user_policy(call: Call, request: AttachUserPolicy) -> Done:
    """Give a policy to a user, from its next request on."""
    call.require("cam:AttachUserPolicy", f"uin/{request.attach_uin}")
    await rights.begin_change(call.tx)
    policy = await existing_policy(call.tx, request.policy_id)
    account = await sub_account(call.tx, request.attach_uin)
    if await attachments.count(call.tx, account_id=account.id) >= MOST_ATTACHED:
        raise LimitReached(f"{account.name} has {MOST_ATTACHED} policies, and no more may be; write them into one")
    await attachments.attach_to_account(call.tx, policy.id, account.id, call.now)
    call.changed(None, _Held(policy=policy.name, user=account.name))
    return Done()


@operation(resource="policyid/{policy_id}", changes=True, service="cam", raises=_ATTACHING)
async def detach_user_policy(call: Call, request: DetachUserPolicy) -> Done:
    """Take a policy from a user, who may still have it by a group."""
    call.require("cam:DetachUserPolicy", f"uin/{request.detach_uin}")
    await rights.begin_change(call.tx)
    policy = await existing_policy(call.tx, request.policy_id)
    account = await sub_account(call.tx, request.detach_uin)
    await attachments.detach_from_account(call.tx, policy.id, account.id)
    call.changed(_Held(policy=policy.name, user=account.name), None)
    return Done()


@operation(resource="policyid/{policy_id}", changes=True, service="cam", raises=(PolicyUnknown, GroupUnknown))
async def attach_group_policy(call: Call, request: AttachGroupPolicy) -> Done:
    """Give a policy to a group and so to each of its members, from their next requests on."""
    call.require("cam:AttachGroupPolicy", f"groupid/{request.attach_group_id}")
    await rights.begin_change(call.tx)
    policy = await existing_policy(call.tx, request.policy_id)
    group = await existing_group(call.tx, request.attach_group_id)
    if await attachments.count(call.tx, group_id=group.id) >= MOST_ATTACHED:
        raise LimitReached(f"{group.name} has {MOST_ATTACHED} policies, and no more may be; write them into one")
    await attachments.attach_to_group(call.tx, policy.id, group.id, call.now)
    call.changed(None, _Held(policy=policy.name, group=group.name))
    return Done()


@operation(resource="policyid/{policy_id}", changes=True, service="cam", raises=(PolicyUnknown, GroupUnknown))
async def detach_group_policy(call: Call, request: DetachGroupPolicy) -> Done:
    """Take a policy from a group and its members."""
    call.require("cam:DetachGroupPolicy", f"groupid/{request.detach_group_id}")
    await rights.begin_change(call.tx)
    policy = await existing_policy(call.tx, request.policy_id)
    group = await existing_group(call.tx, request.detach_group_id)
    await attachments.detach_from_group(call.tx, policy.id, group.id)
    call.changed(_Held(policy=policy.name, group=group.name), None)
    return Done()


@operation(resource="uin/{target_uin}", changes=False, paging="record", service="cam", raises=(AccountUnknown,))
async def list_attached_user_policies(call: Call, request: ListAttachedUserPolicies) -> AttachedPage:
    """List the policies that a user has itself, by name; those of its groups are listed by group."""
    account = await accounts.get(call.tx, uin=str(request.target_uin))
    if account is None:
        raise AccountUnknown(f"there is no user {request.target_uin}")
    chosen = request.slice(call)
    rows = await attachments.of_account(call.tx, account.id, last=chosen.last, most=chosen.most, skip=chosen.skip)
    total = await attachments.count(call.tx, account_id=account.id) if chosen.counted else None
    return _page(chosen, rows, total)


@operation(
    resource="groupid/{target_group_id}", changes=False, paging="record", service="cam", raises=(GroupUnknown,)
)
async def list_attached_group_policies(call: Call, request: ListAttachedGroupPolicies) -> AttachedPage:
    """List the policies that a group has, by name."""
    group = await existing_group(call.tx, request.target_group_id)
    chosen = request.slice(call)
    rows = await attachments.of_group(call.tx, group.id, last=chosen.last, most=chosen.most, skip=chosen.skip)
    total = await attachments.count(call.tx, group_id=group.id) if chosen.counted else None
    return _page(chosen, rows, total)


def _page(chosen: Slice, rows: Sequence[Attached], total: int | None) -> AttachedPage:
    return AttachedPage(
        list_=[_attached(row) for row in rows],
        total_num=total,
        total_count=total,
        last=chosen.next([row.name for row in rows]),
    )


def _attached(row: Attached) -> AttachedPolicy:
    return AttachedPolicy(
        policy_id=row.id,
        policy_name=row.name,
        add_time=row.created_at,
        policy_type="QCS" if row.preset else "User",
        remark=row.description,
    )


@operation(resource="policyid/{policy_id}", changes=False, paging="record", service="cam", raises=(PolicyUnknown,))
async def list_entities_for_policy(call: Call, request: ListEntitiesForPolicy) -> EntityPage:
    """List who has a policy: users, then groups."""
    policy = await existing_policy(call.tx, request.policy_id)
    chosen = request.slice(call)
    group = {"User": False, "Group": True}.get(request.entity_filter)
    rows = await attachments.holders(
        call.tx, policy.id, last=chosen.last, most=chosen.most, skip=chosen.skip, group=group
    )
    total = await attachments.count_holders(call.tx, policy.id, group=group) if chosen.counted else None
    return EntityPage(
        list_=[_entity(row) for row in rows],
        total_num=total,
        total_count=total,
        last=chosen.next([row.key for row in rows]),
    )


def _entity(row: Holder) -> Entity:
    return Entity(
        id=str(row.id),
        name=row.name,
        uin=int(row.uin or 0),
        related_type=2 if row.group else 1,
        attachment_time=row.created_at,
    )
