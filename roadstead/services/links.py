"""Private links: an instance reached from a network (VPC) at an address of one of its subnets (mission 6).

Making a link takes the address; the serving hosts put it on the interface, listen there and say how it goes
(`link_keeping.py`). At the address clients of the network are let in and nobody else. The private names of the
instance lead to it as far as they are switched on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roadstead.clients import interfaces
from roadstead.domain.links import (
    bind_records,
    dnsmasq_records,
    free_addresses,
    hosts_records,
    is_silent,
    private_names,
)
from roadstead.domain.network import parse_cidr
from roadstead.errors import AlreadyExists, Conflict, NotFound, OperationRefused, QuotaExceeded
from roadstead.metadata import instances, links
from roadstead.metadata.links import CREATING, RUNNING, Link, Place
from roadstead.services.fields import RegistryId
from roadstead.services.operations import Call, Done, Wire, operation
from roadstead.services.quotas import room_for_link
from roadstead.services.vpcs import SubnetId, VpcId, existing, existing_subnet

_INSTANCE = "instance/{registry_id}"

RegionName = Annotated[
    str, Meta(description="Name of the region; without effect, for a link is in the instance's own.")
]
RegionNumber = Annotated[int, Meta(description="Number of the region; without effect.")]
LinkAddress = Annotated[str, Meta(description="Private address of the link.", examples=["10.7.0.9"], max_length=45)]
UsePublicDomain = Annotated[
    bool,
    Meta(
        description="True: the instance's own name, `NAME.DOMAIN`; false: its name for networks, `NAME-vpc.DOMAIN`."
    ),
]
# The cloud's spelling of the address of a load balancer's network interface.
_ADDRESS = "EniLBIp"


class ManageInternalEndpoint(Wire, frozen=True, kw_only=True):
    """Create links the instance to a subnet, Delete takes the link away."""

    registry_id: RegistryId
    operation: Annotated[Literal["Create", "Delete"], Meta(description="`Create` links, `Delete` takes it away.")]
    vpc_id: VpcId
    subnet_id: SubnetId
    region_id: RegionNumber = 0
    region_name: RegionName = ""
    named: Annotated[
        bool, Meta(description="Whether the instance's own name leads to a new link in its network from the start.")
    ] = False


class LinkedInstance(Wire, frozen=True, kw_only=True):
    """Which instance."""

    registry_id: RegistryId


class AccessVpc(Wire, frozen=True, kw_only=True):
    """One private link."""

    vpc_id: VpcId
    subnet_id: SubnetId
    status: Annotated[
        Literal["Creating", "Running", "Failed"],
        Meta(description="`Creating` until the address is served, `Running` as long as it is, `Failed` when not."),
    ]
    access_ip: Annotated[str, Meta(description="Its private address; empty until it is served.")]
    reason: Annotated[str, Meta(description="Why it is not served, and what to do; empty when it is.")] = ""


class AccessVpcs(Wire, frozen=True, kw_only=True):
    """The private links of an instance."""

    access_vpc_set: Annotated[list[AccessVpc], Meta(description="The links, the oldest first.")]
    total_count: Annotated[int, Meta(description="How many there are.")]


class InternalEndpointDns(Wire, frozen=True, kw_only=True):
    """Which name of an instance, in which network."""

    registry_id: RegistryId = msgspec.field(name="InstanceId")
    vpc_id: VpcId
    eni_lb_ip: LinkAddress = msgspec.field(name=_ADDRESS)
    use_public_domain: UsePublicDomain = False
    region_name: RegionName = ""
    region_id: RegionNumber = 0


class VpcAndDomainInfo(Wire, frozen=True, kw_only=True):
    """Which name of an instance, in which network."""

    instance_id: RegistryId
    vpc_id: VpcId
    eni_lb_ip: LinkAddress = msgspec.field(name=_ADDRESS)
    use_public_domain: UsePublicDomain = False
    region_name: RegionName = ""


class DescribeInternalEndpointDnsStatus(Wire, frozen=True, kw_only=True):
    """Which names."""

    vpc_set: Annotated[list[VpcAndDomainInfo], Meta(description="The names asked for.", max_length=100)]


class VpcPrivateDomainStatus(Wire, frozen=True, kw_only=True):
    """Whether a name leads to the link in its network."""

    region: Annotated[str, Meta(description="Name of the region.")]
    vpc_id: VpcId
    status: Annotated[
        Literal["ENABLED", "DISABLED", "ERROR"],
        Meta(description="`ERROR` where the caller may not see the instance or there is none."),
    ]


class VpcPrivateDomainStatuses(Wire, frozen=True, kw_only=True):
    """Whether the names lead to the links."""

    vpc_set: Annotated[list[VpcPrivateDomainStatus], Meta(description="One entry for each name, in their order.")]


class PrivateRecords(Wire, frozen=True, kw_only=True):
    """The records of one link, to be copied into the name service of its network."""

    vpc_id: VpcId
    names: Annotated[list[str], Meta(description="The names that lead to the link.")]
    address: LinkAddress
    hosts: Annotated[str, Meta(description="They as a line of a hosts file.")]
    bind: Annotated[str, Meta(description="They as zones of BIND.")]
    dnsmasq: Annotated[str, Meta(description="They as a line of dnsmasq.conf.")]


class DescribedRecords(Wire, frozen=True, kw_only=True):
    """The records of an instance's private names."""

    records: Annotated[list[PrivateRecords], Meta(description="One entry for each link.")]


