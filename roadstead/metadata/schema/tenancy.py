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
    # Grows with every change of what the account may do: compiled policies held in memory are asked against this.
    sa.Column("policy_revision", sa.Integer, nullable=False, server_default="0"),
    sa.Column("remark", sa.String(200), nullable=False, server_default=""),
    # The secret of the second factor, encrypted; it counts from when a first code has confirmed it.
    sa.Column("totp_secret", sa.LargeBinary),
    sa.Column("totp_confirmed", sa.Boolean, nullable=False, server_default=sa.false()),
    # The time step of the last code that was accepted: none is accepted twice.
    sa.Column("totp_step", sa.BigInteger, nullable=False, server_default="0"),
    # Whether the next login with the password must bring another one.
    sa.Column("password_reset", sa.Boolean, nullable=False, server_default=sa.false()),
    # How the person is reached: for people who look the account up; nothing is sent there.
    sa.Column("phone_num", sa.String(40), nullable=False, server_default=""),
    sa.Column("country_code", sa.String(10), nullable=False, server_default=""),
    sa.Column("email", sa.String(200), nullable=False, server_default=""),
    # The last login of the console.
    sa.Column("login_address", sa.String(60), nullable=False, server_default=""),
    sa.Column("login_at", Instant),
    **NEVER_REUSED,
)

# What stands in for a code of the second factor, each once.
recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("code_hash", sa.String(64), primary_key=True),
)

groups = sa.Table(
    "groups",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("remark", sa.String(200), nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
    **NEVER_REUSED,
)

group_members = sa.Table(
    "group_members",
    metadata,
    sa.Column("group_id", Id, sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    # Whether the identity provider's group claim put the account there: only such membership follows the claim.
    sa.Column("claimed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_group_members_account", "account_id"),
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
    # The steps of creation or deletion as JSON: type, status, reason.
    sa.Column("conditions", sa.Text, nullable=False, server_default="[]"),
    # What clients of the cloud's API set and read back; nothing here is charged.
    sa.Column("prepaid", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("renew_flag", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("expires_at", Instant),
    sa.Column("multi_zone", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("versioning", sa.Boolean, nullable=False, server_default=sa.false()),
    # The rates of its own as JSON, by names like `address_requests`.
    sa.Column("rates", sa.Text, nullable=False, server_default="{}"),
    # Whether the host's own loopback is let in, where the settings let it in at all.
    sa.Column("loopback", sa.Boolean, nullable=False, server_default=sa.true()),
    **NEVER_REUSED,
)

# Key-value labels of instances and namespaces, under the path of the resource that they label.
resource_tags = sa.Table(
    "resource_tags",
    metadata,
    sa.Column("resource", sa.String(80), primary_key=True),
    sa.Column("key", sa.String(127), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False, server_default=""),
    sa.Index("ix_resource_tags_key", "key", "value"),
)

allowed_networks = sa.Table(
    "allowed_networks",
    metadata,
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("cidr", sa.String(50), primary_key=True),
    sa.Column("note", sa.String(200), nullable=False, server_default=""),
    sa.Column("created_at", Instant, nullable=False),
)
