"""Accounts and instances: who owns, and what is isolated from what."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import NEVER_REUSED, Id, Instant, metadata

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("uin", sa.String(20), nullable=False, unique=True),
    sa.Column("owner_uin", sa.String(20), nullable=False),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("password_hash", sa.Text),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("created_at", Instant, nullable=False),
    **NEVER_REUSED,
)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("registry_id", sa.String(20), nullable=False, unique=True),
    sa.Column("name", sa.String(50), nullable=False, unique=True),
    sa.Column("region", sa.String(40), nullable=False),
    sa.Column("specification", sa.String(10), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("anonymous_access", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("create_namespace_on_push", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("deletion_protection", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("public_entry", sa.String(10), nullable=False, server_default="Closed"),
    # Grows with every change that a process may hold in memory: what it holds is asked against this.
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", Instant, nullable=False),
    **NEVER_REUSED,
)

allowed_networks = sa.Table(
    "allowed_networks",
    metadata,
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("cidr", sa.String(50), primary_key=True),
    sa.Column("note", sa.String(200), nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
)
