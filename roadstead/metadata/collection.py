"""The queries of garbage collection: what nobody holds any more, found by index and in small steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.domain.reference import Digest
from roadstead.metadata.database import Tx
from roadstead.metadata.schema.content import HIDDEN, blobs, manifests, repositories, repository_blobs


@dataclass(frozen=True, slots=True)
class Leaving:
    """A blob whose bytes may be removed."""

    blob_id: int
    region: str
    digest: Digest
    generation: int


async def has_ended_links(tx: Tx, before: datetime) -> bool:
    """Whether a link ended before `before`."""
    c = repository_blobs.c
    return await tx.scalar(sa.select(c.blob_id).where(c.ends_at < before, c.manifests == 0).limit(1)) is not None


async def has_unheld(tx: Tx, now: datetime) -> bool:
    """Whether a blob is due for collection."""
    return await tx.scalar(sa.select(blobs.c.id).where(blobs.c.collect_at <= now).limit(1)) is not None


async def drop_ended_links(tx: Tx, before: datetime, now: datetime, most: int) -> int:
    """Links that ended before `before` are gone and their blobs are up for collection; how many."""
    c = repository_blobs.c
    due = await tx.all(
        sa.select(c.repository_id, c.blob_id)
        .where(c.ends_at < before, c.manifests == 0)
        .order_by(c.ends_at)
        .limit(most)
    )
    ids = sorted({row.blob_id for row in due})
    if not ids:
        return 0
    await tx.all(sa.select(blobs.c.id).where(blobs.c.id.in_(ids)).order_by(blobs.c.id).with_for_update())
    pairs = sa.tuple_(c.repository_id, c.blob_id).in_([(row.repository_id, row.blob_id) for row in due])
    gone = await tx.run(sa.delete(repository_blobs).where(pairs, c.ends_at < before, c.manifests == 0))
    await tx.run(sa.update(blobs).where(blobs.c.id.in_(ids), blobs.c.collect_at.is_(None)).values(collect_at=now))
    return gone


async def take_unheld(tx: Tx, now: datetime, most: int) -> tuple[int, list[Leaving]]:
    """Due blobs that no repository holds are `leaving` and returned, held ones are no longer due; how many were."""
    c = blobs.c
    due = await tx.all(
        sa.select(c.id, c.region, c.digest, c.generation)
        .where(c.collect_at <= now)
        .order_by(c.collect_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    if not due:
        return 0, []
    ids = [row.id for row in due]
    rows = await tx.all(sa.select(repository_blobs.c.blob_id).where(repository_blobs.c.blob_id.in_(ids)).distinct())
    held = {row.blob_id for row in rows}
    free = [blob_id for blob_id in ids if blob_id not in held]
    if held:
        await tx.run(sa.update(blobs).where(c.id.in_(held)).values(collect_at=None))
    if free:
        await tx.run(sa.update(blobs).where(c.id.in_(free)).values(state="leaving"))
    leaving = [
        Leaving(row.id, row.region, Digest.parse(row.digest), row.generation) for row in due if row.id not in held
    ]
    return len(due), leaving


async def forget_blobs(tx: Tx, blob_ids: Sequence[int]) -> None:
    """The rows of blobs whose bytes are gone are gone too."""
    await tx.run(sa.delete(blobs).where(blobs.c.id.in_(blob_ids), blobs.c.state == "leaving"))


async def drop_hidden_repositories(tx: Tx, before: datetime, most: int) -> int:
    """Repositories that an unfinished push left, without a manifest or a blob since `before`, are gone."""
    c = repositories.c
    empty = (
        HIDDEN,
        ~sa.exists().where(repository_blobs.c.repository_id == c.id),
        ~sa.exists().where(manifests.c.repository_id == c.id),
    )
    unused = sa.select(c.id).where(*empty, c.updated_at < before).limit(most)
    rows = await tx.all(unused.with_for_update(skip_locked=True))
    if not rows:
        return 0
    # Asked again under the lock: a push that held it may just have filled one of them.
    return await tx.run(sa.delete(repositories).where(c.id.in_([row.id for row in rows]), *empty))
