"""A database of each kind for every test of the job queue."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roadstead.config import Settings
from roadstead.jobs.queue import JobTable
from roadstead.metadata.database import Database, connect
from tests.jobs.bench import Bench, FakeClock, make_table

pytest.register_assert_rewrite("tests.contracts.job_queue")


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name a database with the schema and nothing in it."""
    if request.param == "postgresql":
        return Settings(data=str(tmp_path), database=request.getfixturevalue("postgres_url"))
    shutil.copyfile(request.getfixturevalue("migrated_file"), tmp_path / "roadstead.db")
    return Settings(data=str(tmp_path))


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The database of the settings."""
    database = await connect(settings)
    yield database
    await database.close()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def table() -> JobTable[Bench]:
    """The table of one process."""
    return make_table()


@pytest.fixture
def bench() -> Bench:
    """The context that jobs run in."""
    return Bench()
