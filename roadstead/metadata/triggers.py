"""Triggers of an instance. Every change of one grows the instance's revision, by which processes notice it.

Rows are locked in the order in which workers that deliver do it, since two transactions that wait for one another
would both be stopped: a trigger's receivers, the trigger, lanes (by trigger, target and name), deliveries. So a
trigger never goes by the cascade from its namespace or its instance, which would lock it before its receivers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.domain.reach import EVERYTHING_SHOWN, Selection
from roadstead.metadata import instances
from roadstead.metadata.database import Prepared, Tx, insert
from roadstead.metadata.schema import tenancy
from roadstead.metadata.schema.content import namespaces
from roadstead.metadata.schema.triggers import trigger_targets, triggers
from roadstead.metadata.selections import within


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger as it stands."""

    id: int
    instance_id: int
    # None: repositories of any namespace; `namespace` is empty then.
    namespace_id: int | None
    name: str
    description: str
    enabled: bool
    events: str
    condition: str
    targets: bytes
    target_count: int
    format: str
    secret: bytes | None
    operator_pattern: str
    product: str
    preheat_region: str
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime
    namespace: str = ""


_FIELDS = tuple(name for name in Trigger.__dataclass_fields__ if name != "namespace")
_SOURCE = triggers.outerjoin(namespaces, namespaces.c.id == triggers.c.namespace_id)
_COLUMNS = (*(triggers.c[name] for name in _FIELDS), sa.func.coalesce(namespaces.c.name, ""))

_REVISION = Prepared(
    lambda _: sa.select(tenancy.instances.c.revision).where(tenancy.instances.c.id == sa.bindparam("instance"))
)


async def revision(tx: Tx, instance_id: int) -> int | None:
    """The instance's revision, which grows with every change of its triggers."""
    row = await tx.look_up(_REVISION, {"instance": instance_id})
    return None if row is None else int(row[0])


async def enabled_ones(tx: Tx, instance_id: int) -> list[Trigger]:
    """The enabled triggers of the instance."""
    statement = sa.select(*_COLUMNS).select_from(_SOURCE)
    c = triggers.c
    rows = await tx.all(statement.where(c.instance_id == instance_id, c.enabled).order_by(c.id))
    return [Trigger(*row) for row in rows]


async def get(tx: Tx, trigger_id: int) -> Trigger | None:
    """The trigger of that number."""
    row = await tx.one(sa.select(*_COLUMNS).select_from(_SOURCE).where(triggers.c.id == trigger_id))
    return None if row is None else Trigger(*row)


async def name_taken(tx: Tx, instance_id: int, namespace_id: int | None, name: str, but: int = 0) -> bool:
    """Whether another trigger of the namespace than that of the number `but` has the name."""
    c = triggers.c
    same = (c.instance_id == instance_id, sa.func.coalesce(c.namespace_id, 0) == (namespace_id or 0), c.name == name)
    return await tx.scalar(sa.select(c.id).where(*same, c.id != but)) is not None


async def count_all(tx: Tx, instance_id: int) -> int:
    """How many triggers the instance has, hidden ones among them."""
    of_it = triggers.c.instance_id == instance_id
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(triggers).where(of_it)))


async def add(tx: Tx, trigger: Trigger) -> int | None:
    """The number of the new trigger; None when its name is taken."""
    values = {name: getattr(trigger, name) for name in _FIELDS if name != "id"}
    adding = insert(tx, triggers).values(values).on_conflict_do_nothing().returning(triggers.c.id)
    found: int | None = await tx.scalar(adding)
    if found is not None:
        await _set_targets(tx, found, trigger.target_count)
        await instances.modify(tx, trigger.instance_id)
    return found


async def modify(tx: Tx, trigger: Trigger) -> bool:
    """The trigger of that number has these values, its receivers counting as not tried yet; False when it is gone.

    Receivers that stay keep their rows: a worker that waits for one would take a new row for none at all. They are
    locked before the trigger, as workers do.
    """
    c = trigger_targets.c
    afresh = {"silences": 0, "paused_until": None, "failing_since": None}
    await tx.run(sa.update(trigger_targets).where(c.trigger_id == trigger.id).values(afresh))
    await tx.run(sa.delete(trigger_targets).where(c.trigger_id == trigger.id, c.target >= trigger.target_count))
    values = {name: getattr(trigger, name) for name in _FIELDS if name not in {"id", "instance_id"}}
    if not await tx.run(sa.update(triggers).where(triggers.c.id == trigger.id).values(values)):
        return False
    await _set_targets(tx, trigger.id, trigger.target_count)
    await instances.modify(tx, trigger.instance_id)
    return True


