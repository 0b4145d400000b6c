"""`roadstead worker`: jobs are worked off without a server, and without one's own workers when that is set."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from roadstead.app import open_context
from roadstead.config import Settings
from roadstead.jobs.queue import NoArguments
from roadstead.metadata.schema.jobs import jobs
from roadstead.services.gc import prune_jobs
from tests.cli.invoking import Invoke, fails
from tests.servers.roadstead import RoadsteadServer


async def enter_and_wait(folder: Path) -> None:
    """A job was entered by this process and done by another."""
    async with open_context(Settings(data=str(folder))) as ctx:
        async with ctx.database.write() as tx:
            found = await ctx.jobs.enqueue(tx, prune_jobs, NoArguments(), now=ctx.clock())
        state = ""
        async with asyncio.timeout(60):
            while state != "done":
                await asyncio.sleep(0.05)
                async with ctx.database.read() as tx:
                    state = await tx.scalar(sa.select(jobs.c.state).where(jobs.c.id == found))


def test_a_worker_works_jobs_off_and_ends_when_told(folder: Path) -> None:
    command = [sys.executable, "-m", "roadstead", "worker", "--data", str(folder)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as working:
        assert working.stdout is not None
        assert working.stdout.readline() == "Working off jobs.\n"
        asyncio.run(enter_and_wait(folder))
        working.send_signal(signal.SIGTERM)
        assert working.wait(60) == 0


def test_a_server_may_leave_jobs_to_workers(tmp_path: Path) -> None:
    server = RoadsteadServer(tmp_path / "data", {"ROADSTEAD_WORKERS_IN_SERVER": "false"})
    server.start()

    async def entered() -> int:
        async with open_context(Settings(data=str(server.folder))) as ctx, ctx.database.read() as tx:
            return int(await tx.scalar(sa.select(sa.func.count()).select_from(jobs)))

    # A worker enters the first slots of all schedules as soon as it runs.
    assert asyncio.run(entered()) == 0
    assert server.stop() == 0
    assert asyncio.run(entered()) == 0


def test_there_must_be_a_registry(invoke: Invoke, tmp_path: Path) -> None:
    fails(invoke("worker", "--data", tmp_path / "none"), "there is no registry in")
