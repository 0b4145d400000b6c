"""Policies under the names and shapes of the cloud's CAM API: what they say, in up to five versions.

One version is in force; a change holds for every account that has the policy from its next request on. Presets come
with the product, are brought up to date at its start, and cannot be changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roadstead.domain.policy_documents import parse
from roadstead.domain.presets import PRESETS
from roadstead.errors import Conflict, InvalidInput, LimitReached, PolicyExists, PolicyInvalid, PolicyUnknown
from roadstead.metadata import policy_documents as stored
from roadstead.metadata import rights
from roadstead.metadata.database import Tx
from roadstead.metadata.policy_documents import Policy
from roadstead.services.fields import (
    PageLength,
    PageNumber,
    PolicyDocument,
    PolicyId,
    PolicyName,
    PolicyText,
    TotalNum,
    VersionId,
)
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Slice, Wire, operation

MOST_VERSIONS = 5
MOST_POLICIES = 1500

_POLICY = "policyid/{policy_id}"
_POLICIES = "policyid/*"

Flag = Literal[0, 1]
Kind = Annotated[Literal[1, 2], Meta(description="1: written here; 2: a preset, which cannot be changed.")]
Attachments = Annotated[int, Meta(description="How many accounts and groups have the policy.")]


class CamPageRequest(PageRequest, frozen=True, kw_only=True):
    """Which page of a list, also as clients of CAM ask for it."""

    page: PageNumber | None = None
    rp: PageLength | None = None

    def slice(self, call: Call) -> Slice:
        """Which entries that means."""
        found = call.slice(self)
        if self.page is None and self.rp is None:
            return found
        length = found.most if self.rp is None else min(self.rp, found.most)
        return Slice("", length, length * ((self.page or 1) - 1), counted=True)


class CreatePolicy(Wire, frozen=True, kw_only=True):
    """A new policy."""

    policy_name: PolicyName
    policy_document: PolicyDocument
    description: PolicyText = ""


class MadePolicy(Wire, frozen=True, kw_only=True):
    """The policy."""

    policy_id: PolicyId


class UpdatePolicy(Wire, frozen=True, kw_only=True):
    """What shall be different; fields left out stay. Without PolicyId the policy is found by its name."""

    policy_id: PolicyId | None = None
    policy_name: PolicyName | None = None
    description: PolicyText | None = None
    policy_document: PolicyDocument | None = None


class DeletePolicy(Wire, frozen=True, kw_only=True):
    """Which policies."""

    policy_id: Annotated[list[PolicyId], Meta(description="Numbers of the policies.", min_length=1, max_length=100)]


class PolicyOnly(Wire, frozen=True, kw_only=True):
    """Which policy."""

    policy_id: PolicyId


class PolicyDetail(Wire, frozen=True, kw_only=True):
    """One policy with the document in force."""

    policy_id: PolicyId
    policy_name: PolicyName
    description: PolicyText
    type: Kind
    add_time: Annotated[datetime, Meta(description="When the policy was made.")]
    update_time: Annotated[datetime, Meta(description="When it was changed last.")]
    policy_document: PolicyDocument
    version_id: VersionId


class ListPolicies(CamPageRequest, frozen=True, kw_only=True):
    """Which page of which policies."""

    scope: Annotated[
        Literal["All", "QCS", "Local"], Meta(description="QCS: presets; Local: those written here; All: both.")
    ] = "All"
    keyword: Annotated[str, Meta(description="Only policies whose name contains this.")] = ""


class PolicyInfo(Wire, frozen=True, kw_only=True):
    """One policy of a list."""

    policy_id: PolicyId
    policy_name: PolicyName
    description: PolicyText
    type: Kind
    add_time: Annotated[datetime, Meta(description="When the policy was made.")]
    update_time: Annotated[datetime, Meta(description="When it was changed last.")]
    attachments: Attachments
    create_mode: Annotated[int, Meta(description="Always 2: written as a document.")] = 2
    service_type: Annotated[str, Meta(description="Always `tcr`.")] = "tcr"


class PolicyPage(PageAnswer, frozen=True, kw_only=True):
    """A page of policies, by name."""

    list_: Annotated[list[PolicyInfo], Meta(description="The policies.")] = msgspec.field(name="List")
    total_num: TotalNum | None = None


class CreatePolicyVersion(Wire, frozen=True, kw_only=True):
    """A new version of a policy."""

    policy_id: PolicyId
    policy_document: PolicyDocument
    set_as_default: Annotated[bool, Meta(description="Whether it is in force at once.")]


class MadeVersion(Wire, frozen=True, kw_only=True):
    """The version."""

    version_id: VersionId


class VersionOnly(Wire, frozen=True, kw_only=True):
    """Which version of which policy."""

    policy_id: PolicyId
    version_id: VersionId


class DeletePolicyVersion(Wire, frozen=True, kw_only=True):
    """Which versions of which policy."""

    policy_id: PolicyId
    version_id: Annotated[list[VersionId], Meta(description="Numbers of the versions.", min_length=1, max_length=5)]


class VersionInfo(Wire, frozen=True, kw_only=True):
    """One version of a list."""

    version_id: VersionId
    create_date: Annotated[datetime, Meta(description="When the version was made.")]
    is_default_version: Annotated[Flag, Meta(description="1: it is in force.")]


class VersionDetail(VersionInfo, frozen=True, kw_only=True):
    """One version with its document."""

    document: PolicyDocument


class VersionList(Wire, frozen=True, kw_only=True):
    """The versions, the newest first."""

    versions: Annotated[list[VersionInfo], Meta(description="The versions.")]


class OneVersion(Wire, frozen=True, kw_only=True):
    """One version."""

    policy_version: Annotated[VersionDetail, Meta(description="The version.")]


async def existing(tx: Tx, policy_id: int) -> Policy:
    """The policy of that number; raises PolicyUnknown."""
    found = await stored.get(tx, policy_id=policy_id)
    if found is None:
        raise PolicyUnknown(f"there is no policy {policy_id}")
    return found


async def _own(call: Call, policy_id: int) -> Policy:
    """The policy, which may be changed and which nobody else changes meanwhile; raises Conflict for a preset."""
    await rights.begin_change(call.tx)
    found = await existing(call.tx, policy_id)
    if found.preset:
        raise Conflict(f"{found.name} is a preset and cannot be changed; copy its document into a policy of your own")
    return found


@operation(resource=_POLICIES, changes=True, service="cam", raises=(PolicyInvalid, PolicyExists, LimitReached))
async def create_policy(call: Call, request: CreatePolicy) -> MadePolicy:
    """Create a policy; it does nothing until it is attached to a user or a group."""
    parse(request.policy_document)
    await rights.begin_change(call.tx)
    if await stored.count(call.tx, preset=False) >= MOST_POLICIES:
        raise LimitReached(f"there are {MOST_POLICIES} policies already; delete some that nobody has")
    added = await stored.add(
        call.tx,
        name=request.policy_name,
        description=request.description,
        document=request.policy_document,
        now=call.now,
    )
    if added is None:
        raise PolicyExists(f"there is a policy {request.policy_name!r} already")
    call.changed(None, await _detail(call.tx, added))
    return MadePolicy(policy_id=added.id)


@operation(
    resource=_POLICY, changes=True, service="cam", raises=(PolicyUnknown, PolicyInvalid, PolicyExists, Conflict)
)
async def update_policy(call: Call, request: UpdatePolicy) -> MadePolicy:
    """Change a policy's name, description or the document in force, for all that have it at once."""
    policy = await _own(call, request.policy_id or await _id_of(call.tx, request.policy_name))
    before = await _detail(call.tx, policy)
    values: dict[str, object] = {}
    if request.description is not None:
        values["description"] = request.description
    if request.policy_id is not None and request.policy_name not in {None, policy.name}:
        if await stored.get(call.tx, name=request.policy_name or "") is not None:
            raise PolicyExists(f"there is a policy {request.policy_name!r} already")
        values["name"] = request.policy_name
    if request.policy_document is not None:
        parse(request.policy_document)
        await stored.replace_document(call.tx, policy.id, policy.version, request.policy_document, call.now)
    if values:
        await stored.modify(call.tx, policy.id, call.now, **values)
    call.changed(before, await _detail(call.tx, await existing(call.tx, policy.id)))
    return MadePolicy(policy_id=policy.id)


