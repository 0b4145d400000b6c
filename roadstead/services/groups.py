"""Groups of users under the names and shapes of the cloud's CAM API: members have what the group is given."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from roadstead.errors import AccountUnknown, Conflict, GroupExists, GroupUnknown, InvalidInput, LimitReached
from roadstead.metadata import accounts, groups, rights
from roadstead.metadata.accounts import Account
from roadstead.metadata.database import Tx
from roadstead.metadata.groups import Group, Member
from roadstead.services.fields import AccountUin, GroupId, GroupName, GroupRemark, TotalNum
from roadstead.services.operations import Call, Done, PageAnswer, Wire, operation
from roadstead.services.policy_documents import CamPageRequest

MOST_GROUPS = 300
_MEMBERS_SHOWN = 100

_GROUP = "groupid/{group_id}"
_GROUPS = "groupid/*"


_Row = Annotated[int, Meta(ge=1)]


class CreateGroup(Wire, frozen=True, kw_only=True):
    """A new group."""

    group_name: GroupName
    remark: GroupRemark = ""


class MadeGroup(Wire, frozen=True, kw_only=True):
    """The group."""

    group_id: GroupId


class UpdateGroup(Wire, frozen=True, kw_only=True):
    """What shall be different; fields left out stay."""

    group_id: GroupId
    group_name: GroupName | None = None
    remark: GroupRemark | None = None


class GroupOnly(Wire, frozen=True, kw_only=True):
    """Which group."""

    group_id: GroupId


class MemberInfo(Wire, frozen=True, kw_only=True):
    """One member of a group."""

    uid: Annotated[int, Meta(description="Number of the user's row.")]
    uin: AccountUin
    name: Annotated[str, Meta(description="Name of the user.")]
    remark: Annotated[str, Meta(description="What the user is for.")]
    create_time: Annotated[datetime, Meta(description="When the user was made.")]


class GroupInfo(Wire, frozen=True, kw_only=True):
    """One group of a list."""

    group_id: GroupId
    group_name: GroupName
    remark: GroupRemark
    create_time: Annotated[datetime, Meta(description="When the group was made.")]


class GroupDetail(GroupInfo, frozen=True, kw_only=True):
    """One group with its first members; ListUsersForGroup has all."""

    group_num: Annotated[int, Meta(description="How many members the group has.")]
    user_info: Annotated[list[MemberInfo], Meta(description="Its members by name, a hundred at most.")]


class ListGroups(CamPageRequest, frozen=True, kw_only=True):
    """Which page of which groups."""

    keyword: Annotated[str, Meta(description="Only groups whose name contains this.")] = ""


class GroupPage(PageAnswer, frozen=True, kw_only=True):
    """A page of groups, by name."""

    group_info: Annotated[list[GroupInfo], Meta(description="The groups.")]
    total_num: TotalNum | None = None


class Membership(Wire, frozen=True, kw_only=True):
    """A user and a group; the user by the number of its account or of its row."""

    group_id: GroupId
    uin: AccountUin | None = None
    uid: Annotated[_Row | None, Meta(description="Number of the user's row, instead of Uin.")] = None


class ChangeMembers(Wire, frozen=True, kw_only=True):
    """Which users, and which groups."""

    info: Annotated[list[Membership], Meta(description="Users with groups.", min_length=1, max_length=100)]


class ListUsersForGroup(CamPageRequest, frozen=True, kw_only=True):
    """Which page of the members of which group."""

    group_id: GroupId


class MemberPage(PageAnswer, frozen=True, kw_only=True):
    """A page of members, by name."""

    user_info: Annotated[list[MemberInfo], Meta(description="The members.")]
    total_num: TotalNum | None = None


class ListGroupsForUser(CamPageRequest, frozen=True, kw_only=True):
    """Which page of the groups of which user, by the number of its account or of its row."""

    sub_uin: AccountUin | None = None
    uid: Annotated[_Row | None, Meta(description="Number of the user's row, instead of SubUin.")] = None


async def existing(tx: Tx, group_id: int) -> Group:
    """The group of that number; raises GroupUnknown."""
    found = await groups.get(tx, group_id=group_id)
    if found is None:
        raise GroupUnknown(f"there is no group {group_id}")
    return found


async def _user(tx: Tx, uin: int | None, uid: int | None) -> Account:
    """The account of that number or row; raises AccountUnknown."""
    if uin is None and uid is None:
        raise InvalidInput("Uin is missing: say which user is meant")
    found = await accounts.get(tx, uin=str(uin)) if uin is not None else await accounts.get(tx, account_id=uid or 0)
    if found is None:
        raise AccountUnknown(f"there is no user {uin or uid}")
    return found


@operation(resource=_GROUPS, changes=True, service="cam", raises=(GroupExists, LimitReached))
async def create_group(call: Call, request: CreateGroup) -> MadeGroup:
    """Create an empty group."""
    await rights.begin_change(call.tx)
    if await groups.count(call.tx) >= MOST_GROUPS:
        raise LimitReached(f"there are {MOST_GROUPS} groups, and no more may be; delete one first")
    added = await groups.add(call.tx, request.group_name, request.remark, call.now)
    if added is None:
        raise GroupExists(f"there is a group {request.group_name!r} already")
    call.changed(None, _info(added))
    return MadeGroup(group_id=added.id)


@operation(resource=_GROUP, changes=True, service="cam", raises=(GroupUnknown, GroupExists))
async def update_group(call: Call, request: UpdateGroup) -> Done:
    """Change a group's name or remark."""
    await rights.begin_change(call.tx)
    group = await existing(call.tx, request.group_id)
    values: dict[str, object] = {}
    if request.remark is not None:
        values["remark"] = request.remark
    if request.group_name is not None and request.group_name != group.name:
        if await groups.get(call.tx, name=request.group_name) is not None:
            raise GroupExists(f"there is a group {request.group_name!r} already")
        values["name"] = request.group_name
    if values:
        await groups.modify(call.tx, group.id, **values)
    call.changed(_info(group), _info(await existing(call.tx, group.id)))
    return Done()


