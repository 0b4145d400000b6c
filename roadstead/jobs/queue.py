"""The durable job queue: what a job is, and each change of a job's row.

A job is a row. Entering it is an INSERT in the caller's transaction, so the job exists if and only if the change it
follows from does. A worker takes a job by leasing it: state `running`, `run_at` the end of the lease. A lease that
runs out makes the row due again, so a killed worker needs no recovery. Each claim is numbered, and whoever holds an
older number than the row's changes nothing any more. Delivery is at least once: bodies must be idempotent. The
nodes' clocks must agree to within a fraction of a lease.

    ready ──claim──> running ──finish──> done
      ^                 │ │
      ├──fail, release──┘ └──fail, last attempt──> failed
      └──run_again─────────────────────────────────┘
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Generic, Literal, TypeVar, get_type_hints

import msgspec
import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.jobs import OPEN, job_queues, jobs

Args = TypeVar("Args", bound=msgspec.Struct)
Ctx = TypeVar("Ctx")
_Ctx_contra = TypeVar("_Ctx_contra", contravariant=True)

Outcome = Literal["done", "retried", "failed", "lost"]

_LONGEST_PAUSE = timedelta(hours=1)


class NoArguments(msgspec.Struct, frozen=True):
    """What a job is told that needs to be told nothing."""


@dataclass(frozen=True, slots=True)
class Job(Generic[_Ctx_contra, Args]):
    """What one kind of job does, where it queues, and how often it is tried."""

    name: str
    queue: str
    body: Callable[[_Ctx_contra, Args], Awaitable[None]]
    arguments: type[Args]
    attempts: int
    backoff: timedelta
    timeout: timedelta

    async def run(self, ctx: _Ctx_contra, arguments: str) -> None:
        """The body has run with the arguments as they stand in the row."""
        await self.body(ctx, msgspec.json.decode(arguments, type=self.arguments))

    def pause(self, attempt: int, spread: float) -> timedelta:
        """How long to wait after a failed attempt: doubled each time, an hour at most, times `spread`."""
        # A larger power would overflow; this one is far past the longest pause.
        doublings = min(attempt - 1, 20)
        return min(self.backoff * float(2**doublings), _LONGEST_PAUSE) * spread


def job(
    *,
    queue: str,
    attempts: int = 5,
    backoff: timedelta = timedelta(seconds=2),
    timeout: timedelta = timedelta(minutes=10),
    name: str | None = None,
) -> Callable[[Callable[[Ctx, Args], Awaitable[None]]], Job[Ctx, Args]]:
    """The decorated `async def body(ctx, arguments)` is a Job; rows know it by its name, which must stay."""

    def define(body: Callable[[Ctx, Args], Awaitable[None]]) -> Job[Ctx, Args]:
        return Job(name or body.__name__, queue, body, _argument_type(body), attempts, backoff, timeout)

    return define


def _argument_type(body: Callable[[Ctx, Args], Awaitable[None]]) -> type[Args]:
    # Only the second annotation: the first may name a class that is imported for type checking alone.
    arguments = list(inspect.signature(body).parameters.values())[1]
    holder = SimpleNamespace(__annotations__={"arguments": arguments.annotation})
    found: type[Args] = get_type_hints(holder, globalns=inspect.unwrap(body).__globals__)["arguments"]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Lease(Generic[_Ctx_contra]):
    """One claimed job; as long as the row still carries `number`, its holder decides what becomes of it."""

    id: int
    number: int
    job: Job[_Ctx_contra, Any]
    queue: str
    arguments: str
    attempt: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class FailedJob:
    """An entry of the dead-job list: no attempt is left, and someone should look at it."""

    id: int
    queue: str
    task: str
    arguments: str
    attempts: int
    created_at: datetime
    finished_at: datetime
    error: str


class JobTable(Generic[Ctx]):
    """The jobs that one application knows, and the way to enter them."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job[Ctx, Any]] = {}
        self._wakers: list[Callable[[], None]] = []

    @property
    def names(self) -> Collection[str]:
        """The names of all jobs in the table."""
        return self._jobs.keys()

    def add(self, job: Job[Ctx, Any]) -> None:
        """The job can be entered and run."""
        if job.name in self._jobs:
            raise ValueError(f"two jobs are named {job.name}")
        self._jobs[job.name] = job

    def get(self, name: str) -> Job[Ctx, Any]:
        """The job of that name."""
        return self._jobs[name]

    def bind(self, waker: Callable[[], None]) -> None:
        """`waker` is called after each commit that entered a job which is due at once."""
        self._wakers.append(waker)

    def unbind(self, waker: Callable[[], None]) -> None:
        """`waker` is called no more."""
        self._wakers.remove(waker)

    def wake(self) -> None:
        """This process's workers look for jobs now instead of at their next poll."""
        for waker in self._wakers:
            waker()

    async def enqueue(
        self,
        tx: Tx,
        job: Job[Ctx, Args],
        arguments: Args,
        *,
        now: datetime,
        delay: float = 0,
        priority: int = 0,
        unique_key: str | None = None,
    ) -> int | None:
        """The job exists if `tx` commits, due after `delay` seconds; its id, or None where the key is taken.

        A unique key stays taken until `prune` removes its row, so it names one occasion, not one kind of work.
        """
        if self._jobs.get(job.name) is not job:
            raise ValueError(f"no worker would run {job.name}: it is not in this table")
        row = {
            "queue": job.queue,
            "task": job.name,
            "arguments": msgspec.json.encode(arguments).decode(),
            "state": "ready",
            "run_at": now + timedelta(seconds=delay),
            "priority": priority,
            "unique_key": unique_key,
            "created_at": now,
        }
        entering = insert(tx, jobs).values(row)
        if unique_key is not None:
            entering = entering.on_conflict_do_nothing(index_elements=[jobs.c.unique_key])
        entered: int | None = await tx.scalar(entering.returning(jobs.c.id))
        if entered is not None and delay <= 0:
            tx.after_commit(self.wake)
        return entered


