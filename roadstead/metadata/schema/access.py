"""Credentials, keys and what slows guessing."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import Id, Instant, metadata

credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("id", sa.String(20), primary_key=True),
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("secret_hash", sa.String(64), nullable=False),
    sa.Column("description", sa.String(200), nullable=False, server_default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_credentials_instance", "instance_id", "id"),
    sa.Index("ix_credentials_account", "account_id"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("secret_id", sa.String(40), primary_key=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    # Signatures are checked with the key itself, so it is encrypted, not hashed.
    sa.Column("secret_key", sa.LargeBinary, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("private_key", sa.LargeBinary, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    # After this time no token that it signed can still be valid.
    sa.Column("ends_at", Instant),
)

login_failures = sa.Table(
    "login_failures",
    metadata,
    sa.Column("subject", sa.String(120), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_at", Instant, nullable=False, index=True),
)

login_successes = sa.Table(
    "login_successes",
    metadata,
    sa.Column("account", sa.String(80), primary_key=True),
    sa.Column("address", sa.String(60), primary_key=True),
    sa.Column("last_at", Instant, nullable=False, index=True),
)