_CREATING = (NotFound, AlreadyExists, Conflict, OperationRefused, QuotaExceeded)


@operation(resource=_INSTANCE, changes=True, raises=_CREATING)
async def manage_internal_endpoint(call: Call, request: ManageInternalEndpoint) -> LinkedInstance:
    """Link an instance to a subnet of a network, or take the link away."""
    await links.begin_change(call.tx)
    before = await _shown(call)
    if request.operation == "Create":
        await _link(call, request.vpc_id, request.subnet_id, named=request.named)
    else:
        found = await _existing(call, request.vpc_id, request.subnet_id)
        await links.remove_link(call.tx, found.id)
    call.changed(before, await _shown(call))
    return LinkedInstance(registry_id=call.here.registry_id)


async def _link(call: Call, vpc_id: str, subnet_id: str, *, named: bool) -> None:
    """The instance has a link with a free address of the subnet, which the serving hosts will put up."""
    vpc, subnet = await existing(call.tx, vpc_id), await existing_subnet(call.tx, subnet_id)
    if subnet.vpc != vpc.id:
        raise NotFound(f"the subnet {subnet.subnet_id} is one of {subnet.vpc_id}, not of {vpc.vpc_id}")
    held = await links.links(call.tx, [call.here.id])
    if any(each.subnet_id == subnet.subnet_id for each in held):
        raise AlreadyExists(f"instance {call.here.name!r} has a link in {subnet.subnet_id} already")
    await room_for_link(call.ctx, call.tx, call.here)
    cidr = parse_cidr(subnet.cidr)
    taken = await links.taken(call.tx) | {each.address for each in interfaces.addresses()}
    address = next(free_addresses(cidr, taken), None)
    if address is None:
        raise OperationRefused(f"the subnet {subnet.subnet_id} ({cidr}) has no free address")
    place = Place(address, cidr.prefixlen, subnet.interface)
    if not await links.add_link(call.tx, call.here.id, subnet.id, place, status=CREATING, named=named, now=call.now):
        raise Conflict(f"another link has just taken {address}; try again")


async def _existing(call: Call, vpc_id: str, subnet_id: str) -> Link:
    for each in await links.links(call.tx, [call.here.id]):
        if (each.vpc_id, each.subnet_id) == (vpc_id, subnet_id):
            return each
    raise NotFound(f"instance {call.here.name!r} has no private link in {vpc_id[:40]} {subnet_id[:40]}")


@operation(resource=_INSTANCE, changes=False)
async def describe_internal_endpoints(call: Call, request: LinkedInstance) -> AccessVpcs:
    """List the private links of an instance."""
    return await _shown(call)


async def _shown(call: Call) -> AccessVpcs:
    listed = []
    for row in await links.links(call.tx, [call.here.id]):
        status, reason = standing(row, call.now)
        address = row.address if status == RUNNING else ""
        listed.append(
            AccessVpc(vpc_id=row.vpc_id, subnet_id=row.subnet_id, status=status, access_ip=address, reason=reason)
        )
    return AccessVpcs(access_vpc_set=listed, total_count=len(listed))


