"""Triggers, and what is on its way to their receivers; `metadata/deliveries.py` says how the tables are used."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import NEVER_REUSED, Id, Instant, metadata, where

# Literal text, for a query may use a partial index only where it repeats the index's condition word for word.
WAITING = sa.text("state IN ('pending', 'running')")
FAILED = sa.text("state = 'error'")

triggers = sa.Table(
    "triggers",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    # None: repositories of any namespace.
    sa.Column("namespace_id", Id, sa.ForeignKey("namespaces.id", ondelete="CASCADE")),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("description", sa.String(1000), nullable=False, server_default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    # Kinds of events, parted by commas.
    sa.Column("events", sa.String(200), nullable=False),
    sa.Column("condition", sa.Text, nullable=False),
    # Addresses and headers as JSON, encrypted: headers may hold secrets.
    sa.Column("targets", sa.LargeBinary, nullable=False),
    sa.Column("target_count", sa.SmallInteger, nullable=False),
    sa.Column("format", sa.String(12), nullable=False, server_default="default"),
    # What deliveries are signed with, encrypted; None: they are not signed.
    sa.Column("secret", sa.LargeBinary),
    sa.Column("operator_pattern", sa.String(200), nullable=False, server_default=""),
    # Whose hidden trigger it is; empty for those of users.
    sa.Column("product", sa.String(40), nullable=False, server_default=""),
    sa.Column("preheat_region", sa.String(40), nullable=False, server_default=""),
    # Set when a delivery was given up; the time since when nothing has gone through.
    sa.Column("failing_since", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("uq_triggers_name", "instance_id", sa.text("coalesce(namespace_id, 0)"), "name", unique=True),
    sa.Index("ix_triggers_namespace", "namespace_id"),
    **NEVER_REUSED,
)

# One receiver: how it answers, and the row that claims of its lanes lock.
trigger_targets = sa.Table(
    "trigger_targets",
    metadata,
    sa.Column("trigger_id", Id, sa.ForeignKey("triggers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("target", sa.SmallInteger, primary_key=True),
    # How often in a row it has given no answer; before `paused_until` it is not tried again.
    sa.Column("silences", sa.Integer, nullable=False, server_default="0"),
    sa.Column("paused_until", Instant),
    sa.Column("failing_since", Instant),
)

# What waits for one receiver about one repository, in order. The row stands as long as something waits.
trigger_lanes = sa.Table(
    "trigger_lanes",
    metadata,
    sa.Column("trigger_id", Id, primary_key=True),
    sa.Column("target", sa.SmallInteger, primary_key=True),
    # The repository's full name; that of a delivery which has stepped aside ends in `#` and its id.
    sa.Column("lane", sa.Text, primary_key=True),
    # When its first delivery is due; while a worker holds the lane, when it counts as let go.
    sa.Column("next_at", Instant, nullable=False),
    sa.Column("holder", sa.String(16)),
    # Deliveries entered since the row stands.
    sa.Column("entered", sa.Integer, nullable=False),
    sa.Index("ix_trigger_lanes_next", "trigger_id", "target", "next_at"),
    sa.Index("ix_trigger_lanes_due", "next_at"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id, nullable=False),
    # Not a foreign key: a trigger with a long log goes at once, and its log in small steps.
    sa.Column("trigger_id", Id, nullable=False),
    # The trigger's namespace, 0 for any.
    sa.Column("namespace_id", Id, nullable=False),
    sa.Column("target", sa.SmallInteger, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("event_id", Id, nullable=False),
    sa.Column("event", sa.String(20), nullable=False),
    # The same for every attempt.
    sa.Column("uuid", sa.String(36), nullable=False),
    # pending, running, finished, error, stopped
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("give_up_at", Instant, nullable=False),
    sa.Column("format", sa.String(12), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False, index=True),
    sa.Column("updated_at", Instant, nullable=False),
    # The first of a lane.
    sa.Index("ix_deliveries_lane", "trigger_id", "target", "lane", "id", **where(WAITING)),
    # Pages of the log, and those of it that have failed.
    sa.Index("ix_deliveries_trigger", "trigger_id", "id"),
    sa.Index("ix_deliveries_namespace", "instance_id", "namespace_id", "id"),
    sa.Index("ix_deliveries_failed", "trigger_id", "created_at", "id", **where(FAILED)),
    **NEVER_REUSED,
)

delivery_attempts = sa.Table(
    "delivery_attempts",
    metadata,
    sa.Column("delivery_id", Id, sa.ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    # Without the values of headers that the trigger's owner has written.
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("status", sa.SmallInteger),
    # The head of the answer, and how its body begins.
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("answer_body", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
)
