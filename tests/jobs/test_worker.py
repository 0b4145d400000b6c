"""The worker: what it runs, what it records, what it leaves alone, and how it stops."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from roadstead.jobs import queue as queues
from roadstead.jobs.queue import JobTable
from roadstead.jobs.schedule import every
from roadstead.jobs.worker import Worker
from roadstead.metadata.database import Database
from roadstead.metadata.schema.jobs import jobs
from tests.jobs.bench import (
    LEASE,
    START,
    Bench,
    CountingDatabase,
    FakeClock,
    Number,
    dawdle,
    ended,
    enter,
    eventually,
    give_up,
    hold,
    hold_on,
    make_table,
    note,
    rows,
    states,
    stumble,
    working,
)

LIMITS = {"quick": 5, "slow": 3}
HEARTBEAT = timedelta(seconds=0.15)  # the lease of workers whose heartbeat a test waits for


def make_worker(
    database: Database,
    table: JobTable[Bench],
    bench: Bench,
    clock: FakeClock,
    *,
    poll_seconds: float = 0.01,
    lease: timedelta = LEASE,
    drain_seconds: float = 30,
) -> Worker[Bench]:
    return Worker(database, table, bench, clock, LIMITS, poll_seconds, lease=lease, drain_seconds=drain_seconds)


@pytest.fixture
def worker(database: Database, table: JobTable[Bench], bench: Bench, clock: FakeClock) -> Worker[Bench]:
    return make_worker(database, table, bench, clock)


async def claim_slow(database: Database, clock: FakeClock) -> None:
    """Another process has claimed what is due in the queue `slow`."""
    async with database.write() as tx:
        await queues.add_queues(tx, ["slow"])
        assert await queues.claim(tx, make_table(), "slow", 3, clock(), clock() + LEASE)


async def test_jobs_run_and_are_done(
    database: Database, worker: Worker[Bench], table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    await enter(database, table, note, *range(20))
    clock.turn(seconds=2)
    async with working(worker):
        await eventually(lambda: ended(database))
    assert sorted(bench.ran) == list(range(20))
    assert {(row.state, row.error, row.finished_at, row.attempts) for row in await rows(database)} == {
        ("done", None, clock(), 1)
    }
    counts = worker.metrics["quick"]
    assert (counts.claimed, counts.done, counts.running, counts.waited_seconds) == (20, 20, 0, 40.0)
    assert worker.metrics["slow"].claimed == 0


async def test_a_commit_in_this_process_wakes_the_worker(
    database: Database, table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    async with working(make_worker(database, table, bench, clock, poll_seconds=3600)):
        for number in range(3):
            await enter(database, table, note, number)
            await eventually(lambda: ended(database))
    assert bench.ran == [0, 1, 2]
    await enter(database, table, note, 3)


async def test_a_failing_job_is_tried_as_often_as_it_may_be(
    database: Database, worker: Worker[Bench], table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    await enter(database, table, stumble, 1)
    with capture_logs([merge_contextvars]) as logs:
        async with working(worker):
            for tries in (1, 2):
                await eventually(lambda tries=tries: worker.metrics["quick"].retried == tries)
                clock.turn(seconds=25 * tries)
            await eventually(lambda: worker.metrics["quick"].failed == 1)
    assert bench.ran == [1, 1, 1]
    async with database.read() as tx:
        (dead,) = await queues.failed_jobs(tx)
    assert dead.attempts == 3
    assert "Traceback" in dead.error and "in stumble" in dead.error and "LookupError: no such thing" in dead.error
    seen = [(each["event"], each["job"], each["job_id"], each["attempt"]) for each in logs]
    assert seen == [("job failed", "stumble", dead.id, attempt) for attempt in (1, 2, 3)]


async def test_retries_are_spread(
    database: Database, worker: Worker[Bench], table: JobTable[Bench], clock: FakeClock
) -> None:
    await enter(database, table, stumble, *range(10))
    async with working(worker):
        await eventually(lambda: worker.metrics["quick"].retried == 10)
    pauses = [row.run_at - clock() for row in await rows(database)]
    assert all(timedelta(seconds=8) <= pause <= timedelta(seconds=12) for pause in pauses)
    assert len(set(pauses)) > 1


async def test_a_body_that_takes_too_long_has_failed(
    database: Database, worker: Worker[Bench], table: JobTable[Bench]
) -> None:
    await enter(database, table, dawdle, 1)
    async with working(worker):
        await eventually(lambda: worker.metrics["slow"].retried == 1)
    (row,) = await rows(database)
    assert "TimeoutError" in row.error


async def test_a_body_that_cancels_itself_has_failed(
    database: Database, worker: Worker[Bench], table: JobTable[Bench]
) -> None:
    await enter(database, table, give_up, 1)
    async with working(worker):
        await eventually(lambda: worker.metrics["quick"].retried == 1)
    (row,) = await rows(database)
    assert "CancelledError" in row.error


async def test_arguments_that_no_longer_fit_fail_the_job(
    database: Database, worker: Worker[Bench], table: JobTable[Bench]
) -> None:
    await enter(database, table, note, 1)
    async with database.write() as tx:
        await tx.run(sa.update(jobs).values(arguments='{"other": 1}', attempts=2))
    async with working(worker):
        await eventually(lambda: ended(database))
    (row,) = await rows(database)
    assert row.state == "failed"
    assert "ValidationError" in row.error


async def test_a_job_whose_worker_died_in_its_last_attempt_is_dead(
    database: Database, worker: Worker[Bench], table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    await enter(database, table, hold, 1)
    await claim_slow(database, clock)
    clock.turn(seconds=31)
    async with working(worker):
        await eventually(lambda: ended(database))
    (row,) = await rows(database)
    assert row.state == "failed"
    assert "a worker was ended in the middle of the last attempt" in row.error
    assert bench.ran == []


async def test_the_heartbeat_keeps_the_lease(
    database: Database, table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    async def kept() -> bool:
        (row,) = await rows(database)
        return bool(row.run_at == clock() + HEARTBEAT)

    await enter(database, table, hold, 1)
    async with working(make_worker(database, table, bench, clock, lease=HEARTBEAT)):
        await eventually(lambda: bench.running == 1)
        for _ in range(3):
            # Less than the lease: else the worker could claim the job anew.
            clock.turn(seconds=0.1)
            await eventually(kept)
        bench.gate.set()
    assert bench.ran == [1]
    assert await states(database) == ["done"]


async def test_a_body_whose_lease_was_taken_over_is_cancelled(
    database: Database, table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    await enter(database, table, hold, 1)
    worker = make_worker(database, table, bench, clock, lease=HEARTBEAT)
    async with working(worker):
        await eventually(lambda: bench.running == 1)
        async with database.write() as tx:
            taken = {"claims": jobs.c.claims + 1, "run_at": clock() + LEASE}
            await tx.run(sa.update(jobs).values(taken))
        await eventually(lambda: bench.cancelled == [1])
        before = await rows(database)
    assert await rows(database) == before
    assert worker.metrics["slow"].lost == 1


async def test_two_workers_together_keep_to_the_limit(
    database: Database, table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    await enter(database, table, hold, *range(12))
    first, second = (make_worker(database, make_table(), bench, clock) for _ in range(2))
    async with working(first, second):
        await eventually(lambda: bench.running == 3)
        bench.gate.set()
        await eventually(lambda: ended(database))
    assert bench.most_running == 3
    assert sorted(bench.ran) == list(range(12))


async def test_an_idle_worker_writes_nothing(
    database: Database, table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    """Though there are jobs: done ones, later ones, unknown ones, and a queue that others keep full."""
    await enter(database, table, note, 1, 2, 3)
    async with database.write() as tx:
        await tx.run(sa.update(jobs).where(jobs.c.id == 1).values(state="done"))
        await tx.run(sa.update(jobs).where(jobs.c.id == 2).values(task="from_the_future"))
        await tx.run(sa.update(jobs).where(jobs.c.id == 3).values(run_at=START + timedelta(hours=1)))
    await enter(database, table, hold, *range(4))
    await claim_slow(database, clock)
    counting = CountingDatabase(database)
    schedules = [every(3600, note, Number(9))]
    limits = {"quick": 5, "slow": 3}
    async with database.write() as tx:
        await queues.add_queues(tx, limits)
        await table.enqueue(tx, note, Number(9), now=START, delay=7200, unique_key="note@2026-11-23T12:00:00+00:00")
    before = await rows(database)
    async with working(Worker(counting, table, bench, clock, limits, 0.001, schedules=schedules)):
        await eventually(lambda: counting.reads > 30)
    assert counting.writes == 0
    assert await rows(database) == before


async def test_a_stopping_worker_lets_its_jobs_end(
    database: Database, worker: Worker[Bench], table: JobTable[Bench], bench: Bench
) -> None:
    await enter(database, table, hold, *range(5))
    async with working(worker):
        await eventually(lambda: bench.running == 3)
        worker.stop()
        await asyncio.sleep(0.05)
        bench.gate.set()
    assert sorted(await states(database)) == ["done"] * 3 + ["ready"] * 2
    assert len(bench.ran) == 3


async def test_a_stopping_worker_gives_back_what_does_not_end(
    database: Database, table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    await enter(database, table, hold, 1, 2)
    await enter(database, table, hold_on, 3)
    worker = make_worker(database, table, bench, clock, drain_seconds=0.05)
    async with working(worker):
        await eventually(lambda: worker.metrics["slow"].running == 3 and bench.running == 2)
    assert sorted(bench.cancelled) == [1, 2, 3]
    # The third heeded its cancellation by coming to an end.
    assert [(row.state, row.attempts, row.run_at) for row in (await rows(database))[:2]] == [
        ("ready", 0, clock())
    ] * 2
    assert (await states(database))[2] == "done"
    assert (worker.metrics["slow"].returned, worker.metrics["slow"].done) == (2, 1)
    bench.gate.set()
    async with working(make_worker(database, make_table(), bench, clock)):
        await eventually(lambda: ended(database))
    assert await states(database) == ["done"] * 3


async def test_a_cancelled_worker_gives_back_its_jobs(
    database: Database, worker: Worker[Bench], table: JobTable[Bench], bench: Bench
) -> None:
    await enter(database, table, hold, 1, 2)
    running = asyncio.create_task(worker.run())
    await eventually(lambda: bench.running == 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [(row.state, row.attempts) for row in await rows(database)] == [("ready", 0)] * 2


async def test_a_worker_outlives_the_absence_of_its_database(
    database: Database, table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    counting = CountingDatabase(database)
    with capture_logs() as logs:
        async with working(make_worker(counting, table, bench, clock)):
            for number in (1, 2):
                counting.fails_reading = True
                reads = counting.reads
                await eventually(lambda reads=reads: counting.reads > reads + 5)
                await enter(database, table, note, number)
                counting.fails_reading = False
                await eventually(lambda: ended(database))
    assert bench.ran == [1, 2]
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("the job worker cannot use the database; it tries again", "error")
    ] * 2


async def test_a_job_whose_end_could_not_be_recorded_runs_again(
    database: Database, table: JobTable[Bench], bench: Bench, clock: FakeClock
) -> None:
    await enter(database, table, dawdle, 1)
    counting = CountingDatabase(database)
    worker = make_worker(counting, table, bench, clock)
    with capture_logs() as logs:
        async with working(worker):
            await eventually(lambda: worker.metrics["slow"].running == 1)
            counting.fails_writing = True
            await eventually(lambda: any("could not be recorded" in each["event"] for each in logs))
            assert await states(database) == ["running"]
            counting.fails_writing = False
            bench.gate.set()
            clock.turn(seconds=31)
            await eventually(lambda: ended(database))
    assert await states(database) == ["done"]