async def missing_queues(tx: Tx, names: Collection[str]) -> set[str]:
    """Those of the queues that have no row to lock yet."""
    rows = await tx.all(sa.select(job_queues.c.name).where(job_queues.c.name.in_(names)))
    return set(names) - {row.name for row in rows}


async def add_queues(tx: Tx, names: Collection[str]) -> None:
    """Each of the queues has its row, whoever adds it first."""
    await tx.run(insert(tx, job_queues).on_conflict_do_nothing(), [{"name": name} for name in sorted(names)])


async def queues_with_work(tx: Tx, tasks: Collection[str], limits: Mapping[str, int], now: datetime) -> list[str]:
    """The queues in which a claim would find something now: a due job and room for it. Only reads."""
    due = sa.exists().where(jobs.c.queue == job_queues.c.name, *_due(tasks, now))
    rows = await tx.all(
        sa.select(job_queues.c.name, _running(job_queues.c.name, now).label("running"))
        .where(job_queues.c.name.in_(limits), due)
        .order_by(job_queues.c.name)
    )
    return [row.name for row in rows if row.running < limits[row.name]]


async def claim(
    tx: Tx, table: JobTable[Ctx], queue: str, limit: int, now: datetime, until: datetime
) -> list[Lease[Ctx]]:
    """The queue's next due jobs are leased `until` then; over all processes at most `limit` run at once.

    Jobs whose names the table does not have are a newer release's and stay as they are.
    """
    # One claimer at a time, or two would fill the same room: on SQLite the write transaction sees to it.
    await tx.scalar(sa.select(job_queues.c.name).where(job_queues.c.name == queue).with_for_update())
    room = limit - int(await tx.scalar(sa.select(_running(sa.literal(queue), now))))
    if room <= 0:
        return []
    c = jobs.c
    rows = await tx.all(
        sa.select(c.id, c.task, c.arguments, c.attempts, c.claims, c.run_at)
        .where(c.queue == queue, *_due(table.names, now))
        .order_by(c.priority.desc(), c.run_at, c.id)
        .limit(room)
        .with_for_update(skip_locked=True)
    )
    if not rows:
        return []
    change = {"state": "running", "run_at": until, "attempts": c.attempts + 1, "claims": c.claims + 1}
    await tx.run(sa.update(jobs).where(c.id.in_([row.id for row in rows])).values(change))
    return [
        Lease(row.id, row.claims + 1, table.get(row.task), queue, row.arguments, row.attempts + 1, row.run_at)
        for row in rows
    ]


def _due(tasks: Collection[str], now: datetime) -> tuple[sa.ColumnElement[bool] | sa.TextClause, ...]:
    return OPEN, jobs.c.run_at <= now, jobs.c.task.in_(tasks)


