"""Versions of Helm charts, and the indexes of chart repositories."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from roadstead.metadata.schema.types import Instant

revision = "0006"
down_revision = "0005"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_TAG = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")


def _link(column: str, table: str, of: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{of}_{column}_{table}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    """Charts that were pushed before are in no index until they are pushed again."""
    op.create_table(
        "chart_indexes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("instance_id", _ID, nullable=False),
        sa.Column("folder", _TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        _link("instance_id", "instances", "chart_indexes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chart_indexes")),
        sa.UniqueConstraint("instance_id", "folder", name=op.f("uq_chart_indexes_instance_id_folder")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "chart_versions",
        sa.Column("repository_id", _ID, nullable=False),
        sa.Column("tag", _TAG, nullable=False),
        sa.Column("index_id", _ID, nullable=False),
        sa.Column("manifest_id", _ID, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("version", sa.String(128), nullable=False),
        sa.Column("precedence", _TEXT, nullable=False),
        sa.Column("prerelease", sa.Boolean(), nullable=False),
        sa.Column("file", _TEXT, nullable=False),
        sa.Column("archive_digest", sa.String(140), nullable=False),
        sa.Column("archive_size", sa.BigInteger(), nullable=False),
        sa.Column("provenance_digest", sa.String(140), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        _link("repository_id", "repositories", "chart_versions"),
        _link("index_id", "chart_indexes", "chart_versions"),
        _link("manifest_id", "manifests", "chart_versions"),
        sa.PrimaryKeyConstraint("repository_id", "tag", name=op.f("pk_chart_versions")),
    )
    op.create_index("ix_chart_versions_precedence", "chart_versions", ["repository_id", "precedence"])
    op.create_index("ix_chart_versions_newest", "chart_versions", ["repository_id", "prerelease", "precedence"])
    op.create_index("ix_chart_versions_file", "chart_versions", ["index_id", "file"])
    op.create_index("ix_chart_versions_manifest", "chart_versions", ["manifest_id"])
    op.create_table(
        "chart_changes",
        sa.Column("index_id", _ID, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("tag", sa.String(128), nullable=False),
        _link("index_id", "chart_indexes", "chart_changes"),
        sa.PrimaryKeyConstraint("index_id", "revision", name=op.f("pk_chart_changes")),
    )
