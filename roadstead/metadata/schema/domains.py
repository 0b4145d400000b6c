"""Host names that instances have beside their own, and the certificates for them."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import NEVER_REUSED, Id, Instant, metadata

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("certificate_id", sa.String(12), nullable=False, unique=True),
    sa.Column("alias", sa.String(200), nullable=False, server_default=""),
    # The chain as PEM, and its private key, encrypted.
    sa.Column("chain", sa.Text, nullable=False),
    sa.Column("sealed_key", sa.LargeBinary, nullable=False),
    # The hosts that it is for, parted by blanks.
    sa.Column("names", sa.Text, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    # Of the first certificate of the chain: another one has another.
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("ends_at", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    **NEVER_REUSED,
)

custom_domains = sa.Table(
    "custom_domains",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    sa.Column("domain", sa.String(253), nullable=False, unique=True),
    sa.Column("certificate", Id, sa.ForeignKey("certificates.id"), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_custom_domains_instance", "instance_id", "domain"),
    sa.Index("ix_custom_domains_certificate", "certificate"),
    **NEVER_REUSED,
)
