"""The event log and the audit, written in the transaction of the change itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx
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


async def add_entry(tx: Tx, entry: AuditEntry) -> None:
    """The entry is part of the audit."""
    await tx.run(sa.insert(audit_entries), {name: getattr(entry, name) for name in AuditEntry.__dataclass_fields__})


async def entries(tx: Tx, instance_id: int, last: int, most: int) -> list[tuple[int, AuditEntry]]:
    """Up to `most` entries of the instance after the id `last`, oldest first."""
    c = audit_entries.c
    rows = await tx.all(
        sa.select(c.id, *(c[name] for name in AuditEntry.__dataclass_fields__))
        .where(c.instance_id == instance_id, c.id > last)
        .order_by(c.id)
        .limit(most)
    )
    return [(row[0], AuditEntry(*row[1:])) for row in rows]
