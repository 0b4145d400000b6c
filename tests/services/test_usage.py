"""What instances held day by day is measured, remembered, shown, and forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from roadstead.metadata.schema.usage import stored_days
from roadstead.services import usage
from roadstead.services.context import Context
from roadstead.services.deletions import delete_instance
from roadstead.services.overview import describe_overview
from tests.factories.accounts import owner_asker
from tests.factories.calls import call
from tests.factories.instances import ask, second_shop, work_off
from tests.factories.pushes import push_image
from tests.factories.shop_fixtures import on_postgresql, options, shop
from tests.factories.shops import Shop
from tests.jobs.bench import FakeClock

__all__ = ["on_postgresql", "options", "shop"]

DAY = 86_400


async def shown(ctx: Context, days: int = 14) -> list[int]:
    """What the overview says the instance held, on the days that it knows of."""
    return [each.bytes for each in (await call(ctx, describe_overview, days=days)).storage]


async def measure(ctx: Context) -> None:
    await usage.measure_storage.run(ctx, "{}")


async def rows(ctx: Context) -> list[tuple[str, int]]:
    async with ctx.database.read() as tx:
        found = await tx.all(sa.select(stored_days.c.day, stored_days.c.size).order_by(stored_days.c.day))
    return [(row.day, row.size) for row in found]


async def test_a_day_keeps_its_last_number(ctx: Context, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each blob is a step of its own, and each instance a transaction.
    monkeypatch.setattr(usage, "_BLOBS", 1)
    monkeypatch.setattr(usage, "_ROWS", 1)
    asker = await owner_asker(ctx)
    await measure(ctx)
    await push_image(ctx, asker, "library/web", "1")
    # What two repositories share is counted once.
    await push_image(ctx, asker, "library/copy", "1")
    (now,) = await shown(ctx)
    assert now > 0
    await measure(ctx)
    assert [size for _, size in await rows(ctx)] == [now]
    clock.turn(seconds=DAY)
    assert await shown(ctx) == [now, now]
    await push_image(ctx, asker, "library/web", "2", contents=(b"more",))
    clock.turn(seconds=60)
    before, today = await shown(ctx)
    assert before == now < today


async def test_a_day_without_a_measure_is_left_out_and_old_ones_are_forgotten(ctx: Context, clock: FakeClock) -> None:
    await measure(ctx)
    clock.turn(seconds=3 * DAY)
    answer = await call(ctx, describe_overview, days=14)
    assert len(answer.activity) == 14
    assert [each.day for each in answer.storage] == [answer.activity[-4].day, answer.activity[-1].day]
    assert len(await shown(ctx, days=3)) == 1
    clock.turn(seconds=87 * DAY)
    await measure(ctx)
    assert len(await rows(ctx)) == 2
    clock.turn(seconds=DAY)
    await measure(ctx)
    assert [day for day, _ in await rows(ctx)] == [
        (clock() - each).date().isoformat() for each in (timedelta(days=1), timedelta(0))
    ]


async def test_each_instance_has_its_own_number_and_takes_it_along(shop: Shop) -> None:
    await shop.push_image("library/web", "1", b"{}", b"shared")
    async with second_shop(shop) as second:
        await second.push_image("library/web", "1", b"{}", b"shared", b"its own")
        await measure(shop.ctx)
        (ours,) = await shown(shop.ctx)
        assert sorted(size for _, size in await rows(shop.ctx)) == [ours, ours + len(b"its own")]
        await measure(shop.ctx)
        registry_id = second.asker.instance.row.registry_id
        await ask(shop.ctx, delete_instance, registry_id=registry_id)
        await work_off(shop.ctx)
        assert [size for _, size in await rows(shop.ctx)] == [ours]
