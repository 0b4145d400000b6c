"""What is on its way to receivers of triggers: deliveries, in lanes, and the attempts made.

A lane is what waits for one receiver about one repository; its deliveries are made one after the other. A worker that
takes a lane becomes its holder for a while: `next_at` is the time when the lane counts as let go, so that a killed
worker's lane is taken up again. Whoever enters a delivery locks the lane's row, and whoever ends a lane does, so that
no delivery is left in a lane that nobody looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.triggers import (
    WAITING,
    deliveries,
    delivery_attempts,
    trigger_lanes,
    trigger_targets,
)

_ASIDE = "#"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one receiver is sent about one event."""

    id: int
    instance_id: int
    trigger_id: int
    # The trigger's namespace, 0 for any.
    namespace_id: int
    target: int
    lane: str
    event_id: int
    event: str
    uuid: str
    state: str
    attempts: int
    give_up_at: datetime
    format: str
    body: str
    created_at: datetime
    updated_at: datetime

    @property
    def repository(self) -> str:
        """The full name of the repository that it is about."""
        return self.lane.partition(_ASIDE)[0]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to a receiver, and what came of it."""

    delivery_id: int
    number: int
    at: datetime
    milliseconds: int
    request: str
    status: int | None
    answer: str
    answer_body: str
    error: str


@dataclass(frozen=True, slots=True)
class Target:
    """How a receiver answers."""

    silences: int
    paused_until: datetime | None
    failing_since: datetime | None


_FIELDS = tuple(Delivery.__dataclass_fields__)
_COLUMNS = tuple(deliveries.c[name] for name in _FIELDS)
_ATTEMPT = tuple(delivery_attempts.c[name] for name in Attempt.__dataclass_fields__)


async def enter(tx: Tx, delivery: Delivery) -> bool:
    """The delivery waits at the end of its lane; True when nothing else did, so that a worker must be told."""
    await tx.run(sa.insert(deliveries), {name: getattr(delivery, name) for name in _FIELDS if name != "id"})
    return await open_lane(tx, delivery.trigger_id, delivery.target, delivery.lane, delivery.created_at)


async def open_lane(tx: Tx, trigger_id: int, target: int, lane: str, due_at: datetime) -> bool:
    """The lane stands, its row locked until the transaction ends; True when it did not before."""
    row = {"trigger_id": trigger_id, "target": target, "lane": lane, "next_at": due_at, "entered": 1}
    c = trigger_lanes.c
    entering = insert(tx, trigger_lanes).values(row)
    entering = entering.on_conflict_do_update(
        index_elements=[c.trigger_id, c.target, c.lane], set_={"entered": c.entered + 1}
    )
    return int(await tx.scalar(entering.returning(c.entered))) == 1


async def target(tx: Tx, trigger_id: int, place: int) -> Target | None:
    """The receiver, its row locked: who takes its lanes does so one after the other. None when it is gone."""
    c = trigger_targets.c
    statement = sa.select(c.silences, c.paused_until, c.failing_since)
    row = await tx.one(statement.where(c.trigger_id == trigger_id, c.target == place).with_for_update())
    return None if row is None else Target(*row)


async def set_target(tx: Tx, trigger_id: int, place: int, values: Target) -> None:
    """The receiver is said to answer so."""
    c = trigger_targets.c
    change = {name: getattr(values, name) for name in Target.__dataclass_fields__}
    await tx.run(sa.update(trigger_targets).where(c.trigger_id == trigger_id, c.target == place).values(change))


async def forgive(tx: Tx, trigger_id: int, place: int) -> None:
    """The receiver has answered: it is not paused, and has not failed. Nothing is written when that is known."""
    c = trigger_targets.c
    known = (c.trigger_id == trigger_id, c.target == place, c.silences > 0)
    if await tx.scalar(sa.select(c.target).where(*known)) is not None:
        await set_target(tx, trigger_id, place, Target(0, None, None))


async def take_lane(
    tx: Tx, trigger_id: int, place: int, *, most: int, holder: str, now: datetime, until: datetime
) -> str | None:
    """The lane that is due longest, held until then; None when none is, or `most` lanes are held already.

    The caller has locked the receiver's row.
    """
    c = trigger_lanes.c
    mine = (c.trigger_id == trigger_id, c.target == place)
    held = sa.select(sa.func.count()).select_from(trigger_lanes)
    if int(await tx.scalar(held.where(*mine, c.next_at > now, c.holder.is_not(None)))) >= most:
        return None
    due = sa.select(c.lane).where(*mine, c.next_at <= now).order_by(c.next_at).limit(1).with_for_update()
    lane: str | None = await tx.scalar(due)
    if lane is not None:
        await tx.run(sa.update(trigger_lanes).where(*mine, c.lane == lane).values(holder=holder, next_at=until))
    return lane


async def hurry(tx: Tx, trigger_id: int, place: int, now: datetime, most: int) -> bool:
    """The receiver is not paused, and up to `most` of its lanes that wait for another attempt are due now.

    Whether it has lanes at all.
    """
    known = await target(tx, trigger_id, place)
    if known is not None and known.paused_until is not None:
        await set_target(tx, trigger_id, place, replace(known, paused_until=None))
    c = trigger_lanes.c
    mine = (c.trigger_id == trigger_id, c.target == place)
    waits = (*mine, c.holder.is_(None), c.next_at > now)
    later = sa.select(c.lane).where(*waits).order_by(c.next_at).limit(most)
    # In the order of `metadata/triggers.py`, by bytes as Python compares names, whatever the database's language.
    locked = sa.select(c.lane).where(*waits, c.lane.in_(later)).order_by(sa.cast(c.lane, sa.LargeBinary))
    names = [row.lane for row in await tx.all(locked.with_for_update())]
    if names:
        await tx.run(sa.update(trigger_lanes).where(*mine, c.lane.in_(names)).values(next_at=now))
    return await tx.scalar(sa.select(c.lane).where(*mine).limit(1)) is not None


async def hold(tx: Tx, trigger_id: int, place: int, lane: str, holder: str) -> bool:
    """Whether the lane is still this holder's; its row is locked."""
    c = trigger_lanes.c
    statement = sa.select(c.holder).where(c.trigger_id == trigger_id, c.target == place, c.lane == lane)
    return bool(await tx.scalar(statement.with_for_update()) == holder)


