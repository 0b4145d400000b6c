"""Lanes and deliveries as rows on both databases: in order, one holder each, and none left behind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from roadstead.metadata import deliveries, delivery_log, triggers
from roadstead.metadata.database import Database
from roadstead.metadata.deliveries import Attempt, Target
from roadstead.metadata.delivery_log import Failed, Wanted
from tests.metadata.delivery_rows import delivery, trigger
from tests.metadata.scene import LATER, NOW, Scene, set_up


async def prepared(database: Database) -> tuple[Scene, int]:
    scene = await set_up(database)
    async with database.write() as tx:
        trigger_id = await triggers.add(tx, trigger(scene))
    assert trigger_id is not None
    return scene, trigger_id


async def take(database: Database, trigger_id: int, holder: str, most: int = 9) -> str | None:
    async with database.write() as tx:
        await deliveries.target(tx, trigger_id, 0)
        return await deliveries.take_lane(
            tx, trigger_id, 0, most=most, holder=holder, now=NOW, until=NOW + timedelta(minutes=1)
        )


async def test_a_trigger_is_kept_and_its_change_noticed(database: Database) -> None:
    scene, trigger_id = await prepared(database)
    async with database.write() as tx:
        first = await triggers.revision(tx, scene.instance)
        found = await triggers.get(tx, trigger_id)
        assert found == replace(trigger(scene), id=trigger_id) and first is not None
        await triggers.modify(tx, replace(found, enabled=False, target_count=2))
        assert await triggers.revision(tx, scene.instance) == first + 1
        assert await triggers.enabled_ones(tx, scene.instance) == []
        assert await deliveries.target(tx, trigger_id, 1) == Target(0, None, None)
        assert await triggers.add(tx, trigger(scene)) is None, "the name is taken"
        wide = replace(trigger(scene), namespace_id=None)
        assert await triggers.add(tx, wide) is not None
        assert await triggers.add(tx, wide) is None
        await triggers.remove(tx, found)
        assert await triggers.get(tx, trigger_id) is None
        assert await triggers.revision(tx, scene.instance + 99) is None


async def test_the_first_of_a_lane_opens_it(database: Database) -> None:
    scene, trigger_id = await prepared(database)
    async with database.write() as tx:
        assert await deliveries.enter(tx, delivery(scene, trigger_id))
        assert not await deliveries.enter(tx, delivery(scene, trigger_id))
        assert await deliveries.enter(tx, delivery(scene, trigger_id, "prod/other"))
        found = await deliveries.first(tx, trigger_id, 0, "prod/web")
        assert found is not None
        await deliveries.set_state(tx, found.id, "finished", LATER, attempts=1)
        following = await deliveries.first(tx, trigger_id, 0, "prod/web")
        assert following is not None and following.id > found.id


async def test_a_lane_has_one_holder_and_a_receiver_so_many(database: Database) -> None:
    scene, trigger_id = await prepared(database)
    async with database.write() as tx:
        for number in range(4):
            await deliveries.enter(tx, delivery(scene, trigger_id, f"prod/r{number}"))
    taken = await asyncio.gather(*(take(database, trigger_id, f"h{number}", most=3) for number in range(5)))
    assert len({lane for lane in taken if lane}) == 3 and taken.count(None) == 2
    lane = next(lane for lane in taken if lane)
    holder = f"h{taken.index(lane)}"
    async with database.write() as tx:
        assert await deliveries.hold(tx, trigger_id, 0, lane, holder)
        assert not await deliveries.hold(tx, trigger_id, 0, lane, "other")
        assert await deliveries.next_due(tx, trigger_id, 0) == NOW, "the fourth lane"
        await deliveries.end_lane(tx, trigger_id, 0, lane)
        assert await deliveries.open_lane(tx, trigger_id, 0, lane, NOW)
        assert await deliveries.overdue(tx, LATER, 9) == [(trigger_id, 0)]
        assert await deliveries.overdue(tx, NOW, 9) == []


async def test_whoever_enters_and_whoever_ends_a_lane_do_not_miss_each_other(database: Database) -> None:
    """Either the new delivery is seen before the lane ends, or it opens the lane anew."""
    scene, trigger_id = await prepared(database)
    for _ in range(10):
        async with database.write() as tx:
            assert await deliveries.enter(tx, delivery(scene, trigger_id))
            found = await deliveries.first(tx, trigger_id, 0, "prod/web")
        assert found is not None and await take(database, trigger_id, "h") == "prod/web"

        async def end(done: int = found.id) -> bool:
            async with database.write() as tx:
                assert await deliveries.hold(tx, trigger_id, 0, "prod/web", "h")
                await deliveries.set_state(tx, done, "finished", NOW)
                left = await deliveries.first(tx, trigger_id, 0, "prod/web")
                if left is None:
                    await deliveries.end_lane(tx, trigger_id, 0, "prod/web")
                return left is not None

        async def enter() -> bool:
            async with database.write() as tx:
                return await deliveries.enter(tx, delivery(scene, trigger_id))

        seen, opened = await asyncio.gather(end(), enter())
        assert seen != opened
        async with database.write() as tx:
            assert await deliveries.stop_lane(tx, trigger_id, 0, "prod/web", NOW, 9) == 1
            await deliveries.end_lane(tx, trigger_id, 0, "prod/web")


async def test_a_delivery_that_steps_aside_is_alone(database: Database) -> None:
    scene, trigger_id = await prepared(database)
    async with database.write() as tx:
        await deliveries.enter(tx, delivery(scene, trigger_id))
        found = await deliveries.first(tx, trigger_id, 0, "prod/web")
        assert found is not None and deliveries.can_step_aside(found)
        await deliveries.step_aside(tx, found, LATER)
        assert await deliveries.first(tx, trigger_id, 0, "prod/web") is None
        aside = await deliveries.first(tx, trigger_id, 0, f"prod/web#{found.id}")
        assert aside is not None and aside.repository == "prod/web" and not deliveries.can_step_aside(aside)


async def test_attempts_are_kept_with_their_delivery(database: Database) -> None:
    scene, trigger_id = await prepared(database)
    async with database.write() as tx:
        await deliveries.enter(tx, delivery(scene, trigger_id))
        found = await deliveries.first(tx, trigger_id, 0, "prod/web")
        assert found is not None
        first = Attempt(found.id, 1, NOW, 12, "POST x", None, "", "", "no answer")
        await deliveries.add_attempt(tx, first)
        await deliveries.add_attempt(tx, replace(first, status=200))
        await deliveries.add_attempt(tx, replace(first, number=2))
        kept = await deliveries.attempts(tx, found.id, last=0, most=9)
        assert kept == [replace(first, status=200), replace(first, number=2)]
        assert await deliveries.attempts(tx, found.id, last=1, most=9) == kept[1:]


@pytest.mark.parametrize("by_trigger", [True, False])
async def test_the_log_is_paged_from_the_newest(database: Database, by_trigger: bool) -> None:
    scene, trigger_id = await prepared(database)
    wanted = Wanted(scene.instance, scene.namespace, trigger_id if by_trigger else None)
    async with database.write() as tx:
        for _ in range(5):
            await deliveries.enter(tx, delivery(scene, trigger_id))
        page = await delivery_log.page(tx, wanted, before=0, most=3)
        rest = await delivery_log.page(tx, wanted, before=page[-1].id, most=3)
        numbers = [each.id for each in [*page, *rest]]
        assert numbers == sorted(numbers, reverse=True) and len(numbers) == 5
        assert await delivery_log.count(tx, wanted) == 5
        assert await delivery_log.count(tx, replace(wanted, state="error")) == 0
        await deliveries.set_state(tx, numbers[0], "error", NOW)
        failed = await delivery_log.failed(tx, Failed(trigger_id, 1, NOW, LATER), 9)
        assert [each.id for each in failed] == numbers[:1]
        assert await delivery_log.failed(tx, Failed(trigger_id, 1, LATER), 9) == []
        assert await delivery_log.failed(tx, Failed(trigger_id, 0), 9) == []
        assert await delivery_log.failed_elsewhere(tx, Failed(trigger_id, 0, NOW, LATER)) == 1
        assert await delivery_log.failed_elsewhere(tx, Failed(trigger_id, 1)) == 0
        assert await delivery_log.forget(tx, LATER, 9) == 1
        assert await delivery_log.forget_gone(tx, 9) == 0
        found = await triggers.get(tx, trigger_id)
        assert found is not None
        await triggers.remove(tx, found)
        assert await delivery_log.count(tx, wanted) == (4 if by_trigger else 0)
        assert await delivery_log.forget_gone(tx, 2) == 3, "two deliveries and a lane"
        assert await delivery_log.forget_gone(tx, 9) == 2
        assert await delivery_log.forget_gone(tx, 9) == 0