async def _id_of(tx: Tx, name: str | None) -> int:
    if not name:
        raise InvalidInput("PolicyId is missing: say which policy is meant")
    found = await stored.get(tx, name=name)
    if found is None:
        raise PolicyUnknown(f"there is no policy {name!r}")
    return found.id


class _Policies(Wire, frozen=True, kw_only=True):
    """Several policies, as the audit shows them."""

    policies: list[PolicyDetail]


@operation(resource=_POLICIES, changes=True, filtered=True, service="cam", raises=(PolicyUnknown, Conflict))
async def delete_policy(call: Call, request: DeletePolicy) -> Done:
    """Delete policies; whoever had them has them no more."""
    gone: list[PolicyDetail] = []
    for policy_id in request.policy_id:
        call.require("cam:DeletePolicy", f"policyid/{policy_id}")
        policy = await _own(call, policy_id)
        gone.append(await _detail(call.tx, policy))
        await stored.remove(call.tx, policy.id)
    call.changed(_Policies(policies=gone), None)
    return Done()


@operation(resource=_POLICY, changes=False, service="cam", raises=(PolicyUnknown,))
async def get_policy(call: Call, request: PolicyOnly) -> PolicyDetail:
    """Show a policy with the document in force."""
    return await _detail(call.tx, await existing(call.tx, request.policy_id))


async def _detail(tx: Tx, policy: Policy) -> PolicyDetail:
    version = await stored.version(tx, policy.id, policy.version)
    return PolicyDetail(
        policy_id=policy.id,
        policy_name=policy.name,
        description=policy.description,
        type=2 if policy.preset else 1,
        add_time=policy.created_at,
        update_time=policy.updated_at,
        policy_document=version.document if version is not None else "",
        version_id=policy.version,
    )


