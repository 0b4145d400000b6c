"""What an instance's specification allows, and how much of it is used."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from msgspec import Meta

from roadstead.config import Quotas
from roadstead.errors import QuotaExceeded
from roadstead.metadata import quotas
from roadstead.metadata.database import Tx
from roadstead.metadata.instances import Instance
from roadstead.services.context import Context
from roadstead.services.fields import RegistryId, Specification
from roadstead.services.operations import Call, Wire, operation

Kind = Literal["namespaces", "repositories", "links"]


def limit(rules: Quotas, specification: str, kind: Kind) -> int:
    """How many of that kind an instance of the specification may have."""
    found: int = getattr(rules, f"{specification}_{kind}")
    return found


async def room_for_namespace(ctx: Context, tx: Tx, instance: Instance, *, wait: bool = True) -> None:
    """Returns when the instance may have one more namespace; raises QuotaExceeded.

    With `wait`, others who add to the instance wait for the transaction, so that none of them counts too little.
    """
    if wait:
        await quotas.hold(tx, instance.id)
    _check(ctx, instance, "namespaces", await quotas.namespaces_of(tx, instance.id))


async def room_for_repository(ctx: Context, tx: Tx, instance: Instance, *, wait: bool = True) -> None:
    """Returns when the instance may have one more repository; raises QuotaExceeded."""
    if wait:
        await quotas.hold(tx, instance.id)
    _check(ctx, instance, "repositories", await quotas.repositories_of(tx, instance.id))


async def room_for_link(ctx: Context, tx: Tx, instance: Instance) -> None:
    """Returns when the instance may have one more private link; raises QuotaExceeded."""
    await quotas.hold(tx, instance.id)
    _check(ctx, instance, "links", await quotas.links_of(tx, instance.id))


def _check(ctx: Context, instance: Instance, kind: Kind, used: int) -> None:
    most = limit(ctx.settings.quotas, instance.specification, kind)
    if used >= most:
        raise QuotaExceeded(
            f"limit: instance {instance.name!r} has {used} {kind}, as many as the specification "
            f"{instance.specification} allows (setting quotas.{instance.specification}_{kind}); "
            "upgrade it or delete some",
            detail={"gate": "limit", "instance": instance.registry_id, "limit": most, "used": used},
        )


class DescribeInstanceQuotas(Wire, frozen=True, kw_only=True):
    """Which instance."""

    registry_id: RegistryId


class Quota(Wire, frozen=True, kw_only=True):
    """A limit and how much of it is used."""

    name: Annotated[Kind, Meta(description="What is limited.")]
    limit: Annotated[int, Meta(description="How many there may be.")]
    used: Annotated[int, Meta(description="How many there are.")]


class InstanceQuotas(Wire, frozen=True, kw_only=True):
    """The limits of an instance."""

    registry_id: RegistryId
    registry_type: Specification
    quotas: Annotated[list[Quota], Meta(description="Each limit with its use.")]


@operation(resource="instance/{registry_id}", changes=False)
async def describe_instance_quotas(call: Call, request: DescribeInstanceQuotas) -> InstanceQuotas:
    """Show what an instance's specification allows and how much of it is used."""
    rules, row = call.ctx.settings.quotas, call.here
    used: dict[Kind, int] = {
        "namespaces": await quotas.namespaces_of(call.tx, row.id),
        "repositories": await quotas.repositories_of(call.tx, row.id),
        "links": await quotas.links_of(call.tx, row.id),
    }
    return InstanceQuotas(
        registry_id=row.registry_id,
        registry_type=cast(Specification, row.specification),
        quotas=[
            Quota(name=kind, limit=limit(rules, row.specification, kind), used=count) for kind, count in used.items()
        ],
    )
