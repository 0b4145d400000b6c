"""The log of deliveries: pages of it, sending again what is in it, and forgetting what is old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.deliveries import Delivery
from roadstead.metadata.schema.triggers import FAILED, deliveries, trigger_lanes, trigger_targets, triggers

# A count goes no further: lists are paged to their end by it, and counting must not cost more and more.
MOST_COUNTED = 100_000
_AFTER_ALL = (1 << 63) - 1
_COLUMNS = tuple(deliveries.c[name] for name in Delivery.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries: those of one trigger, or of all triggers of a namespace (0: of those for any)."""

    instance_id: int
    namespace_id: int
    trigger_id: int | None = None
    state: str = ""

    def conditions(self) -> list[Any]:
        """The same as SQL."""
        c = deliveries.c
        found: list[Any]
        if self.trigger_id is not None:
            found = [c.trigger_id == self.trigger_id]
        else:
            # The log of a trigger that is gone goes in steps; nobody shall meet the rest of it.
            standing = sa.exists().where(triggers.c.id == c.trigger_id)
            found = [c.instance_id == self.instance_id, c.namespace_id == self.namespace_id, standing]
        return [*found, c.state == self.state] if self.state else found


async def page(tx: Tx, wanted: Wanted, *, before: int, most: int, skip: int = 0) -> Sequence[Delivery]:
    """Up to `most` deliveries with numbers below `before` (0: from the newest), newest first, after `skip` others."""
    statement = sa.select(*_COLUMNS).where(*wanted.conditions(), deliveries.c.id < (before or _AFTER_ALL))
    rows = await tx.all(statement.order_by(deliveries.c.id.desc()).limit(most).offset(skip or None))
    return [Delivery(*row) for row in rows]


async def count(tx: Tx, wanted: Wanted) -> int:
    """How many deliveries `page` would give in all, up to MOST_COUNTED."""
    some = sa.select(deliveries.c.id).where(*wanted.conditions()).limit(MOST_COUNTED).subquery("counted")
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(some)))


async def next_attempts(tx: Tx, rows: Sequence[Delivery], now: datetime) -> dict[int, datetime]:
    """When those of the deliveries that wait are tried next, by number; none of those whose lane is worked on."""
    waiting = [row.id for row in rows if row.state == "pending"]
    if not waiting:
        return {}
    c, lane, to = deliveries.c, trigger_lanes.c, trigger_targets.c
    at_lane = sa.and_(lane.trigger_id == c.trigger_id, lane.target == c.target, lane.lane == c.lane)
    at_target = sa.and_(to.trigger_id == c.trigger_id, to.target == c.target)
    source = deliveries.join(trigger_lanes, at_lane).join(trigger_targets, at_target)
    found = await tx.all(
        sa.select(c.id, lane.next_at, to.paused_until)
        .select_from(source)
        .where(c.id.in_(waiting), sa.or_(lane.holder.is_(None), lane.next_at <= now))
    )
    return {row.id: max(row.next_at, row.paused_until or row.next_at) for row in found}


async def get(tx: Tx, trigger_id: int, delivery_id: int, *, lock: bool = False) -> Delivery | None:
    """The trigger's delivery of that number; locked until the transaction ends, if asked."""
    c = deliveries.c
    statement = sa.select(*_COLUMNS).where(c.id == delivery_id, c.trigger_id == trigger_id)
    row = await tx.one(statement.with_for_update() if lock else statement)
    return None if row is None else Delivery(*row)


@dataclass(frozen=True, slots=True)
class Failed:
    """The trigger's failed deliveries to the targets that it still has, entered in the span of time."""

    trigger_id: int
    targets: int
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[Any]:
        """The same as SQL, whichever the target is."""
        c = deliveries.c
        found: list[Any] = [c.trigger_id == self.trigger_id, FAILED]
        if self.since is not None:
            found.append(c.created_at >= self.since)
        if self.until is not None:
            found.append(c.created_at < self.until)
        return found


async def failed(tx: Tx, wanted: Failed, most: int) -> Sequence[Delivery]:
    """Up to `most` of these deliveries, oldest first, locked."""
    c = deliveries.c
    statement = sa.select(*_COLUMNS).where(*wanted.conditions(), c.target < wanted.targets)
    rows = await tx.all(statement.order_by(c.created_at, c.id).limit(most).with_for_update())
    return [Delivery(*row) for row in rows]


async def failed_elsewhere(tx: Tx, wanted: Failed) -> int:
    """How many failed in the span whose target the trigger has no more, up to MOST_COUNTED."""
    c = deliveries.c
    some = sa.select(c.id).where(*wanted.conditions(), c.target >= wanted.targets).limit(MOST_COUNTED)
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(some.subquery("counted"))))


async def forget(tx: Tx, before: datetime, most: int) -> int:
    """Up to `most` deliveries from before that time are gone with their attempts, unless they wait; how many."""
    c = deliveries.c
    old = sa.select(c.id).where(c.created_at < before, c.state.in_(("finished", "error", "stopped")))
    return await tx.run(sa.delete(deliveries).where(c.id.in_(old.order_by(c.created_at).limit(most))))


async def forget_gone(tx: Tx, most: int) -> int:
    """Up to `most` deliveries of one trigger that is gone are gone with their attempts and lanes; how many."""
    c = deliveries.c
    gone = await _gone(tx, c.trigger_id)
    lost = await _gone(tx, trigger_lanes.c.trigger_id)
    removed = 0
    if lost is not None:
        lanes = trigger_lanes.c
        some = sa.select(lanes.lane).where(lanes.trigger_id == lost).limit(most)
        removed = await tx.run(sa.delete(trigger_lanes).where(lanes.trigger_id == lost, lanes.lane.in_(some)))
    if gone is not None:
        some = sa.select(c.id).where(c.trigger_id == gone).order_by(c.id).limit(most)
        removed += await tx.run(sa.delete(deliveries).where(c.id.in_(some)))
    return removed


async def _gone(tx: Tx, column: sa.ColumnElement[int]) -> int | None:
    """The lowest number in the column that is no trigger's: from one number to the next, by the column's index."""
    found: int | None = await tx.scalar(sa.select(sa.func.min(column)))
    while found is not None:
        if await tx.scalar(sa.select(triggers.c.id).where(triggers.c.id == found)) is None:
            return found
        found = await tx.scalar(sa.select(sa.func.min(column)).where(column > found))
    return None
