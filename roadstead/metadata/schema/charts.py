"""Chart versions and the indexes of chart repositories; `metadata/charts.py` says how the tables are used."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import NEVER_REUSED, Id, Instant, metadata

# Versions are ordered by code point on both databases, as `domain/versions.py` writes their order.
_Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

# One per folder that charts lie in: a namespace, or a path inside one.
chart_indexes = sa.Table(
    "chart_indexes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    # No reference to the namespace: the first push into a folder would lock that after its repository, and others
    # lock them the other way round.
    sa.Column("folder", _Text, nullable=False),
    # Grows with every change of what the index says.
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.UniqueConstraint("instance_id", "folder"),
    **NEVER_REUSED,
)

chart_versions = sa.Table(
    "chart_versions",
    metadata,
    sa.Column("repository_id", Id, sa.ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    # The version as a tag. An image's tag of the same text may stand for the image instead.
    sa.Column("tag", sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql"), primary_key=True),
    sa.Column("index_id", Id, sa.ForeignKey("chart_indexes.id", ondelete="CASCADE"), nullable=False),
    sa.Column("manifest_id", Id, sa.ForeignKey("manifests.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", _Text, nullable=False),
    sa.Column("version", sa.String(128), nullable=False),
    sa.Column("precedence", _Text, nullable=False),
    sa.Column("prerelease", sa.Boolean, nullable=False),
    # Name of the archive in the chart repository.
    sa.Column("file", _Text, nullable=False),
    sa.Column("archive_digest", sa.String(140), nullable=False),
    sa.Column("archive_size", sa.BigInteger, nullable=False),
    sa.Column("provenance_digest", sa.String(140)),
    # Chart.yaml as JSON.
    sa.Column("description", sa.Text, nullable=False),
    # What the index says of it.
    sa.Column("line", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_chart_versions_precedence", "repository_id", "precedence"),
    sa.Index("ix_chart_versions_newest", "repository_id", "prerelease", "precedence"),
    sa.Index("ix_chart_versions_file", "index_id", "file"),
    sa.Index("ix_chart_versions_manifest", "manifest_id"),
)

# The last changes of each index, by which a process that knows an older one catches up.
chart_changes = sa.Table(
    "chart_changes",
    metadata,
    sa.Column("index_id", Id, sa.ForeignKey("chart_indexes.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True),
    sa.Column("name", _Text, nullable=False),
    # Empty: anything of the chart.
    sa.Column("tag", sa.String(128), nullable=False),
)
