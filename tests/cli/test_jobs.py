"""`roadstead job` and `roadstead events list`: what they print and refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy as sa

from roadstead.app import open_context
from roadstead.config import Settings
from roadstead.jobs.queue import NoArguments
from roadstead.metadata.schema.jobs import jobs
from roadstead.services.gc import collect_garbage
from tests.cli.invoking import Invoke, fails, ok, parsed, table


def fail_one(folder: Path) -> int:
    """The id of a job that was given up."""

    async def enter() -> int:
        async with open_context(Settings(data=str(folder))) as ctx, ctx.database.write() as tx:
            found = await ctx.jobs.enqueue(tx, collect_garbage, NoArguments(), now=ctx.clock())
            assert found is not None
            change = {"state": "failed", "finished_at": ctx.clock(), "error": "Traceback\nOSError: no space\n"}
            await tx.run(sa.update(jobs).where(jobs.c.id == found).values(change))
        return found

    return asyncio.run(enter())


def test_jobs(invoke: Invoke, folder: Path) -> None:
    assert ok(invoke("job", "failed", "--data", folder)) == "No job has failed.\n"
    number = fail_one(folder)
    heading, collection, instances, *_ = table(invoke("job", "list", "--data", folder))
    assert heading == ["QUEUE", "DUE", "SINCE", "WAITING", "RUNNING", "FAILED"]
    assert (collection, instances) == (
        ["collection", "0", "0", "0", "1"],
        ["instances", "0", "0", "0", "0"],
    )
    _, row = table(invoke("job", "failed", "--data", folder))
    assert (row[0], row[1], row[-3:]) == (str(number), "collect_garbage", ["OSError:", "no", "space"])
    assert parsed(invoke("job", "failed", "--json", "--data", folder))[0]["Error"].startswith("Traceback")
    assert ok(invoke("job", "run-again", str(number), "--data", folder)) == "1 job runs again.\n"
    fails(invoke("job", "run-again", str(number), "--data", folder), "no failed job is meant")
    fails(invoke("job", "run-again", "--data", folder), "give the ID of a job, or --task")
    fail_one(folder)
    assert ok(invoke("job", "run-again", "--task", "collect_garbage", "--data", folder)) == "1 job runs again.\n"


def test_events(invoke: Invoke, with_image: Path) -> None:
    heading, newest, *_ = table(invoke("events", "list", "--kind", "pushImage", "--data", with_image))
    assert heading == ["ID", "TIME", "KIND", "WHAT", "DIGEST", "USER"]
    assert newest[2:4] == ["pushImage", "library/app:v1"]
    (only,) = parsed(invoke("events", "list", "--most", "1", "--json", "--data", with_image))
    assert only["Repository"] == "library/app"
    empty = invoke("events", "list", "--repository", "library/none", "--data", with_image)
    assert ok(empty) == "Nothing has happened that matches.\n"
    assert "--follow" in ok(invoke("events", "--data", with_image))
