"""Networks, subnets and private links. What decides who is admitted grows every instance's revision.

A link's address counts for all instances: for its own it is an entry, for the others a place where nobody is let in.
Whoever changes a link calls `begin_change` before anything else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.networks import link_addresses, private_links, subnets, vpcs
from roadstead.metadata.schema.tenancy import instances

CREATING, RUNNING, FAILED = "Creating", "Running", "Failed"


@dataclass(frozen=True, slots=True)
class Vpc:
    """One network."""

    id: int
    vpc_id: str
    name: str
    # As `roadstead.domain.links.cidrs_of` reads them.
    cidrs: str
    declared: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Subnet:
    """One subnet, with the id of its network."""

    id: int
    subnet_id: str
    vpc: int
    cidr: str
    interface: str
    declared: bool
    created_at: datetime
    vpc_id: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One private link, with what its subnet and its instance say."""

    id: int
    instance_id: int
    address: str
    status: str
    reason: str
    host: str
    named: bool
    named_vpc: bool
    created_at: datetime
    # When the host last said that it looks after the link.
    seen_at: datetime | None
    subnet_id: str
    cidr: str
    interface: str
    vpc_id: str
    vpc_cidrs: str
    instance_name: str


@dataclass(frozen=True, slots=True)
class Place:
    """An address on an interface, or that shall be there."""

    address: str
    prefix: int
    interface: str


@dataclass(frozen=True, slots=True)
class LeftOver:
    """An address that no link has any more, and the host that may still have it; empty: none ever had."""

    address: str
    interface: str
    host: str


@dataclass(frozen=True, slots=True)
class Gate:
    """What a link's address means: whose it is and which network it admits; None when the link is gone."""

    address: str
    instance_id: int | None
    vpc_cidrs: str | None


_VPC = tuple(vpcs.c[name] for name in Vpc.__dataclass_fields__)
_SUBNET = (*(subnets.c[name] for name in Subnet.__dataclass_fields__ if name != "vpc_id"), vpcs.c.vpc_id)
_LINK = (
    *(private_links.c[name] for name in list(Link.__dataclass_fields__)[:10]),
    subnets.c.subnet_id,
    subnets.c.cidr,
    subnets.c.interface,
    vpcs.c.vpc_id,
    vpcs.c.cidrs,
    instances.c.name,
)
_WITH_VPC = subnets.join(vpcs, vpcs.c.id == subnets.c.vpc)
_LINKED = private_links.join(subnets, subnets.c.id == private_links.c.subnet).join(vpcs, vpcs.c.id == subnets.c.vpc)


async def vpc(tx: Tx, vpc_id: str, *, lock: bool = False) -> Vpc | None:
    """The network of that id."""
    statement = sa.select(*_VPC).where(vpcs.c.vpc_id == vpc_id)
    row = await tx.one(statement.with_for_update() if lock else statement)
    return None if row is None else Vpc(*row)


async def every_vpc(tx: Tx) -> list[Vpc]:
    """All networks; an operator declares few."""
    return [Vpc(*row) for row in await tx.all(sa.select(*_VPC).order_by(vpcs.c.vpc_id))]


async def page_of_vpcs(tx: Tx, last: str, most: int, *, skip: int = 0) -> list[Vpc]:
    """Up to `most` networks after the id `last` and `skip` more, by id."""
    statement = sa.select(*_VPC).where(vpcs.c.vpc_id > last).order_by(vpcs.c.vpc_id)
    return [Vpc(*row) for row in await tx.all(statement.limit(most).offset(skip or None))]


async def count_vpcs(tx: Tx) -> int:
    """How many networks there are."""
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(vpcs)))


async def put_vpc(tx: Tx, vpc_id: str, name: str, cidrs: str, *, declared: bool, now: datetime) -> None:
    """The network is so, whether it was there or not."""
    values = {"name": name, "cidrs": cidrs, "declared": declared}
    row = {"vpc_id": vpc_id, "created_at": now, **values}
    await tx.run(insert(tx, vpcs).values(row).on_conflict_do_update(index_elements=[vpcs.c.vpc_id], set_=values))


async def remove_vpc(tx: Tx, row_id: int) -> None:
    """The network is gone; it must have no subnet."""
    await tx.run(sa.delete(vpcs).where(vpcs.c.id == row_id))


async def subnet(tx: Tx, subnet_id: str) -> Subnet | None:
    """The subnet of that id."""
    row = await tx.one(sa.select(*_SUBNET).select_from(_WITH_VPC).where(subnets.c.subnet_id == subnet_id))
    return None if row is None else Subnet(*row)


async def subnets_of(tx: Tx, vpc_rows: Collection[int] | None = None) -> list[Subnet]:
    """The subnets of these networks, or all; by id."""
    statement = sa.select(*_SUBNET).select_from(_WITH_VPC).order_by(subnets.c.subnet_id)
    if vpc_rows is not None:
        statement = statement.where(subnets.c.vpc.in_(vpc_rows))
    return [Subnet(*row) for row in await tx.all(statement)]


async def put_subnet(
    tx: Tx, subnet_id: str, vpc_row: int, cidr: str, interface: str, *, declared: bool, now: datetime
) -> None:
    """The subnet is so, whether it was there or not."""
    values = {"vpc": vpc_row, "cidr": cidr, "interface": interface, "declared": declared}
    row = {"subnet_id": subnet_id, "created_at": now, **values}
    statement = insert(tx, subnets).values(row)
    await tx.run(statement.on_conflict_do_update(index_elements=[subnets.c.subnet_id], set_=values))


async def remove_subnet(tx: Tx, row_id: int) -> None:
    """The subnet is gone; it must have no link."""
    await tx.run(sa.delete(subnets).where(subnets.c.id == row_id))


