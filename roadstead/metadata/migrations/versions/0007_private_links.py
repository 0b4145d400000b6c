"""Networks, subnets and the private links of instances."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from roadstead.metadata.schema.types import Instant

revision = "0007"
down_revision = "0006"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Nothing is declared yet, so nothing is linked."""
    op.create_table(
        "vpcs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("vpc_id", sa.String(24), nullable=False),
        sa.Column("name", sa.String(60), server_default="", nullable=False),
        sa.Column("cidrs", sa.String(500), nullable=False),
        sa.Column("declared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vpcs")),
        sa.UniqueConstraint("vpc_id", name=op.f("uq_vpcs_vpc_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "subnets",
        sa.Column("id", _ID, nullable=False),
        sa.Column("subnet_id", sa.String(24), nullable=False),
        sa.Column("vpc", _ID, nullable=False),
        sa.Column("cidr", sa.String(50), nullable=False),
        sa.Column("interface", sa.String(15), nullable=False),
        sa.Column("declared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["vpc"], ["vpcs.id"], name=op.f("fk_subnets_vpc_vpcs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subnets")),
        sa.UniqueConstraint("subnet_id", name=op.f("uq_subnets_subnet_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_subnets_vpc", "subnets", ["vpc"])
    op.create_table(
        "private_links",
        sa.Column("id", _ID, nullable=False),
        sa.Column("instance_id", _ID, nullable=False),
        sa.Column("subnet", _ID, nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(300), server_default="", nullable=False),
        sa.Column("host", sa.String(64), server_default="", nullable=False),
        sa.Column("named", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("named_vpc", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instances.id"],
            name=op.f("fk_private_links_instance_id_instances"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["subnet"], ["subnets.id"], name=op.f("fk_private_links_subnet_subnets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_private_links")),
        sa.UniqueConstraint("address", name=op.f("uq_private_links_address")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_private_links_subnet", "private_links", ["subnet"])
    op.create_index("uq_private_links_subnet", "private_links", ["instance_id", "subnet"], unique=True)
    op.create_table(
        "link_addresses",
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("prefix", sa.SmallInteger(), nullable=False),
        sa.Column("interface", sa.String(15), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_link_addresses")),
    )
