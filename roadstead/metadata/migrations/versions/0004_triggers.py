"""Triggers and what is on its way to their receivers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from roadstead.metadata.schema.types import Instant

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """The tables stand."""
    op.create_table(
        "deliveries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("instance_id", _ID, nullable=False),
        sa.Column("trigger_id", _ID, nullable=False),
        sa.Column("namespace_id", _ID, nullable=False),
        sa.Column("target", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("event", sa.String(length=20), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("give_up_at", Instant(), nullable=False),
        sa.Column("format", sa.String(length=12), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_deliveries_created_at"), "deliveries", ["created_at"], unique=False)
    op.create_index(
        "ix_deliveries_failed",
        "deliveries",
        ["trigger_id", "created_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'error'"),
        postgresql_where=sa.text("state = 'error'"),
    )
    op.create_index(
        "ix_deliveries_lane",
        "deliveries",
        ["trigger_id", "target", "lane", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'running')"),
        postgresql_where=sa.text("state IN ('pending', 'running')"),
    )
    op.create_index("ix_deliveries_namespace", "deliveries", ["instance_id", "namespace_id", "id"], unique=False)
    op.create_index("ix_deliveries_trigger", "deliveries", ["trigger_id", "id"], unique=False)
    op.create_table(
        "trigger_lanes",
        sa.Column("trigger_id", _ID, nullable=False),
        sa.Column("target", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("holder", sa.String(length=16), nullable=True),
        sa.Column("entered", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("trigger_id", "target", "lane", name=op.f("pk_trigger_lanes")),
    )
    op.create_index("ix_trigger_lanes_due", "trigger_lanes", ["next_at"], unique=False)
    op.create_index("ix_trigger_lanes_next", "trigger_lanes", ["trigger_id", "target", "next_at"], unique=False)
    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answer_body", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["deliveries.id"],
            name=op.f("fk_delivery_attempts_delivery_id_deliveries"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_delivery_attempts")),
    )
    op.create_table(
        "triggers",
        sa.Column("id", _ID, nullable=False),
        sa.Column("instance_id", _ID, nullable=False),
        sa.Column("namespace_id", _ID, nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("events", sa.String(length=200), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("targets", sa.LargeBinary(), nullable=False),
        sa.Column("target_count", sa.SmallInteger(), nullable=False),
        sa.Column("format", sa.String(length=12), server_default="default", nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("operator_pattern", sa.String(length=200), server_default="", nullable=False),
        sa.Column("product", sa.String(length=40), server_default="", nullable=False),
        sa.Column("preheat_region", sa.String(length=40), server_default="", nullable=False),
        sa.Column("failing_since", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"], ["instances.id"], name=op.f("fk_triggers_instance_id_instances"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["namespace_id"], ["namespaces.id"], name=op.f("fk_triggers_namespace_id_namespaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triggers")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_triggers_namespace", "triggers", ["namespace_id"], unique=False)
    op.create_table(
        "trigger_targets",
        sa.Column("trigger_id", _ID, nullable=False),
        sa.Column("target", sa.SmallInteger(), nullable=False),
        sa.Column("silences", sa.Integer(), server_default="0", nullable=False),
        sa.Column("paused_until", Instant(), nullable=True),
        sa.Column("failing_since", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["trigger_id"], ["triggers.id"], name=op.f("fk_trigger_targets_trigger_id_triggers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("trigger_id", "target", name=op.f("pk_trigger_targets")),
    )
    op.create_index(
        "uq_triggers_name", "triggers", ["instance_id", sa.text("coalesce(namespace_id, 0)"), "name"], unique=True
    )
