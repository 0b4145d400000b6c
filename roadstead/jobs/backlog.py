"""What waits, runs and has failed in each queue, for people and meters; and failed jobs begun anew all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.schema.jobs import OPEN, jobs


@dataclass(frozen=True, slots=True)
class Backlog:
    """The jobs of one queue that are not done."""

    queue: str
    due: int = 0
    # Since when the oldest of them has been due.
    due_since: datetime | None = None
    # For a later time: the first attempt, or the next one after a failure.
    waiting: int = 0
    running: int = 0
    failed: int = 0


async def backlogs(tx: Tx, queues: Sequence[str], now: datetime) -> list[Backlog]:
    """The backlog of each of the queues, and of others that have one, by name."""
    c = jobs.c
    due = c.run_at <= now
    open_jobs = await tx.all(
        sa.select(c.queue, c.state, due.label("due"), sa.func.count().label("count"), sa.func.min(c.run_at))
        .where(OPEN)
        .group_by(c.queue, c.state, due)
    )
    failed = await tx.all(sa.select(c.queue, sa.func.count()).where(c.state == "failed").group_by(c.queue))
    found: dict[str, dict[str, int]] = {queue: {} for queue in queues}
    since: dict[str, datetime] = {}
    for queue, state, is_due, count, first in open_jobs:
        # A lease that has run out makes a job due again.
        name = "due" if is_due else "running" if state == "running" else "waiting"
        counts = found.setdefault(queue, {})
        counts[name] = counts.get(name, 0) + count
        if is_due:
            since[queue] = min(first, since.get(queue, first))
    for queue, count in failed:
        found.setdefault(queue, {})["failed"] = count
    return [Backlog(queue, **found[queue], due_since=since.get(queue)) for queue in sorted(found)]


async def run_all_again(tx: Tx, task: str, now: datetime, most: int) -> int:
    """Up to `most` failed jobs of that name, the oldest first, are due with all their attempts; how many."""
    c = jobs.c
    some = sa.select(c.id).where(c.state == "failed", c.task == task).order_by(c.id).limit(most)
    change = {"state": "ready", "run_at": now, "attempts": 0, "finished_at": None}
    return await tx.run(sa.update(jobs).where(c.id.in_(some), c.state == "failed").values(change))
