"""A deployment with one region answers for any; with several, each request means one of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from roadstead.errors import InstanceUnknown, RegionUnknown
from roadstead.services.accounts import local_owner
from roadstead.services.context import Context
from roadstead.services.operations import run
from roadstead.services.regions import region_meant
from roadstead.services.table import OPERATIONS
from tests.factories.accounts import registry_id


def with_regions(ctx: Context, *names: str) -> Context:
    store = ctx.store(ctx.settings.region)
    return replace(ctx, stores={name: store for name in (ctx.settings.region, *names)})


@pytest.mark.parametrize("named", ["", "local", "ap-guangzhou"])
def test_a_single_region_answers_for_whatever_is_named(ctx: Context, named: str) -> None:
    assert region_meant(ctx, named) == ""


def test_of_several_the_named_one_is_meant(ctx: Context) -> None:
    several = with_regions(ctx, "north")
    assert [region_meant(several, name) for name in ("", "local", "north")] == ["", "local", "north"]
    with pytest.raises(RegionUnknown, match="local, north"):
        region_meant(several, "ap-guangzhou")


async def test_an_instance_of_another_region_is_not_found(ctx: Context) -> None:
    caller, op = await local_owner(ctx), OPERATIONS["DescribeNamespaces"]
    request = op.request(registry_id=await registry_id(ctx))
    for region in ("", "local"):
        assert await run(ctx, caller, op, request, region=region)
    with pytest.raises(InstanceUnknown, match="in region north"):
        await run(ctx, caller, op, request, region="north")


async def test_instances_are_created_and_listed_in_the_named_region(ctx: Context) -> None:
    several, caller = with_regions(ctx, "north"), await local_owner(ctx)

    async def listed(region: str, **fields: bool) -> list[str]:
        op = OPERATIONS["DescribeInstances"]
        answer = await run(several, caller, op, op.request(**fields), region=region)
        return [each.registry_name for each in answer.registries]

    create = OPERATIONS["CreateInstance"]
    request = create.request(registry_name="second", registry_type="basic")
    made = await run(several, caller, create, request, region="north")
    assert await listed("") == ["default", "second"]
    assert await listed("local") == ["default"]
    assert await listed("north") == ["second"]
    assert await listed("local", all_region=True) == ["default", "second"]
    status = OPERATIONS["DescribeInstanceStatus"]
    for region, seen in (("north", 1), ("local", 0), ("", 1)):
        answer = await run(several, caller, status, status.request(registry_ids=[made.registry_id]), region=region)
        assert len(answer.registry_status_set) == seen
