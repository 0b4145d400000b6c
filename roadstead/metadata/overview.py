"""Numbers over a whole instance: how much it holds, and how much happened on each day.

A day is found by its first and last event id, by a search over the ids, because the log is indexed by them. Ids
follow time closely enough for that: an event that was committed late may be counted with the next day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.schema.content import blobs, manifests, namespaces, repositories, repository_blobs, tags
from roadstead.metadata.schema.delivery import events
from roadstead.metadata.schema.triggers import triggers


@dataclass(frozen=True, slots=True)
class Stock:
    """What an instance holds."""

    namespaces: int
    repositories: int
    images: int
    tags: int
    # Each blob once, however many repositories hold it.
    size: int


@dataclass(frozen=True, slots=True)
class NamespaceSize:
    """What the repositories of a namespace hold, each blob once."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Popular:
    """A repository that is pulled."""

    name: str
    pulls: int
    pulled_at: datetime | None


async def stock(tx: Tx, instance_id: int) -> Stock:
    """What the instance holds now."""
    mine = sa.select(repositories.c.id).where(repositories.c.instance_id == instance_id)
    held = sa.select(repository_blobs.c.blob_id).where(repository_blobs.c.repository_id.in_(mine))
    size = sa.select(sa.func.sum(blobs.c.size)).where(blobs.c.id.in_(held), blobs.c.state == "stored")
    return Stock(
        namespaces=await _count(tx, namespaces, namespaces.c.instance_id == instance_id),
        repositories=await _count(
            tx, repositories, repositories.c.instance_id == instance_id, repositories.c.visible
        ),
        images=await _count(tx, manifests, manifests.c.repository_id.in_(mine)),
        tags=await _count(tx, tags, tags.c.repository_id.in_(mine)),
        size=int(await tx.scalar(size) or 0),
    )


async def largest_namespaces(tx: Tx, instance_id: int, most: int) -> list[NamespaceSize]:
    """Up to `most` namespaces by what they hold, the largest first."""
    held = (
        sa.select(repositories.c.namespace_id, repository_blobs.c.blob_id)
        .join(repositories, repositories.c.id == repository_blobs.c.repository_id)
        .where(repositories.c.instance_id == instance_id)
        .distinct()
        .subquery()
    )
    size = sa.func.sum(blobs.c.size)
    statement = (
        sa.select(namespaces.c.name, size)
        .select_from(held.join(blobs, blobs.c.id == held.c.blob_id))
        .join(namespaces, namespaces.c.id == held.c.namespace_id)
        .where(blobs.c.state == "stored")
        .group_by(namespaces.c.name)
        .order_by(size.desc(), namespaces.c.name)
        .limit(most)
    )
    return [NamespaceSize(row[0], int(row[1])) for row in await tx.all(statement)]


async def most_pulled(tx: Tx, instance_id: int, most: int) -> list[Popular]:
    """Up to `most` repositories that were pulled, the most often first."""
    c = repositories.c
    statement = (
        sa.select(c.name, c.pulls, c.pulled_at)
        .where(c.instance_id == instance_id, c.visible, c.pulls > 0)
        .order_by(c.pulls.desc(), c.name)
        .limit(most)
    )
    return [Popular(*row) for row in await tx.all(statement)]


async def failing_triggers(tx: Tx, instance_id: int) -> int:
    """How many enabled triggers have nothing got through lately."""
    c = triggers.c
    return await _count(tx, triggers, c.instance_id == instance_id, c.enabled, c.failing_since.is_not(None))


async def first_event_at(tx: Tx, instance_id: int, moment: datetime) -> int:
    """The id of the instance's first event at or after that time; one more than the last if there is none."""
    c = events.c
    mine = c.instance_id == instance_id
    low = int(await tx.scalar(sa.select(c.id).where(mine).order_by(c.id).limit(1)) or 1)
    high = int(await tx.scalar(sa.select(c.id).where(mine).order_by(c.id.desc()).limit(1)) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        row = await tx.one(sa.select(c.id, c.occurred_at).where(mine, c.id >= middle).order_by(c.id).limit(1))
        if row is None or row.occurred_at >= moment:
            high = middle
        else:
            low = int(row.id) + 1
    return low


async def happened(tx: Tx, instance_id: int, first: int, end: int) -> dict[str, int]:
    """How many events of each kind have ids from `first` up to `end`, which is not among them."""
    c = events.c
    statement = (
        sa.select(c.kind, sa.func.count())
        .where(c.instance_id == instance_id, c.id >= first, c.id < end)
        .group_by(c.kind)
    )
    return {row[0]: int(row[1]) for row in await tx.all(statement)}


async def _count(tx: Tx, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)))