async def _set_targets(tx: Tx, trigger_id: int, count: int) -> None:
    """The trigger has so many receivers; those that it had already are as they were."""
    rows = [{"trigger_id": trigger_id, "target": target} for target in range(count)]
    await tx.run(insert(tx, trigger_targets).on_conflict_do_nothing(), rows)


async def remove(tx: Tx, trigger: Trigger) -> None:
    """The trigger is gone; what it has delivered goes later, in steps."""
    await _remove(tx, trigger.instance_id, [trigger.id])


async def remove_some(tx: Tx, instance_id: int, most: int | None = None, *, namespace_id: int | None = None) -> int:
    """Up to `most` triggers of the instance, or of that namespace of it, are gone; how many."""
    c = triggers.c
    of_them = c.instance_id == instance_id if namespace_id is None else c.namespace_id == namespace_id
    rows = await tx.all(sa.select(c.id).where(of_them).order_by(c.id).limit(most))
    if rows:
        await _remove(tx, instance_id, [row.id for row in rows])
    return len(rows)


async def _remove(tx: Tx, instance_id: int, ids: Sequence[int]) -> None:
    await tx.run(sa.delete(trigger_targets).where(trigger_targets.c.trigger_id.in_(ids)))
    await tx.run(sa.delete(triggers).where(triggers.c.id.in_(ids)))
    await instances.modify(tx, instance_id)


async def lock(tx: Tx, trigger_id: int) -> None:
    """The trigger's row is locked until the transaction ends."""
    await tx.one(sa.select(triggers.c.id).where(triggers.c.id == trigger_id).with_for_update())


async def mark(tx: Tx, trigger_id: int, failing_since: datetime) -> None:
    """The trigger is shown as failing since then."""
    await tx.run(sa.update(triggers).where(triggers.c.id == trigger_id).values(failing_since=failing_since))


async def unmark(tx: Tx, trigger_id: int) -> None:
    """The trigger is shown as working."""
    c = triggers.c
    await tx.run(
        sa.update(triggers).where(c.id == trigger_id, c.failing_since.is_not(None)).values(failing_since=None)
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which triggers a list shows: ordinary ones of the instance."""

    instance_id: int
    namespace_id: int | None = None
    containing: str = ""
    # Of triggers of one namespace, those whose namespace's name is in it; those of any namespace if `general`.
    selection: Selection = EVERYTHING_SHOWN
    general: bool = True

    def conditions(self) -> list[Any]:
        """The same as SQL."""
        c = triggers.c
        found: list[Any] = [c.instance_id == self.instance_id, c.product == ""]
        if self.containing:
            found.append(c.name.contains(self.containing, autoescape=True))
        if self.namespace_id is not None:
            return [*found, c.namespace_id == self.namespace_id]
        seen = sa.and_(c.namespace_id.is_not(None), *within(namespaces.c.name, self.selection))
        return [*found, sa.or_(seen, c.namespace_id.is_(None)) if self.general else seen]


async def page(tx: Tx, wanted: Wanted, *, last: int, most: int, skip: int = 0) -> Sequence[Trigger]:
    """Up to `most` triggers after the number `last` and `skip` more, oldest first."""
    statement = sa.select(*_COLUMNS).select_from(_SOURCE).where(*wanted.conditions(), triggers.c.id > last)
    rows = await tx.all(statement.order_by(triggers.c.id).limit(most).offset(skip or None))
    return [Trigger(*row) for row in rows]


async def count(tx: Tx, wanted: Wanted) -> int:
    """How many triggers `page` would give in all."""
    statement = sa.select(sa.func.count()).select_from(_SOURCE).where(*wanted.conditions())
    return int(await tx.scalar(statement))
