"""Which host looks after a private link and since when it was not heard of; the loopback entry of each instance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from roadstead.metadata.schema.types import Instant

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Links that stand are looked after within a second; instances let the loopback in as before."""
    op.add_column("private_links", sa.Column("seen_at", Instant()))
    op.add_column("link_addresses", sa.Column("host", sa.String(64), server_default="", nullable=False))
    op.execute(
        "UPDATE link_addresses SET host = COALESCE("
        "(SELECT host FROM private_links WHERE private_links.address = link_addresses.address), '')"
    )
    op.add_column("instances", sa.Column("loopback", sa.Boolean(), server_default=sa.true(), nullable=False))
