"""The event log as it is read: by pages of an instance, by its ids alone, and from its old end when it is cut.

Ids grow in the order in which transactions take them. On PostgreSQL that need not be the order in which they
commit: `oldest_running` and `next_transaction` let a reader find out when all have ended that may have taken an id
before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.schema.delivery import events


@dataclass(frozen=True, slots=True)
class LogRow:
    """One event as it was recorded; `data` is JSON."""

    id: int
    kind: str
    operator: str
    occurred_at: datetime
    data: str


_COLUMNS = tuple(events.c[name] for name in LogRow.__dataclass_fields__)
_NEWEST = sa.select(sa.func.max(events.c.id))


async def newest(tx: Tx) -> int:
    """The highest id; 0 when nothing has happened yet."""
    return await tx.scalar(_NEWEST) or 0


async def ids_after(tx: Tx, last: int, most: int) -> Sequence[int]:
    """Up to `most` ids after `last`, of all instances, in their order."""
    c = events.c
    return [row.id for row in await tx.all(sa.select(c.id).where(c.id > last).order_by(c.id).limit(most))]


async def after(tx: Tx, instance_id: int, last: int, until: int, most: int) -> list[LogRow]:
    """Up to `most` events of the instance after the id `last`, up to the id `until`, oldest first."""
    c = events.c
    wanted = sa.select(*_COLUMNS).where(c.instance_id == instance_id, c.id > last, c.id <= until)
    return [LogRow(*row) for row in await tx.all(wanted.order_by(c.id).limit(most))]


async def before(tx: Tx, instance_id: int, end: int | None, most: int) -> list[LogRow]:
    """Up to `most` events of the instance before the id `end` (None: from the newest), newest first."""
    c = events.c
    wanted = sa.select(*_COLUMNS).where(c.instance_id == instance_id)
    if end is not None:
        wanted = wanted.where(c.id < end)
    return [LogRow(*row) for row in await tx.all(wanted.order_by(c.id.desc()).limit(most))]


async def oldest_running(tx: Tx) -> int:
    """The lowest number of a transaction that has not ended, or the next one's; only on PostgreSQL."""
    return int(await tx.scalar(sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")))


async def next_transaction(tx: Tx) -> int:
    """A number higher than that of all transactions which have changed something yet; only on PostgreSQL."""
    return int(await tx.scalar(sa.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")))


async def forget(tx: Tx, before_time: datetime, most: int) -> int:
    """Up to `most` of the oldest events are gone if they are from before that time; how many.

    The newest one stays: SQLite would give its id again, and readers would take a new event for one they have.
    """
    c = events.c
    oldest = sa.select(c.id).where(c.id < _NEWEST.scalar_subquery()).order_by(c.id).limit(most)
    return await tx.run(sa.delete(events).where(c.id.in_(oldest), c.occurred_at < before_time))
