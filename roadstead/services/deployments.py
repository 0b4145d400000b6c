"""Creating an instance: its row enters as `Pending`, and a job deploys it.

The job checks the region's storage, the host name and the network policy, and says before and after each step how far
it is. What goes wrong is tried again for a while; what goes on going wrong ends as `FailedCreated` with its reason. A
process that dies in the middle leaves the job to another, which begins anew: no step leaves anything behind.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roadstead.domain.network import PublicEntry
from roadstead.domain.reference import instance_name
from roadstead.domain.regions import region
from roadstead.errors import (
    AppError,
    InstanceNameIllegal,
    InstanceNameReserved,
    InstanceNameTaken,
    InvalidInput,
    TooManyTags,
    Unavailable,
)
from roadstead.jobs.queue import job
from roadstead.metadata import instances, resource_tags
from roadstead.metadata.instances import RUNNING, Instance
from roadstead.services.context import Context
from roadstead.services.fields import NewLabels, RegistryId, RegistryName, Specification
from roadstead.services.operations import Call, Wire, operation
from roadstead.services.registries import (
    DeletionProtection,
    InstanceId,
    MultiZone,
    Prepaid,
    RegistryCondition,
    Versioning,
    infos,
    label_path,
    months_later,
    told,
)
from roadstead.services.resource_tags import checked
from roadstead.services.secrets import random_id

_CREATING = ("Pending", "Deploying")
_STEPS = ("Storage", "Domain", "Network")
# How long what goes wrong while an instance is deployed may go on before its creation has failed.
_PATIENCE = timedelta(seconds=30)


class CheckInstance(Wire, frozen=True, kw_only=True):
    """Which instance."""

    # Not `registry_id`, which would have to name an instance that exists.
    wanted_id: RegistryId = msgspec.field(name="RegistryId")


class CheckedInstance(Wire, frozen=True, kw_only=True):
    """Whether the instance exists."""

    is_validated: Annotated[bool, Meta(description="Whether there is such an instance.")]
    region_id: Annotated[int, Meta(description="Number of its region; 0 when there is none.")]


class CheckInstanceName(Wire, frozen=True, kw_only=True):
    """Which name."""

    registry_name: RegistryName


class CheckedName(Wire, frozen=True, kw_only=True):
    """Whether an instance can be created under the name."""

    is_validated: Annotated[bool, Meta(description="Whether it can be used.")]
    detail_code: Annotated[
        Literal[0, 1, 2, 3], Meta(description="0: it can; 1: it breaks the rules; 2: it is reserved; 3: it is taken.")
    ]


class CreateInstance(Wire, frozen=True, kw_only=True):
    """A new instance."""

    registry_name: RegistryName
    registry_type: Specification
    tag_specification: NewLabels = None
    registry_charge_type: Annotated[
        Literal[0, 1], Meta(description="0: pay as you go; 1: prepaid. Kept and shown; nothing is charged.")
    ] = 0
    registry_charge_prepaid: Annotated[
        Prepaid | None, Meta(description="For how long it is paid in advance; needed when it is prepaid.")
    ] = None
    sync_tag: Annotated[bool, Meta(description="Whether the bucket carries the tags too; without effect.")] = False
    enable_cos_maz: MultiZone = msgspec.field(name="EnableCosMAZ", default=False)
    deletion_protection: DeletionProtection = False
    enable_cos_versioning: Versioning = False


@operation(resource="instance/{wanted_id}", changes=False)
async def check_instance(call: Call, request: CheckInstance) -> CheckedInstance:
    """Say whether an instance exists, and in which region."""
    found = await instances.get(call.tx, registry_id=request.wanted_id)
    return CheckedInstance(
        is_validated=found is not None, region_id=region(found.region).number if found is not None else 0
    )


@operation(resource="instance/*", changes=False)
async def check_instance_name(call: Call, request: CheckInstanceName) -> CheckedName:
    """Say whether an instance can be created under a name."""
    try:
        name = instance_name(request.registry_name)
    except InstanceNameIllegal:
        return CheckedName(is_validated=False, detail_code=1)
    except InstanceNameReserved:
        return CheckedName(is_validated=False, detail_code=2)
    if await instances.get(call.tx, name=name) is not None:
        return CheckedName(is_validated=False, detail_code=3)
    return CheckedName(is_validated=True, detail_code=0)


@operation(
    resource="instance/*",
    changes=True,
    raises=(InstanceNameIllegal, InstanceNameReserved, InstanceNameTaken, InvalidInput, TooManyTags),
)
async def create_instance(call: Call, request: CreateInstance) -> InstanceId:
    """Create an instance; DescribeInstanceStatus says how far it is."""
    name, given = instance_name(request.registry_name), request.tag_specification
    if request.registry_charge_type == 1 and request.registry_charge_prepaid is None:
        raise InvalidInput("RegistryChargePrepaid is missing: a prepaid instance needs a period")
    if await instances.get(call.tx, name=name) is not None:
        raise InstanceNameTaken(f"the instance name {name!r} is taken; names are unique over all instances")
    row = _new_row(call, request, name)
    if not await instances.add(call.tx, row):
        raise InstanceNameTaken(f"the instance name {name!r} has just been taken")
    if given is not None:
        await resource_tags.put(call.tx, label_path(row), checked(given.tags))
    added = await instances.get(call.tx, name=name)
    assert added is not None  # noqa: S101  it was added in this transaction
    await call.ctx.jobs.enqueue(call.tx, deploy_instance, InstanceJob(instance_id=added.id), now=call.now)
    call.changed(None, (await infos(call, [added]))[0])
    return InstanceId(registry_id=row.registry_id)


def _new_row(call: Call, request: CreateInstance, name: str) -> Instance:
    prepaid = request.registry_charge_prepaid if request.registry_charge_type == 1 else None
    return Instance(
        id=0,
        registry_id=f"tcr-{random_id(8)}",
        name=name,
        region=call.region or call.ctx.settings.region,
        specification=request.registry_type,
        status="Pending",
        anonymous_access=True,
        create_namespace_on_push=False,
        public_entry=str(PublicEntry.CLOSED),
        revision=0,
        created_at=call.now,
        deletion_protection=request.deletion_protection,
        conditions=told([RegistryCondition(type=step) for step in _STEPS]),
        prepaid=prepaid is not None,
        renew_flag=0 if prepaid is None else prepaid.renew_flag,
        expires_at=None if prepaid is None else months_later(call.now, prepaid.period),
        multi_zone=request.enable_cos_maz,
        versioning=request.enable_cos_versioning,
    )


class InstanceJob(msgspec.Struct, frozen=True):
    """The instance that a job works on."""

    instance_id: int


@job(queue="instances", attempts=40, backoff=timedelta(seconds=1))
async def deploy_instance(ctx: Context, arguments: InstanceJob) -> None:
    """The instance is running, or could not be created for a reason that its status tells."""
    async with ctx.database.read() as tx:
        row = await instances.by_id(tx, arguments.instance_id)
    # Nothing is left to do for one that another run has deployed, or that is being deleted meanwhile.
    if row is None or row.status not in _CREATING:
        return
    for place, step in enumerate(_STEPS):
        await _tell(ctx, row, place)
        try:
            await _take(ctx, row, step)
        except (AppError, OSError) as error:
            reason = error.message if isinstance(error, AppError) else str(error)
            if ctx.clock() - row.created_at < _PATIENCE:
                await _tell(ctx, row, place, reason)
                raise
            await _tell(ctx, row, place, reason, failed=True)
            return
    done = told([RegistryCondition(type=step, status="Succeeded") for step in _STEPS])
    async with ctx.database.write() as tx:
        await instances.step(tx, row.id, _CREATING, status=RUNNING, conditions=done)


async def _tell(ctx: Context, row: Instance, place: int, reason: str = "", *, failed: bool = False) -> None:
    """The instance's status says that this step is being taken, or why it is not done."""
    conditions = [RegistryCondition(type=step, status="Succeeded") for step in _STEPS[:place]]
    conditions.append(RegistryCondition(type=_STEPS[place], status="Failed" if failed else "Running", reason=reason))
    conditions += [RegistryCondition(type=step) for step in _STEPS[place + 1 :]]
    status = "FailedCreated" if failed else "Deploying"
    async with ctx.database.write() as tx:
        await instances.step(tx, row.id, _CREATING, status=status, conditions=told(conditions))


async def _take(ctx: Context, row: Instance, step: str) -> None:
    """The step is done; raises what stands in its way."""
    match step:
        case "Storage":
            if row.region not in ctx.stores:
                raise Unavailable(f"no storage of the region {row.region!r} is configured here")
            await ctx.store(row.region).check()
        case "Domain":
            host = f"{row.name}.{ctx.settings.base_domain.strip('.')}"
            if ctx.instances.label(host) != row.name:
                raise Unavailable(f"the host name {host!r} would not lead to the instance")
        case "Network":
            async with ctx.database.read() as tx:
                await ctx.instances.load(tx, row.name)
