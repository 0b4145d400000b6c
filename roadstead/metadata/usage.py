"""How much each instance held on each day, and what that is now, added up in steps that take no transaction long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.content import blobs, repositories, repository_blobs
from roadstead.metadata.schema.tenancy import instances
from roadstead.metadata.schema.usage import stored_days


@dataclass(frozen=True, slots=True)
class StoredDay:
    """What an instance held when it was last measured on a day."""

    day: str
    size: int


async def after_blobs(tx: Tx, low: int, most: int) -> int | None:
    """The id of the last of up to `most` blobs after the id `low`; None when there is no blob after it."""
    some = sa.select(blobs.c.id).where(blobs.c.id > low).order_by(blobs.c.id).limit(most).subquery()
    found: int | None = await tx.scalar(sa.select(sa.func.max(some.c.id)))
    return found


async def held(tx: Tx, low: int, high: int) -> dict[int, int]:
    """Bytes of the stored blobs with ids after `low` up to `high` that each instance holds, each blob once."""
    once = (
        sa.select(repositories.c.instance_id, blobs.c.id, blobs.c.size)
        .select_from(blobs)
        .join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id)
        .join(repositories, repositories.c.id == repository_blobs.c.repository_id)
        .where(blobs.c.id > low, blobs.c.id <= high, blobs.c.state == "stored")
        .distinct()
        .subquery()
    )
    rows = await tx.all(sa.select(once.c.instance_id, sa.func.sum(once.c.size)).group_by(once.c.instance_id))
    return {row[0]: int(row[1]) for row in rows}


async def keep(tx: Tx, day: str, sizes: Mapping[int, int], last: int, most: int) -> int | None:
    """The day has a number for up to `most` instances after the id `last`: nothing for those without a size.

    The id of the last of them, None when there was none. They cannot be deleted meanwhile.
    """
    c = instances.c
    some = sa.select(c.id).where(c.id > last).order_by(c.id).limit(most).with_for_update(read=True, key_share=True)
    ids = [row.id for row in await tx.all(some)]
    if not ids:
        return None
    adding = insert(tx, stored_days).values(
        [{"instance_id": each, "day": day, "size": sizes.get(each, 0)} for each in ids]
    )
    known = [stored_days.c.instance_id, stored_days.c.day]
    await tx.run(adding.on_conflict_do_update(index_elements=known, set_={"size": adding.excluded.size}))
    return int(ids[-1])


async def days(tx: Tx, instance_id: int, first: str) -> Sequence[StoredDay]:
    """The days from `first` on that the instance was measured on, oldest first."""
    c = stored_days.c
    statement = sa.select(c.day, c.size).where(c.instance_id == instance_id, c.day >= first).order_by(c.day)
    return [StoredDay(row.day, int(row.size)) for row in await tx.all(statement)]


async def forget(tx: Tx, before: datetime, most: int) -> int:
    """Up to `most` numbers of days before that one are gone; how many."""
    c = stored_days.c
    day = before.date().isoformat()
    some = sa.select(c.instance_id, c.day).where(c.day < day).order_by(c.day).limit(most)
    return await tx.run(sa.delete(stored_days).where(sa.tuple_(c.instance_id, c.day).in_(some)))