async def keep_lane(tx: Tx, trigger_id: int, place: int, lane: str, holder: str | None, next_at: datetime) -> None:
    """The lane is the holder's until then, or nobody's and due then."""
    c = trigger_lanes.c
    mine = (c.trigger_id == trigger_id, c.target == place, c.lane == lane)
    await tx.run(sa.update(trigger_lanes).where(*mine).values(holder=holder, next_at=next_at))


async def end_lane(tx: Tx, trigger_id: int, place: int, lane: str) -> None:
    """The lane, in which nothing waits, stands no more."""
    c = trigger_lanes.c
    await tx.run(sa.delete(trigger_lanes).where(c.trigger_id == trigger_id, c.target == place, c.lane == lane))


async def next_due(tx: Tx, trigger_id: int, place: int) -> datetime | None:
    """When the receiver's next lane is due or counts as let go; None when nothing waits for it."""
    c = trigger_lanes.c
    statement = sa.select(c.next_at).where(c.trigger_id == trigger_id, c.target == place)
    found: datetime | None = await tx.scalar(statement.order_by(c.next_at).limit(1))
    return found


async def overdue(tx: Tx, before: datetime, most: int) -> list[tuple[int, int]]:
    """Up to `most` receivers, trigger and place, that have lanes which were due before that time."""
    c = trigger_lanes.c
    late = sa.select(c.trigger_id, c.target).where(c.next_at < before).order_by(c.next_at).limit(most)
    return list(dict.fromkeys((row.trigger_id, row.target) for row in await tx.all(late)))


async def first(tx: Tx, trigger_id: int, place: int, lane: str) -> Delivery | None:
    """The delivery of the lane that is to be made next."""
    c = deliveries.c
    statement = sa.select(*_COLUMNS).where(c.trigger_id == trigger_id, c.target == place, c.lane == lane, WAITING)
    row = await tx.one(statement.order_by(c.id).limit(1))
    return None if row is None else Delivery(*row)


async def set_state(tx: Tx, delivery_id: int, state: str, now: datetime, **values: object) -> None:
    """The delivery has this state, and these values."""
    change = {"state": state, "updated_at": now, **values}
    await tx.run(sa.update(deliveries).where(deliveries.c.id == delivery_id).values(change))


def can_step_aside(delivery: Delivery) -> bool:
    """Whether the delivery waits among others; one that has stepped aside is alone in its lane."""
    return _ASIDE not in delivery.lane


async def step_aside(tx: Tx, delivery: Delivery, due_at: datetime) -> None:
    """The delivery waits in a lane of its own, so that those after it need not wait for it."""
    lane = f"{delivery.lane}{_ASIDE}{delivery.id}"
    await tx.run(sa.update(deliveries).where(deliveries.c.id == delivery.id).values(lane=lane))
    await open_lane(tx, delivery.trigger_id, delivery.target, lane, due_at)


async def stop_lane(tx: Tx, trigger_id: int, place: int, lane: str, now: datetime, most: int) -> int:
    """Up to `most` deliveries that wait in the lane are stopped: their trigger is off, or has lost the receiver."""
    c = deliveries.c
    some = sa.select(c.id).where(c.trigger_id == trigger_id, c.target == place, c.lane == lane, WAITING)
    change = sa.update(deliveries).where(c.id.in_(some.order_by(c.id).limit(most)))
    return await tx.run(change.values(state="stopped", updated_at=now))


async def add_attempt(tx: Tx, attempt: Attempt) -> None:
    """The attempt is in the log; what an attempt of that number has left before a crash is replaced."""
    row = {name: getattr(attempt, name) for name in Attempt.__dataclass_fields__}
    key = ("delivery_id", "number")
    entering = insert(tx, delivery_attempts).values(row)
    changed = {name: value for name, value in row.items() if name not in key}
    await tx.run(entering.on_conflict_do_update(index_elements=key, set_=changed))


async def attempts(tx: Tx, delivery_id: int, *, last: int, most: int) -> Sequence[Attempt]:
    """Up to `most` attempts of the delivery after the number `last`."""
    c = delivery_attempts.c
    statement = sa.select(*_ATTEMPT).where(c.delivery_id == delivery_id, c.number > last)
    return [Attempt(*row) for row in await tx.all(statement.order_by(c.number).limit(most))]
