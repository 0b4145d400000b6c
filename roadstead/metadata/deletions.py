"""What a deletion takes with it: counted beforehand, and removed in steps that no transaction is long for.

The steps begin with what refers to the rest, so that a crash between two of them leaves something that the next run
finds. Blobs are only let go of here; the collector removes those that nobody holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.schema.access import credentials, service_accounts
from roadstead.metadata.schema.content import (
    blobs,
    manifest_blobs,
    manifests,
    namespaces,
    repositories,
    repository_blobs,
    tags,
    uploads,
)
from roadstead.metadata.schema.delivery import events
from roadstead.metadata.schema.tenancy import instances
from roadstead.metadata.schema.triggers import triggers


@dataclass(frozen=True, slots=True)
class Holdings:
    """What would go with an instance or a repository."""

    namespaces: int
    repositories: int
    tags: int
    manifests: int
    credentials: int
    # Bytes that nobody else holds.
    size: int


async def of_instance(tx: Tx, instance_id: int) -> Holdings:
    """What would go with the instance."""
    mine = sa.select(repositories.c.id).where(repositories.c.instance_id == instance_id)
    return Holdings(
        namespaces=await _count(tx, namespaces, namespaces.c.instance_id == instance_id),
        repositories=await _count(
            tx, repositories, repositories.c.instance_id == instance_id, repositories.c.visible
        ),
        tags=await _count(tx, tags, tags.c.repository_id.in_(mine)),
        manifests=await _count(tx, manifests, manifests.c.repository_id.in_(mine)),
        credentials=await _count(tx, credentials, credentials.c.instance_id == instance_id)
        + await _count(tx, service_accounts, service_accounts.c.instance_id == instance_id),
        size=await _held_alone(tx, "instance_id", instance_id),
    )


async def of_repository(tx: Tx, repository_id: int) -> Holdings:
    """What would go with the repository."""
    return Holdings(
        namespaces=0,
        repositories=1,
        tags=await _count(tx, tags, tags.c.repository_id == repository_id),
        manifests=await _count(tx, manifests, manifests.c.repository_id == repository_id),
        credentials=0,
        size=await _held_alone(tx, "id", repository_id),
    )


async def freed_by_manifest(tx: Tx, repository_id: int, manifest_id: int) -> int:
    """How many bytes no manifest and no other repository would hold without this manifest."""
    link, other = repository_blobs, repository_blobs.alias("other")
    size: int | None = await tx.scalar(
        sa.select(sa.func.sum(blobs.c.size))
        .select_from(manifest_blobs.join(blobs, blobs.c.id == manifest_blobs.c.blob_id))
        .join(link, sa.and_(link.c.blob_id == blobs.c.id, link.c.repository_id == repository_id))
        .where(
            manifest_blobs.c.manifest_id == manifest_id,
            link.c.manifests <= 1,
            ~sa.exists().where(other.c.blob_id == blobs.c.id, other.c.repository_id != repository_id),
        )
    )
    return int(size or 0)


async def _count(tx: Tx, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)))


async def _held_alone(tx: Tx, owner: str, owner_id: int) -> int:
    """Bytes of the blobs that repositories with that id in the column `owner` hold, and no others."""
    held = (
        sa.select(repository_blobs.c.blob_id)
        .join(repositories, repositories.c.id == repository_blobs.c.repository_id)
        .where(repositories.c[owner] == owner_id)
    )
    elsewhere = sa.exists().where(
        repository_blobs.c.blob_id == blobs.c.id,
        repositories.c.id == repository_blobs.c.repository_id,
        repositories.c[owner] != owner_id,
    )
    size: int | None = await tx.scalar(
        sa.select(sa.func.sum(blobs.c.size)).where(blobs.c.id.in_(held), blobs.c.state == "stored", ~elsewhere)
    )
    return int(size or 0)


async def open_uploads(tx: Tx, instance_id: int, most: int) -> Sequence[tuple[str, str]]:
    """Up to `most` upload sessions of the instance: region and id."""
    c = uploads.c
    rows = await tx.all(sa.select(c.region, c.id).where(c.instance_id == instance_id).limit(most))
    return [(row.region, row.id) for row in rows]


async def any_repository(tx: Tx, instance_id: int) -> int | None:
    """One of the instance's repositories, or None when there is none."""
    c = repositories.c
    found: int | None = await tx.scalar(sa.select(c.id).where(c.instance_id == instance_id).limit(1))
    return found


async def remove_manifests(tx: Tx, repository_id: int, most: int) -> int:
    """Up to `most` manifests of the repository are gone with their tags; how many.

    Whether its blobs are still counted as held does not matter: the repository itself goes next.
    """
    c = manifests.c
    some = sa.select(c.id).where(c.repository_id == repository_id).limit(most)
    return await tx.run(sa.delete(manifests).where(c.id.in_(some)))


async def let_go(tx: Tx, repository_id: int, now: datetime, most: int) -> int:
    """The repository holds up to `most` blobs less, which are up for collection; how many."""
    c = repository_blobs.c
    rows = await tx.all(sa.select(c.blob_id).where(c.repository_id == repository_id).order_by(c.blob_id).limit(most))
    ids = [row.blob_id for row in rows]
    if ids:
        await tx.all(sa.select(blobs.c.id).where(blobs.c.id.in_(ids)).order_by(blobs.c.id).with_for_update())
        await tx.run(sa.delete(repository_blobs).where(c.repository_id == repository_id, c.blob_id.in_(ids)))
        due = sa.update(blobs).where(blobs.c.id.in_(ids), blobs.c.collect_at.is_(None))
        await tx.run(due.values(collect_at=now))
    return len(ids)


async def remove_namespaces(tx: Tx, instance_id: int, most: int) -> int:
    """Up to `most` empty namespaces of the instance are gone; how many."""
    c = namespaces.c
    empty = ~sa.exists().where(repositories.c.namespace_id == c.id)
    some = sa.select(c.id).where(c.instance_id == instance_id, empty).limit(most)
    return await tx.run(sa.delete(namespaces).where(c.id.in_(some)))


async def remove_events(tx: Tx, instance_id: int, most: int) -> int:
    """Up to `most` events of the instance are gone; how many. The log's newest one stays (see `event_log.forget`)."""
    c = events.c
    newest = sa.select(sa.func.max(c.id)).scalar_subquery()
    some = sa.select(c.id).where(c.instance_id == instance_id, c.id < newest).order_by(c.id).limit(most)
    return await tx.run(sa.delete(events).where(c.id.in_(some)))


async def remove_instance(tx: Tx, instance_id: int) -> bool:
    """The instance is gone with its credentials and rules; False when something has been added to it meanwhile.

    The caller has locked its row.
    """
    for table in (repositories, namespaces, uploads, triggers):
        if await tx.scalar(sa.select(table.c.id).where(table.c.instance_id == instance_id).limit(1)) is not None:
            return False
    await tx.run(sa.delete(instances).where(instances.c.id == instance_id))
    return True