def standing(row: Link, now: datetime) -> tuple[Literal["Creating", "Running", "Failed"], str]:
    """How the link stands and why it is not served: what its host has said of it holds while the host is heard of."""
    if is_silent(row.seen_at, row.created_at, now):
        if row.host:
            since = f"{row.seen_at or row.created_at:%Y-%m-%d %H:%M:%S} UTC"
            return (
                "Failed",
                f"the serving host {row.host} has not looked after it since {since}; start the server there",
            )
        if row.status == CREATING and not row.reason:
            return "Failed", "no serving host has taken it up; is a server running, and network.links on there?"
    if row.status == RUNNING:
        return "Running", row.reason
    return "Creating" if row.status == CREATING else "Failed", row.reason


@operation(resource=_INSTANCE, changes=True, raises=(NotFound,))
async def create_internal_endpoint_dns(call: Call, request: InternalEndpointDns) -> Done:
    """Have a name of the instance lead to a private link in its network."""
    await _name(call, request, on=True)
    return Done()


@operation(resource=_INSTANCE, changes=True, raises=(NotFound,))
async def delete_internal_endpoint_dns(call: Call, request: InternalEndpointDns) -> Done:
    """Have a name of the instance not lead to a private link any more."""
    await _name(call, request, on=False)
    return Done()


async def _name(call: Call, request: InternalEndpointDns, *, on: bool) -> None:
    held = await links.links(call.tx, [call.here.id])
    found = _at(held, request.vpc_id, request.eni_lb_ip)
    if found is None:
        raise NotFound(
            f"instance {call.here.name!r} has no private link at {request.eni_lb_ip} in {request.vpc_id[:40]}"
        )
    before = await _records(call)
    await links.name_link(call.tx, found.id, **{"named" if request.use_public_domain else "named_vpc": on})
    call.changed(before, await _records(call))


def _at(held: list[Link], vpc_id: str, address: str) -> Link | None:
    return next((each for each in held if (each.vpc_id, each.address) == (vpc_id, address)), None)


@operation(resource="instance/*", changes=False, filtered=True)
async def describe_internal_endpoint_dns_status(
    call: Call, request: DescribeInternalEndpointDnsStatus
) -> VpcPrivateDomainStatuses:
    """Say which names lead to private links."""
    return VpcPrivateDomainStatuses(vpc_set=[await _named(call, each) for each in request.vpc_set])


async def _named(call: Call, asked: VpcAndDomainInfo) -> VpcPrivateDomainStatus:
    reach = call.reach("tcr:DescribeInternalEndpointDnsStatus")
    row = await instances.get(call.tx, registry_id=asked.instance_id)
    if row is None or not reach.sees_instance(row.registry_id, row.region):
        return VpcPrivateDomainStatus(region=asked.region_name, vpc_id=asked.vpc_id, status="ERROR")
    found = _at(await links.links(call.tx, [row.id]), asked.vpc_id, asked.eni_lb_ip)
    on = found is not None and (found.named if asked.use_public_domain else found.named_vpc)
    return VpcPrivateDomainStatus(region=row.region, vpc_id=asked.vpc_id, status="ENABLED" if on else "DISABLED")


@operation(resource=_INSTANCE, changes=False)
async def describe_internal_endpoint_records(call: Call, request: LinkedInstance) -> DescribedRecords:
    """Show the records of an instance's private names, to be copied into the name service of their networks."""
    return await _records(call)


async def _records(call: Call) -> DescribedRecords:
    told = []
    for row in await links.links(call.tx, [call.here.id]):
        names = private_names(
            row.instance_name, call.ctx.settings.base_domain, named=row.named, named_vpc=row.named_vpc
        )
        if names:
            told.append(
                PrivateRecords(
                    vpc_id=row.vpc_id,
                    names=list(names),
                    address=row.address,
                    hosts=hosts_records(row.address, names),
                    bind=bind_records(row.address, names, call.ctx.settings.dns.seconds),
                    dnsmasq=dnsmasq_records(row.address, names, call.ctx.settings.dns.seconds),
                )
            )
    return DescribedRecords(records=told)
