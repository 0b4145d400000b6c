"""What the tests of the job queue share: a clock to turn by hand, some jobs, and ways to watch a worker at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from roadstead.jobs.queue import JobTable, job
from roadstead.jobs.worker import Worker
from roadstead.metadata.database import Database, Dialect, Tx
from roadstead.metadata.schema.jobs import jobs

START = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
LEASE = timedelta(seconds=30)


class FakeClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> datetime:
        """The clock shows a later time, which is the answer."""
        self.now += timedelta(**by)
        return self.now


class Number(msgspec.Struct, frozen=True):
    """The arguments of the tests' jobs."""

    value: int


@dataclass
class Bench:
    """The context of the tests' jobs: what they did, and what they wait for."""

    ran: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)


@job(queue="quick", attempts=3, backoff=timedelta(seconds=10))
async def note(bench: Bench, number: Number) -> None:
    bench.ran.append(number.value)


@job(queue="quick", attempts=3, backoff=timedelta(seconds=10))
async def stumble(bench: Bench, number: Number) -> None:
    bench.ran.append(number.value)
    raise LookupError(f"no such thing: \0 {number.value}")


@job(queue="quick", attempts=2)
async def give_up(bench: Bench, number: Number) -> None:
    raise asyncio.CancelledError


@job(queue="slow", attempts=1)
async def hold(bench: Bench, number: Number) -> None:
    bench.ran.append(number.value)
    bench.running += 1
    bench.most_running = max(bench.running, bench.most_running)
    try:
        await bench.gate.wait()
        await asyncio.sleep(0.002)
    except asyncio.CancelledError:
        bench.cancelled.append(number.value)
        raise
    finally:
        bench.running -= 1


@job(queue="slow", attempts=1)
async def hold_on(bench: Bench, number: Number) -> None:
    try:
        await bench.gate.wait()
    except asyncio.CancelledError:
        bench.cancelled.append(number.value)


@job(queue="slow", attempts=2, timeout=timedelta(milliseconds=20))
async def dawdle(bench: Bench, number: Number) -> None:
    await bench.gate.wait()


def make_table() -> JobTable[Bench]:
    """A table of all these jobs, as each process would make its own."""
    table = JobTable[Bench]()
    for each in (note, stumble, give_up, hold, hold_on, dawdle):
        table.add(each)
    return table


class CountingDatabase:
    """A database that counts its transactions, and breaks on request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads = 0
        self.writes = 0
        self.fails_reading = False
        self.fails_writing = False

    @property
    def dialect(self) -> Dialect:
        return self._database.dialect

    def read(self) -> AbstractAsyncContextManager[Tx]:
        self.reads += 1
        if self.fails_reading:
            raise ConnectionRefusedError("the database is away")
        return self._database.read()

    def write(self, *, durable: bool = True) -> AbstractAsyncContextManager[Tx]:
        self.writes += 1
        if self.fails_writing:
            raise ConnectionRefusedError("the database is away")
        return self._database.write(durable=durable)

    async def close(self) -> None:
        await self._database.close()


async def enter(database: Database, table: JobTable[Bench], job: Any, *values: int, **options: Any) -> list[int]:
    """One job for each of the values stands in its queue; their ids."""
    async with database.write() as tx:
        options.setdefault("now", START)
        ids = [await table.enqueue(tx, job, Number(value), **options) for value in values]
    return [each for each in ids if each is not None]


async def rows(database: Database) -> Sequence[sa.Row[Any]]:
    """All jobs, in the order in which they were entered."""
    async with database.read() as tx:
        return await tx.all(sa.select(jobs).order_by(jobs.c.id))


async def states(database: Database) -> list[str]:
    """The states of all jobs, in the order in which they were entered."""
    return [row.state for row in await rows(database)]


async def eventually(holds: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 60) -> None:
    """The condition has come true."""
    async with asyncio.timeout(seconds):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


async def ended(database: Database) -> bool:
    """Whether every job is done or failed."""
    return set(await states(database)) <= {"done", "failed"}


@asynccontextmanager
async def working(*workers: Worker[Bench]) -> AsyncIterator[None]:
    """The workers run inside the block, and have stopped after it."""
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.run())
        yield
        for worker in workers:
            worker.stop()
