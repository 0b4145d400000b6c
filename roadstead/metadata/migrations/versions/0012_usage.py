"""How much each instance held on each day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """No day is known of before."""
    op.create_table(
        "stored_days",
        sa.Column("instance_id", _ID, nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance_id"],
            ["instances.id"],
            name=op.f("fk_stored_days_instance_id_instances"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("instance_id", "day", name=op.f("pk_stored_days")),
    )
    op.create_index("ix_stored_days_day", "stored_days", ["day"])
