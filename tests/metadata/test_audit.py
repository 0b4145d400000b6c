"""The event log and the audit, as rows on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from roadstead.metadata import audit
from roadstead.metadata.audit import AuditEntry, Search
from roadstead.metadata.database import Database
from roadstead.metadata.schema.delivery import audit_entries, events
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


async def write(database: Database, *entries: AuditEntry) -> None:
    async with database.write(durable=False) as tx:
        await audit.add_entries(tx, entries)


async def search(database: Database, wanted: Search, most: int = 3, window: int = 5) -> tuple[list[AuditEntry], int]:
    """All that matches, page after page, and the number of pages."""
    found: list[AuditEntry] = []
    last = pages = 0
    async with database.read() as tx:
        while True:
            page = await audit.search(tx, wanted, last, most, window)
            assert len(page.entries) <= most
            assert not last or all(number < last for number, _ in page.entries)
            found += [entry for _, entry in page.entries]
            pages += 1
            last = page.last
            if not last:
                return found, pages


MOMENTS = [NOW + timedelta(hours=hours) for hours in range(4)]


def any_entry(dice: Random) -> AuditEntry:
    return AuditEntry(
        instance_id=dice.choice([None, 1, 2]),
        occurred_at=dice.choice(MOMENTS),
        operator=dice.choice(["100", "200"]),
        address=dice.choice(["192.0.2.7", "192.0.2.70"]),
        door=dice.choice(["registry", "api"]),
        request_id=dice.choice(["a", "b"]),
        action=dice.choice(["tcr:Push", "tcr:PullRepository", "tcr:P%"]),
        resource=dice.choice(["repository/x_y", "repository/xzy", "instance/1"]),
        outcome=dice.choice(["done", "refused"]),
        data="{}",
    )


def any_search(dice: Random) -> Search:
    def perhaps(*values: str) -> str:
        return dice.choice(["", "", *values])

    return Search(
        since=dice.choice([None, *MOMENTS]),
        until=dice.choice([None, *MOMENTS]),
        instance_id=dice.choice([None, None, 1, 2]),
        operator=perhaps("100", "300"),
        action=perhaps("tcr:Push", "tcr:P*", "tcr:P%*", "*"),
        resource=perhaps("repository/x_*", "instance/1"),
        outcome=perhaps("done", "refused"),
        request_id=perhaps("a", "a*"),
        door=perhaps("api"),
        address=perhaps("192.0.2.7", "192.0.2.7*"),
    )


def matches(entry: AuditEntry, wanted: Search) -> bool:
    """The plain meaning of a search."""
    if wanted.since is not None and entry.occurred_at < wanted.since:
        return False
    if wanted.until is not None and entry.occurred_at >= wanted.until:
        return False
    if wanted.instance_id is not None and entry.instance_id != wanted.instance_id:
        return False
    for name in ("operator", "action", "resource", "outcome", "request_id", "door", "address"):
        text, value = getattr(wanted, name), getattr(entry, name)
        if not (value.startswith(text[:-1]) if text.endswith("*") else text in {"", value}):
            return False
    return True


async def test_a_search_finds_what_matches_newest_first(database: Database) -> None:
    for seed in range(60):
        dice = Random(seed)
        written = sorted((any_entry(dice) for _ in range(25)), key=lambda entry: entry.occurred_at)
        wanted = any_search(dice)
        async with database.write(durable=False) as tx:
            await tx.run(sa.delete(audit_entries))
        await write(database, *written)
        found, _ = await search(database, wanted)
        assert found == [entry for entry in reversed(written) if matches(entry, wanted)], seed


async def test_a_page_looks_at_no_more_than_its_window(database: Database) -> None:
    await write(database, replace(ENTRY, address="198.51.100.1"), *[ENTRY] * 20)
    found, pages = await search(database, Search(address="198.51.100.1"), most=3, window=5)
    assert (len(found), pages) == (1, 5)
    async with database.read() as tx:
        first = await audit.search(tx, Search(address="198.51.100.1"), 0, 3, 5)
    assert first.entries == [] and first.last


async def test_entries_whose_ids_and_times_are_in_another_order_are_found(database: Database) -> None:
    late = replace(ENTRY, occurred_at=NOW + timedelta(minutes=4), data="late")
    await write(database, late, ENTRY, replace(ENTRY, occurred_at=NOW + timedelta(hours=2)))
    found, _ = await search(database, Search(since=NOW + timedelta(minutes=1), until=NOW + timedelta(hours=1)))
    assert found == [late]


@pytest.mark.parametrize("moment", [NOW - timedelta(days=900), NOW + timedelta(days=900)])
async def test_a_span_of_time_in_which_nothing_happened(database: Database, moment: datetime) -> None:
    await write(database, *[ENTRY] * 4)
    span = Search(since=moment, until=moment + timedelta(hours=1))
    assert await search(database, span) == ([], 1)


async def test_the_oldest_are_forgotten_in_steps(database: Database) -> None:
    ages = [timedelta(days=days) for days in (5, 4, 3, 2, 1)]
    await write(database, *[replace(ENTRY, occurred_at=NOW - age) for age in ages])
    async with database.write() as tx:
        assert await audit.forget(tx, NOW - timedelta(days=2), 2) == 2
        assert await audit.forget(tx, NOW - timedelta(days=2), 2) == 1
        assert await audit.forget(tx, NOW - timedelta(days=2), 2) == 0
    found, _ = await search(database, Search())
    assert [NOW - entry.occurred_at for entry in found] == [timedelta(days=1), timedelta(days=2)]
