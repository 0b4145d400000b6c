"""A database of each kind for every test of what is known: fresh ones for migrations, emptied ones for all else."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from roadstead.config import Settings
from roadstead.metadata.database import Database
from roadstead.metadata.postgresql import PostgresqlDatabase
from roadstead.metadata.schema import load, metadata
from roadstead.metadata.sqlite import SqliteDatabase
from tests.servers.postgres import PostgresServer

pytest.register_assert_rewrite("tests.contracts.database")


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an empty database, without a schema."""
    url: str = request.getfixturevalue("bare_postgres_url") if request.param == "postgresql" else ""
    return Settings(data=str(tmp_path), database=url)


@pytest.fixture(scope="session")
def migrated_url(postgres_server: PostgresServer, postgres_template: str) -> str:
    """A PostgreSQL database with the schema, which every test leaves empty."""
    return postgres_server.create_database(postgres_template)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a database with the schema and nothing in it is: a file, or a URL."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("migrated_url")
        return url
    return Path(shutil.copyfile(request.getfixturevalue("migrated_file"), tmp_path / "roadstead.db"))


@pytest.fixture
async def database(place: Path | str) -> AsyncIterator[Database]:
    """A database with the schema and nothing in it."""
    if isinstance(place, Path):
        sqlite = SqliteDatabase(place)
        yield sqlite
        await sqlite.close()
    else:
        postgresql = PostgresqlDatabase(place)
        yield postgresql
        await _empty(postgresql)
        await postgresql.close()


async def _empty(database: Database) -> None:
    load()
    names = ", ".join(name for name in metadata.tables if name != "schema_version")
    async with database.write(durable=False) as tx:
        await tx.run(sa.text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
