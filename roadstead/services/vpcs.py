"""Networks (VPCs) and subnets in which private links may be made: declared by the settings, or by these operations.

They describe what the operator's network is; nothing of it is made here. What the settings declare is written down at
each start, and only the settings change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import structlog
from msgspec import Meta

from roadstead.domain.links import (
    cidrs_of,
    cidrs_text,
    declared_subnet,
    declared_vpc,
    inside,
    interface_name,
    overlap,
    subnet_id,
    vpc_id,
)
from roadstead.domain.network import Cidr, parse_cidr
from roadstead.errors import (
    AlreadyExists,
    AppError,
    Conflict,
    InvalidInput,
    NotEmpty,
    NotFound,
    OperationRefused,
    StartRefused,
)
from roadstead.metadata import links
from roadstead.metadata.database import Tx
from roadstead.metadata.links import Subnet, Vpc
from roadstead.services.context import Context
from roadstead.services.fields import CreatedAt
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation
from roadstead.services.secrets import random_id

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

VpcId = Annotated[
    str,
    Meta(description="Id of the network, `vpc-` and letters and digits.", examples=["vpc-office01"], max_length=24),
]
SubnetId = Annotated[
    str,
    Meta(
        description="Id of the subnet, `subnet-` and letters and digits.", examples=["subnet-floor1"], max_length=24
    ),
]
VpcName = Annotated[str, Meta(description="What people call it.", max_length=60)]
CidrBlocks = Annotated[
    list[str],
    Meta(description="IPv4 and IPv6 CIDRs of its clients; none may be another network's too.", max_length=8),
]
Interface = Annotated[
    str, Meta(description="Network interface of the serving host that is in the subnet.", examples=["eth1"])
]
Declared = Annotated[bool, Meta(description="Whether the settings declare it; then only they change it.")]


class CreateVpc(Wire, frozen=True, kw_only=True):
    """A network of whose clients private links shall let in."""

    vpc_id: Annotated[str, Meta(description="Its id, `vpc-…`; empty: one is made up.", max_length=24)] = ""
    vpc_name: VpcName = ""
    cidr_blocks: CidrBlocks


class VpcOnly(Wire, frozen=True, kw_only=True):
    """Which network."""

    vpc_id: VpcId


class CreateSubnet(Wire, frozen=True, kw_only=True):
    """A subnet of which private links shall take addresses."""

    vpc_id: VpcId
    subnet_id: Annotated[str, Meta(description="Its id, `subnet-…`; empty: one is made up.", max_length=24)] = ""
    cidr_block: Annotated[str, Meta(description="Its CIDR, inside one of the network's.", max_length=50)]
    interface: Interface


class SubnetOnly(Wire, frozen=True, kw_only=True):
    """Which subnet."""

    subnet_id: SubnetId


class SubnetInfo(Wire, frozen=True, kw_only=True):
    """One subnet."""

    subnet_id: SubnetId
    cidr_block: Annotated[str, Meta(description="Its CIDR.")]
    interface: Interface
    declared: Declared


class VpcInfo(Wire, frozen=True, kw_only=True):
    """One network."""

    vpc_id: VpcId
    vpc_name: VpcName
    cidr_blocks: CidrBlocks
    declared: Declared
    created_at: CreatedAt
    subnets: Annotated[list[SubnetInfo], Meta(description="Its subnets, by id.")]


class DescribeVpcs(PageRequest, frozen=True, kw_only=True):
    """Which page of the networks."""


class VpcPage(PageAnswer, frozen=True, kw_only=True):
    """A page of networks."""

    vpc_set: Annotated[list[VpcInfo], Meta(description="The networks, by id.")]


@operation(resource="vpc/*", changes=True, raises=(AlreadyExists, Conflict, InvalidInput))
async def create_vpc(call: Call, request: CreateVpc) -> VpcOnly:
    """Declare a network whose clients private links may let in."""
    await links.begin_change(call.tx)
    wanted = vpc_id(request.vpc_id or f"vpc-{random_id(8)}")
    if await links.vpc(call.tx, wanted) is not None:
        raise AlreadyExists(f"there is a VPC {wanted} already")
    cidrs = cidrs_text(request.cidr_blocks)
    await _apart(call.tx, wanted, cidrs)
    await links.put_vpc(call.tx, wanted, request.vpc_name, cidrs, declared=False, now=call.now)
    call.changed(None, await _info(call.tx, await existing(call.tx, wanted)))
    return VpcOnly(vpc_id=wanted)


@operation(resource="vpc/{vpc_id}", changes=True, raises=(NotFound, NotEmpty, OperationRefused))
async def delete_vpc(call: Call, request: VpcOnly) -> Done:
    """Delete a network that has no subnets."""
    await links.begin_change(call.tx)
    found = await existing(call.tx, request.vpc_id)
    _own(found)
    held = await links.subnets_of(call.tx, [found.id])
    if held:
        raise NotEmpty(f"{found.vpc_id} has the subnets {', '.join(each.subnet_id for each in held)}")
    before = await _info(call.tx, found)
    await links.remove_vpc(call.tx, found.id)
    call.changed(before, None)
    return Done()


@operation(resource="vpc/{vpc_id}", changes=True, raises=(NotFound, AlreadyExists, Conflict, InvalidInput))
async def create_subnet(call: Call, request: CreateSubnet) -> SubnetOnly:
    """Declare a subnet of a network, and by which interface this host is in it."""
    await links.begin_change(call.tx)
    wanted = subnet_id(request.subnet_id or f"subnet-{random_id(8)}")
    found = await existing(call.tx, request.vpc_id)
    if await links.subnet(call.tx, wanted) is not None:
        raise AlreadyExists(f"there is a subnet {wanted} already")
    cidr = parse_cidr(request.cidr_block)
    await _fits(call.tx, found, wanted, cidr)
    interface = interface_name(request.interface)
    before = await _info(call.tx, found)
    await links.put_subnet(call.tx, wanted, found.id, str(cidr), interface, declared=False, now=call.now)
    call.changed(before, await _info(call.tx, found))
    return SubnetOnly(subnet_id=wanted)


@operation(resource="vpc/*", changes=True, raises=(NotFound, NotEmpty, OperationRefused))
async def delete_subnet(call: Call, request: SubnetOnly) -> Done:
    """Delete a subnet in which no private link is."""
    await links.begin_change(call.tx)
    found = await existing_subnet(call.tx, request.subnet_id)
    _own(found)
    linked = await links.linked_instances(call.tx, found.id)
    if linked:
        raise NotEmpty(f"{found.subnet_id} has private links of the instances {', '.join(linked)}")
    vpc = await existing(call.tx, found.vpc_id)
    before = await _info(call.tx, vpc)
    await links.remove_subnet(call.tx, found.id)
    call.changed(before, await _info(call.tx, vpc))
    return Done()


@operation(resource="vpc/*", changes=False, paging="record")
async def describe_vpcs(call: Call, request: DescribeVpcs) -> VpcPage:
    """List networks with their subnets."""
    which = call.slice(request)
    rows = await links.page_of_vpcs(call.tx, which.last, which.most, skip=which.skip)
    held = await links.subnets_of(call.tx, [row.id for row in rows])
    return VpcPage(
        vpc_set=[_shown(row, [each for each in held if each.vpc == row.id]) for row in rows],
        total_count=await links.count_vpcs(call.tx) if which.counted else None,
        last=which.next([row.vpc_id for row in rows]),
    )


async def existing(tx: Tx, wanted: str) -> Vpc:
    """The network of that id; raises NotFound."""
    found = await links.vpc(tx, wanted)
    if found is None:
        raise NotFound(f"there is no VPC {wanted[:40]!r}; declare it: roadstead vpc create {wanted[:24]} CIDR")
    return found


async def existing_subnet(tx: Tx, wanted: str) -> Subnet:
    """The subnet of that id; raises NotFound."""
    found = await links.subnet(tx, wanted)
    if found is None:
        raise NotFound(f"there is no subnet {wanted[:40]!r}; see: roadstead vpc list")
    return found


def _own(row: Vpc | Subnet) -> None:
    if row.declared:
        raise OperationRefused(
            "the settings network.vpcs and network.subnets declare it; take it out of them instead"
        )


async def _apart(tx: Tx, wanted: str, cidrs: str) -> None:
    """Returns when no other network has any of the addresses: a client's network is known by its address."""
    for other in await links.every_vpc(tx):
        both = overlap(cidrs_of(cidrs), cidrs_of(other.cidrs)) if other.vpc_id != wanted else None
        if both is not None:
            raise Conflict(f"{both} overlaps {other.vpc_id} ({other.cidrs}); a client's VPC is known by its address")


