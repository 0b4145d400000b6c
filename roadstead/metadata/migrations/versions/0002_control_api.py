"""Sub-accounts, policies, service accounts, sessions and a wider audit: what the control API needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from roadstead.metadata.schema.types import Instant

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """The tables stand."""
    op.create_table(
        "groups",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("remark", sa.String(length=200), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_groups_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "pending_logins",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_logins")),
    )
    op.create_index(op.f("ix_pending_logins_ends_at"), "pending_logins", ["ends_at"], unique=False)
    op.create_table(
        "policies",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("description", sa.String(length=300), server_default="", nullable=False),
        sa.Column("preset", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
        sa.UniqueConstraint("name", name=op.f("uq_policies_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "resource_tags",
        sa.Column("resource", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=127), nullable=False),
        sa.Column("value", sa.String(length=255), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("resource", "key", name=op.f("pk_resource_tags")),
    )
    op.create_index("ix_resource_tags_key", "resource_tags", ["key", "value"], unique=False)
    op.create_table(
        "used_nonces",
        sa.Column("nonce", sa.String(length=100), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_used_nonces")),
    )
    op.create_index(op.f("ix_used_nonces_ends_at"), "used_nonces", ["ends_at"], unique=False)
    op.create_table(
        "account_policies",
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("policy_id", _ID, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_account_policies_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["policies.id"], name=op.f("fk_account_policies_policy_id_policies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "policy_id", name=op.f("pk_account_policies")),
    )
    op.create_index("ix_account_policies_policy", "account_policies", ["policy_id"], unique=False)
    op.create_table(
        "group_members",
        sa.Column("group_id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("claimed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_group_members_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id_groups"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "account_id", name=op.f("pk_group_members")),
    )
    op.create_index("ix_group_members_account", "group_members", ["account_id"], unique=False)
    op.create_table(
        "group_policies",
        sa.Column("group_id", _ID, nullable=False),
        sa.Column("policy_id", _ID, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_policies_group_id_groups"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["policies.id"], name=op.f("fk_group_policies_policy_id_policies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "policy_id", name=op.f("pk_group_policies")),
    )
    op.create_index("ix_group_policies_policy", "group_policies", ["policy_id"], unique=False)
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_identities_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_account_id"), "identities", ["account_id"], unique=False)
    op.create_table(
        "policy_versions",
        sa.Column("policy_id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["policies.id"], name=op.f("fk_policy_versions_policy_id_policies"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("policy_id", "version", name=op.f("pk_policy_versions")),
    )
    op.create_table(
        "service_accounts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("instance_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("description", sa.String(length=200), server_default="", nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instances.id"],
            name=op.f("fk_service_accounts_instance_id_instances"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_accounts")),
        sa.UniqueConstraint("instance_id", "name", name=op.f("uq_service_accounts_instance_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("address", sa.String(length=60), nullable=False),
        sa.Column("client", sa.String(length=200), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("used_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_sessions_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_account_id"), "sessions", ["account_id"], unique=False)
    op.create_index(op.f("ix_sessions_ends_at"), "sessions", ["ends_at"], unique=False)
    op.create_table(
        "temporary_keys",
        sa.Column("secret_id", sa.String(length=40), nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("secret_key", sa.LargeBinary(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_temporary_keys_account_id_accounts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("secret_id", name=op.f("pk_temporary_keys")),
    )
    op.create_index(op.f("ix_temporary_keys_account_id"), "temporary_keys", ["account_id"], unique=False)
    op.create_index(op.f("ix_temporary_keys_ends_at"), "temporary_keys", ["ends_at"], unique=False)
    op.add_column("accounts", sa.Column("policy_revision", sa.Integer(), server_default="0", nullable=False))
    op.add_column("accounts", sa.Column("remark", sa.String(length=200), server_default="", nullable=False))
    op.add_column("accounts", sa.Column("totp_secret", sa.LargeBinary(), nullable=True))
    op.add_column("accounts", sa.Column("totp_confirmed", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("accounts", sa.Column("totp_step", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("audit_entries", sa.Column("before", sa.Text(), server_default="", nullable=False))
    op.add_column("audit_entries", sa.Column("after", sa.Text(), server_default="", nullable=False))
    op.add_column("audit_entries", sa.Column("decision", sa.Text(), server_default="", nullable=False))
    op.create_index("ix_audit_entries_action", "audit_entries", ["action", "id"], unique=False)
    op.create_index("ix_audit_entries_operator", "audit_entries", ["operator", "id"], unique=False)
    op.create_index("ix_audit_entries_request", "audit_entries", ["request_id"], unique=False)
    op.add_column("instances", sa.Column("conditions", sa.Text(), server_default="[]", nullable=False))
    op.add_column("instances", sa.Column("prepaid", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("instances", sa.Column("renew_flag", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("instances", sa.Column("expires_at", Instant(), nullable=True))
    op.add_column("instances", sa.Column("multi_zone", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("instances", sa.Column("versioning", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column(
        "namespaces", sa.Column("prevent_vulnerable", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("namespaces", sa.Column("severity", sa.String(length=10), server_default="", nullable=False))
    op.add_column("namespaces", sa.Column("ignored_findings", sa.Text(), server_default="[]", nullable=False))
