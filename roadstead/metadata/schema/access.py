"""Credentials, keys, policies, sessions, and what slows guessing."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import NEVER_REUSED, Id, Instant, metadata

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

# API keys for an hour or so, with a session token beside them.
temporary_keys = sa.Table(
    "temporary_keys",
    metadata,
    sa.Column("secret_id", sa.String(40), primary_key=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("secret_key", sa.LargeBinary, nullable=False),
    sa.Column("token_hash", sa.String(64), nullable=False),
    # Narrows what the account may; empty: it may all that the account may.
    sa.Column("policy", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False, index=True),
)

# Nonces of signatures that carry one; none is accepted twice.
used_nonces = sa.Table(
    "used_nonces",
    metadata,
    sa.Column("nonce", sa.String(100), primary_key=True),
    sa.Column("ends_at", Instant, nullable=False, index=True),
)

# Logins of the console and of people's command lines.
sessions = sa.Table(
    "sessions",
    metadata,
    # The hash of the cookie's value.
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("address", sa.String(60), nullable=False),
    sa.Column("client", sa.String(200), nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("used_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False, index=True),
)

# Who an identity provider says that an account is.
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("issuer", sa.String(200), primary_key=True),
    sa.Column("subject", sa.String(200), primary_key=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("created_at", Instant, nullable=False),
)

# Logins that have gone out to an identity provider and not come back yet.
pending_logins = sa.Table(
    "pending_logins",
    metadata,
    # The hash of the state parameter.
    sa.Column("id", sa.String(64), primary_key=True),
    # Nonce, code verifier and where to go afterwards, encrypted.
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("ends_at", Instant, nullable=False, index=True),
)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.String(128), nullable=False, unique=True),
    sa.Column("description", sa.String(300), nullable=False, server_default=""),
    # Presets come with the product and cannot be changed.
    sa.Column("preset", sa.Boolean, nullable=False, server_default=sa.false()),
    # The version that is in force.
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    **NEVER_REUSED,
)

policy_versions = sa.Table(
    "policy_versions",
    metadata,
    sa.Column("policy_id", Id, sa.ForeignKey("policies.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

account_policies = sa.Table(
    "account_policies",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("policy_id", Id, sa.ForeignKey("policies.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_account_policies_policy", "policy_id"),
)

group_policies = sa.Table(
    "group_policies",
    metadata,
    sa.Column("group_id", Id, sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("policy_id", Id, sa.ForeignKey("policies.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_group_policies_policy", "policy_id"),
)

service_accounts = sa.Table(
    "service_accounts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    # Without the prefix `tcr$`.
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("description", sa.String(200), nullable=False, server_default=""),
    sa.Column("password_hash", sa.Text, nullable=False),
    # JSON: which actions in which namespace.
    sa.Column("permissions", sa.Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    # Grows with every change: what a process holds in memory is asked against this.
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("instance_id", "name"),
    **NEVER_REUSED,
)
