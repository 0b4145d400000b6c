"""Instances, which the API calls registries: listed, upgraded, protected, renewed (mission 1).

They are created in `deployments.py` and deleted in `deletions.py`. Nothing here is charged: what clients of the
cloud's API set about charges is kept and shown to them.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from roadstead.domain.regions import region
from roadstead.errors import (
    InvalidInput,
    OperationRefused,
    OperationUnsupported,
)
from roadstead.metadata import instances, links, resource_tags
from roadstead.metadata.instances import Instance, Listed
from roadstead.services.credentials import LONG_TERM_HOURS
from roadstead.services.fields import (
    CreatedAt,
    Filters,
    Labels,
    RegistryId,
    RegistryName,
    Specification,
    TagSpecification,
    filter_values,
)
from roadstead.services.links import standing
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation
from roadstead.services.resource_tags import labels, wanted

_INSTANCE = "instance/{registry_id}"
_RANKS = ("basic", "standard", "premium")

Status = Annotated[
    Literal["Pending", "Deploying", "Running", "FailedCreated", "Deleting"],
    Meta(description="What it does: `Pending` and `Deploying` while it is created, `Running` when it can be used."),
]
RegionName = Annotated[str, Meta(description="Name of the region whose storage holds its bytes.")]
RegionId = Annotated[int, Meta(description="Number of the region.")]
DeletionProtection = Annotated[bool, Meta(description="Whether its deletion is refused.")]
MultiZone = Annotated[bool, Meta(description="Whether its bucket spans several zones; kept, the storage decides.")]
Versioning = Annotated[bool, Meta(description="Whether its bucket keeps versions; kept, the storage decides.")]
RenewFlag = Annotated[
    Literal[0, 1, 2], Meta(description="0: renewed by hand; 1: by itself; 2: not at all and without notice.")
]


class Prepaid(Wire, frozen=True, kw_only=True):
    """For how long it is paid in advance; nothing is charged here."""

    period: Annotated[int, Meta(ge=1, le=120, description="Number of months.")]
    renew_flag: RenewFlag


Period = Annotated[Prepaid, Meta(description="For how long it is paid in advance.")]


class InstanceId(Wire, frozen=True, kw_only=True):
    """Which instance."""

    registry_id: RegistryId


class DescribeInstances(PageRequest, frozen=True, kw_only=True):
    """Which page of which instances."""

    # Spelt so by the API, unlike everywhere else.
    registryids: Annotated[list[str], Meta(description="Ids of instances; empty: all.", max_length=100)] = (
        msgspec.field(default_factory=list)
    )
    filters: Filters = msgspec.field(default_factory=list)
    all_region: Annotated[bool, Meta(description="Whether to list those of all regions.")] = False


class RegistryInfo(Wire, frozen=True, kw_only=True):
    """One instance."""

    registry_id: RegistryId
    registry_name: RegistryName
    registry_type: Specification
    status: Status
    public_domain: Annotated[str, Meta(description="Host name at which clients reach it.")]
    created_at: CreatedAt
    region_name: RegionName
    region_id: RegionId
    enable_anonymous: Annotated[
        bool, Meta(description="Whether anybody may pull from its public namespaces without logging in.")
    ]
    token_valid_time: Annotated[int, Meta(description="Hours that a long-term credential is valid.")]
    internal_endpoint: Annotated[
        str, Meta(description="Address of its first private link that is served; empty without one.")
    ] = ""
    tag_specification: Labels
    # A text, because the API has an empty one here where there is no such time.
    expired_at: Annotated[str, Meta(description="When what is prepaid ends (RFC 3339); empty when nothing is.")]
    pay_mod: Annotated[Literal[0, 1], Meta(description="0: pay as you go; 1: prepaid.")]
    renew_flag: RenewFlag
    deletion_protection: DeletionProtection
    ai_feature: Annotated[bool, Meta(description="Whether it keeps AI models and skills as such.")] = msgspec.field(
        name="AIFeature", default=False
    )
    enable_cos_maz: MultiZone = msgspec.field(name="EnableCosMAZ")
    enable_cos_versioning: Versioning


class InstancePage(PageAnswer, frozen=True, kw_only=True):
    """A page of instances."""

    registries: Annotated[list[RegistryInfo], Meta(description="The instances, by name.")]


class DescribeInstanceStatus(Wire, frozen=True, kw_only=True):
    """Which instances."""

    registry_ids: Annotated[list[str], Meta(description="Ids of instances.", max_length=100)]


class RegistryCondition(Wire, frozen=True, kw_only=True):
    """One step of creation or deletion."""

    type: Annotated[str, Meta(description="The step.")]
    status: Annotated[
        Literal["Pending", "Running", "Succeeded", "Failed"], Meta(description="How far the step is.")
    ] = "Pending"
    reason: Annotated[str, Meta(description="Why it does not go on; empty when it does.")] = ""


class RegistryStatus(Wire, frozen=True, kw_only=True):
    """What an instance does."""

    registry_id: RegistryId
    status: Status
    conditions: Annotated[list[RegistryCondition], Meta(description="The steps of its creation or deletion.")]


class InstanceStatuses(Wire, frozen=True, kw_only=True):
    """What the instances do."""

    registry_status_set: Annotated[list[RegistryStatus], Meta(description="One entry for each that there is.")]


class ModifyInstance(Wire, frozen=True, kw_only=True):
    """What shall be different; fields left out stay."""

    registry_id: RegistryId
    registry_type: Specification | None = None
    deletion_protection: DeletionProtection | None = None
    enable_cos_versioning: Versioning | None = None


class ModifyInstanceStorage(Wire, frozen=True, kw_only=True):
    """Where the bytes of the instance shall be."""

    registry_id: RegistryId
    target_region: Annotated[str, Meta(description="Region of the new bucket.")]
    target_storage_name: Annotated[str, Meta(description="Name of the new bucket.")]


class RenewInstance(Wire, frozen=True, kw_only=True):
    """For how long the instance is prepaid from now on."""

    registry_id: RegistryId
    registry_charge_prepaid: Period
    flag: Annotated[Literal[0, 1], Meta(description="0: renew what is prepaid; 1: go over from pay as you go.")]


class DescribeRegions(Wire, frozen=True, kw_only=True):
    """All regions."""


class RegionInfo(Wire, frozen=True, kw_only=True):
    """One region."""

    alias: Annotated[str, Meta(description="Short name.")]
    region_id: RegionId
    region_name: RegionName
    status: Annotated[Literal["alluser"], Meta(description="`alluser`: open to everybody.")] = "alluser"
    remark: Annotated[str, Meta(description="Remark.")] = "alluser"
    created_at: CreatedAt
    updated_at: Annotated[datetime, Meta(description="When it was last changed.")]
    id: Annotated[int, Meta(description="Number of the entry.")]


class Regions(Wire, frozen=True, kw_only=True):
    """The regions of this deployment."""

    total_count: Annotated[int, Meta(description="How many there are.")]
    regions: Annotated[list[RegionInfo], Meta(description="The regions, by name.")]


def conditions_of(row: Instance) -> list[RegistryCondition]:
    """The steps of the instance's creation or deletion."""
    return msgspec.json.decode(row.conditions, type=list[RegistryCondition])