def _running(queue: sa.ColumnElement[str], now: datetime) -> sa.ScalarSelect[int]:
    running = (jobs.c.queue == queue, OPEN, jobs.c.state == "running", jobs.c.run_at > now)
    return sa.select(sa.func.count()).select_from(jobs).where(*running).scalar_subquery()


async def extend(tx: Tx, leases: Collection[Lease[Ctx]], until: datetime) -> list[Lease[Ctx]]:
    """The leases hold `until` then; those that another worker has taken over are missing from the answer."""
    held = await _held(tx, leases)
    await tx.run(sa.update(jobs).where(jobs.c.id.in_([lease.id for lease in held])).values(run_at=until))
    return held


async def release(tx: Tx, leases: Collection[Lease[Ctx]], now: datetime) -> list[Lease[Ctx]]:
    """The jobs of the leases still held, which are the answer, are due again as if not attempted."""
    held = await _held(tx, leases)
    change = {"state": "ready", "run_at": now, "attempts": jobs.c.attempts - 1}
    await tx.run(sa.update(jobs).where(jobs.c.id.in_([lease.id for lease in held])).values(change))
    return held


async def _held(tx: Tx, leases: Collection[Lease[Ctx]]) -> list[Lease[Ctx]]:
    rows = await tx.all(
        sa.select(jobs.c.id, jobs.c.claims)
        .where(jobs.c.id.in_([lease.id for lease in leases]), jobs.c.state == "running")
        .order_by(jobs.c.id)
        .with_for_update()
    )
    numbers = {row.id: row.claims for row in rows}
    return [lease for lease in leases if numbers.get(lease.id) == lease.number]


async def finish(tx: Tx, lease: Lease[Ctx], now: datetime) -> Outcome:
    """The job is done, unless the lease was lost."""
    return await _settle(tx, lease, "done", {"state": "done", "finished_at": now, "error": None})


async def fail(tx: Tx, lease: Lease[Ctx], error: str, now: datetime, spread: float) -> Outcome:
    """The job will be tried again later or, after its last attempt, is in the dead-job list with `error`."""
    # PostgreSQL stores no NUL in a text.
    error = error.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if lease.attempt >= lease.job.attempts:
        return await _settle(tx, lease, "failed", {"state": "failed", "finished_at": now, "error": error})
    again = now + lease.job.pause(lease.attempt, spread)
    return await _settle(tx, lease, "retried", {"state": "ready", "run_at": again, "error": error})


async def _settle(tx: Tx, lease: Lease[Ctx], outcome: Outcome, change: Mapping[str, object]) -> Outcome:
    held = (jobs.c.id == lease.id, jobs.c.claims == lease.number, jobs.c.state == "running")
    return outcome if await tx.run(sa.update(jobs).where(*held).values(change)) else "lost"


async def failed_jobs(tx: Tx, *, last: int = 0, n: int = 100, queue: str | None = None) -> Sequence[FailedJob]:
    """The next `n` entries of the dead-job list after the id `last`, oldest first."""
    c = jobs.c
    statement = sa.select(c.id, c.queue, c.task, c.arguments, c.attempts, c.created_at, c.finished_at, c.error).where(
        c.state == "failed", c.id > last
    )
    if queue is not None:
        statement = statement.where(c.queue == queue)
    return [FailedJob(*row) for row in await tx.all(statement.order_by(c.id).limit(n))]


async def run_again(tx: Tx, job_id: int, now: datetime) -> bool:
    """The failed job is due with all its attempts before it; False where no failed job has that id."""
    change = {"state": "ready", "run_at": now, "attempts": 0, "finished_at": None}
    return await tx.run(sa.update(jobs).where(jobs.c.id == job_id, jobs.c.state == "failed").values(change)) > 0


async def key_taken(tx: Tx, unique_key: str) -> bool:
    """Whether a job of that unique key was entered and not pruned since."""
    return await tx.scalar(sa.select(jobs.c.id).where(jobs.c.unique_key == unique_key)) is not None


async def prune(tx: Tx, *, before: datetime, n: int = 500) -> int:
    """At most `n` of the jobs done before that time are gone; call again until the answer is less than `n`.

    `before` must lie further back than the longest schedule's period (see `schedule.every`).
    """
    old = sa.select(jobs.c.id).where(jobs.c.state == "done", jobs.c.finished_at < before)
    return await tx.run(sa.delete(jobs).where(jobs.c.id.in_(old.order_by(jobs.c.finished_at).limit(n))))
