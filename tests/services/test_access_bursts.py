"""More logins at once than the database has connections: each is answered, none waits for another in a circle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from roadstead.config import Settings, Storage
from roadstead.errors import AppError
from roadstead.services.access import Asker, admit
from tests.factories.accounts import asker, owner_login
from tests.factories.shops import Shop, open_shop
from tests.jobs.bench import FakeClock

MANY = 60


@pytest.fixture
async def shop(postgres_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """A registry over PostgreSQL, whose connections are counted."""
    settings = Settings(data=str(tmp_path / "data"), database=postgres_url, storage=Storage(kind="memory"))
    async with open_shop(settings, FakeClock()) as opened:
        yield opened


async def outcomes(shop: Shop, askers: list[Asker]) -> dict[str, int]:
    """How often each outcome was, of logins that are all made at once."""

    async def log_in(one: Asker) -> str:
        try:
            async with shop.ctx.database.read() as tx:
                await admit(shop.ctx, tx, one, None, None)
        except AppError as error:
            return type(error).__name__
        return "admitted"

    return dict(Counter(await asyncio.gather(*map(log_in, askers))))


async def test_wrong_logins_at_once_are_all_refused(shop: Shop) -> None:
    wrong = replace(owner_login(shop.ctx), username="nobody", password="rs1.some.guess")
    askers = [await asker(shop.ctx, replace(wrong, username=f"{n}"), address=f"192.0.2.{n}") for n in range(MANY)]
    assert await outcomes(shop, askers) == {"NotAuthenticated": MANY}


async def test_right_logins_at_once_from_where_others_have_guessed_all_wait(shop: Shop) -> None:
    wrong = await asker(shop.ctx, replace(owner_login(shop.ctx), username="1", password="rs1.some.guess"))
    for _ in range(shop.ctx.settings.login.free_failures):
        assert await outcomes(shop, [wrong]) == {"NotAuthenticated": 1}
    right = await asker(shop.ctx, owner_login(shop.ctx))
    assert await outcomes(shop, [right] * MANY) == {"TooManyRequests": MANY}
