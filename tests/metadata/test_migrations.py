"""The schema that migrations make is the one that the code is written against; a newer one is left alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from roadstead.config import Settings
from roadstead.errors import StartRefused
from roadstead.metadata import migrations
from roadstead.metadata.database import Database, connect
from roadstead.metadata.migrations import COMPATIBLE, VERSION, schema_version
from roadstead.metadata.schema import load, metadata
from tests.contracts.database import count, put


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The database of the settings, just migrated."""
    database = await connect(settings)
    yield database
    await database.close()


VERSIONS = Path(migrations.__file__).parent / "versions"


def parts(body: str) -> list[str]:
    """The columns and constraints of a CREATE TABLE, split at the commas outside parentheses."""
    found, depth, start = [], 0, 0
    for place, letter in enumerate(body):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append(body[start:place])
            start = place + 1
    return [" ".join(part.split()) for part in [*found, body[start:]]]


def shape(statement: str) -> tuple[list[str], list[str]]:
    """Columns in their order, constraints in any."""
    body = statement[statement.index("(") + 1 : statement.rindex(")")]
    constraints = [part for part in parts(body) if re.match(r"(CONSTRAINT|PRIMARY|FOREIGN|UNIQUE|CHECK)\b", part)]
    return [part for part in parts(body) if part not in constraints], sorted(constraints)


def sqlite_schema(path: Path) -> dict[tuple[str, str], Any]:
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master").all()
    engine.dispose()
    found: dict[tuple[str, str], Any] = {}
    for kind, name, table, statement in rows:
        if kind == "table" and statement:
            found[kind, name] = shape(statement)
        else:
            found[kind, name] = (table, " ".join((statement or "").split()))
    return found


_POSTGRESQL = {
    "columns": """SELECT table_name, column_name, ordinal_position, data_type, character_maximum_length,
        numeric_precision, is_nullable, column_default, collation_name
        FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 2",
    "constraints": """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2""",
}


async def postgresql_schema(url: str, *, create: bool) -> dict[str, list[tuple[Any, ...]]]:
    engine = create_async_engine(sa.make_url(url).set(drivername="postgresql+asyncpg"), poolclass=sa.NullPool)
    async with engine.begin() as connection:
        if create:
            await connection.run_sync(metadata.create_all)
        found = {}
        for name, statement in _POSTGRESQL.items():
            found[name] = [tuple(row) for row in await connection.execute(sa.text(statement))]
    await engine.dispose()
    return found


async def test_on_sqlite_the_models_are_what_the_migrations_make(tmp_path: Path) -> None:
    await (await connect(Settings(data=str(tmp_path)))).close()
    load()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'models.db'}", poolclass=sa.NullPool)
    metadata.create_all(engine)
    engine.dispose()
    migrated, modelled = sqlite_schema(tmp_path / "roadstead.db"), sqlite_schema(tmp_path / "models.db")
    assert {key: migrated.get(key) for key in modelled} == modelled
    assert migrated.keys() == modelled.keys()
    assert len([key for key in modelled if key[0] == "table"]) > 15


async def test_on_postgresql_the_models_are_what_the_migrations_make(
    tmp_path: Path, bare_postgres_url: str, other_postgres_url: str
) -> None:
    await (await connect(Settings(data=str(tmp_path), database=bare_postgres_url))).close()
    load()
    migrated = await postgresql_schema(bare_postgres_url, create=False)
    modelled = await postgresql_schema(other_postgres_url, create=True)
    for name, rows in modelled.items():
        assert migrated[name] == rows, name
        assert len(rows) > 20


@pytest.fixture
def other_postgres_url(postgres_server: Any) -> Iterator[str]:
    """A second empty database."""
    url: str = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


def test_names_sort_by_code_point_on_both_databases() -> None:
    """Lists of the protocol are paged by such names; a collation of the country would lose entries between pages."""
    load()
    for table, column in (("tags", "name"), ("repositories", "name"), ("namespaces", "name")):
        kind = metadata.tables[table].c[column].type.dialect_impl(sa.make_url("postgresql://x").get_dialect()())
        assert getattr(kind, "collation", None) == "C", (table, column)


async def test_the_version_that_stands_is_this_releases(database: Database) -> None:
    async with database.read() as tx:
        rows = await tx.all(sa.select(schema_version))
    assert [(row.version, row.compatible) for row in rows] == [(VERSION, COMPATIBLE)]


def test_the_versions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(path.name.partition("_")[0]) for path in VERSIONS.glob("[0-9]*.py"))
    assert numbers == list(range(1, VERSION + 1))
    assert COMPATIBLE <= VERSION


async def test_a_second_start_changes_nothing(database: Database, settings: Settings) -> None:
    async with database.write() as tx:
        await put(tx, "a")
    again = await connect(settings)
    async with again.read() as tx:
        assert await count(tx, "a") == 1
        assert len(await tx.all(sa.select(schema_version))) == 1
    await again.close()


async def stand(database: Database, version: int, compatible: int) -> None:
    async with database.write() as tx:
        await tx.run(sa.update(schema_version).values(version=version, compatible=compatible))


async def test_a_database_that_this_release_cannot_read_is_refused(database: Database, settings: Settings) -> None:
    await stand(database, VERSION + 2, VERSION + 1)
    with pytest.raises(StartRefused) as caught:
        await connect(settings)
    message = caught.value.message
    assert "newer release" in message and "\n" not in message
    assert str(VERSION + 2) in message and str(VERSION + 1) in message
    async with database.read() as tx:
        (row,) = await tx.all(sa.select(schema_version))
    assert (row.version, row.compatible) == (VERSION + 2, VERSION + 1)


async def test_a_newer_database_that_this_release_can_still_read_is_left_as_it_is(
    database: Database, settings: Settings
) -> None:
    await stand(database, VERSION + 1, VERSION)
    again = await connect(settings)
    async with again.read() as tx:
        (row,) = await tx.all(sa.select(schema_version))
    assert (row.version, row.compatible) == (VERSION + 1, VERSION)
    await again.close()


async def test_a_migration_that_fails_leaves_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables and their version are one transaction, on SQLite too."""
    whole = migrations.run_migrations

    def broken(connection: sa.Connection, version: int) -> None:
        whole(connection, version)
        raise OSError("the disk went away")

    monkeypatch.setattr(migrations, "run_migrations", broken)
    with pytest.raises(StartRefused, match="the disk went away"):
        await connect(settings)
    monkeypatch.undo()
    database = await connect(settings)
    async with database.write() as tx:
        await put(tx, "a")
    await database.close()


async def test_two_that_start_at_once_both_find_the_schema(settings: Settings) -> None:
    databases = await asyncio.gather(*(connect(settings) for _ in range(3)))
    for number, database in enumerate(databases):
        async with database.write() as tx:
            await put(tx, f"subject {number}")
        await database.close()