async def _fits(tx: Tx, vpc: Vpc, wanted: str, cidr: Cidr) -> None:
    """Returns when the subnet's addresses are the network's, and no other subnet's."""
    if not inside(cidr, cidrs_of(vpc.cidrs)):
        raise InvalidInput(f"{cidr} is not inside {vpc.vpc_id} ({vpc.cidrs})")
    for other in await links.subnets_of(tx, [vpc.id]):
        if other.subnet_id != wanted and overlap([cidr], [parse_cidr(other.cidr)]) is not None:
            raise Conflict(f"{cidr} overlaps the subnet {other.subnet_id} ({other.cidr})")


async def _info(tx: Tx, row: Vpc) -> VpcInfo:
    return _shown(row, await links.subnets_of(tx, [row.id]))


def _shown(row: Vpc, held: Sequence[Subnet]) -> VpcInfo:
    return VpcInfo(
        vpc_id=row.vpc_id,
        vpc_name=row.name,
        cidr_blocks=row.cidrs.split(","),
        declared=row.declared,
        created_at=row.created_at,
        subnets=[
            SubnetInfo(
                subnet_id=each.subnet_id, cidr_block=each.cidr, interface=each.interface, declared=each.declared
            )
            for each in held
        ],
    )


async def declare(ctx: Context) -> None:
    """The networks and subnets of the settings are as they say; raises StartRefused for what cannot be.

    What they name no more is gone, unless a link needs it.
    """
    wanted = ctx.settings.network
    async with ctx.database.read() as tx:
        standing = any(row.declared for row in await links.every_vpc(tx))
    if not (wanted.vpcs or wanted.subnets or standing):
        return
    try:
        async with ctx.database.write() as tx:
            await _declare(tx, wanted.vpcs, wanted.subnets, ctx.clock())
    except AppError as error:
        raise StartRefused(f"configuration: network.vpcs, network.subnets: {error.message}") from error