@operation(resource=_POLICIES, changes=False, paging="record", service="cam")
async def list_policies(call: Call, request: ListPolicies) -> PolicyPage:
    """List policies by name: presets, those written here, or both."""
    chosen = request.slice(call)
    preset = {"QCS": True, "Local": False}.get(request.scope)
    rows = await stored.page(
        call.tx, last=chosen.last, most=chosen.most, skip=chosen.skip, containing=request.keyword, preset=preset
    )
    total = await stored.count(call.tx, containing=request.keyword, preset=preset) if chosen.counted else None
    holders = await stored.holders(call.tx, [row.id for row in rows])
    return PolicyPage(
        list_=[_info(row, holders.get(row.id, 0)) for row in rows],
        total_num=total,
        total_count=total,
        last=chosen.next([row.name for row in rows]),
    )


def _info(policy: Policy, holders: int) -> PolicyInfo:
    return PolicyInfo(
        policy_id=policy.id,
        policy_name=policy.name,
        description=policy.description,
        type=2 if policy.preset else 1,
        add_time=policy.created_at,
        update_time=policy.updated_at,
        attachments=holders,
    )


@operation(
    resource=_POLICY, changes=True, service="cam", raises=(PolicyUnknown, PolicyInvalid, LimitReached, Conflict)
)
async def create_policy_version(call: Call, request: CreatePolicyVersion) -> MadeVersion:
    """Add a version to a policy, in force at once or later."""
    parse(request.policy_document)
    policy = await _own(call, request.policy_id)
    if len(await stored.versions(call.tx, policy.id)) >= MOST_VERSIONS:
        raise LimitReached(f"{policy.name} has {MOST_VERSIONS} versions, and no more may be; delete one first")
    number = await stored.add_version(
        call.tx, policy.id, request.policy_document, call.now, in_force=request.set_as_default
    )
    call.changed(None, await _version(call.tx, await existing(call.tx, policy.id), number))
    return MadeVersion(version_id=number)


@operation(resource=_POLICY, changes=False, service="cam", raises=(PolicyUnknown,))
async def list_policy_versions(call: Call, request: PolicyOnly) -> VersionList:
    """List a policy's versions, the newest first."""
    policy = await existing(call.tx, request.policy_id)
    found = await stored.versions(call.tx, policy.id)
    return VersionList(
        versions=[
            VersionInfo(
                version_id=each.version,
                create_date=each.created_at,
                is_default_version=1 if each.version == policy.version else 0,
            )
            for each in found
        ]
    )


@operation(resource=_POLICY, changes=False, service="cam", raises=(PolicyUnknown,))
async def get_policy_version(call: Call, request: VersionOnly) -> OneVersion:
    """Show one version of a policy."""
    policy = await existing(call.tx, request.policy_id)
    return OneVersion(policy_version=await _version(call.tx, policy, request.version_id))


async def _version(tx: Tx, policy: Policy, number: int) -> VersionDetail:
    found = await stored.version(tx, policy.id, number)
    if found is None:
        raise PolicyUnknown(f"{policy.name} has no version {number}")
    return VersionDetail(
        version_id=found.version,
        create_date=found.created_at,
        is_default_version=1 if found.version == policy.version else 0,
        document=found.document,
    )


class _Versions(Wire, frozen=True, kw_only=True):
    """Several versions of a policy, as the audit shows them."""

    versions: list[VersionDetail]


@operation(resource=_POLICY, changes=True, service="cam", raises=(PolicyUnknown, Conflict))
async def delete_policy_version(call: Call, request: DeletePolicyVersion) -> Done:
    """Delete versions of a policy that are not in force."""
    policy = await _own(call, request.policy_id)
    gone: list[VersionDetail] = []
    for number in request.version_id:
        if number == policy.version:
            raise Conflict(f"version {number} of {policy.name} is in force; put another one in force first")
        gone.append(await _version(call.tx, policy, number))
        await stored.remove_version(call.tx, policy.id, number)
    call.changed(_Versions(versions=gone), None)
    return Done()


@operation(resource=_POLICY, changes=True, service="cam", raises=(PolicyUnknown, Conflict))
async def set_default_policy_version(call: Call, request: VersionOnly) -> Done:
    """Put a version of a policy in force, for all that have it at once."""
    policy = await _own(call, request.policy_id)
    await _version(call.tx, policy, request.version_id)
    before = await _detail(call.tx, policy)
    await stored.modify(call.tx, policy.id, call.now, version=request.version_id)
    call.changed(before, await _detail(call.tx, await existing(call.tx, policy.id)))
    return Done()


async def ensure_presets(tx: Tx, now: datetime) -> None:
    """Every preset stands as this release has it."""
    await rights.begin_change(tx)
    for preset in PRESETS:
        found = await stored.get(tx, name=preset.name)
        if found is None:
            await stored.add(
                tx,
                name=preset.name,
                description=preset.description,
                document=preset.document,
                now=now,
                preset=True,
            )
            continue
        version = await stored.version(tx, found.id, found.version)
        if found.preset and (version is None or version.document != preset.document):
            await stored.replace_document(tx, found.id, found.version, preset.document, now)
