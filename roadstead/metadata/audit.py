"""The event log and the audit, written in the transaction of the change itself; and the search of the audit.

A search goes through the newest entries first and looks at a bounded number of them for each page, whatever it asks
for: the one filter that narrows most chooses the index (request, user, exact action, instance, or none), the others
are asked of what that index gives. A page may so hold less than was asked for, even nothing, while there is more to
look at; `Found.last` says where to go on. A span of time becomes a span of ids, since ids grow with time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from roadstead.metadata.database import Dialect, Tx
from roadstead.metadata.schema.delivery import audit_entries, events


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, from where, and with which outcome."""

    instance_id: int | None
    occurred_at: datetime
    operator: str
    address: str
    door: str
    request_id: str
    action: str
    resource: str
    outcome: str
    data: str
    before: str = ""
    after: str = ""
    decision: str = ""


async def add_event(tx: Tx, *, instance_id: int, kind: str, operator: str, occurred_at: datetime, data: str) -> int:
    """The id of the new row of the event log."""
    event_id: int = await tx.scalar(
        sa.insert(events).returning(events.c.id),
        {
            "instance_id": instance_id,
            "kind": kind,
            "operator": operator,
            "occurred_at": occurred_at,
            "data": data,
        },
    )
    return event_id


async def add_events(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """The ids of the new rows of the event log, in the order of `rows`."""
    if len(rows) == 1:
        return [await add_event(tx, **rows[0])]
    adding = sa.insert(events).returning(events.c.id, sort_by_parameter_order=True)
    return [row.id for row in await tx.all(adding, rows)] if rows else []


async def add_entry(tx: Tx, entry: AuditEntry) -> None:
    """The entry is part of the audit."""
    await tx.run(sa.insert(audit_entries), _values(entry))


async def add_entries(tx: Tx, written: Sequence[AuditEntry]) -> None:
    """All of the entries are part of the audit, by one statement."""
    if written:
        await tx.run(sa.insert(audit_entries), [_values(entry) for entry in written])


async def entries(tx: Tx, instance_id: int, last: int, most: int) -> list[tuple[int, AuditEntry]]:
    """Up to `most` entries of the instance after the id `last`, oldest first."""
    c = audit_entries.c
    rows = await tx.all(
        sa.select(*_COLUMNS).where(c.instance_id == instance_id, c.id > last).order_by(c.id).limit(most)
    )
    return [(row[0], AuditEntry(*row[1:])) for row in rows]


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; empty means whatever. A text that ends in `*` is the beginning of what matches."""

    since: datetime | None = None
    until: datetime | None = None
    instance_id: int | None = None
    operator: str = ""
    action: str = ""
    resource: str = ""
    outcome: str = ""
    request_id: str = ""
    door: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the audit, newest first, and the id to go on before; 0 when all has been looked at."""

    entries: Sequence[tuple[int, AuditEntry]]
    last: int


# What one page looks at. It costs some milliseconds, however many entries there are.
WINDOW = 2000
# Entries get their time before their id: two that were made at once may have them the other way round. None waits
# longer than this for its id.
_ASTRAY = timedelta(minutes=10)

_COLUMNS: tuple[Any, ...] = (
    audit_entries.c.id,
    *(audit_entries.c[name] for name in AuditEntry.__dataclass_fields__),
)


def _values(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in AuditEntry.__dataclass_fields__}


async def search(tx: Tx, wanted: Search, last: int, most: int, window: int = WINDOW) -> Found:
    """Up to `most` entries before the id `last` (0: from the newest), newest first, among the next `window`."""
    first, end = await _span(tx, wanted)
    if last:
        end = min(last, end)
    way = _way(tx.dialect, wanted)
    looked_at = sa.select(audit_entries.c.id).where(*way.between(first, end)).order_by(*way.order)
    lowest: int | None = await tx.scalar(looked_at.limit(1).offset(window - 1))
    if lowest is not None:
        first = lowest - 1
    statement = sa.select(*_COLUMNS).where(*way.between(first, end), *_conditions(wanted))
    rows = await tx.all(statement.order_by(*way.order).limit(most))
    found = [(row[0], AuditEntry(*row[1:])) for row in rows]
    return Found(found, found[-1][0] if found and len(found) == most else lowest or 0)


async def _span(tx: Tx, wanted: Search) -> tuple[int, int]:
    """An id before all that the span of time may hold, and one after."""
    c = audit_entries.c
    first = end = None
    if wanted.since is not None:
        before = sa.select(c.id).where(c.occurred_at < wanted.since - _ASTRAY).order_by(c.occurred_at.desc())
        first = await tx.scalar(before.limit(1))
    if wanted.until is not None:
        after = sa.select(c.id).where(c.occurred_at >= wanted.until + _ASTRAY).order_by(c.occurred_at)
        end = await tx.scalar(after.limit(1))
    return first or 0, _AFTER_ALL if end is None else end


@dataclass(frozen=True, slots=True)
class _Way:
    """Through which index the entries are gone through, from the newest id down: one column's value, or all."""

    dialect: Dialect
    column: Any = None
    value: Any = None

    @property
    def order(self) -> tuple[Any, ...]:
        by_id = audit_entries.c.id.desc()
        return (by_id,) if self.column is None else (self.column.desc(), by_id)

    def between(self, first: int, end: int) -> list[sa.ColumnElement[bool]]:
        """The ids between the two, neither included, that have the column's value.

        PostgreSQL compares value and id together: were it asked for the value by itself, it could go through all ids
        instead and look for the value, for ever if that has become rare. SQLite goes by the index as it stands, and
        of a comparison of both would use the value alone.
        """
        c = audit_entries.c
        if self.column is None or self.dialect == "sqlite":
            same = [] if self.column is None else [self.column == self.value]
            return [*same, c.id > first, c.id < end]
        at = sa.tuple_(self.column, c.id)
        value = sa.bindparam(None, self.value, self.column.type)
        return [at > sa.tuple_(value, sa.literal(first)), at < sa.tuple_(value, sa.literal(end))]


_AFTER_ALL = (1 << 63) - 1


def _way(dialect: Dialect, wanted: Search) -> _Way:
    """The way with the fewest entries on it."""
    c = audit_entries.c
    for name in ("request_id", "operator", "action"):
        text: str = getattr(wanted, name)
        if text and not text.endswith("*"):
            return _Way(dialect, c[name], text)
    return _Way(dialect) if wanted.instance_id is None else _Way(dialect, c.instance_id, wanted.instance_id)


def _conditions(wanted: Search) -> list[sa.ColumnElement[bool]]:
    c = audit_entries.c
    found: list[sa.ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(c.occurred_at >= wanted.since)
    if wanted.until is not None:
        found.append(c.occurred_at < wanted.until)
    if wanted.instance_id is not None:
        found.append(c.instance_id == wanted.instance_id)
    for name in ("operator", "action", "resource", "outcome", "request_id", "door", "address"):
        text: str = getattr(wanted, name)
        if text.endswith("*"):
            found.append(c[name].startswith(text[:-1], autoescape=True))
        elif text:
            found.append(c[name] == text)
    return found


async def forget(tx: Tx, before: datetime, most: int) -> int:
    """Up to `most` of the oldest entries from before that time are gone; how many."""
    c = audit_entries.c
    oldest = sa.select(c.id).where(c.occurred_at < before).order_by(c.occurred_at).limit(most)
    return await tx.run(sa.delete(audit_entries).where(c.id.in_(oldest)))
