"""The event log and the audit, as rows on both databases."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from roadstead.metadata import audit
from roadstead.metadata.audit import AuditEntry
from roadstead.metadata.database import Database
from roadstead.metadata.schema.delivery import events
from tests.metadata.scene import LATER, NOW

ENTRY = AuditEntry(
    1, NOW, "100", "192.0.2.7", "registry", "request", "tcr:PushRepository", "repository/x", "done", "{}"
)


async def test_entries_come_back_as_they_were_in_their_order(database: Database) -> None:
    written = [
        ENTRY,
        replace(ENTRY, operator="200", occurred_at=LATER, outcome="refused"),
        replace(ENTRY, data="[1]"),
    ]
    async with database.write() as tx:
        for entry in (written[0], replace(ENTRY, instance_id=2), replace(ENTRY, instance_id=None), *written[1:]):
            await audit.add_entry(tx, entry)
    async with database.read() as tx:
        page = await audit.entries(tx, 1, 0, 2)
        rest = await audit.entries(tx, 1, page[-1][0], 2)
        assert [entry for _, entry in [*page, *rest]] == written
        assert len(page) == 2
        assert await audit.entries(tx, 3, 0, 9) == []


async def test_events_are_numbered_in_their_order(database: Database) -> None:
    async with database.write() as tx:
        numbers = [
            await audit.add_event(
                tx, instance_id=1, kind="pushImage", operator="100", occurred_at=NOW, data=f'{{"n":{number}}}'
            )
            for number in range(3)
        ]
        assert numbers == sorted(set(numbers))
        rows = await tx.all(sa.select(events.c.data).order_by(events.c.id))
        assert [row.data for row in rows] == ['{"n":0}', '{"n":1}', '{"n":2}']
