"""The operations on instances that stand: lists, status, upgrades, protection, renewal, regions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from roadstead.errors import InvalidInput, OperationRefused, OperationUnsupported
from roadstead.metadata import audit
from roadstead.services import registries
from roadstead.services.context import Context
from roadstead.services.fields import Filter, Tag, TagSpecification
from roadstead.services.operations import run
from roadstead.services.registries import Prepaid
from tests.factories.accounts import owner_caller, sub_caller
from tests.factories.instances import ask, create, work_off
from tests.jobs.bench import FakeClock


async def listed(ctx: Context, **fields: Any) -> list[str]:
    answer = await ask(ctx, registries.describe_instances, **fields)
    return [each.registry_name for each in answer.registries]


async def made(ctx: Context, name: str = "second", **fields: Any) -> str:
    registry_id = await create(ctx, name, **fields)
    await work_off(ctx)
    return registry_id


async def info(ctx: Context, registry_id: str) -> registries.RegistryInfo:
    answer: registries.InstancePage = await ask(ctx, registries.describe_instances, registryids=[registry_id])
    (found,) = answer.registries
    return found


async def test_instances_are_found_by_id_name_and_label(ctx: Context) -> None:
    second = await made(ctx, tag_specification=TagSpecification(tags=[Tag(key="team", value="web")]))
    await made(ctx, "third", tag_specification=TagSpecification(tags=[Tag(key="team", value="shop")]))
    assert await listed(ctx) == ["default", "second", "third"]
    assert await listed(ctx, registryids=[second, "tcr-nothing"]) == ["second"]
    assert await listed(ctx, registryids=["tcr-nothing"]) == []
    for name, values, found in (
        ("RegistryName", ["third", "default"], ["default", "third"]),
        ("RegistryName", ["thir"], []),
        ("Tags", ["team:web"], ["second"]),
        ("Tags", ["team"], ["second", "third"]),
        ("Tags", ["team:web", "team:shop"], ["second", "third"]),
        ("Tags", ["other:web"], []),
    ):
        assert await listed(ctx, filters=[Filter(name=name, values=values)]) == found
    both = [Filter(name="Tags", values=["team"]), Filter(name="RegistryName", values=["third"])]
    assert await listed(ctx, filters=both, all_region=True) == ["third"]
    with pytest.raises(InvalidInput, match="RegistryName, Tags"):
        await listed(ctx, filters=[Filter(name="Zone", values=["1"])])


async def test_pages_of_instances(ctx: Context) -> None:
    for name in ("second", "third"):
        await made(ctx, name)
    answer = await ask(ctx, registries.describe_instances, limit=2)
    assert (len(answer.registries), answer.total_count, answer.last) == (2, 3, "second")
    assert await listed(ctx, limit=2, last=answer.last) == ["third"]
    assert await listed(ctx, limit=2, offset=1) == ["second", "third"]
    assert await listed(ctx, limit=2, offset=9) == []


async def test_others_see_only_what_they_may(ctx: Context) -> None:
    registry_id = await made(ctx)
    caller = await sub_caller(ctx)
    answer = await run(ctx, caller, registries.describe_instances, registries.DescribeInstances())
    assert (answer.registries, answer.total_count) == ([], 0)
    asked = registries.DescribeInstanceStatus(registry_ids=[registry_id])
    assert (await run(ctx, caller, registries.describe_instance_status, asked)).registry_status_set == []
    regions = await run(ctx, caller, registries.describe_regions, registries.DescribeRegions())
    assert regions.total_count == 1


async def test_names_are_spelt_as_the_api_does(ctx: Context) -> None:
    said = msgspec.to_builtins(await info(ctx, await made(ctx)))
    assert {"RegistryId", "RegistryName", "EnableCosMAZ", "AIFeature", "PayMod", "TagSpecification"} <= set(said)
    assert said["TagSpecification"] == {"ResourceType": "instance", "Tags": []}
    assert not [name for name in ("Status", "RegistryType", "PayMod", "PublicDomain") if said[name] is None]
    assert registries.DescribeInstances.__struct_encode_fields__[-3:] == ("Registryids", "Filters", "AllRegion")
    assert registries.DescribeInstanceStatus.__struct_encode_fields__ == ("RegistryIds",)


async def test_the_status_of_several(ctx: Context) -> None:
    second, third = await made(ctx), await create(ctx, "third")
    answer = await ask(ctx, registries.describe_instance_status, registry_ids=[third, second, third, "tcr-nothing"])
    assert [(each.registry_id, each.status) for each in answer.registry_status_set] == [
        (third, "Pending"),
        (second, "Running"),
    ]


async def test_a_specification_only_goes_up(ctx: Context) -> None:
    registry_id = await made(ctx, registry_type="standard")
    modify = registries.modify_instance
    with pytest.raises(OperationRefused, match="only go up"):
        await ask(ctx, modify, registry_id=registry_id, registry_type="basic", deletion_protection=True)
    assert not (await info(ctx, registry_id)).deletion_protection
    await ask(ctx, modify, registry_id=registry_id, registry_type="standard")
    await ask(ctx, modify, registry_id=registry_id, registry_type="premium", enable_cos_versioning=True)
    await ask(ctx, modify, registry_id=registry_id)
    found = await info(ctx, registry_id)
    assert (found.registry_type, found.enable_cos_versioning, found.deletion_protection) == ("premium", True, False)


async def test_a_change_says_what_was_before_and_after(ctx: Context) -> None:
    registry_id = await made(ctx)
    await ask(ctx, registries.modify_instance, registry_id=registry_id, deletion_protection=True)
    instance = await ctx.instances.find("second")
    async with ctx.database.read() as tx:
        (entry,) = [each for _, each in await audit.entries(tx, instance.id, 0, 99)]
    said = [msgspec.json.decode(text)["DeletionProtection"] for text in (entry.before, entry.after)]
    assert (entry.action, said) == ("tcr:ModifyInstance", [False, True])


async def test_storage_stays_where_it_is(ctx: Context) -> None:
    with pytest.raises(OperationUnsupported, match="stays in the storage of its region 'local'"):
        await ask(
            ctx,
            registries.modify_instance_storage,
            registry_id=await made(ctx),
            target_region="elsewhere",
            target_storage_name="bucket",
        )


async def test_renewals_are_kept(ctx: Context, clock: FakeClock) -> None:
    registry_id = await made(ctx)
    renew, period = registries.renew_instance, Prepaid(period=2, renew_flag=2)
    assert (await info(ctx, registry_id)).expired_at == ""
    await ask(ctx, renew, registry_id=registry_id, registry_charge_prepaid=period, flag=1)
    first = await info(ctx, registry_id)
    assert (first.pay_mod, first.renew_flag) == (1, 2)
    assert first.expired_at == registries.months_later(clock(), 2).isoformat()
    await ask(ctx, renew, registry_id=registry_id, registry_charge_prepaid=period, flag=0)
    assert (await info(ctx, registry_id)).expired_at == registries.months_later(clock(), 4).isoformat()
    clock.turn(days=400)
    await ask(ctx, renew, registry_id=registry_id, registry_charge_prepaid=period, flag=0)
    assert (await info(ctx, registry_id)).expired_at == registries.months_later(clock(), 2).isoformat()


async def test_regions(ctx: Context) -> None:
    request = registries.DescribeRegions()
    (found,) = (await run(ctx, await owner_caller(ctx), registries.describe_regions, request)).regions
    assert (found.region_name, found.alias, found.status) == ("local", "local", "alluser")
    assert found.region_id == found.id > 10_000
    assert ctx.clock() - found.created_at < timedelta(days=1)
