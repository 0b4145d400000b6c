"""What instances hold, kept for each day: measured each hour, the last number of a day stays.

All instances are measured together by one walk over the blobs in small steps, so that neither many instances nor a
large one keep requests waiting.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, timedelta

from roadstead.jobs.queue import NoArguments, job
from roadstead.metadata import usage
from roadstead.services.context import Context

# As many as the overview can show.
_DAYS_KEPT = timedelta(days=90)
_BLOBS = 1000
_ROWS = 500


@job(queue="collection", attempts=3)
async def measure_storage(ctx: Context, arguments: NoArguments) -> None:
    """Each instance's number of this day (UTC) is what it holds now; days that nobody can see any more are gone."""
    sizes = await _held(ctx)
    now = ctx.clock().astimezone(UTC)
    last: int | None = 0
    while last is not None:
        async with ctx.database.write(durable=False) as tx:
            last = await usage.keep(tx, now.date().isoformat(), sizes, last, _ROWS)
    removed = _ROWS
    while removed == _ROWS:
        async with ctx.database.write(durable=False) as tx:
            removed = await usage.forget(tx, now - _DAYS_KEPT, _ROWS)


async def _held(ctx: Context) -> Counter[int]:
    """Bytes that each instance holds, each blob once."""
    sizes: Counter[int] = Counter()
    low = 0
    while True:
        async with ctx.database.read() as tx:
            high = await usage.after_blobs(tx, low, _BLOBS)
            if high is None:
                return sizes
            sizes.update(await usage.held(tx, low, high))
        low = high
        # Between two steps, requests get their turn.
        await asyncio.sleep(0)
