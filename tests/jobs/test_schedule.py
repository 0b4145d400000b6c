"""Periodic jobs: once in each slot, whoever enters them, and no write where there is nothing to enter."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from roadstead.jobs.queue import JobTable
from roadstead.jobs.schedule import Schedule, Scheduler, every
from roadstead.jobs.worker import Worker
from roadstead.metadata.database import Database
from tests.jobs.bench import (
    START,
    Bench,
    CountingDatabase,
    FakeClock,
    Number,
    eventually,
    make_table,
    note,
    rows,
    states,
    working,
)

HOURLY = every(3600, note, Number(1))
HALF_HOURLY = every(1800, note, Number(2), name="half")
SCHEDULES: list[Schedule[Bench]] = [HOURLY, HALF_HOURLY]


async def keys(database: Database) -> list[str]:
    return [row.unique_key for row in await rows(database)]


async def done(database: Database, number: int) -> bool:
    return await states(database) == ["done"] * number


@pytest.mark.parametrize(
    ("seconds", "since", "began"),
    [(3600, 0, -1800), (1800, 0, 0), (1800, 1799.999999, 0), (1800, 1800, 1800), (86400, 0, -45000), (7, 12, 7)],
)
def test_a_slot_begins_at_a_multiple_of_its_period(seconds: int, since: float, began: int) -> None:
    slot = every(seconds, note, Number(1)).slot(START + timedelta(seconds=since))
    assert slot == START + timedelta(seconds=began)
    assert slot.timestamp() % seconds == 0


@pytest.mark.parametrize("seconds", [-1, 0, 86401])
def test_a_period_that_cannot_be_kept_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="between a second and a day"):
        every(seconds, note, Number(1))


async def test_two_schedules_of_one_name_are_refused(database: Database, table: JobTable[Bench]) -> None:
    with pytest.raises(ValueError, match="same name"):
        Scheduler(database, table, [HOURLY, every(60, note, Number(2))])


async def test_each_slot_is_entered_once(database: Database, table: JobTable[Bench], clock: FakeClock) -> None:
    scheduler = Scheduler(database, table, SCHEDULES)
    for minutes in (0, 10, 19, 1, 30):
        await scheduler.enter(clock.turn(minutes=minutes))
    assert await keys(database) == [
        "note@2026-11-23T12:00:00+00:00",
        "half@2026-11-23T12:30:00+00:00",
        "note@2026-11-23T13:00:00+00:00",
        "half@2026-11-23T13:00:00+00:00",
        "half@2026-11-23T13:30:00+00:00",
    ]


async def test_processes_that_enter_at_once_enter_once(database: Database, clock: FakeClock) -> None:
    schedulers = [Scheduler(database, make_table(), SCHEDULES) for _ in range(8)]
    await asyncio.gather(*(scheduler.enter(clock()) for scheduler in schedulers))
    assert len(await keys(database)) == 2


async def test_only_a_new_slot_that_nobody_entered_is_written(
    database: Database, table: JobTable[Bench], clock: FakeClock
) -> None:
    counting = CountingDatabase(database)
    ours, another = Scheduler(counting, table, SCHEDULES), Scheduler(database, make_table(), SCHEDULES)
    await ours.enter(clock())
    assert (counting.reads, counting.writes) == (2, 2)
    await ours.enter(clock.turn(minutes=29))
    assert (counting.reads, counting.writes) == (2, 2)
    await another.enter(clock.turn(minutes=1))
    await ours.enter(clock())
    await Scheduler(counting, table, SCHEDULES).enter(clock())
    assert (counting.reads, counting.writes) == (6, 2)
    clock.turn(hours=-1)
    await ours.enter(clock())
    assert (counting.reads, counting.writes) == (6, 2)


async def test_two_workers_run_each_slots_job_once(database: Database, clock: FakeClock, bench: Bench) -> None:
    workers = [
        Worker(database, make_table(), bench, clock, {"quick": 5}, 0.005, schedules=SCHEDULES) for _ in range(2)
    ]
    async with working(*workers):
        for entered in (2, 4, 5, 7, 8):
            await eventually(lambda entered=entered: done(database, entered))
            clock.turn(minutes=30) if entered < 8 else None
    assert sorted(bench.ran) == [1] * 3 + [2] * 5
