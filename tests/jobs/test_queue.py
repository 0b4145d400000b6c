"""The queue on SQLite and PostgreSQL, and what of it needs no database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa

from roadstead.jobs import queue as queues
from roadstead.jobs.queue import Job, JobTable, job
from roadstead.metadata.database import Database
from tests.contracts.job_queue import JobQueueContract
from tests.jobs.bench import START, Bench, Number, enter, note, rows


class TestJobQueue(JobQueueContract):
    """The contract; `database` is one of each kind."""


def test_a_job_takes_its_name_and_arguments_from_its_body() -> None:
    @job(queue="any", timeout=timedelta(hours=1))
    async def body(ctx: NowhereDefined, number: Number) -> None:  # type: ignore[name-defined]  # noqa: F821
        ...

    assert (body.name, body.queue, body.arguments, body.timeout) == ("body", "any", Number, timedelta(hours=1))


async def test_a_body_gets_its_arguments_decoded(bench: Bench) -> None:
    await note.run(bench, '{"value":5}')
    assert bench.ran == [5]


@pytest.mark.parametrize(
    ("backoff", "attempt", "spread", "seconds"),
    [
        (2, 1, 1.0, 2),
        (2, 2, 1.0, 4),
        (2, 3, 0.5, 4),
        (2, 11, 1.0, 2048),
        (2, 12, 1.0, 3600),
        (0, 400, 1.0, 0),
        (1, 9999, 1.2, 4320),
    ],
)
def test_a_pause_doubles_up_to_an_hour(backoff: int, attempt: int, spread: float, seconds: int) -> None:
    job = Job("name", "queue", note.body, Number, 5, timedelta(seconds=backoff), timedelta(1))
    assert job.pause(attempt, spread) == timedelta(seconds=seconds)


def test_two_jobs_of_one_name_are_refused(table: JobTable[Bench]) -> None:
    with pytest.raises(ValueError, match="two jobs are named note"):
        table.add(note)


async def test_a_job_outside_the_table_is_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="not in this table"):
        await enter(database, JobTable[Bench](), note, 1)
    assert await rows(database) == []


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
async def test_looking_for_work_reads_no_backlog(database: Database, table: JobTable[Bench]) -> None:
    """Each access to the jobs while looking and claiming is a search of an index that its condition fits."""
    plans: list[str] = []

    def explain(connection: sa.Connection) -> None:
        @sa.event.listens_for(connection, "before_cursor_execute")
        def _(
            _connection: object, cursor: object, statement: str, parameters: Sequence[object], *_rest: object
        ) -> None:
            if statement.startswith("SELECT"):
                explaining = connection.connection.cursor()
                explaining.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans.extend(row[3] for row in explaining.fetchall())

    async with database.write() as tx:
        await queues.add_queues(tx, ["quick"])
        await tx.run_sync(explain)
        await queues.queues_with_work(tx, table.names, {"quick": 1}, START)
        await queues.claim(tx, table, "quick", 1, START, START)
    of_jobs = [plan for plan in plans if " jobs " in plan]
    assert of_jobs
    assert all(
        "ix_jobs_due (queue=? AND state=? AND run_at" in plan or "ix_jobs_next (queue=?" in plan for plan in of_jobs
    )
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]
