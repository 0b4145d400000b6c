"""Namespaces of an instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.domain.reach import EVERYTHING_SHOWN, Selection
from roadstead.metadata import resource_tags
from roadstead.metadata.database import Tx, insert
from roadstead.metadata.resource_tags import Wanted
from roadstead.metadata.schema.content import namespaces
from roadstead.metadata.schema.tenancy import instances
from roadstead.metadata.selections import within, within_pairs


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace as it stands."""

    id: int
    name: str
    public: bool
    automatic_scan: bool
    created_at: datetime
    # Pulls of images with findings of at least this severity are refused, but for the ignored ones (JSON).
    prevent_vulnerable: bool
    severity: str
    ignored_findings: str


_COLUMNS = tuple(namespaces.c[name] for name in Namespace.__dataclass_fields__)


async def get(tx: Tx, instance_id: int, name: str, *, lock: bool = False) -> Namespace | None:
    """The namespace of that name; locked until the transaction ends, if asked."""
    statement = sa.select(*_COLUMNS).where(namespaces.c.instance_id == instance_id, namespaces.c.name == name)
    row = await tx.one(statement.with_for_update() if lock else statement)
    return None if row is None else Namespace(*row)


async def add(
    tx: Tx, instance_id: int, name: str, *, public: bool, automatic_scan: bool, now: datetime, **values: object
) -> bool:
    """The namespace exists; False when it did before."""
    row = {
        "instance_id": instance_id,
        "name": name,
        "public": public,
        "automatic_scan": automatic_scan,
        "created_at": now,
        **values,
    }
    return await tx.run(insert(tx, namespaces).values(row).on_conflict_do_nothing()) > 0


async def modify(tx: Tx, namespace_id: int, **values: object) -> None:
    """The namespace has these values."""
    await tx.run(sa.update(namespaces).where(namespaces.c.id == namespace_id).values(**values))


async def remove(tx: Tx, namespace_id: int) -> None:
    """The empty namespace is gone."""
    await tx.run(sa.delete(namespaces).where(namespaces.c.id == namespace_id))


def _meant(
    instance_id: int,
    containing: str,
    registry_id: str,
    labels: Sequence[Sequence[Wanted]],
    selection: Selection,
) -> list[sa.ColumnElement[bool]]:
    c = namespaces.c
    found: list[Any] = [c.instance_id == instance_id, *within(c.name, selection)]
    if containing:
        found.append(c.name.contains(containing, autoescape=True))
    path = sa.literal(f"repository/{registry_id}/") + c.name
    return found + [resource_tags.carries(path, wanted) for wanted in labels]


async def page(
    tx: Tx,
    instance_id: int,
    *,
    containing: str,
    last: str,
    most: int,
    skip: int = 0,
    registry_id: str = "",
    labels: Sequence[Sequence[Wanted]] = (),
    selection: Selection = EVERYTHING_SHOWN,
) -> list[Namespace]:
    """Up to `most` namespaces of the selection after `last` and `skip` more, by name.

    Each of `labels` is a condition: labels of which one must be there. They stand under the instance's public id.
    """
    statement = (
        sa.select(*_COLUMNS)
        .where(*_meant(instance_id, containing, registry_id, labels, selection), namespaces.c.name > last)
        .order_by(namespaces.c.name)
        .limit(most)
        .offset(skip or None)
    )
    return [Namespace(*row) for row in await tx.all(statement)]


async def count(
    tx: Tx,
    instance_id: int,
    *,
    containing: str = "",
    registry_id: str = "",
    labels: Sequence[Sequence[Wanted]] = (),
    selection: Selection = EVERYTHING_SHOWN,
) -> int:
    """How many namespaces `page` would give in all."""
    meant = _meant(instance_id, containing, registry_id, labels, selection)
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(namespaces).where(*meant)))


@dataclass(frozen=True, slots=True)
class Placed:
    """A namespace and the instance it is in."""

    registry_id: str
    registry_name: str
    region: str
    namespace: Namespace

    @property
    def key(self) -> str:
        """What stands for it in a list of all instances' namespaces."""
        return f"{self.registry_name}/{self.namespace.name}"


def _everywhere(columns: Sequence[Any], selection: Selection) -> sa.Select[Any]:
    i, c = instances.c, namespaces.c
    seen = within_pairs(i.registry_id, c.name, selection, bytewise=(False, True))
    return sa.select(*columns).select_from(instances.join(namespaces, c.instance_id == i.id)).where(*seen)


async def everywhere(
    tx: Tx, last: str, most: int, *, skip: int = 0, selection: Selection = EVERYTHING_SHOWN
) -> list[Placed]:
    """Up to `most` namespaces of all instances after the key `last` and `skip` more, by the names of both.

    The selection is of `REGISTRY-ID/NAMESPACE`.
    """
    i, c = instances.c, namespaces.c
    statement = _everywhere((i.registry_id, i.name, i.region, *_COLUMNS), selection)
    if last:
        instance, _, name = last.partition("/")
        statement = statement.where(i.name >= instance, sa.or_(i.name > instance, c.name > name))
    rows = await tx.all(statement.order_by(i.name, c.name).limit(most).offset(skip or None))
    return [Placed(row[0], row[1], row[2], Namespace(*row[3:])) for row in rows]


async def count_everywhere(tx: Tx, selection: Selection = EVERYTHING_SHOWN) -> int:
    """How many namespaces `everywhere` would give in all."""
    return int(await tx.scalar(_everywhere((sa.func.count(),), selection)))
