"""What instances used, day by day."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import Id, metadata

stored_days = sa.Table(
    "stored_days",
    metadata,
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True),
    # In UTC, for example 2026-11-24.
    sa.Column("day", sa.String(10), primary_key=True),
    # What it held when it was last measured on that day.
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Index("ix_stored_days_day", "day"),
)
