"""A worker in a process of its own: `python -m tests.jobs.worker_process FOLDER DATABASE JOURNAL LIMIT STALL_AFTER`.

Each body writes "start NUMBER PID" and "end NUMBER PID" to the journal, which all the processes append to. After
STALL_AFTER starts, this process's bodies come to no end, so that it is surely in the middle of some when it is
killed. SIGTERM stops it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from roadstead.config import Settings
from roadstead.jobs.queue import JobTable, job
from roadstead.jobs.worker import Worker
from roadstead.metadata.database import connect
from tests.jobs.bench import Number

LEASE = timedelta(seconds=3)


class Journal:
    """What happened when, over all processes: one line an event, in the order of the events."""

    def __init__(self, path: Path, stall_after: int = sys.maxsize) -> None:
        self._path = path
        self._left = stall_after

    def write(self, what: str, number: int) -> None:
        """The event stands at the end of the journal."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{what} {number} {os.getpid()}\n".encode())
        os.close(file)

    def stalls(self) -> bool:
        """Whether the body that asks is one of those without an end."""
        self._left -= 1
        return self._left < 0


@job(queue="quick")
async def step(journal: Journal, number: Number) -> None:
    journal.write("start", number.value)
    await asyncio.sleep(3600 if journal.stalls() else 0.02)
    journal.write("end", number.value)


def make_table() -> JobTable[Journal]:
    """The table of each process."""
    table = JobTable[Journal]()
    table.add(step)
    return table


async def main(folder: str, url: str, journal: str, limit: str, stall_after: str) -> None:
    """The worker has run until it was stopped."""
    database = await connect(Settings(data=folder, database=url))
    context = Journal(Path(journal), int(stall_after))
    worker = Worker(
        database, make_table(), context, lambda: datetime.now(UTC), {"quick": int(limit)}, 0.05, lease=LEASE
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    try:
        await worker.run()
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
