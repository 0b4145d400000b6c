"""Rates of an instance's own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Instances that stand keep to the settings."""
    op.add_column("instances", sa.Column("rates", sa.Text(), server_default="{}", nullable=False))
