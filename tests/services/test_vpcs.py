"""Networks and subnets: declared by operations and by the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roadstead.config import Network
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
from roadstead.services import links, vpcs
from roadstead.services.context import Context
from tests.factories.calls import call
from tests.factories.contexts import open_test_context


async def listed(ctx: Context) -> dict[str, list[tuple[str, str, str]]]:
    page = await call(ctx, vpcs.describe_vpcs)
    return {
        row.vpc_id: [(each.subnet_id, each.cidr_block, each.interface) for each in row.subnets]
        for row in page.vpc_set
    }


async def declare(ctx: Context) -> None:
    """There are a network with two subnets, and another one."""
    await call(ctx, vpcs.create_vpc, vpc_id="vpc-lab", vpc_name="lab", cidr_blocks=["10.7.0.0/16", "fd00:7::/48"])
    await call(ctx, vpcs.create_vpc, vpc_id="vpc-other", cidr_blocks=["10.8.0.0/16"])
    for subnet, cidr in (("subnet-a", "10.7.1.0/24"), ("subnet-b", "fd00:7:0:1::/64")):
        await call(ctx, vpcs.create_subnet, vpc_id="vpc-lab", subnet_id=subnet, cidr_block=cidr, interface="eth-none")


async def test_networks_are_declared_listed_and_forgotten(ctx: Context) -> None:
    await declare(ctx)
    eth = "eth-none"
    both = [("subnet-a", "10.7.1.0/24", eth), ("subnet-b", "fd00:7:0:1::/64", eth)]
    assert await listed(ctx) == {"vpc-lab": both, "vpc-other": []}
    first = await call(ctx, vpcs.describe_vpcs, limit=1)
    assert ([row.vpc_id for row in first.vpc_set], first.total_count, first.last) == (["vpc-lab"], 2, "vpc-lab")
    assert [row.vpc_id for row in (await call(ctx, vpcs.describe_vpcs, last=first.last)).vpc_set] == ["vpc-other"]
    with pytest.raises(NotEmpty, match="subnet-a, subnet-b"):
        await call(ctx, vpcs.delete_vpc, vpc_id="vpc-lab")
    for subnet in ("subnet-a", "subnet-b"):
        await call(ctx, vpcs.delete_subnet, subnet_id=subnet)
    await call(ctx, vpcs.delete_vpc, vpc_id="vpc-lab")
    assert await listed(ctx) == {"vpc-other": []}
    made = await call(ctx, vpcs.create_vpc, cidr_blocks=["192.0.2.0/24"])
    subnet = await call(ctx, vpcs.create_subnet, vpc_id=made.vpc_id, cidr_block="192.0.2.0/28", interface="eth1")
    assert (await listed(ctx))[made.vpc_id] == [(subnet.subnet_id, "192.0.2.0/28", "eth1")]


@pytest.mark.parametrize(
    ("op", "fields", "error"),
    [
        (vpcs.create_vpc, {"vpc_id": "vpc-lab", "cidr_blocks": ["10.9.0.0/16"]}, AlreadyExists),
        (vpcs.create_vpc, {"vpc_id": "vpc-new", "cidr_blocks": ["10.0.0.0/8"]}, Conflict),
        (vpcs.create_vpc, {"vpc_id": "vpc-new", "cidr_blocks": ["fd00:7:0:1::/64"]}, Conflict),
        (vpcs.create_vpc, {"vpc_id": "vpc-new", "cidr_blocks": []}, InvalidInput),
        (vpcs.create_vpc, {"vpc_id": "office", "cidr_blocks": ["10.9.0.0/16"]}, InvalidInput),
        (vpcs.delete_vpc, {"vpc_id": "vpc-none"}, NotFound),
        (vpcs.delete_subnet, {"subnet_id": "subnet-none"}, NotFound),
        *(
            (vpcs.create_subnet, {"interface": "eth1", "vpc_id": "vpc-lab", "subnet_id": "subnet-c", **fields}, error)
            for fields, error in (
                ({"cidr_block": "10.7.1.128/25"}, Conflict),
                ({"cidr_block": "10.8.1.0/24"}, InvalidInput),
                ({"cidr_block": "10.0.0.0/8"}, InvalidInput),
                ({"cidr_block": "10.7.2.0/24", "interface": "no such/one"}, InvalidInput),
                ({"cidr_block": "10.7.2.0/24", "subnet_id": "subnet-a"}, AlreadyExists),
                ({"cidr_block": "10.7.2.0/24", "vpc_id": "vpc-none"}, NotFound),
            )
        ),
    ],
)
async def test_what_cannot_be(ctx: Context, op: Any, fields: dict[str, Any], error: type[AppError]) -> None:
    await declare(ctx)
    before = await listed(ctx)
    with pytest.raises(error):
        await call(ctx, op, **fields)
    assert await listed(ctx) == before


def settings(*vpc: str, subnets: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"network": Network(vpcs=vpc, subnets=subnets)}


async def test_the_settings_declare_and_forget(folder: Path) -> None:
    subnets = ("subnet-a vpc-a 10.7.1.0/24 eth1",)
    async with open_test_context(folder, **settings("vpc-a 10.7.0.0/16 lab", subnets=subnets)) as ctx:
        for _ in range(2):
            await vpcs.declare(ctx)
            assert await listed(ctx) == {"vpc-a": [("subnet-a", "10.7.1.0/24", "eth1")]}
        for op, fields in ((vpcs.delete_subnet, {"subnet_id": "subnet-a"}), (vpcs.delete_vpc, {"vpc_id": "vpc-a"})):
            with pytest.raises(OperationRefused, match="settings"):
                await call(ctx, op, **fields)
        # An operation may add to what the settings declare.
        more = {"subnet_id": "subnet-b", "cidr_block": "10.7.2.0/24", "interface": "eth2"}
        await call(ctx, vpcs.create_subnet, vpc_id="vpc-a", **more)
        await call(ctx, links.manage_internal_endpoint, operation="Create", vpc_id="vpc-a", subnet_id="subnet-a")
    async with open_test_context(folder, **settings()) as ctx:
        await vpcs.declare(ctx)
        assert [each[0] for each in (await listed(ctx))["vpc-a"]] == ["subnet-a", "subnet-b"], "a link needs it"
        await call(ctx, links.manage_internal_endpoint, operation="Delete", vpc_id="vpc-a", subnet_id="subnet-a")
        await vpcs.declare(ctx)
        assert [each[0] for each in (await listed(ctx))["vpc-a"]] == ["subnet-b"]
        await call(ctx, vpcs.delete_subnet, subnet_id="subnet-b")
        await vpcs.declare(ctx)
        assert await listed(ctx) == {}


@pytest.mark.parametrize(
    ("vpc", "subnets"),
    [
        (["vpc-a"], ()),
        (["vpc-a 10.0.0.0/8", "vpc-b 10.1.0.0/16"], ()),
        (["vpc-a 10.0.0.0/8"], ("subnet-a vpc-b 10.0.1.0/24 eth1",)),
        (["vpc-a 10.0.0.0/8"], ("subnet-a vpc-a 11.0.1.0/24 eth1",)),
    ],
)
async def test_settings_that_cannot_be_are_told_at_the_start(
    folder: Path, vpc: list[str], subnets: tuple[str, ...]
) -> None:
    async with open_test_context(folder, **settings(*vpc, subnets=subnets)) as ctx:
        with pytest.raises(StartRefused, match=r"configuration: network\.vpcs"):
            await vpcs.declare(ctx)
        assert await listed(ctx) == {}
