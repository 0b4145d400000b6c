"""Namespaces, repositories, manifests, tags, blobs and upload sessions."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.schema.types import NEVER_REUSED, Id, Instant, metadata, where

# Names and tags sort by code point on both databases, as the specification's lists must ("ASCIIbetical").
_Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# Literal text, for a query may use a partial index only where it repeats the index's condition word for word.
HIDDEN = sa.text("NOT visible")

namespaces = sa.Table(
    "namespaces",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", _Text, nullable=False),
    sa.Column("public", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("automatic_scan", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", Instant, nullable=False),
    # Pulls of images with findings at or above `severity` are refused, but for the listed ones (JSON).
    sa.Column("prevent_vulnerable", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("severity", sa.String(10), nullable=False, server_default=""),
    sa.Column("ignored_findings", sa.Text, nullable=False, server_default="[]"),
    sa.UniqueConstraint("instance_id", "name"),
)

repositories = sa.Table(
    "repositories",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id", ondelete="CASCADE"), nullable=False),
    sa.Column("namespace_id", Id, sa.ForeignKey("namespaces.id"), nullable=False),
    # The full name, `namespace/name`.
    sa.Column("name", _Text, nullable=False),
    sa.Column("summary", sa.String(100), nullable=False, server_default=""),
    sa.Column("description", sa.String(1000), nullable=False, server_default=""),
    # False until the first manifest arrives or someone creates it by name: an upload alone is not shown.
    sa.Column("visible", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    # How often anything of it was pulled, and when last.
    sa.Column("pulls", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("pulled_at", Instant),
    sa.UniqueConstraint("instance_id", "name"),
    sa.Index("ix_repositories_namespace", "namespace_id", "name"),
    sa.Index(
        "ix_repositories_hidden",
        "updated_at",
        **where(HIDDEN),
    ),
    **NEVER_REUSED,
)

manifests = sa.Table(
    "manifests",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("repository_id", Id, sa.ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
    sa.Column("digest", sa.String(140), nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("artifact_type", sa.Text),
    sa.Column("subject", sa.String(140)),
    sa.Column("size", sa.Integer, nullable=False),
    # The bytes of everything that it names, itself included.
    sa.Column("total_size", sa.BigInteger, nullable=False),
    sa.Column("platforms", sa.Text, nullable=False, server_default=""),
    sa.Column("annotations", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("repository_id", "digest"),
    sa.Index(
        "ix_manifests_subject",
        "repository_id",
        "subject",
        "digest",
        **where(sa.text("subject IS NOT NULL")),
    ),
    **NEVER_REUSED,
)

manifest_blobs = sa.Table(
    "manifest_blobs",
    metadata,
    sa.Column("manifest_id", Id, sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("blob_id", Id, sa.ForeignKey("blobs.id"), primary_key=True),
    sa.Index("ix_manifest_blobs_blob", "blob_id"),
)

manifest_members = sa.Table(
    "manifest_members",
    metadata,
    sa.Column("manifest_id", Id, sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String(140), nullable=False),
    sa.Column("platform", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_manifest_members_digest", "digest"),
)

# Apart from the manifests: counting must not write a manifest's bytes anew.
manifest_pulls = sa.Table(
    "manifest_pulls",
    metadata,
    sa.Column("manifest_id", Id, sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("pulls", sa.BigInteger, nullable=False),
    sa.Column("pulled_at", Instant, nullable=False),
)

# Layers that a manifest names and its repository lacks (a sparse image); they are tied to it when they come.
missing_blobs = sa.Table(
    "missing_blobs",
    metadata,
    sa.Column("manifest_id", Id, sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("digest", sa.String(140), primary_key=True),
    sa.Index("ix_missing_blobs_digest", "digest"),
)

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("repository_id", Id, sa.ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql"), primary_key=True),
    sa.Column("manifest_id", Id, sa.ForeignKey("manifests.id", ondelete="CASCADE"), nullable=False),
    sa.Column("pushed_at", Instant, nullable=False),
    sa.Column("pulls", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("pulled_at", Instant),
    sa.Index("ix_tags_manifest", "manifest_id"),
)

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("region", sa.String(40), nullable=False),
    sa.Column("digest", sa.String(140), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False, server_default="0"),
    sa.Column("size", sa.BigInteger, nullable=False),
    # pending: an upload is putting the bytes there; stored: they are there; leaving: a collector removes
    # them; broken: the check found them wrong. At most one row per digest and region that is not
    # leaving; a new upload heals a broken one.
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    # Not before this time may a collector take it, and only while no repository holds it. None: it is held.
    sa.Column("collect_at", Instant),
    sa.UniqueConstraint("region", "digest", "generation"),
    sa.Index(
        "ix_blobs_current",
        "region",
        "digest",
        unique=True,
        **where(sa.text("state IN ('pending', 'stored', 'broken')")),
    ),
    sa.Index(
        "ix_blobs_collect",
        "collect_at",
        **where(sa.text("collect_at IS NOT NULL")),
    ),
    **NEVER_REUSED,
)

# The bytes of blobs that are few, which then need no visit to the store.
small_blobs = sa.Table(
    "small_blobs",
    metadata,
    sa.Column("blob_id", Id, sa.ForeignKey("blobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

repository_blobs = sa.Table(
    "repository_blobs",
    metadata,
    sa.Column("repository_id", Id, sa.ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("blob_id", Id, sa.ForeignKey("blobs.id"), primary_key=True),
    # How many manifests of the repository name the blob. At zero it stays visible until `ends_at`.
    sa.Column("manifests", sa.Integer, nullable=False, server_default="0"),
    sa.Column("ends_at", Instant),
    sa.Index("ix_repository_blobs_blob", "blob_id"),
    sa.Index(
        "ix_repository_blobs_ends",
        "ends_at",
        **where(sa.text("ends_at IS NOT NULL")),
    ),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("instance_id", Id, sa.ForeignKey("instances.id"), nullable=False, index=True),
    sa.Column("region", sa.String(40), nullable=False),
    sa.Column("repository", sa.Text, nullable=False),
    sa.Column("algorithm", sa.String(10), nullable=False),
    # How far it stands, and the digest of all bytes up to there.
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.String(140), nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False, index=True),
    # All bytes up to there while they are few; NULL once they lie in parts.
    sa.Column("data", sa.LargeBinary),
)

upload_parts = sa.Table(
    "upload_parts",
    metadata,
    sa.Column("upload_id", sa.String(40), sa.ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
)
