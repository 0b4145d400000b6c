"""How often repositories, tags and manifests were pulled, and when last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from roadstead.metadata.schema.types import Instant

revision = "0005"
down_revision = "0004"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Counting begins with nothing: earlier pulls were not recorded."""
    for table in ("repositories", "tags"):
        op.add_column(table, sa.Column("pulls", sa.BigInteger(), server_default="0", nullable=False))
        op.add_column(table, sa.Column("pulled_at", Instant(), nullable=True))
    op.create_table(
        "manifest_pulls",
        sa.Column("manifest_id", _ID, nullable=False),
        sa.Column("pulls", sa.BigInteger(), nullable=False),
        sa.Column("pulled_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"],
            ["manifests.id"],
            name=op.f("fk_manifest_pulls_manifest_id_manifests"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("manifest_id", name=op.f("pk_manifest_pulls")),
    )
