"""Creating an instance: its name, its steps, what goes wrong, and what a crash leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from roadstead.blobs.memory import MemoryStore
from roadstead.domain.reference import RepositoryName
from roadstead.errors import (
    AlreadyExists,
    InstanceNameIllegal,
    InstanceNameReserved,
    InstanceNameTaken,
    InstanceNotRunning,
    InvalidInput,
    NotAuthenticated,
    StartRefused,
    TooManyTags,
)
from roadstead.services import deletions, deployments, images, namespaces, registries
from roadstead.services.context import Context
from roadstead.services.credentials import create_instance_token
from roadstead.services.fields import Tag, TagSpecification
from roadstead.services.registries import Prepaid, months_later
from tests.factories.accounts import Login, owner_asker, owner_login
from tests.factories.instances import ask, asker_at, create, labels, status, work_off
from tests.factories.pushes import push_image
from tests.jobs.bench import FakeClock

STEPS = ("Storage", "Domain", "Network")


class BadStore(MemoryStore):
    """A store that cannot be written until it is mended; with a gate, it is not known for a while whether it can."""

    broken = True
    gate: asyncio.Event | None = None

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def check(self) -> None:
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise StartRefused("the bucket is gone")


def over(ctx: Context, store: BadStore) -> Context:
    return replace(ctx, stores={ctx.settings.region: store})


async def info(ctx: Context, registry_id: str) -> registries.RegistryInfo:
    answer: registries.InstancePage = await ask(ctx, registries.describe_instances, registryids=[registry_id])
    return answer.registries[0]


async def test_an_instance_is_made_step_by_step_and_can_be_used(ctx: Context) -> None:
    registry_id = await create(ctx)
    assert await status(ctx, registry_id) == ("Pending", [(step, "Pending") for step in STEPS])
    assert await work_off(ctx) == ["done"]
    assert await status(ctx, registry_id) == ("Running", [(step, "Succeeded") for step in STEPS])
    await ask(ctx, namespaces.create_namespace, registry_id=registry_id, namespace_name="library")
    made = await ask(ctx, create_instance_token, registry_id=registry_id)
    asker = await asker_at(ctx, "second", Login(made.username, made.token))
    digest = await push_image(ctx, asker, "library/web", "latest")
    stored, _ = await images.get(ctx, asker, RepositoryName.parse("library/web"), "latest", "")
    assert stored.digest == str(digest)


async def test_what_is_asked_for_is_what_is_shown(ctx: Context) -> None:
    registry_id = await create(
        ctx,
        registry_type="standard",
        registry_charge_type=1,
        registry_charge_prepaid=Prepaid(period=3, renew_flag=1),
        deletion_protection=True,
        enable_cos_maz=True,
        enable_cos_versioning=True,
        tag_specification=TagSpecification(tags=[Tag(key="team", value="web")]),
    )
    found = await info(ctx, registry_id)
    assert (found.registry_name, found.registry_type, found.public_domain) == (
        "second",
        "standard",
        "second.localhost",
    )
    assert (found.pay_mod, found.renew_flag) == (1, 1)
    assert found.expired_at == months_later(ctx.clock(), 3).isoformat()
    assert (found.deletion_protection, found.enable_cos_maz, found.enable_cos_versioning) == (True, True, True)
    assert labels(found.tag_specification) == {"team": "web"}
    assert found.token_valid_time == 87600
    plain = await info(ctx, await create(ctx, "third"))
    assert (plain.pay_mod, plain.renew_flag, plain.expired_at) == (0, 0, "")
    assert labels(plain.tag_specification) == {}


@pytest.mark.parametrize(
    "name", ["", "abcd", "x" * 51, "-second", "second-", "Second", "se_ond", "sec.ond", "zweïte"]
)
async def test_a_name_follows_the_rules(ctx: Context, name: str) -> None:
    with pytest.raises(InstanceNameIllegal):
        await create(ctx, name)
    answer = await ask(ctx, deployments.check_instance_name, registry_name=name)
    assert (answer.is_validated, answer.detail_code) == (False, 1)


@pytest.mark.parametrize("name", ["admin", "console", "second-vpc"])
async def test_a_name_is_not_reserved(ctx: Context, name: str) -> None:
    with pytest.raises(InstanceNameReserved):
        await create(ctx, name)
    answer = await ask(ctx, deployments.check_instance_name, registry_name=name)
    assert (answer.is_validated, answer.detail_code) == (False, 2)


async def test_a_name_is_taken_once(ctx: Context) -> None:
    free = await ask(ctx, deployments.check_instance_name, registry_name="second")
    assert (free.is_validated, free.detail_code) == (True, 0)
    made = await asyncio.gather(*(create(ctx) for _ in range(5)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in made) == ["InstanceNameTaken"] * 4 + ["str"]
    taken = await ask(ctx, deployments.check_instance_name, registry_name="second")
    assert (taken.is_validated, taken.detail_code) == (False, 3)
    with pytest.raises(InstanceNameTaken):
        await create(ctx)
    assert issubclass(InstanceNameTaken, AlreadyExists)
    answer = await ask(ctx, registries.describe_instances)
    assert [each.registry_name for each in answer.registries] == ["default", "second"]


async def test_an_instance_that_is_asked_after(ctx: Context) -> None:
    registry_id = await create(ctx)
    found = await ask(ctx, deployments.check_instance, wanted_id=registry_id)
    assert found.is_validated and found.region_id > 10_000
    missing = await ask(ctx, deployments.check_instance, wanted_id="tcr-nothing")
    assert (missing.is_validated, missing.region_id) == (False, 0)


async def test_what_makes_no_sense_is_refused_and_leaves_nothing(ctx: Context) -> None:
    with pytest.raises(InvalidInput, match="RegistryChargePrepaid"):
        await create(ctx, registry_charge_type=1)
    with pytest.raises(TooManyTags):
        tags = [Tag(key=f"key-{number}") for number in range(11)]
        await create(ctx, tag_specification=TagSpecification(tags=tags))
    assert len((await ask(ctx, registries.describe_instances)).registries) == 1
    assert await work_off(ctx) == []


async def test_while_it_is_made_nothing_is_changed_pushed_or_pulled(ctx: Context) -> None:
    registry_id = await create(ctx)
    with pytest.raises(InstanceNotRunning, match="being created"):
        await ask(ctx, namespaces.create_namespace, registry_id=registry_id, namespace_name="library")
    asker = await asker_at(ctx, "second", owner_login(ctx))
    with pytest.raises(InstanceNotRunning) as caught:
        await push_image(ctx, asker, "library/web", "latest")
    assert caught.value.detail == {"instance": registry_id, "status": "Pending"}
    await work_off(ctx)
    # The same process now knows that it is running; the other instance's credential opens nothing here.
    with pytest.raises(NotAuthenticated):
        await push_image(ctx, asker, "library/web", "latest")
    await push_image(ctx, await owner_asker(ctx), "library/web", "latest")


async def test_what_goes_wrong_is_told_and_tried_again(ctx: Context, clock: FakeClock) -> None:
    store = BadStore()
    broken = over(ctx, store)
    registry_id = await create(broken)
    assert await work_off(broken) == ["retried"]
    answer = await ask(ctx, registries.describe_instance_status, registry_ids=[registry_id])
    (found,) = answer.registry_status_set
    assert (found.status, found.conditions[0].reason) == ("Deploying", "the bucket is gone")
    store.broken = False
    clock.turn(seconds=5)
    assert await work_off(broken) == ["done"]
    assert await status(ctx, registry_id) == ("Running", [(step, "Succeeded") for step in STEPS])


async def test_what_goes_on_going_wrong_is_the_end(ctx: Context, clock: FakeClock) -> None:
    broken = over(ctx, BadStore())
    registry_id = await create(broken)
    await work_off(broken)
    clock.turn(seconds=31)
    assert await work_off(broken) == ["done"]
    assert await status(ctx, registry_id) == (
        "FailedCreated",
        [("Storage", "Failed"), ("Domain", "Pending"), ("Network", "Pending")],
    )
    with pytest.raises(InstanceNotRunning, match="could not be created"):
        await ask(ctx, registries.modify_instance, registry_id=registry_id, deletion_protection=True)
    await ask(ctx, deletions.delete_instance, registry_id=registry_id)
    clock.turn(seconds=60)
    await work_off(ctx)
    assert await status(ctx, registry_id) is None
    await create(ctx)


async def test_a_crash_in_the_middle_is_made_good(ctx: Context, clock: FakeClock) -> None:
    store = BadStore()
    store.gate = asyncio.Event()
    stuck = over(ctx, store)
    registry_id = await create(stuck)
    task = asyncio.create_task(work_off(stuck))
    await store.reached.wait()
    assert (await status(ctx, registry_id) or ("",))[0] == "Deploying"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await work_off(ctx) == [], "the dead process holds it until its lease ends"
    clock.turn(seconds=31)
    assert await work_off(ctx) == ["done"]
    assert (await status(ctx, registry_id) or ("",))[0] == "Running"


async def test_one_that_is_deleted_while_it_is_made_does_not_come_back(ctx: Context) -> None:
    store = BadStore()
    store.gate, store.broken = asyncio.Event(), False
    slow = over(ctx, store)
    registry_id = await create(slow)
    task = asyncio.create_task(work_off(slow))
    await store.reached.wait()
    assert (await status(ctx, registry_id) or ("",))[0] == "Deploying"
    await ask(ctx, deletions.delete_instance, registry_id=registry_id)
    store.gate.set()
    await task
    assert (await status(ctx, registry_id) or ("",))[0] == "Deleting"
    await work_off(ctx)
    assert await status(ctx, registry_id) is None


@pytest.mark.parametrize(
    ("begin", "months", "end"),
    [
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2027, 11, 30), 3, (2028, 2, 29)),
        ((2026, 12, 1), 1, (2027, 1, 1)),
        ((2026, 5, 15), 12, (2027, 5, 15)),
    ],
)
def test_months(begin: tuple[int, int, int], months: int, end: tuple[int, int, int]) -> None:
    assert months_later(datetime(*begin, 12, tzinfo=UTC), months) == datetime(*end, 12, tzinfo=UTC)
