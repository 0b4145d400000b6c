"""What the job queue promises on every database: each change of a job's row, without a worker.

Whoever runs it provides the fixtures `database`, `clock` and `table` (see `tests/jobs/conftest.py`).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from roadstead.jobs import queue as queues
from roadstead.jobs.queue import JobTable, Lease
from roadstead.metadata.database import Database
from roadstead.metadata.schema.jobs import jobs
from tests.jobs.bench import LEASE, START, Bench, FakeClock, Number, enter, hold, note, rows, states, stumble


async def claim(database: Database, table: JobTable[Bench], clock: FakeClock, limit: int = 10) -> list[Lease[Bench]]:
    """What a claim in the queue `quick` yields now."""
    async with database.write() as tx:
        return await queues.claim(tx, table, "quick", limit, clock(), clock() + LEASE)


def values(leases: list[Lease[Bench]]) -> list[int]:
    return [msgspec.json.decode(lease.arguments, type=Number).value for lease in leases]


class JobQueueContract:
    """The promises, one test each."""

    @pytest.fixture(autouse=True)
    async def queues(self, database: Database) -> None:
        async with database.write() as tx:
            await queues.add_queues(tx, ["quick", "slow"])
            await queues.add_queues(tx, ["slow", "quick"])

    async def test_a_job_is_entered_with_its_transaction(self, database: Database, table: JobTable[Bench]) -> None:
        woken: list[str] = []
        table.bind(lambda: woken.append("woken"))
        async with database.write() as tx:
            first = await table.enqueue(tx, note, Number(1), now=START)
            assert woken == []
        assert woken == ["woken"]
        assert [(row.id, row.state, row.arguments) for row in await rows(database)] == [
            (first, "ready", '{"value":1}')
        ]

    async def test_a_rollback_leaves_no_job(self, database: Database, table: JobTable[Bench]) -> None:
        woken: list[str] = []
        table.bind(lambda: woken.append("woken"))
        with pytest.raises(ZeroDivisionError):
            async with database.write() as tx:
                await table.enqueue(tx, note, Number(1), now=START)
                raise ZeroDivisionError
        assert await rows(database) == []
        assert woken == []

    async def test_a_unique_key_is_entered_once(self, database: Database, table: JobTable[Bench]) -> None:
        assert len(await enter(database, table, note, 1, unique_key="one")) == 1
        assert await enter(database, table, note, 2, 3, unique_key="one") == []
        assert len(await enter(database, table, note, 4, unique_key="other")) == 1
        assert len(await rows(database)) == 2
        async with database.read() as tx:
            assert await queues.key_taken(tx, "one")
            assert not await queues.key_taken(tx, "two")

    async def test_the_due_are_claimed_by_priority_then_age(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        await enter(database, table, note, 1, delay=5)
        await enter(database, table, note, 2, delay=1)
        await enter(database, table, note, 3, delay=3, priority=1)
        await enter(database, table, note, 4, delay=3, priority=-1)
        await enter(database, table, note, 5, delay=60, priority=9)
        await enter(database, table, hold, 6)
        assert await claim(database, table, clock) == []
        clock.turn(seconds=10)
        assert values(await claim(database, table, clock, limit=3)) == [3, 2, 1]
        assert values(await claim(database, table, clock, limit=9)) == [4]

    async def test_a_lease_keeps_others_away_until_it_ends(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        await enter(database, table, note, 1)
        (first,) = await claim(database, table, clock)
        clock.turn(seconds=29)
        assert await claim(database, table, clock) == []
        clock.turn(seconds=1)
        (second,) = await claim(database, table, clock)
        assert (first.id, first.attempt, first.due_at) == (second.id, 1, START)
        assert (second.attempt, second.due_at) == (2, clock())

    async def test_an_extended_lease_holds_longer(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        await enter(database, table, note, 1, 2)
        kept, dropped = await claim(database, table, clock)
        clock.turn(seconds=20)
        async with database.write() as tx:
            assert await queues.extend(tx, [kept], clock() + LEASE) == [kept]
        clock.turn(seconds=20)
        (again,) = await claim(database, table, clock)
        assert again.id == dropped.id
        async with database.write() as tx:
            assert await queues.extend(tx, [kept, dropped, again], clock() + LEASE) == [kept, again]

    @pytest.mark.parametrize("late", ["finish", "fail", "release"])
    async def test_a_lost_lease_changes_nothing(
        self, database: Database, table: JobTable[Bench], clock: FakeClock, late: str
    ) -> None:
        await enter(database, table, note, 1)
        (lost,) = await claim(database, table, clock)
        clock.turn(seconds=31)
        (held,) = await claim(database, table, clock)
        before = await rows(database)
        async with database.write() as tx:
            match late:
                case "finish":
                    assert await queues.finish(tx, lost, clock()) == "lost"
                case "fail":
                    assert await queues.fail(tx, lost, "too late", clock(), 1.0) == "lost"
                case _:
                    assert await queues.release(tx, [lost], clock()) == []
        assert await rows(database) == before
        async with database.write() as tx:
            assert await queues.finish(tx, held, clock()) == "done"
            assert await queues.fail(tx, held, "done before", clock(), 1.0) == "lost"

    async def test_an_old_lease_is_lost_even_when_the_job_was_run_again(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        (job_id,) = await enter(database, table, hold, 1)
        async with database.write() as tx:
            (old,) = await queues.claim(tx, table, "slow", 1, clock(), clock() + LEASE)
            assert await queues.fail(tx, old, "first", clock(), 1.0) == "failed"
            assert await queues.run_again(tx, job_id, clock())
            (new,) = await queues.claim(tx, table, "slow", 1, clock(), clock() + LEASE)
        assert (old.attempt, new.attempt) == (1, 1)
        async with database.write() as tx:
            assert await queues.finish(tx, old, clock()) == "lost"
            assert await queues.finish(tx, new, clock()) == "done"

    async def test_a_failed_attempt_comes_back_later_each_time_and_then_is_dead(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        await enter(database, table, stumble, 7)
        for pause in (15, 30):
            (lease,) = await claim(database, table, clock)
            async with database.write() as tx:
                assert await queues.fail(tx, lease, f"pause {pause}", clock(), 1.5) == "retried"
            (row,) = await rows(database)
            assert (row.state, row.run_at, row.error) == (
                "ready",
                clock() + timedelta(seconds=pause),
                f"pause {pause}",
            )
            assert await claim(database, table, clock) == []
            clock.turn(seconds=pause)
        (lease,) = await claim(database, table, clock)
        async with database.write() as tx:
            assert await queues.fail(tx, lease, "the \0 last", clock(), 1.5) == "failed"
        async with database.read() as tx:
            (dead,) = await queues.failed_jobs(tx)
        assert (dead.task, dead.arguments, dead.attempts) == ("stumble", '{"value":7}', 3)
        assert (dead.created_at, dead.finished_at, dead.error) == (
            START,
            clock(),
            "the \N{REPLACEMENT CHARACTER} last",
        )
        assert await claim(database, table, clock) == []

    async def test_a_released_job_is_due_at_once_and_loses_no_attempt(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        await enter(database, table, note, 1)
        (lease,) = await claim(database, table, clock)
        async with database.write() as tx:
            assert await queues.release(tx, [lease], clock()) == [lease]
        (again,) = await claim(database, table, clock)
        assert (again.id, again.attempt, again.number) == (lease.id, 1, lease.number + 1)

    async def test_only_a_failed_job_is_run_again(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        dead, ready = await enter(database, table, hold, 1, 2)
        async with database.write() as tx:
            (lease,) = await queues.claim(tx, table, "slow", 1, clock(), clock() + LEASE)
            await queues.fail(tx, lease, "error", clock(), 1.0)
            assert not await queues.run_again(tx, ready, clock())
            assert not await queues.run_again(tx, ready + 1, clock())
            assert await queues.run_again(tx, dead, clock())
            assert not await queues.run_again(tx, dead, clock())
            assert await queues.failed_jobs(tx) == []
        assert await states(database) == ["ready", "ready"]

    async def test_dead_jobs_are_listed_by_pages(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        ids = await enter(database, table, hold, *range(5))
        async with database.write() as tx:
            for lease in await queues.claim(tx, table, "slow", 5, clock(), clock() + LEASE):
                await queues.fail(tx, lease, "error", clock(), 1.0)
        async with database.read() as tx:
            first = await queues.failed_jobs(tx, n=2)
            rest = await queues.failed_jobs(tx, last=first[-1].id, n=9, queue="slow")
            assert await queues.failed_jobs(tx, queue="quick") == []
        assert [dead.id for dead in [*first, *rest]] == ids
        assert len(first) == 2

    async def test_the_limit_counts_all_that_run(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        await enter(database, table, note, *range(4))
        first, second = await claim(database, table, clock, limit=2)
        assert await claim(database, table, clock, limit=2) == []
        async with database.write() as tx:
            await queues.finish(tx, first, clock())
        assert values(await claim(database, table, clock, limit=2)) == [2]
        clock.turn(seconds=30)
        # The last one has been due since the start, the lapsed ones only since their leases ended.
        assert values(await claim(database, table, clock, limit=2)) == [3, 1]
        assert second.due_at == START

    async def test_claims_at_the_same_time_never_pass_the_limit(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        await enter(database, table, note, *range(30))
        claims = await asyncio.gather(*(claim(database, table, clock, limit=7) for _ in range(8)))
        assert sum(map(len, claims)) == 7
        assert len({lease.id for leases in claims for lease in leases}) == 7

    async def test_a_newer_releases_job_stays_as_it_is(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        await enter(database, table, note, 1)
        async with database.write() as tx:
            await tx.run(sa.update(jobs).values(task="from_the_future"))
        before = await rows(database)
        assert await claim(database, table, clock) == []
        async with database.read() as tx:
            assert await queues.queues_with_work(tx, table.names, {"quick": 5}, clock()) == []
        assert await rows(database) == before

    async def test_a_queue_has_work_when_something_is_due_and_there_is_room(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        limits = {"quick": 2, "slow": 1, "other": 1}

        async def found() -> list[str]:
            async with database.read() as tx:
                return await queues.queues_with_work(tx, table.names, limits, clock())

        assert await found() == []
        await enter(database, table, hold, 1, delay=10)
        await enter(database, table, note, 1, 2, 3)
        assert await found() == ["quick"]
        await claim(database, table, clock, limit=1)
        assert await found() == ["quick"]
        await claim(database, table, clock, limit=2)
        assert await found() == []
        clock.turn(seconds=10)
        assert await found() == ["slow"]
        clock.turn(seconds=20)
        assert await found() == ["quick", "slow"]

    async def test_only_old_done_jobs_are_pruned_a_batch_at_a_time(
        self, database: Database, table: JobTable[Bench], clock: FakeClock
    ) -> None:
        await enter(database, table, note, *range(7))
        await enter(database, table, hold, 7)
        *old, young, left = await claim(database, table, clock, limit=7)
        async with database.write() as tx:
            for lease in old:
                await queues.finish(tx, lease, clock())
            (dead,) = await queues.claim(tx, table, "slow", 1, clock(), clock() + LEASE)
            assert await queues.fail(tx, dead, "error", clock(), 1.0) == "failed"
            await queues.finish(tx, young, clock.turn(days=7))
        async with database.write() as tx:
            before = clock.turn(seconds=1) - timedelta(days=7)
            assert [await queues.prune(tx, before=before, n=3) for _ in range(3)] == [3, 2, 0]
        assert [row.id for row in await rows(database)] == [young.id, left.id, dead.id]
