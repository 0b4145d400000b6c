"""The queue as its operators see it, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.app import QUEUES
from roadstead.errors import AccessDenied, InvalidInput, NotFound
from roadstead.jobs import queue
from roadstead.jobs.queue import NoArguments
from roadstead.metadata.schema.jobs import jobs
from roadstead.services.context import Context
from roadstead.services.gc import collect_garbage, prune_jobs
from roadstead.services.jobs import describe_failed_jobs, describe_jobs, run_job_again
from tests.factories.accounts import sub_caller
from tests.factories.calls import call, call_as
from tests.factories.contexts import open_test_context
from tests.jobs.bench import FakeClock


@pytest.fixture(params=["sqlite", "postgresql"])
async def ctx(
    request: pytest.FixtureRequest, folder: Path, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Context]:
    """A Context over each database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    async with open_test_context(tmp_path / "other" if url else folder, clock, database=url) as opened:
        yield opened


async def enter(ctx: Context, *, delay: float = 0, job: Any = collect_garbage, **values: Any) -> int:
    """The id of a new job that stands as the values say."""
    async with ctx.database.write() as tx:
        found = await ctx.jobs.enqueue(tx, job, NoArguments(), now=ctx.clock(), delay=delay)
        assert found is not None
        if values:
            await tx.run(sa.update(jobs).where(jobs.c.id == found).values(**values))
    return found


async def fail(ctx: Context, job: Any = collect_garbage) -> int:
    return await enter(ctx, job=job, state="failed", attempts=3, finished_at=ctx.clock(), error="first\nlast")


async def counted(ctx: Context) -> dict[str, tuple[int, int, int, int]]:
    queues = (await call(ctx, describe_jobs)).queues
    return {each.queue: (each.due, each.waiting, each.running, each.failed) for each in queues}


async def test_queues_tell_what_they_hold(ctx: Context, clock: FakeClock) -> None:
    assert await counted(ctx) == dict.fromkeys(sorted(QUEUES), (0, 0, 0, 0))
    first = clock()
    await enter(ctx)
    await enter(ctx, delay=60)
    await enter(ctx, state="running", run_at=clock() + timedelta(seconds=30))
    await enter(ctx, state="running", run_at=clock() - timedelta(seconds=30))
    await enter(ctx, state="done", finished_at=clock())
    await fail(ctx)
    assert (await counted(ctx))["collection"] == (2, 1, 1, 1)
    collection = (await call(ctx, describe_jobs)).queues[0]
    assert collection.due_since == first - timedelta(seconds=30)


async def test_failed_jobs_are_listed_by_pages_and_run_again(ctx: Context) -> None:
    ids = [await fail(ctx) for _ in range(3)] + [await fail(ctx, prune_jobs)]
    found: list[int] = []
    last = ""
    while True:
        page = await call(ctx, describe_failed_jobs, limit=2, last=last)
        found += [each.id for each in page.jobs]
        last = page.last
        if not last:
            break
    assert found == ids
    assert (page.jobs or [None])[-1] is None or page.jobs[-1].error == "first\nlast"
    assert (await call(ctx, describe_failed_jobs, queue="instances")).jobs == []
    woken: list[bool] = []
    ctx.jobs.bind(lambda: woken.append(True))
    assert (await call(ctx, run_job_again, id=ids[0])).count == 1
    assert (await call(ctx, run_job_again, task="collect_garbage")).count == 2
    assert len(woken) == 2
    assert (await counted(ctx))["collection"] == (3, 0, 0, 1)
    async with ctx.database.write() as tx:
        leases = await queue.claim(tx, ctx.jobs, "collection", 9, ctx.clock(), ctx.clock() + timedelta(seconds=9))
    assert {lease.attempt for lease in leases} == {1}
    for fields in ({"id": ids[0]}, {"task": "collect_garbage"}):
        with pytest.raises(NotFound):
            await call(ctx, run_job_again, **fields)
    for wrong in ({}, {"id": 1, "task": "collect_garbage"}):
        with pytest.raises(InvalidInput):
            await call(ctx, run_job_again, **wrong)


async def test_they_are_the_deployments(ctx: Context) -> None:
    caller = await sub_caller(ctx)
    for op in (describe_jobs, describe_failed_jobs):
        with pytest.raises(AccessDenied, match=r"instance/\*"):
            await call_as(ctx, caller, op)
