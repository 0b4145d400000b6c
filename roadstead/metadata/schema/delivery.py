"""What happened: the event log, from which deliveries follow, and the audit."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import Id, Instant, metadata

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("operator", sa.String(120), nullable=False),
    sa.Column("occurred_at", Instant, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_events_instance", "instance_id", "id"),
)

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id),
    sa.Column("occurred_at", Instant, nullable=False, index=True),
    sa.Column("operator", sa.String(120), nullable=False),
    sa.Column("address", sa.String(60), nullable=False),
    sa.Column("door", sa.String(20), nullable=False),
    sa.Column("request_id", sa.String(40), nullable=False),
    sa.Column("action", sa.String(60), nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("outcome", sa.String(10), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Index("ix_audit_entries_instance", "instance_id", "id"),
)
