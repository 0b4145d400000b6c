"""Recovery codes of second factors, passwords that must be changed, and how people are reached."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from roadstead.metadata.schema.types import Instant

revision = "0011"
down_revision = "0010"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """No account has a recovery code, none must change its password, and of none a login is known."""
    op.create_table(
        "recovery_codes",
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_recovery_codes_account_id_accounts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.add_column("accounts", sa.Column("password_reset", sa.Boolean(), server_default=sa.false(), nullable=False))
    for name, length in (("phone_num", 40), ("country_code", 10), ("email", 200), ("login_address", 60)):
        op.add_column("accounts", sa.Column(name, sa.String(length), server_default="", nullable=False))
    op.add_column("accounts", sa.Column("login_at", Instant()))
