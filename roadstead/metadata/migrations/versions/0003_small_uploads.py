"""The bytes of a small upload lie in its row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Sessions that stand keep their bytes in their parts."""
    op.add_column("uploads", sa.Column("data", sa.LargeBinary(), nullable=True))
