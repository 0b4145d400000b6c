"""Periodic jobs: time is cut into slots, and each slot's job is entered exactly once over all processes.

The slot is part of the job's unique key ("collect@2026-11-23T13:00:00+00:00"), so of several processes that enter it
one wins. A process remembers the slots it has seen entered, and looks before it writes: between two slots a schedule
costs nothing, and a new slot costs each process but one a single read. A slot in which no process ran is made up for
as long as it lasts, and not afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic

import msgspec

from roadstead.jobs.queue import Args, Ctx, Job, JobTable, key_taken
from roadstead.metadata.database import Database

LONGEST_PERIOD = timedelta(days=1)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule(Generic[Ctx]):
    """A job to be entered once in each slot; `slot` gives the beginning of the slot that a time lies in."""

    name: str
    job: Job[Ctx, Any]
    arguments: msgspec.Struct
    slot: Callable[[datetime], datetime]


def every(seconds: int, job: Job[Ctx, Args], arguments: Args, *, name: str | None = None) -> Schedule[Ctx]:
    """A schedule whose slots last so many seconds, counted from 1970: a day at most.

    A longer slot could outlast its row, which `prune` removes some days after the job is done, and be entered twice.
    Two schedules of one job need names.
    """
    period = timedelta(seconds=seconds)
    if not timedelta(0) < period <= LONGEST_PERIOD:
        raise ValueError(f"a schedule's period is between a second and a day, not {period}")
    return Schedule(name or job.name, job, arguments, lambda now: now - (now - _EPOCH) % period)


class Scheduler(Generic[Ctx]):
    """Enters the slots of some schedules."""

    def __init__(self, database: Database, table: JobTable[Ctx], schedules: Sequence[Schedule[Ctx]]) -> None:
        self._database = database
        self._table = table
        self._schedules = schedules
        self._entered: dict[str, datetime] = {}
        if len({schedule.name for schedule in schedules}) < len(schedules):
            raise ValueError("two schedules have the same name")

    async def enter(self, now: datetime) -> None:
        """The job of each schedule's present slot is entered, by this process or another."""
        for schedule in self._schedules:
            slot = schedule.slot(now)
            if slot > self._entered.get(schedule.name, _EPOCH):
                await self._enter(schedule, slot, now)
                self._entered[schedule.name] = slot

    async def _enter(self, schedule: Schedule[Ctx], slot: datetime, now: datetime) -> None:
        key = f"{schedule.name}@{slot.astimezone(UTC).isoformat()}"
        async with self._database.read() as tx:
            if await key_taken(tx, key):
                return
        async with self._database.write() as tx:
            await self._table.enqueue(tx, schedule.job, schedule.arguments, now=now, unique_key=key)
