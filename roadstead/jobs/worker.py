"""The worker: claims due jobs, runs them on the event loop, and records what became of them.

It looks for work when a commit of this process entered some, when a job ends, and each `poll_seconds`. Looking is
reading: a worker with nothing to do opens no write transaction, because pushes share SQLite's only writer lane with
it. While bodies run, a heartbeat extends their leases; a body whose lease another worker has taken over is cancelled.
On `stop()` nothing more is claimed, the running bodies get some time to end, and the rest are cancelled and given
back, so that another process starts them at once. The database may be away for a while: the worker goes on.
"""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Generic

import structlog

from roadstead.jobs import queue as queues
from roadstead.jobs.queue import Ctx, JobTable, Lease, Outcome
from roadstead.jobs.schedule import Schedule, Scheduler
from roadstead.metadata.database import Database

_CANCEL_SECONDS = 5.0
_ERROR_SHOWN = 8000

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class QueueMetrics:
    """What one worker did in one queue since it was made; `running` is what it does now."""

    claimed: int = 0
    done: int = 0
    retried: int = 0
    failed: int = 0
    lost: int = 0
    returned: int = 0
    running: int = 0
    # From being due to being claimed, and in bodies: sums over the claimed.
    waited_seconds: float = 0.0
    worked_seconds: float = 0.0


class Worker(Generic[Ctx]):
    """Runs the jobs of `table` in the queues of `limits`, each queue's limit counted over all processes."""

    def __init__(
        self,
        database: Database,
        table: JobTable[Ctx],
        ctx: Ctx,
        clock: Callable[[], datetime],
        limits: Mapping[str, int],
        poll_seconds: float = 1.0,
        *,
        schedules: Sequence[Schedule[Ctx]] = (),
        lease: timedelta = timedelta(seconds=30),
        drain_seconds: float = 20.0,
    ) -> None:
        self.metrics = {queue: QueueMetrics() for queue in limits}
        self._database = database
        self._table = table
        self._ctx = ctx
        self._clock = clock
        self._limits = limits
        self._poll_seconds = poll_seconds
        self._lease = lease
        self._drain_seconds = drain_seconds
        self._scheduler = Scheduler(database, table, schedules)
        self._registered = False
        self._stopping = False
        self._troubled = False
        self._woken = asyncio.Event()
        # The bodies that run, and all tasks: those of bodies and those that record how a body ended.
        self._running: dict[Lease[Ctx], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Jobs were worked off until `stop()`; none of this worker's runs any more."""
        self._table.bind(self._woken.set)
        heartbeat = asyncio.create_task(self._beat())
        try:
            while not self._stopping:
                self._woken.clear()
                await self._try(self._look)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._poll_seconds)
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._drain_seconds)
        finally:
            self._table.unbind(self._woken.set)
            heartbeat.cancel()
            await asyncio.wait([heartbeat])
            await self._give_back()

    def stop(self) -> None:
        """Nothing more will be claimed, and `run()` returns when the running jobs have ended or were given back."""
        self._stopping = True
        self._woken.set()

    async def _try(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except Exception:  # noqa: BLE001 (a database that is away must not end the worker)
            if not self._troubled:
                _log.exception("the job worker cannot use the database; it tries again")
            self._troubled = True
        else:
            self._troubled = False

    async def _look(self) -> None:
        if not self._registered:
            await self._register()
        await self._scheduler.enter(self._clock())
        async with self._database.read() as tx:
            found = await queues.queues_with_work(tx, self._table.names, self._limits, self._clock())
        for queue in found:
            # Claims may be lost in a power failure: no body survives it, and the jobs are claimed again.
            async with self._database.write(durable=False) as tx:
                now = self._clock()
                limit, until = self._limits[queue], now + self._lease
                leases = await queues.claim(tx, self._table, queue, limit, now, until)
            for lease in leases:
                self._start(lease, now)

    async def _register(self) -> None:
        async with self._database.read() as tx:
            missing = await queues.missing_queues(tx, self._limits.keys())
        if missing:
            async with self._database.write() as tx:
                await queues.add_queues(tx, missing)
        self._registered = True

    def _start(self, lease: Lease[Ctx], now: datetime) -> None:
        counts = self.metrics[lease.queue]
        counts.claimed += 1
        counts.waited_seconds += (now - lease.due_at).total_seconds()
        task = asyncio.create_task(self._perform(lease))
        self._running[lease] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _perform(self, lease: Lease[Ctx]) -> None:
        counts = self.metrics[lease.queue]
        counts.running += 1
        began = time.monotonic()
        try:
            with structlog.contextvars.bound_contextvars(job=lease.job.name, job_id=lease.id):
                error = await self._attempt(lease)
        finally:
            self._running.pop(lease, None)
            counts.running -= 1
            counts.worked_seconds += time.monotonic() - began
        try:
            outcome = await self._record(lease, error)
        except Exception:  # noqa: BLE001 (whatever it is, the lease runs out and the job runs again)
            _log.exception("a job's end could not be recorded; it will run again", job_id=lease.id)
        else:
            setattr(counts, outcome, getattr(counts, outcome) + 1)
        self._woken.set()

    async def _attempt(self, lease: Lease[Ctx]) -> BaseException | None:
        """What the body raised, logged, or None; raises CancelledError only when the worker cancelled it."""
        job = lease.job
        task = asyncio.current_task()
        try:
            if lease.attempt > job.attempts:
                raise RuntimeError("a worker was ended in the middle of the last attempt")
            async with asyncio.timeout(job.timeout.total_seconds()):
                await job.run(self._ctx, lease.arguments)
        except (Exception, asyncio.CancelledError) as error:
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from error
            _log.warning("job failed", attempt=lease.attempt, attempts=job.attempts, exc_info=error)
            return error
        return None

    async def _record(self, lease: Lease[Ctx], error: BaseException | None) -> Outcome:
        now = self._clock()
        async with self._database.write() as tx:
            if error is None:
                return await queues.finish(tx, lease, now)
            shown = "".join(traceback.format_exception(error))[-_ERROR_SHOWN:]
            # Spread, so that jobs which failed together do not come back together.
            return await queues.fail(tx, lease, shown, now, random.uniform(0.8, 1.2))  # noqa: S311

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            if self._running:
                await self._try(self._extend)

    async def _extend(self) -> None:
        leases = list(self._running)
        async with self._database.write(durable=False) as tx:
            held = set(await queues.extend(tx, leases, self._clock() + self._lease))
        for lease in leases:
            if lease not in held and (task := self._running.pop(lease, None)):
                self.metrics[lease.queue].lost += 1
                _log.warning("another worker has taken the job over", job=lease.job.name, job_id=lease.id)
                task.cancel()

    async def _give_back(self) -> None:
        left = dict(self._running)
        for task in left.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CANCEL_SECONDS)
        # A body that does not heed its cancellation keeps its lease: nobody else should start it yet.
        if ended := [lease for lease, task in left.items() if task.done()]:
            await self._try(partial(self._release, ended))

    async def _release(self, leases: Sequence[Lease[Ctx]]) -> None:
        async with self._database.write() as tx:
            returned = await queues.release(tx, leases, self._clock())
        for lease in returned:
            self.metrics[lease.queue].returned += 1
