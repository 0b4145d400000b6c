"""Streams miss no event, in whatever order transactions take ids and commit, and are not without number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roadstead.config import Settings
from roadstead.errors import TooManyRequests
from roadstead.metadata import audit, event_log
from roadstead.metadata.database import Database, Tx, connect
from roadstead.services.event_feed import EventFeed, Horizon

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of each database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    return Settings(data=str(tmp_path), database=url)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """An empty database."""
    database = await connect(settings)
    yield database
    await database.close()


async def add(tx: Tx, kind: str = "pushImage") -> int:
    return await audit.add_event(tx, instance_id=1, kind=kind, operator="1", occurred_at=NOW, data="{}")


async def commit(database: Database, count: int = 1) -> int:
    """The id of the last of so many new events."""
    async with database.write() as tx:
        for _ in range(count):
            found = await add(tx)
    return found


async def settled(database: Database, horizon: Horizon) -> int | None:
    async with database.read() as tx:
        await horizon.advance(tx)
    return horizon.settled


async def test_without_gaps_all_is_settled_at_once(database: Database) -> None:
    last = await commit(database, 3)
    horizon = Horizon()
    await settled(database, horizon)
    assert await settled(database, horizon) == last
    for _ in range(3):
        last = await commit(database)
        assert await settled(database, horizon) == last


async def test_nothing_is_told_beyond_an_id_that_may_still_come(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    horizon = Horizon()
    first = await commit(database)
    await settled(database, horizon)
    assert await settled(database, horizon) == first
    async with database.write() as slow:
        early = await add(slow)
        late = await commit(database)
        assert early < late
        for _ in range(5):
            assert await settled(database, horizon) == first
        # Those that begin later do not hold up what was settled before.
    async with database.write() as other:
        await add(other)
        assert await settled(database, horizon) == late


async def test_an_id_that_was_rolled_back_is_passed(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite gives the id again")
    horizon = Horizon()
    first = await commit(database)
    await settled(database, horizon)
    await settled(database, horizon)
    with pytest.raises(RuntimeError):
        async with database.write() as tx:
            await add(tx)
            raise RuntimeError
    last = await commit(database)
    assert last == first + 2
    assert await settled(database, horizon) == first
    assert await settled(database, horizon) == last


async def test_a_transaction_that_ran_at_the_beginning_is_waited_for(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    horizon = Horizon()
    async with database.write() as slow:
        await add(slow)
        last = await commit(database)
        for _ in range(3):
            assert await settled(database, horizon) is None
    assert await settled(database, horizon) == last


async def test_many_writers_at_once_and_no_event_is_missed_or_told_twice(
    database: Database, settings: Settings
) -> None:
    """The writers are another process; one transaction in five is rolled back."""
    feed = EventFeed(database, 1)
    other = await connect(settings)
    committed: set[int] = set()

    async def write(number: int) -> None:
        for turn in range(20):
            try:
                async with other.write() as tx:
                    found = await add(tx)
                    await asyncio.sleep(0.001 * ((number * 7 + turn) % 4))
                    if (number + turn) % 5 == 0:
                        raise RuntimeError
            except RuntimeError:
                continue
            committed.add(found)

    told: list[int] = []
    async with feed.opened() as begun:
        last = begun
        writing = asyncio.gather(*(write(number) for number in range(8)))
        while not writing.done() or set(told) != committed:
            until = await feed.beyond(last, 0.5)
            async with database.read() as tx:
                told += [row.id for row in await event_log.after(tx, 1, last, until, 1000)]
            last = until
    await other.close()
    assert told == sorted(committed)


async def test_a_commit_of_this_process_wakes_its_streams(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roadstead.services.event_feed._POLL_SECONDS", 3600.0)
    feed = EventFeed(database, 1)
    if database.dialect == "postgresql":
        pytest.skip("its first horizon needs a second look")
    async with feed.opened() as last:
        found = await commit(database)
        assert await feed.beyond(last, 60) == found


async def test_streams_are_counted_and_end_when_the_process_does(database: Database) -> None:
    feed = EventFeed(database, 2)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(feed.opened())
        with pytest.raises(TooManyRequests, match="2 event streams open"):
            await stack.enter_async_context(feed.opened())
        waiting = asyncio.create_task(feed.beyond(10**9, None))
        await asyncio.sleep(0)
        feed.close()
        await waiting
    assert feed.streams == 0


async def test_old_events_go_and_the_newest_stays(database: Database) -> None:
    last = await commit(database, 5)
    async with database.write() as tx:
        assert await event_log.forget(tx, NOW.replace(year=2025), 10) == 0
        assert await event_log.forget(tx, NOW.replace(year=2030), 2) == 2
        assert await event_log.forget(tx, NOW.replace(year=2030), 10) == 2
    async with database.read() as tx:
        assert await event_log.ids_after(tx, 0, 10) == [last]
    assert await commit(database) == last + 1
