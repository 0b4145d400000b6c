"""The job queue as its operators see it: how much waits, what has failed for good, and running that again.

Jobs are the deployment's, not an instance's, so the permissions are asked for all instances (`instance/*`): whoever
may do these things on one instance alone may not, and the presets for everything and for reading cover them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from roadstead.errors import InvalidInput, NotFound
from roadstead.jobs import backlog, queue
from roadstead.services.event_log import place
from roadstead.services.operations import Call, NextAnswer, NextRequest, Wire, operation, page_size

_AT_ONCE = 1000
_RESOURCE = "instance/*"

QueueName = Annotated[str, Meta(description="Name of the queue.")]
TaskName = Annotated[str, Meta(description="What the job does, for example `collect_garbage`.")]


class DescribeJobs(Wire, frozen=True, kw_only=True):
    """All queues."""


class QueueInfo(Wire, frozen=True, kw_only=True):
    """One queue and its jobs that are not done."""

    queue: QueueName
    due: Annotated[int, Meta(description="Jobs that could run now.")]
    due_since: Annotated[datetime | None, Meta(description="Since when the oldest of them could; null without any.")]
    waiting: Annotated[int, Meta(description="Jobs for a later time, or waiting for their next attempt.")]
    running: Annotated[int, Meta(description="Jobs that a worker has taken.")]
    failed: Annotated[int, Meta(description="Jobs that are given up.")]


class JobOverview(Wire, frozen=True, kw_only=True):
    """All queues."""

    queues: Annotated[list[QueueInfo], Meta(description="The queues, by name.")]


class DescribeFailedJobs(NextRequest, frozen=True, kw_only=True):
    """Which page of the jobs that are given up."""

    queue: Annotated[str, Meta(description="Only of this queue.")] = ""


class FailedJobInfo(Wire, frozen=True, kw_only=True):
    """One job that is given up."""

    id: Annotated[int, Meta(description="Id of the job.")]
    queue: QueueName
    task: TaskName
    arguments: Annotated[str, Meta(description="What it was entered with, as JSON.")]
    attempts: Annotated[int, Meta(description="How often it was tried.")]
    create_time: Annotated[datetime, Meta(description="When it was entered.")]
    failure_time: Annotated[datetime, Meta(description="When it was given up.")]
    error: Annotated[str, Meta(description="What the last attempt met.")]


class FailedJobPage(NextAnswer, frozen=True, kw_only=True):
    """A page of the jobs that are given up, the oldest first."""

    jobs: Annotated[list[FailedJobInfo], Meta(description="The jobs.")]


class RunJobAgain(Wire, frozen=True, kw_only=True):
    """Which job: one by its id, or all of one task."""

    id: Annotated[int | None, Meta(description="Id of the job.")] = None
    task: Annotated[str, Meta(description="All failed jobs of this task, a thousand at once.")] = ""


class RunAgain(Wire, frozen=True, kw_only=True):
    """What was begun anew."""

    count: Annotated[int, Meta(description="How many jobs.")]


@operation(resource=_RESOURCE, changes=False)
async def describe_jobs(call: Call, request: DescribeJobs) -> JobOverview:
    """List the job queues with how many jobs are due, wait, run and have failed."""
    known = sorted({call.ctx.jobs.get(name).queue for name in call.ctx.jobs.names})
    rows = await backlog.backlogs(call.tx, known, call.now)
    return JobOverview(
        queues=[
            QueueInfo(
                queue=row.queue,
                due=row.due,
                due_since=row.due_since,
                waiting=row.waiting,
                running=row.running,
                failed=row.failed,
            )
            for row in rows
        ]
    )


@operation(resource=_RESOURCE, changes=False, raises=(InvalidInput,))
async def describe_failed_jobs(call: Call, request: DescribeFailedJobs) -> FailedJobPage:
    """List the jobs that were tried as often as they may be, with what they met; the oldest first."""
    most = page_size(call.ctx, request.limit)
    rows = await queue.failed_jobs(call.tx, last=place(request.last) or 0, n=most, queue=request.queue or None)
    listed = [
        FailedJobInfo(
            id=row.id,
            queue=row.queue,
            task=row.task,
            arguments=row.arguments,
            attempts=row.attempts,
            create_time=row.created_at,
            failure_time=row.finished_at,
            error=row.error,
        )
        for row in rows
    ]
    return FailedJobPage(jobs=listed, last=str(rows[-1].id) if rows and len(rows) == most else "")


@operation(resource=_RESOURCE, changes=True, raises=(InvalidInput, NotFound))
async def run_job_again(call: Call, request: RunJobAgain) -> RunAgain:
    """Try a failed job again, or all of one task, with all attempts before it."""
    if (request.id is None) == (not request.task):
        raise InvalidInput("say either the Id of one job or the Task whose failed jobs shall run again")
    if request.id is None:
        count = await backlog.run_all_again(call.tx, request.task, call.now, _AT_ONCE)
    else:
        count = int(await queue.run_again(call.tx, request.id, call.now))
    if not count:
        raise NotFound("no failed job is meant; roadstead job failed lists those that there are")
    call.tx.after_commit(call.ctx.jobs.wake)
    return RunAgain(count=count)
