"""PostgreSQL's own matters: how a commit waits, and two changes that meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from roadstead.config import Settings
from roadstead.errors import Unavailable
from roadstead.metadata.database import Database, Tx, connect
from roadstead.metadata.postgresql import PostgresqlDatabase
from tests.contracts.database import count, put


@pytest.fixture
async def database(postgres_url: str, tmp_path: object) -> AsyncIterator[Database]:
    """A PostgreSQL database with its schema, whose commits wait for the disk, unlike the test server's."""
    first = await connect(Settings(data=str(tmp_path), database=postgres_url))
    async with first.write() as tx:
        name = await tx.scalar(sa.text("SELECT current_database()"))
        await tx.run(sa.text(f'ALTER DATABASE "{name}" SET synchronous_commit TO on'))
    await first.close()
    database = PostgresqlDatabase(postgres_url)
    yield database
    await database.close()


async def waits(tx: Tx) -> str:
    return str(await tx.scalar(sa.text("SHOW synchronous_commit")))


async def test_only_a_block_that_need_not_be_durable_does_not_wait(database: Database) -> None:
    async with database.write(durable=False) as tx:
        assert await waits(tx) == "off"
    for _ in range(3):
        async with database.write() as tx:
            assert await waits(tx) == "on"


async def test_two_changes_that_wait_for_one_another(database: Database) -> None:
    async with database.write() as tx:
        await put(tx, "a")
        await put(tx, "b")
    met = asyncio.Barrier(2)

    async def change(first: str, second: str) -> None:
        async with database.write() as tx:
            await count(tx, first, lock=True)
            await met.wait()
            await count(tx, second, lock=True)

    outcomes = await asyncio.gather(change("a", "b"), change("b", "a"), return_exceptions=True)
    failed = [error for error in outcomes if error is not None]
    assert [type(error) for error in failed] == [Unavailable]
    assert "try again" in str(failed[0])


async def test_a_reader_waits_for_no_writer(database: Database) -> None:
    async with database.write() as tx:
        await put(tx, "a")
    async with database.write() as writer:
        await count(writer, "a", lock=True)
        async with asyncio.timeout(20), database.read() as reader:
            assert await count(reader, "a") == 1


async def test_readers_that_come_to_write_do_not_wait_for_one_another(database: Database) -> None:
    """A login that fails is counted while the request's read is still open."""

    async def read_then_write(number: int) -> None:
        async with database.read() as reader:
            await count(reader, "a")
            async with database.write(durable=False) as tx:
                await put(tx, f"subject {number}")

    async with asyncio.timeout(20):
        await asyncio.gather(*(read_then_write(number) for number in range(50)))


async def test_where_says_no_password() -> None:
    database = PostgresqlDatabase("postgresql://user:secret@db.test:6000/registry")
    assert database.where == "db.test:6000/registry"
    await database.close()
