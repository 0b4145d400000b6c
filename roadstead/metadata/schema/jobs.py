"""The job queue's two tables; `jobs/queue.py` says how they are used."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import NEVER_REUSED, Id, Instant, metadata, where

# Literal text, for a query may use a partial index only where it repeats the index's condition word for word.
OPEN = sa.text("state IN ('ready', 'running')")

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("queue", sa.String(40), nullable=False),
    sa.Column("task", sa.String(80), nullable=False),
    sa.Column("arguments", sa.Text, nullable=False),
    # ready, running, done, failed
    sa.Column("state", sa.String(10), nullable=False),
    # Ready: not before this time. Running: the end of the lease, after which another worker takes it.
    sa.Column("run_at", Instant, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False, server_default="0"),
    # Attempts begun since the job was entered or run again; what decides between a retry and the dead-job list.
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # Claims ever made; never goes back, so that the holder of an old lease cannot pass for that of the present one.
    sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
    sa.Column("unique_key", sa.String(160), unique=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("error", sa.Text),
    # Whether anything is due and how much is running: ranges, however many jobs wait for a later time.
    sa.Index("ix_jobs_due", "queue", "state", "run_at", **where(OPEN)),
    # Which is next, without sorting the backlog.
    sa.Index("ix_jobs_next", "queue", sa.text("priority DESC"), "run_at", "id", **where(OPEN)),
    sa.Index("ix_jobs_state", "state", "finished_at"),
    **NEVER_REUSED,
)

job_queues = sa.Table(
    "job_queues",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
)