def told(conditions: Sequence[RegistryCondition]) -> str:
    """The steps as the instance's row keeps them."""
    return msgspec.json.encode(conditions).decode()


def label_path(row: Instance) -> str:
    """The path under which an instance is labelled."""
    return f"instance/{row.registry_id}"


@operation(resource="instance/*", changes=False, filtered=True, paging="record", raises=(InvalidInput,))
async def describe_instances(call: Call, request: DescribeInstances) -> InstancePage:
    """List the instances that the caller may see, by name."""
    asked = filter_values(request.filters, {"RegistryName", "Tags"})
    which, reach = call.slice(request), call.reach("tcr:DescribeInstances")
    listed = Listed(
        selections=reach.instances(),
        region="" if request.all_region else call.region,
        registry_ids=request.registryids or None,
        names=asked.get("RegistryName"),
        labels=wanted(asked["Tags"]) if "Tags" in asked else None,
    )
    rows = await instances.page(call.tx, which.last, which.most, listed, skip=which.skip)
    return InstancePage(
        registries=await infos(call, [row for row in rows if reach.sees_instance(row.registry_id, row.region)]),
        total_count=await instances.count(call.tx, listed) if which.counted else None,
        last=which.next([row.name for row in rows]),
    )


async def infos(call: Call, rows: Sequence[Instance]) -> list[RegistryInfo]:
    """The instances as answers show them."""
    carried = await resource_tags.of(call.tx, [label_path(row) for row in rows])
    domain = call.ctx.settings.base_domain.strip(".")
    private: dict[int, str] = {}
    for link in await links.links(call.tx, [row.id for row in rows]):
        if standing(link, call.now)[0] == links.RUNNING:
            private.setdefault(link.instance_id, link.address)
    return [_info(row, carried.get(label_path(row), {}), domain, private.get(row.id, "")) for row in rows]


