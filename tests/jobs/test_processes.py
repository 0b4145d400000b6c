"""Two workers in two processes, one of them killed in the middle of its jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from roadstead.config import Settings
from roadstead.metadata.database import Database
from tests.jobs.bench import Number, ended, eventually, rows
from tests.jobs.worker_process import make_table, step
from tests.servers.process import Process

JOBS = 40
LIMIT = 5
ROOT = Path(__file__).parents[2]


@contextmanager
def worker_process(settings: Settings, journal: Path, limit: int, stall_after: int = 10_000) -> Iterator[Process]:
    """A process that works, gone after the block."""
    command = [sys.executable, "-W", "error", "-m", "tests.jobs.worker_process"]
    arguments = [settings.data, settings.database, str(journal), str(limit), str(stall_after)]
    process = Process([*command, *arguments], log=journal.with_name(f"log-{limit}"), folder=ROOT)
    try:
        yield process
    finally:
        process.kill()


def events(journal: Path) -> list[tuple[str, int, int]]:
    """The journal's lines: what, which job, which process."""
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [(what, int(number), int(process)) for what, number, process in map(str.split, lines)]


def most_at_once(journal: Path) -> int:
    """How many bodies ran at the same time at the worst moment; a killed process's ended when it was killed."""
    running: set[tuple[int, int]] = set()
    most = 0
    for what, number, process in events(journal):
        match what:
            case "start":
                running.add((number, process))
            case "end":
                running.discard((number, process))
            case _:
                running = {each for each in running if each[1] != process}
        most = max(most, len(running))
    return most


async def test_the_other_does_all_when_one_is_killed(settings: Settings, database: Database, tmp_path: Path) -> None:
    journal, table = tmp_path / "journal", make_table()
    async with database.write() as tx:
        for number in range(JOBS):
            await table.enqueue(tx, step, Number(number), now=datetime.now(UTC))
    # Three bodies of the first hang and it claims no more, so there is room for two of the other's.
    with worker_process(settings, journal, 3, stall_after=4) as victim:
        await eventually(lambda: len([each for each in events(journal) if each[0] == "start"]) == 7)
        with worker_process(settings, journal, LIMIT) as survivor:
            await eventually(lambda: any(process == survivor.identifier for _, _, process in events(journal)))
            victim.kill()
            with journal.open("a") as file:
                file.write(f"killed 0 {victim.identifier}\n")
            await eventually(lambda: ended(database))
            assert survivor.stop() == 0, survivor.log.read_text()
            assert survivor.log.read_text() == ""
    done = await rows(database)
    assert [row.state for row in done] == ["done"] * JOBS
    assert {number for what, number, _ in events(journal) if what == "end"} == set(range(JOBS))
    assert max(row.attempts for row in done) == 2
    assert most_at_once(journal) == LIMIT
