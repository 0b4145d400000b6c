"""Host names of instances' own, with their certificates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from roadstead.metadata.schema.types import Instant

revision = "0009"
down_revision = "0008"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Instances have the names below the base domain only."""
    op.create_table(
        "certificates",
        sa.Column("id", _ID, nullable=False),
        sa.Column("certificate_id", sa.String(12), nullable=False),
        sa.Column("alias", sa.String(200), server_default="", nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        sa.UniqueConstraint("certificate_id", name=op.f("uq_certificates_certificate_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "custom_domains",
        sa.Column("id", _ID, nullable=False),
        sa.Column("instance_id", _ID, nullable=False),
        sa.Column("domain", sa.String(253), nullable=False),
        sa.Column("certificate", _ID, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instances.id"],
            name=op.f("fk_custom_domains_instance_id_instances"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["certificate"], ["certificates.id"], name=op.f("fk_custom_domains_certificate_certificates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_domains")),
        sa.UniqueConstraint("domain", name=op.f("uq_custom_domains_domain")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_custom_domains_instance", "custom_domains", ["instance_id", "domain"])
    op.create_index("ix_custom_domains_certificate", "custom_domains", ["certificate"])
