"""Walking through everything stored, page by page, for the storage check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from roadstead.domain.reference import Digest
from roadstead.metadata.database import Tx
from roadstead.metadata.schema.content import blobs, manifest_blobs, manifests, missing_blobs, repositories


@dataclass(frozen=True, slots=True)
class KeptBlob:
    """One blob row that says its bytes are stored."""

    id: int
    region: str
    digest: Digest
    generation: int
    size: int


@dataclass(frozen=True, slots=True)
class KeptManifest:
    """One manifest with its bytes."""

    id: int
    repository: str
    digest: Digest
    body: bytes


async def stored_blobs(tx: Tx, last: int, most: int) -> list[KeptBlob]:
    """Up to `most` stored blobs after the id `last`."""
    c = blobs.c
    rows = await tx.all(
        sa.select(c.id, c.region, c.digest, c.generation, c.size)
        .where(c.id > last, c.state == "stored")
        .order_by(c.id)
        .limit(most)
    )
    return [KeptBlob(row.id, row.region, Digest.parse(row.digest), row.generation, row.size) for row in rows]


async def kept_manifests(tx: Tx, last: int, most: int) -> list[KeptManifest]:
    """Up to `most` manifests after the id `last`."""
    rows = await tx.all(
        sa.select(manifests.c.id, repositories.c.name, manifests.c.digest, manifests.c.body)
        .join(repositories, repositories.c.id == manifests.c.repository_id)
        .where(manifests.c.id > last)
        .order_by(manifests.c.id)
        .limit(most)
    )
    return [KeptManifest(row.id, row.name, Digest.parse(row.digest), row.body) for row in rows]


async def unusable_parts(tx: Tx, manifest_id: int) -> tuple[list[str], list[str]]:
    """Blobs that the manifest names: those not stored (any more), and those that were never pushed."""
    broken = await tx.all(
        sa.select(blobs.c.digest)
        .join(manifest_blobs, manifest_blobs.c.blob_id == blobs.c.id)
        .where(manifest_blobs.c.manifest_id == manifest_id, blobs.c.state != "stored")
    )
    missing = await tx.all(sa.select(missing_blobs.c.digest).where(missing_blobs.c.manifest_id == manifest_id))
    return [row.digest for row in broken], [row.digest for row in missing]


async def known_digests(tx: Tx, region: str, digests: Sequence[str]) -> set[tuple[str, int]]:
    """Of these digests, the (digest, generation) pairs that have a row."""
    c = blobs.c
    rows = await tx.all(sa.select(c.digest, c.generation).where(c.region == region, c.digest.in_(digests)))
    return {(row.digest, row.generation) for row in rows}


async def quarantine(tx: Tx, blob_id: int, generation: int) -> bool:
    """The blob is no longer served until somebody pushes it again; False when it has changed meanwhile."""
    c = blobs.c
    statement = sa.update(blobs).where(c.id == blob_id, c.generation == generation, c.state == "stored")
    return await tx.run(statement.values(state="broken")) > 0
