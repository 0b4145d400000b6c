"""Namespaces of an instance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.content import namespaces


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace as it stands."""

    id: int
    name: str
    public: bool
    automatic_scan: bool
    created_at: datetime


_COLUMNS = tuple(namespaces.c[name] for name in Namespace.__dataclass_fields__)


async def get(tx: Tx, instance_id: int, name: str, *, lock: bool = False) -> Namespace | None:
    """The namespace of that name; locked until the transaction ends, if asked."""
    statement = sa.select(*_COLUMNS).where(namespaces.c.instance_id == instance_id, namespaces.c.name == name)
    row = await tx.one(statement.with_for_update() if lock else statement)
    return None if row is None else Namespace(*row)


async def add(tx: Tx, instance_id: int, name: str, *, public: bool, automatic_scan: bool, now: datetime) -> bool:
    """The namespace exists; False when it did before."""
    row = {
        "instance_id": instance_id,
        "name": name,
        "public": public,
        "automatic_scan": automatic_scan,
        "created_at": now,
    }
    return await tx.run(insert(tx, namespaces).values(row).on_conflict_do_nothing()) > 0


async def modify(tx: Tx, namespace_id: int, **values: object) -> None:
    """The namespace has these values."""
    await tx.run(sa.update(namespaces).where(namespaces.c.id == namespace_id).values(**values))


async def remove(tx: Tx, namespace_id: int) -> None:
    """The empty namespace is gone."""
    await tx.run(sa.delete(namespaces).where(namespaces.c.id == namespace_id))


async def page(tx: Tx, instance_id: int, *, containing: str, last: str, most: int) -> list[Namespace]:
    """Up to `most` namespaces after `last`, by name."""
    statement = (
        sa.select(*_COLUMNS)
        .where(namespaces.c.instance_id == instance_id, namespaces.c.name > last)
        .order_by(namespaces.c.name)
        .limit(most)
    )
    if containing:
        statement = statement.where(namespaces.c.name.contains(containing, autoescape=True))
    return [Namespace(*row) for row in await tx.all(statement)]