async def _declare(tx: Tx, vpc_texts: Sequence[str], subnet_texts: Sequence[str], now: datetime) -> None:
    await links.begin_change(tx)
    named, subnets = [declared_vpc(text) for text in vpc_texts], [declared_subnet(text) for text in subnet_texts]
    await _drop(tx, {each.vpc_id for each in named}, {each.subnet_id for each in subnets})
    for vpc in named:
        await links.put_vpc(tx, vpc.vpc_id, vpc.name, vpc.cidrs, declared=True, now=now)
    for vpc in named:
        await _apart(tx, vpc.vpc_id, vpc.cidrs)
    for subnet in subnets:
        found = await existing(tx, subnet.vpc_id)
        await _fits(tx, found, subnet.subnet_id, parse_cidr(subnet.cidr))
        await links.put_subnet(tx, subnet.subnet_id, found.id, subnet.cidr, subnet.interface, declared=True, now=now)
    await links.changed(tx)


async def _drop(tx: Tx, vpc_ids: set[str], subnet_ids: set[str]) -> None:
    """What the settings declared before and do not name is gone, unless something is in it."""
    for subnet in await links.subnets_of(tx):
        if subnet.declared and subnet.subnet_id not in subnet_ids:
            if await links.linked_instances(tx, subnet.id):
                _log.warning("the settings name a subnet no more that has private links", subnet=subnet.subnet_id)
            else:
                await links.remove_subnet(tx, subnet.id)
    for vpc in await links.every_vpc(tx):
        if vpc.declared and vpc.vpc_id not in vpc_ids:
            if await links.subnets_of(tx, [vpc.id]):
                _log.warning("the settings name a VPC no more that has subnets", vpc=vpc.vpc_id)
            else:
                await links.remove_vpc(tx, vpc.id)
