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
    # What stood before and after a change, as JSON; empty where the request says it all.
    sa.Column("before", sa.Text, nullable=False, server_default=""),
    sa.Column("after", sa.Text, nullable=False, server_default=""),
    # How the gates decided, as JSON: gate, reason, policy, statement.
    sa.Column("decision", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_audit_entries_instance", "instance_id", "id"),
    sa.Index("ix_audit_entries_operator", "operator", "id"),
    sa.Index("ix_audit_entries_action", "action", "id"),
    sa.Index("ix_audit_entries_request", "request_id"),
)
