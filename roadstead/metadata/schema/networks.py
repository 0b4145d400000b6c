"""Networks (VPCs) that the operator has declared, and the private links by which instances are reached from them."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import NEVER_REUSED, Id, Instant, metadata

vpcs = sa.Table(
    "vpcs",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("vpc_id", sa.String(24), nullable=False, unique=True),
    sa.Column("name", sa.String(60), nullable=False, server_default=""),
    # Whose addresses are the network's, parted by commas.
    sa.Column("cidrs", sa.String(500), nullable=False),
    # Whether the settings declare it; otherwise an operation has.
    sa.Column("declared", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", Instant, nullable=False),
    **NEVER_REUSED,
)

subnets = sa.Table(
    "subnets",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("subnet_id", sa.String(24), nullable=False, unique=True),
    sa.Column("vpc", Id, sa.ForeignKey("vpcs.id"), nullable=False),
    sa.Column("cidr", sa.String(50), nullable=False),
    # The network interface of this host that is in the subnet.
    sa.Column("interface", sa.String(15), nullable=False),
    sa.Column("declared", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_subnets_vpc", "vpc"),
    **NEVER_REUSED,
)

private_links = sa.Table(
    "private_links",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    sa.Column("subnet", Id, sa.ForeignKey("subnets.id"), nullable=False),
    sa.Column("address", sa.String(45), nullable=False, unique=True),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("reason", sa.String(300), nullable=False, server_default=""),
    # The host that has the address; empty until one has.
    sa.Column("host", sa.String(64), nullable=False, server_default=""),
    # Which of the instance's two names lead to the address in the network: NAME and NAME-vpc.
    sa.Column("named", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("named_vpc", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", Instant, nullable=False),
    # When that host last said that it looks after the link: every few seconds, not with each look.
    sa.Column("seen_at", Instant),
    sa.Index("uq_private_links_subnet", "instance_id", "subnet", unique=True),
    sa.Index("ix_private_links_subnet", "subnet"),
    **NEVER_REUSED,
)

# Addresses that hosts were asked to put on an interface and not yet seen to be off it again. An address whose link is
# gone admits nobody as long as it stands here.
link_addresses = sa.Table(
    "link_addresses",
    metadata,
    sa.Column("address", sa.String(45), primary_key=True),
    sa.Column("prefix", sa.SmallInteger, nullable=False),
    sa.Column("interface", sa.String(15), nullable=False),
    # The host that has it, or had; empty until one has.
    sa.Column("host", sa.String(64), nullable=False, server_default=""),
)