@operation(resource=_GROUP, changes=True, service="cam", raises=(GroupUnknown,))
async def delete_group(call: Call, request: GroupOnly) -> Done:
    """Delete a group; its members keep what they have themselves and by other groups."""
    await rights.begin_change(call.tx)
    group = await existing(call.tx, request.group_id)
    await groups.remove(call.tx, group.id)
    call.changed(_info(group), None)
    return Done()


@operation(resource=_GROUP, changes=False, service="cam", raises=(GroupUnknown,))
async def get_group(call: Call, request: GroupOnly) -> GroupDetail:
    """Show a group with its first members."""
    group = await existing(call.tx, request.group_id)
    rows = await groups.members(call.tx, group.id, last="", most=_MEMBERS_SHOWN)
    return GroupDetail(
        group_id=group.id,
        group_name=group.name,
        remark=group.remark,
        create_time=group.created_at,
        group_num=await groups.count_members(call.tx, group_id=group.id),
        user_info=[_member(row) for row in rows],
    )


@operation(resource=_GROUPS, changes=False, paging="record", service="cam")
async def list_groups(call: Call, request: ListGroups) -> GroupPage:
    """List groups by name."""
    chosen = request.slice(call)
    rows = await groups.page(
        call.tx, last=chosen.last, most=chosen.most, skip=chosen.skip, containing=request.keyword
    )
    total = await groups.count(call.tx, containing=request.keyword) if chosen.counted else None
    return GroupPage(
        group_info=[_info(row) for row in rows],
        total_num=total,
        total_count=total,
        last=chosen.next([row.name for row in rows]),
    )


def _info(group: Group) -> GroupInfo:
    return GroupInfo(group_id=group.id, group_name=group.name, remark=group.remark, create_time=group.created_at)


def _member(row: Member) -> MemberInfo:
    return MemberInfo(uid=row.id, uin=int(row.uin), name=row.name, remark=row.remark, create_time=row.created_at)


_MEMBERS = (GroupUnknown, AccountUnknown, Conflict)


@operation(resource=_GROUPS, changes=True, filtered=True, service="cam", raises=_MEMBERS)
async def add_user_to_group(call: Call, request: ChangeMembers) -> Done:
    """Put users into groups; they have what the groups have, from their next requests on."""
    await rights.begin_change(call.tx)
    for each in request.info:
        group, account = await _member_change(call, "cam:AddUserToGroup", each)
        if account.owner:
            raise Conflict(f"{account.name} owns the deployment and may do everything; groups are for others")
        await groups.add_member(call.tx, group.id, account.id)
    call.changed(None, request)
    return Done()


@operation(resource=_GROUPS, changes=True, filtered=True, service="cam", raises=_MEMBERS)
async def remove_user_from_group(call: Call, request: ChangeMembers) -> Done:
    """Take users out of groups."""
    await rights.begin_change(call.tx)
    for each in request.info:
        group, account = await _member_change(call, "cam:RemoveUserFromGroup", each)
        await groups.remove_member(call.tx, group.id, account.id)
    call.changed(request, None)
    return Done()


async def _member_change(call: Call, action: str, asked: Membership) -> tuple[Group, Account]:
    """The group and the account, both of which the caller may change so."""
    call.require(action, f"groupid/{asked.group_id}")
    group = await existing(call.tx, asked.group_id)
    account = await _user(call.tx, asked.uin, asked.uid)
    call.require(action, f"uin/{account.uin}")
    return group, account


@operation(resource=_GROUP, changes=False, paging="record", service="cam", raises=(GroupUnknown,))
async def list_users_for_group(call: Call, request: ListUsersForGroup) -> MemberPage:
    """List a group's members by name."""
    group = await existing(call.tx, request.group_id)
    chosen = request.slice(call)
    rows = await groups.members(call.tx, group.id, last=chosen.last, most=chosen.most, skip=chosen.skip)
    total = await groups.count_members(call.tx, group_id=group.id) if chosen.counted else None
    return MemberPage(
        user_info=[_member(row) for row in rows],
        total_num=total,
        total_count=total,
        last=chosen.next([row.name for row in rows]),
    )


@operation(resource="uin/{sub_uin}", changes=False, paging="record", service="cam", raises=(AccountUnknown,))
async def list_groups_for_user(call: Call, request: ListGroupsForUser) -> GroupPage:
    """List the groups that a user is in, by name."""
    account = await _user(call.tx, request.sub_uin, request.uid)
    chosen = request.slice(call)
    rows = await groups.of_account(call.tx, account.id, last=chosen.last, most=chosen.most, skip=chosen.skip)
    total = await groups.count_members(call.tx, account_id=account.id) if chosen.counted else None
    return GroupPage(
        group_info=[_info(row) for row in rows],
        total_num=total,
        total_count=total,
        last=chosen.next([row.name for row in rows]),
    )