def _info(row: Instance, carried: dict[str, str], domain: str, private: str) -> RegistryInfo:
    return RegistryInfo(
        registry_id=row.registry_id,
        registry_name=row.name,
        registry_type=cast(Specification, row.specification),
        status=cast(Status, row.status),
        public_domain=f"{row.name}.{domain}",
        created_at=row.created_at,
        region_name=row.region,
        region_id=region(row.region).number,
        enable_anonymous=row.anonymous_access,
        token_valid_time=LONG_TERM_HOURS,
        internal_endpoint=private,
        tag_specification=TagSpecification(tags=labels(carried)),
        expired_at=row.expires_at.isoformat(timespec="seconds") if row.expires_at is not None else "",
        pay_mod=1 if row.prepaid else 0,
        renew_flag=cast(RenewFlag, row.renew_flag),
        deletion_protection=row.deletion_protection,
        enable_cos_maz=row.multi_zone,
        enable_cos_versioning=row.versioning,
    )


@operation(resource="instance/*", changes=False, filtered=True)
async def describe_instance_status(call: Call, request: DescribeInstanceStatus) -> InstanceStatuses:
    """Say what instances do, and how far their creation or deletion is."""
    reach = call.reach("tcr:DescribeInstanceStatus")
    listed = Listed(reach.instances(), call.region, request.registry_ids)
    rows = await instances.page(call.tx, "", len(request.registry_ids), listed)
    found = {row.registry_id: row for row in rows if reach.sees_instance(row.registry_id, row.region)}
    return InstanceStatuses(
        registry_status_set=[
            RegistryStatus(
                registry_id=each, status=cast(Status, found[each].status), conditions=conditions_of(found[each])
            )
            for each in dict.fromkeys(request.registry_ids)
            if each in found
        ]
    )


@operation(resource=_INSTANCE, changes=True, raises=(OperationRefused,))
async def modify_instance(call: Call, request: ModifyInstance) -> Done:
    """Upgrade an instance, or switch its deletion protection or its bucket's versioning."""
    row = call.here
    asked = {
        "specification": request.registry_type,
        "deletion_protection": request.deletion_protection,
        "versioning": request.enable_cos_versioning,
    }
    values = {name: value for name, value in asked.items() if value is not None}
    if request.registry_type and _RANKS.index(request.registry_type) < _RANKS.index(row.specification):
        raise OperationRefused(f"instance {row.name!r} is {row.specification}: a specification can only go up")
    if values:
        await instances.modify(call.tx, row.id, **values)
    await _tell_change(call)
    return Done()


def months_later(moment: datetime, months: int) -> datetime:
    """The same day so many months later, or the last one of that month."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


async def _tell_change(call: Call) -> None:
    after = await instances.by_id(call.tx, call.here.id)
    before_and_after = await infos(call, [call.here, *([after] if after is not None else [])])
    call.changed(before_and_after[0], before_and_after[-1])


@operation(resource=_INSTANCE, changes=True, raises=(OperationUnsupported,))
async def modify_instance_storage(call: Call, request: ModifyInstanceStorage) -> Done:
    """Move an instance to another bucket; refused, because each region has one storage."""
    raise OperationUnsupported(
        f"instance {call.here.name!r} stays in the storage of its region {call.here.region!r}: a region here has one "
        "storage, which the setting `storage` names, and an instance never changes its region; synchronize it to an "
        "instance of the other region instead"
    )


@operation(resource=_INSTANCE, changes=True)
async def renew_instance(call: Call, request: RenewInstance) -> InstanceId:
    """Keep for how long an instance is prepaid; nothing is charged.

    One that is not prepaid becomes so with either Flag, as the API's own sample renews such a one.
    """
    row, given = call.here, request.registry_charge_prepaid
    begins = max(call.now, row.expires_at) if row.expires_at is not None else call.now
    await instances.modify(
        call.tx,
        row.id,
        prepaid=True,
        renew_flag=given.renew_flag,
        expires_at=months_later(begins, given.period),
    )
    await _tell_change(call)
    return InstanceId(registry_id=row.registry_id)


@operation(resource="instance/*", changes=False, filtered=True)
async def describe_regions(call: Call, request: DescribeRegions) -> Regions:
    """List the regions of this deployment."""
    began = await instances.began(call.tx) or call.now
    listed = [
        RegionInfo(
            alias=found.alias,
            region_id=found.number,
            region_name=found.name,
            created_at=began,
            updated_at=began,
            id=found.number,
        )
        for found in map(region, sorted(call.ctx.stores))
    ]
    return Regions(total_count=len(listed), regions=listed)