async def linked_instances(tx: Tx, subnet_row: int) -> list[str]:
    """The names of the instances that have a link in the subnet."""
    statement = (
        sa.select(instances.c.name)
        .select_from(private_links.join(instances, instances.c.id == private_links.c.instance_id))
        .where(private_links.c.subnet == subnet_row)
        .order_by(instances.c.name)
    )
    return [row.name for row in await tx.all(statement)]


async def links(tx: Tx, instance_ids: Collection[int] | None = None) -> list[Link]:
    """The links of these instances, or all; the oldest first."""
    source = _LINKED.join(instances, instances.c.id == private_links.c.instance_id)
    statement = sa.select(*_LINK).select_from(source).order_by(private_links.c.id)
    if instance_ids is not None:
        statement = statement.where(private_links.c.instance_id.in_(instance_ids))
    return [Link(*row) for row in await tx.all(statement)]


async def add_link(
    tx: Tx, instance_id: int, subnet_row: int, place: Place, *, status: str, named: bool, now: datetime
) -> bool:
    """The link has the address; False when another has it, or the instance a link in the subnet already."""
    row = {
        "instance_id": instance_id,
        "subnet": subnet_row,
        "address": place.address,
        "status": status,
        "named": named,
        "created_at": now,
    }
    if not await tx.run(insert(tx, private_links).values(row).on_conflict_do_nothing()):
        return False
    placed = {"address": place.address, "prefix": place.prefix, "interface": place.interface}
    await tx.run(insert(tx, link_addresses).values(placed))
    await changed(tx)
    return True


async def tell_link(tx: Tx, link: Link, *, status: str, reason: str, host: str, now: datetime) -> bool:
    """The link's status says so and that host looks after it; False when it is gone or another host's by now."""
    c = private_links.c
    values = {"status": status, "reason": reason[:300], "host": host[:64], "seen_at": now}
    statement = sa.update(private_links).where(c.id == link.id, c.address == link.address, c.host == link.host)
    if not await tx.run(statement.values(values)):
        return False
    if host and host != link.host:
        placed = sa.update(link_addresses).where(link_addresses.c.address == link.address)
        await tx.run(placed.values(host=host[:64]))
    return True


async def look_after(tx: Tx, host: str, now: datetime, *, before: datetime) -> None:
    """The host looks after its links; of those it has said so lately nothing is written."""
    c = private_links.c
    due = sa.or_(c.seen_at.is_(None), c.seen_at <= before)
    await tx.run(sa.update(private_links).where(c.host == host[:64], due).values(seen_at=now))


async def move_link(tx: Tx, link: Link, place: Place) -> None:
    """The link has another address than it had, unless it was moved or taken away meanwhile.

    Raises an error of the database where another link has just taken the address.
    """
    c = private_links.c
    statement = sa.update(private_links).where(c.id == link.id, c.address == link.address)
    if await tx.run(statement.values(address=place.address)):
        await tx.run(sa.delete(link_addresses).where(link_addresses.c.address == link.address))
        placed = {"address": place.address, "prefix": place.prefix, "interface": place.interface}
        await tx.run(insert(tx, link_addresses).values(placed))
        await changed(tx)


async def name_link(tx: Tx, link_id: int, **names: bool) -> None:
    """These of the instance's names (`named`, `named_vpc`) lead to the link in its network, or do not."""
    await tx.run(sa.update(private_links).where(private_links.c.id == link_id).values(**names))


async def remove_link(tx: Tx, link_id: int) -> None:
    """The link is gone; its address admits nobody until it is off its interface and forgotten."""
    await tx.run(sa.delete(private_links).where(private_links.c.id == link_id))
    await changed(tx)


async def taken(tx: Tx) -> set[str]:
    """The addresses that links have, and those of links that are gone which may still be on an interface."""
    rows = await tx.all(sa.union(sa.select(private_links.c.address), sa.select(link_addresses.c.address)))
    return {row.address for row in rows}


async def left_over(tx: Tx) -> Sequence[LeftOver]:
    """The addresses that no link has any more."""
    c = link_addresses.c
    used = sa.select(private_links.c.address)
    statement = sa.select(c.address, c.interface, c.host).where(c.address.not_in(used)).order_by(c.address)
    return [LeftOver(*row) for row in await tx.all(statement)]


async def forget(tx: Tx, address: str) -> None:
    """The address is off its interface and free to be given again."""
    used = sa.select(private_links.c.address)
    c = link_addresses.c
    if await tx.run(sa.delete(link_addresses).where(c.address == address, c.address.not_in(used))):
        await changed(tx)


async def gates(tx: Tx) -> list[Gate]:
    """What every address of a link means."""
    source = link_addresses.outerjoin(private_links, private_links.c.address == link_addresses.c.address)
    source = source.outerjoin(subnets, subnets.c.id == private_links.c.subnet)
    source = source.outerjoin(vpcs, vpcs.c.id == subnets.c.vpc)
    statement = sa.select(link_addresses.c.address, private_links.c.instance_id, vpcs.c.cidrs).select_from(source)
    return [Gate(*row) for row in await tx.all(statement)]


async def begin_change(tx: Tx) -> None:
    """Other changes of links wait until this transaction has ended; to be called before anything else.

    Each changes the rows of all instances: two that began with one of their own would wait for each other.
    """
    first = sa.select(instances.c.id).where(instances.c.id > 0).order_by(instances.c.id).limit(1)
    await tx.all(first.with_for_update(key_share=True))


async def changed(tx: Tx) -> None:
    """Every process will notice, at every instance: what comes to a link's address is asked of whichever it names."""
    await tx.run(sa.update(instances).values(revision=instances.c.revision + 1))
