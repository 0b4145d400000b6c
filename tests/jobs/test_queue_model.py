"""The queue against a model of it: whatever happens in whatever order, the rows are what the model says."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from roadstead.jobs import queue as queues
from roadstead.jobs.queue import Lease
from roadstead.metadata.schema.jobs import job_queues, jobs
from roadstead.metadata.sqlite import SqliteDatabase
from tests.jobs.bench import LEASE, Bench, FakeClock, Number, make_table, rows, stumble

LIMIT = 3
KEPT = timedelta(minutes=5)

Answer = TypeVar("Answer")


@dataclass
class Expected:
    """What the model knows of one job."""

    id: int
    priority: int
    run_at: datetime
    unique_key: str | None
    state: str = "ready"
    attempts: int = 0
    claims: int = 0
    finished_at: datetime | None = None

    def holds(self, lease: Lease[Bench]) -> bool:
        return self.id == lease.id and self.state == "running" and self.claims == lease.number


class Queue(RuleBasedStateMachine):
    """One queue on SQLite and its model; every lease ever given stays in hand, to be used late."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="roadstead-queue-"))
        self.database = SqliteDatabase(self.folder / "queue.db")
        self.clock = FakeClock()
        self.table = make_table()
        self.jobs: dict[int, Expected] = {}
        self.leases: list[Lease[Bench]] = []
        self.run(self._create())

    async def _create(self) -> None:
        async with self.database.write(durable=False) as tx:
            await tx.run_sync(partial(jobs.metadata.create_all, tables=[jobs, job_queues]))
            await queues.add_queues(tx, ["quick"])

    def run(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        return self.runner.run(coroutine)

    def change(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """The answer of one of the queue's functions in a transaction of its own."""

        async def changed() -> Any:
            async with self.database.write(durable=False) as tx:
                return await function(tx, *arguments, **options)

        return self.run(changed())

    def teardown(self) -> None:
        self.run(self.database.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    @rule(
        delay=st.sampled_from([0, 10, 100]), priority=st.integers(-1, 1), key=st.sampled_from([None, None, "a", "b"])
    )
    def enter(self, delay: int, priority: int, key: str | None) -> None:
        now = self.clock()
        options = {"now": now, "delay": delay, "priority": priority, "unique_key": key}
        entered = self.change(self.table.enqueue, stumble, Number(1), **options)
        if key is not None and key in {each.unique_key for each in self.jobs.values()}:
            assert entered is None
        else:
            self.jobs[entered] = Expected(entered, priority, now + timedelta(seconds=delay), key)

    @rule(seconds=st.sampled_from([1, 10, 31, 400]))
    def wait(self, seconds: int) -> None:
        self.clock.turn(seconds=seconds)

    @rule()
    def claim(self) -> None:
        now = self.clock()
        opened = [each for each in self.jobs.values() if each.state in {"ready", "running"}]
        running = [each for each in opened if each.state == "running" and each.run_at > now]
        due = sorted((-each.priority, each.run_at, each.id) for each in opened if each.run_at <= now)
        found = self.run(self._look())
        assert found == (["quick"] if due and len(running) < LIMIT else [])
        leases: list[Lease[Bench]] = self.change(queues.claim, self.table, "quick", LIMIT, now, now + LEASE)
        assert [lease.id for lease in leases] == [each[2] for each in due[: LIMIT - len(running)]]
        assert len(running) + len(leases) <= LIMIT
        for lease in leases:
            each = self.jobs[lease.id]
            each.state, each.run_at = "running", now + LEASE
            each.attempts, each.claims = each.attempts + 1, each.claims + 1
            assert (lease.attempt, lease.number) == (each.attempts, each.claims)
        self.leases += leases

    async def _look(self) -> list[str]:
        async with self.database.read() as tx:
            return await queues.queues_with_work(tx, self.table.names, {"quick": LIMIT}, self.clock())

    def held(self, lease: Lease[Bench]) -> Expected | None:
        each = self.jobs.get(lease.id)
        return each if each is not None and each.holds(lease) else None

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        outcome = self.change(queues.finish, lease, self.clock())
        each = self.held(lease)
        assert outcome == ("lost" if each is None else "done")
        if each is not None:
            each.state, each.finished_at = "done", self.clock()

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        outcome = self.change(queues.fail, lease, "error", self.clock(), 1.0)
        each = self.held(lease)
        if each is None:
            assert outcome == "lost"
        elif each.attempts >= stumble.attempts:
            assert outcome == "failed"
            each.state, each.finished_at = "failed", self.clock()
        else:
            assert outcome == "retried"
            each.state = "ready"
            each.run_at = self.clock() + stumble.backoff * 2 ** (each.attempts - 1)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), back=st.booleans())
    def extend_or_release(self, data: st.DataObject, back: bool) -> None:
        leases = data.draw(st.lists(st.sampled_from(self.leases), unique=True, min_size=1))
        now = self.clock()
        held = [lease for lease in leases if self.held(lease)]
        function, until = (queues.release, now) if back else (queues.extend, now + LEASE)
        assert self.change(function, leases, until) == held
        for lease in held:
            each = self.jobs[lease.id]
            if back:
                each.state, each.run_at, each.attempts = "ready", now, each.attempts - 1
            else:
                each.run_at = now + LEASE

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def run_again(self, data: st.DataObject) -> None:
        each = self.jobs[data.draw(st.sampled_from(sorted(self.jobs)))]
        assert self.change(queues.run_again, each.id, self.clock()) == (each.state == "failed")
        if each.state == "failed":
            each.state, each.attempts, each.run_at, each.finished_at = "ready", 0, self.clock(), None

    @rule()
    def prune(self) -> None:
        before = self.clock() - KEPT
        old = {
            i
            for i, each in self.jobs.items()
            if each.state == "done" and each.finished_at and each.finished_at < before
        }
        assert self.change(queues.prune, before=before, n=100) == len(old)
        for each_id in old:
            del self.jobs[each_id]

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        found = [
            Expected(
                row.id, row.priority, row.run_at, row.unique_key, row.state, row.attempts, row.claims, row.finished_at
            )
            for row in self.run(rows(self.database))
        ]
        for each in found:
            if each.state in {"done", "failed"}:
                each.run_at = self.jobs[each.id].run_at
        assert found == [self.jobs[each_id] for each_id in sorted(self.jobs)]


TestQueueModel = Queue.TestCase
TestQueueModel.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
