"""`roadstead job`: the queues, what has failed for good, and running it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from roadstead.cli.output import show, show_rows
from roadstead.cli.session import Options, work
from roadstead.errors import InvalidInput
from roadstead.services import jobs

commands = typer.Typer(help="Work that is done later.", no_args_is_help=True)


@commands.command("list", epilog="Example: roadstead job list")
def list_(context: typer.Context) -> None:
    """List the job queues with what is due, waits, runs and has failed."""
    rows = work(context, lambda s: s.call(jobs.describe_jobs)).queues
    columns = [
        ("QUEUE", "queue"),
        ("DUE", "due"),
        ("SINCE", "due_since"),
        ("WAITING", "waiting"),
        ("RUNNING", "running"),
        ("FAILED", "failed"),
    ]
    show_rows(context, rows, columns, empty="There are no queues.")


@commands.command("failed", epilog="Example: roadstead job failed --queue collection")
def failed(
    context: typer.Context,
    queue: Annotated[str, typer.Option(help="Only of this queue.")] = "",
) -> None:
    """List the jobs that are given up, with the last line of what they met; --json gives all of it."""
    rows: list[Any] = work(context, lambda s: s.every(jobs.describe_failed_jobs, "jobs", queue=queue))
    options: Options = context.obj
    shown = rows if options.as_json else [_Line(row) for row in rows]
    columns = [("ID", "id"), ("TASK", "task"), ("TRIED", "attempts"), ("FAILED", "failure_time"), ("ERROR", "error")]
    show_rows(context, shown, columns, empty="No job has failed.")


class _Line:
    """A failed job on one line."""

    def __init__(self, row: Any) -> None:
        self.id, self.task, self.attempts, self.failure_time = row.id, row.task, row.attempts, row.failure_time
        self.error = row.error.strip().splitlines()[-1][:200] if row.error.strip() else ""


@commands.command("run-again", epilog="Example: roadstead job run-again 17")
def run_again(
    context: typer.Context,
    number: Annotated[int | None, typer.Argument(help="The job's ID, as listed.")] = None,
    task: Annotated[str, typer.Option(help="Instead of one job: all failed ones of this task.")] = "",
) -> None:
    """Try failed jobs again, with all attempts before them."""
    if (number is None) == (not task):
        raise InvalidInput("give the ID of a job, or --task")
    answer = work(context, lambda s: s.call(jobs.run_job_again, id=number, task=task))
    show(context, answer, f"{answer.count} {'job runs' if answer.count == 1 else 'jobs run'} again.")
