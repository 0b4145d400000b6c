"""The services' own Context as one serving process has it, over a data folder and a clock that tests turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from roadstead.app import open_context
from roadstead.config import Settings, Storage
from roadstead.services.accounts import InitialCredentials, first_start
from roadstead.services.context import Context
from tests.jobs.bench import FakeClock


@asynccontextmanager
async def open_test_context(
    folder: Path, clock: Callable[[], datetime] | None = None, **settings: Any
) -> AsyncIterator[Context]:
    """A Context whose first start is done, with blobs in memory unless `settings` say otherwise.

    A second one over the same folder is another process on the same data.
    """
    chosen: dict[str, Any] = {"storage": Storage(kind="memory"), **settings}
    async with open_context(Settings(data=str(folder), **chosen), clock or FakeClock()) as ctx:
        await first_start(ctx)
        yield ctx


def initial_credentials(ctx: Context) -> InitialCredentials:
    """What the first start has left in the data folder."""
    written = (ctx.settings.folder / "initial-credentials.json").read_bytes()
    return msgspec.json.decode(written, type=InitialCredentials)
