"""Fixtures of every test that works with a Context; a conftest imports them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from roadstead.services.context import Context
from tests.factories.contexts import open_test_context
from tests.factories.shops import lay_out
from tests.jobs.bench import FakeClock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder of this test's own whose first start is done."""
    folder = tmp_path / "data"
    lay_out(folder)
    return folder


@pytest.fixture
def clock() -> FakeClock:
    """The clock of `ctx`, which stands still until it is turned."""
    return FakeClock()


@pytest.fixture
async def ctx(folder: Path, clock: FakeClock) -> AsyncIterator[Context]:
    """A serving process's Context over that folder, with blobs in memory."""
    async with open_test_context(folder, clock) as ctx:
        yield ctx
