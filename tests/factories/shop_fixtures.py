"""Fixtures of the tests that let pushes, deletions and collectors meet; those tests import them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from roadstead.config import Collection, Settings, Storage
from roadstead.services import layers
from tests.factories.shops import Shop, lay_out, open_shop
from tests.jobs.bench import FakeClock
from tests.servers.postgres import PostgresServer


async def _start(options: Settings) -> None:
    async with open_shop(options, FakeClock()):
        pass


@pytest.fixture(scope="session")
def on_postgresql(postgres_server: PostgresServer, session_folder: Path) -> Settings:
    """A registry over PostgreSQL that was started once; every test leaves it empty."""
    options = Settings(data=str(session_folder / "gc"), database=postgres_server.create_database())
    asyncio.run(_start(options))
    return options


@pytest.fixture(params=["sqlite", "postgresql"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A registry that collects one row at a time, so that collectors meet as often as they can."""
    if request.param == "postgresql":
        found: Settings = request.getfixturevalue("on_postgresql")
    else:
        lay_out(tmp_path / "data")
        found = Settings(data=str(tmp_path / "data"))
    return msgspec.structs.replace(found, storage=Storage(kind="memory"), collection=Collection(batch=1))


@pytest.fixture(params=[32 << 10, 6, -1], ids=["in the row", "row then parts", "in parts"])
def in_row(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many bytes of an upload its row may hold."""
    most: int = request.param
    monkeypatch.setattr(layers, "SMALL", most)
    return most


@pytest.fixture
async def shop(options: Settings) -> AsyncIterator[Shop]:
    """The registry, started, and its owner."""
    async with open_shop(options, FakeClock()) as opened:
        yield opened
        await opened.clear()
