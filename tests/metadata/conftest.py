"""A database of each kind, its schema in place, for every test of what is known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roadstead.config import Settings
from roadstead.metadata.database import Database, connect

pytest.register_assert_rewrite("tests.contracts.database")


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an empty database."""
    url: str = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    return Settings(data=str(tmp_path), database=url)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The database of the settings."""
    database = await connect(settings)
    yield database
    await database.close()
