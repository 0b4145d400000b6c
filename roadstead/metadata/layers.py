"""Blobs, who holds them, and upload sessions.

A blob row goes pending → stored → leaving → gone. Whoever changes who holds a blob locks its row first, so that a
collector and a push that meet at one blob come one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.domain.reference import Digest
from roadstead.metadata.access import StoredBlob, visible_link
from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.content import (
    blobs,
    manifest_blobs,
    manifests,
    missing_blobs,
    repositories,
    repository_blobs,
    upload_parts,
    uploads,
)


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload session and how far it stands."""

    id: str
    instance_id: int
    region: str
    repository: str
    algorithm: str
    size: int
    digest: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A blob row that an upload may fill: where its bytes go, and whether they are there already."""

    blob_id: int
    generation: int
    stored: bool
    size: int


async def begin_upload(tx: Tx, upload: Upload, now: datetime) -> None:
    """The session exists."""
    await tx.run(
        sa.insert(uploads),
        {
            "id": upload.id,
            "instance_id": upload.instance_id,
            "region": upload.region,
            "repository": upload.repository,
            "algorithm": upload.algorithm,
            "size": upload.size,
            "digest": upload.digest,
            "started_at": now,
            "ends_at": upload.ends_at,
        },
    )


async def too_many_uploads(tx: Tx, instance_id: int, most: int) -> bool:
    """Whether the instance has `most` sessions open already."""
    statement = sa.select(uploads.c.id).where(uploads.c.instance_id == instance_id).limit(1).offset(most - 1)
    return await tx.scalar(statement) is not None


async def get_upload(tx: Tx, upload_id: str, instance_id: int, repository: str) -> Upload | None:
    """The session, if it belongs to that repository."""
    c = uploads.c
    row = await tx.one(
        sa.select(c.id, c.instance_id, c.region, c.repository, c.algorithm, c.size, c.digest, c.ends_at).where(
            c.id == upload_id, c.instance_id == instance_id, c.repository == repository
        )
    )
    return None if row is None else Upload(*row)


async def add_part(tx: Tx, upload: Upload, key: str, size: int, digest: str, ends_at: datetime) -> bool:
    """The part is the session's next and the session stands at `size`; False when another was quicker."""
    moved = await tx.run(
        sa.update(uploads)
        .where(uploads.c.id == upload.id, uploads.c.size == upload.size, uploads.c.digest == upload.digest)
        .values(size=size, digest=digest, ends_at=ends_at)
    )
    if not moved:
        return False
    # A part without bytes may stand where the next one begins.
    await tx.run(
        sa.delete(upload_parts).where(upload_parts.c.upload_id == upload.id, upload_parts.c.start == upload.size)
    )
    await tx.run(sa.insert(upload_parts), {"upload_id": upload.id, "start": upload.size, "key": key})
    return True


async def part_keys(tx: Tx, upload_id: str) -> list[str]:
    """The keys of the session's parts, in order."""
    rows = await tx.all(
        sa.select(upload_parts.c.key).where(upload_parts.c.upload_id == upload_id).order_by(upload_parts.c.start)
    )
    return [row.key for row in rows]


async def end_upload(tx: Tx, upload_id: str) -> bool:
    """The session is gone; False when it was before."""
    return await tx.run(sa.delete(uploads).where(uploads.c.id == upload_id)) > 0


async def expired_uploads(tx: Tx, now: datetime, most: int) -> list[tuple[str, str]]:
    """Sessions whose time has ended: region and id."""
    c = uploads.c
    rows = await tx.all(sa.select(c.region, c.id).where(c.ends_at < now).order_by(c.ends_at).limit(most))
    return [(row.region, row.id) for row in rows]


async def known_uploads(tx: Tx, ids: Sequence[str]) -> set[str]:
    """Which of the sessions exist."""
    rows = await tx.all(sa.select(uploads.c.id).where(uploads.c.id.in_(ids)))
    return {row.id for row in rows}


async def claim_blob(tx: Tx, region: str, digest: Digest, size: int, now: datetime, until: datetime) -> Claim:
    """A row for the blob that no collector takes before `until`, its bytes stored or still to come."""
    row = await tx.one(
        sa.select(blobs.c.id, blobs.c.generation, blobs.c.state, blobs.c.size)
        .where(
            blobs.c.region == region,
            blobs.c.digest == str(digest),
            blobs.c.state.in_(("pending", "stored", "broken")),
        )
        .with_for_update()
    )
    if row is not None:
        if row.state == "pending":
            await tx.run(sa.update(blobs).where(blobs.c.id == row.id).values(collect_at=until))
        if row.state == "broken":
            return await _heal(tx, row.id, row.generation + 1, size, until)
        return Claim(row.id, row.generation, row.state == "stored", row.size)
    generation = await tx.scalar(
        sa.select(sa.func.coalesce(sa.func.max(blobs.c.generation) + 1, 0)).where(
            blobs.c.region == region, blobs.c.digest == str(digest)
        )
    )
    new_id = await tx.scalar(
        insert(tx, blobs)
        .values(
            region=region,
            digest=str(digest),
            generation=generation,
            size=size,
            state="pending",
            created_at=now,
            collect_at=until,
        )
        .on_conflict_do_nothing()
        .returning(blobs.c.id)
    )
    if new_id is None:  # another upload of the same content has just claimed it
        return await claim_blob(tx, region, digest, size, now, until)
    return Claim(new_id, generation, False, size)


async def _heal(tx: Tx, blob_id: int, generation: int, size: int, until: datetime) -> Claim:
    """The broken blob waits for good bytes under a new key; whatever holds the row keeps holding it."""
    await tx.run(
        sa.update(blobs)
        .where(blobs.c.id == blob_id)
        .values(state="pending", generation=generation, size=size, collect_at=until)
    )
    return Claim(blob_id, generation, False, size)


async def mark_stored(tx: Tx, blob_id: int) -> bool:
    """The blob's bytes are there and it is held; False when a collector has taken the row meanwhile."""
    return (
        await tx.run(
            sa.update(blobs)
            .where(blobs.c.id == blob_id, blobs.c.state.in_(("pending", "stored")))
            .values(state="stored", collect_at=None)
        )
        > 0
    )


async def hold(tx: Tx, repository_id: int, blob_id: int, ends_at: datetime) -> None:
    """The repository shows the blob, at least until `ends_at`."""
    row = {"repository_id": repository_id, "blob_id": blob_id, "manifests": 0, "ends_at": ends_at}
    await tx.run(
        insert(tx, repository_blobs)
        .values(row)
        .on_conflict_do_update(
            index_elements=["repository_id", "blob_id"],
            set_={"ends_at": ends_at},
            where=repository_blobs.c.manifests == 0,
        )
    )


async def complete_sparse(tx: Tx, repository_id: int, blob_id: int, digest: Digest) -> None:
    """Manifests of the repository that were waiting for the blob now name it. The repository's row is locked."""
    rows = await tx.all(
        sa.select(missing_blobs.c.manifest_id)
        .join(manifests, manifests.c.id == missing_blobs.c.manifest_id)
        .where(missing_blobs.c.digest == str(digest), manifests.c.repository_id == repository_id)
    )
    if not rows:
        return
    waiting = [row.manifest_id for row in rows]
    await tx.run(
        sa.insert(manifest_blobs), [{"manifest_id": manifest_id, "blob_id": blob_id} for manifest_id in waiting]
    )
    await tx.run(
        sa.update(repository_blobs)
        .where(repository_blobs.c.repository_id == repository_id, repository_blobs.c.blob_id == blob_id)
        .values(manifests=repository_blobs.c.manifests + len(waiting), ends_at=None)
    )
    await tx.run(
        sa.delete(missing_blobs).where(
            missing_blobs.c.digest == str(digest), missing_blobs.c.manifest_id.in_(waiting)
        )
    )


async def find_held(
    tx: Tx, instance_id: int, region: str, digest: Digest, repository: str, now: datetime
) -> StoredBlob | None:
    """The stored blob, locked, if that repository (or any one of the instance, when "" is given) shows it."""
    link = sa.exists().where(
        repository_blobs.c.blob_id == blobs.c.id,
        visible_link(now),
        repositories.c.id == repository_blobs.c.repository_id,
        repositories.c.instance_id == instance_id,
    )
    if repository:
        link = link.where(repositories.c.name == repository)
    row = await tx.one(
        sa.select(blobs.c.id, blobs.c.generation, blobs.c.size)
        .where(blobs.c.region == region, blobs.c.digest == str(digest), blobs.c.state == "stored", link)
        .with_for_update()
    )
    return None if row is None else StoredBlob(row.id, digest, row.generation, row.size)


async def release(tx: Tx, repository_id: int, blob_id: int, now: datetime) -> bool:
    """The repository no longer shows the blob; False when a manifest still names it."""
    await tx.scalar(sa.select(blobs.c.id).where(blobs.c.id == blob_id).with_for_update())
    gone = await tx.run(
        sa.delete(repository_blobs).where(
            repository_blobs.c.repository_id == repository_id,
            repository_blobs.c.blob_id == blob_id,
            repository_blobs.c.manifests == 0,
        )
    )
    if gone:
        await tx.run(sa.update(blobs).where(blobs.c.id == blob_id).values(collect_at=now))
    return gone > 0
