"""Repositories of an instance, under their full names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from roadstead.domain.charts import CONFIG_TYPE
from roadstead.domain.reach import EVERYTHING_SHOWN, Selection
from roadstead.errors import InvalidInput
from roadstead.metadata.database import Prepared, Tx, insert
from roadstead.metadata.schema.charts import chart_versions
from roadstead.metadata.schema.content import blobs, manifests, namespaces, repositories, repository_blobs, tags
from roadstead.metadata.selections import within


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository as it stands."""

    id: int
    namespace_id: int
    name: str
    summary: str
    description: str
    visible: bool
    public: bool
    created_at: datetime
    updated_at: datetime
    pulls: int
    pulled_at: datetime | None


_SOURCE = repositories.join(namespaces, namespaces.c.id == repositories.c.namespace_id)
_COLUMNS = tuple(
    namespaces.c.public if name == "public" else repositories.c[name] for name in Repository.__dataclass_fields__
)


_LOCK_NAMED = Prepared(
    lambda _: (
        sa.select(repositories.c.id)
        .where(repositories.c.instance_id == sa.bindparam("instance"), repositories.c.name == sa.bindparam("name"))
        .with_for_update(key_share=True)
    )
)


async def get(tx: Tx, instance_id: int, name: str) -> Repository | None:
    """The repository of that full name, visible or not."""
    row = await tx.one(
        sa.select(*_COLUMNS)
        .select_from(_SOURCE)
        .where(repositories.c.instance_id == instance_id, repositories.c.name == name)
    )
    return None if row is None else Repository(*row)


async def lock(tx: Tx, repository_id: int) -> bool:
    """Other changes of the repository wait for this transaction; False when it is gone."""
    statement = sa.select(repositories.c.id).where(repositories.c.id == repository_id)
    return await tx.scalar(statement.with_for_update(key_share=True)) is not None


async def lock_named(tx: Tx, instance_id: int, name: str) -> int | None:
    """The repository's id, locked as by `lock`; None when there is none of that full name."""
    row = await tx.look_up(_LOCK_NAMED, {"instance": instance_id, "name": name})
    return None if row is None else int(row[0])


async def ensure(
    tx: Tx, instance_id: int, namespace_id: int, name: str, *, visible: bool, now: datetime
) -> tuple[int, bool]:
    """The repository's id, and whether this call created it. The caller has locked the namespace."""
    row = {
        "instance_id": instance_id,
        "namespace_id": namespace_id,
        "name": name,
        "visible": visible,
        "created_at": now,
        "updated_at": now,
    }
    adding = insert(tx, repositories).values(row).on_conflict_do_nothing().returning(repositories.c.id)
    found = None
    while found is None:
        created = await tx.scalar(adding)
        if created is not None:
            return created, True
        # None when a deletion was committed since the insertion met the row.
        found = await lock_named(tx, instance_id, name)
    return found, False


async def modify(tx: Tx, repository_id: int, **values: object) -> None:
    """The repository has these values."""
    await tx.run(sa.update(repositories).where(repositories.c.id == repository_id).values(**values))


async def remove(tx: Tx, repository_id: int, now: datetime) -> None:
    """The repository with all it holds is gone; its blobs are up for collection."""
    held = sa.select(repository_blobs.c.blob_id).where(repository_blobs.c.repository_id == repository_id)
    await tx.all(sa.select(blobs.c.id).where(blobs.c.id.in_(held)).order_by(blobs.c.id).with_for_update())
    await tx.run(sa.update(blobs).where(blobs.c.id.in_(held), blobs.c.collect_at.is_(None)).values(collect_at=now))
    await tx.run(sa.delete(repositories).where(repositories.c.id == repository_id))


Order = Literal["name", "-name", "creation_time", "-creation_time", "update_time", "-update_time"]
_ORDERED = {"creation_time": repositories.c.created_at, "update_time": repositories.c.updated_at}


Kind = Literal["", "image", "chart"]
_holds_charts = sa.exists().where(chart_versions.c.repository_id == repositories.c.id)
# An empty repository waits for images.
_holds_images = sa.or_(
    sa.not_(_holds_charts),
    sa.exists().where(
        tags.c.repository_id == repositories.c.id,
        tags.c.manifest_id == manifests.c.id,
        sa.or_(manifests.c.artifact_type.is_(None), manifests.c.artifact_type != CONFIG_TYPE),
    ),
)


def _meant(
    instance_id: int,
    namespace_id: int | None,
    containing: str,
    selection: Selection,
    or_public: bool,
    kind: Kind = "",
) -> list[sa.ColumnElement[bool]]:
    found: list[Any] = [repositories.c.instance_id == instance_id, repositories.c.visible]
    if kind:
        found.append(_holds_charts if kind == "chart" else _holds_images)
    if namespace_id is not None:
        found.append(repositories.c.namespace_id == namespace_id)
    if containing:
        found.append(repositories.c.name.contains(containing, autoescape=True))
    chosen = within(repositories.c.name, selection)
    if chosen:
        seen = sa.and_(*chosen)
        found.append(sa.or_(seen, namespaces.c.public) if or_public else seen)
    return found


async def page(
    tx: Tx,
    instance_id: int,
    *,
    last: str,
    most: int,
    skip: int = 0,
    namespace_id: int | None = None,
    containing: str = "",
    selection: Selection = EVERYTHING_SHOWN,
    or_public: bool = False,
    order: Order = "name",
    kind: Kind = "",
) -> list[Repository]:
    """Up to `most` visible repositories after the one whose `key` is `last`, and `skip` more, in that order.

    They are those of the selection and, with `or_public`, those of public namespaces; those that hold the `kind`.
    By name an index gives the order; by time those of the instance, which a quota limits, are sorted.
    """
    column = _ORDERED.get(order.lstrip("-"))
    columns: list[Any] = [repositories.c.name] if column is None else [column, repositories.c.name]
    backwards = order.startswith("-")
    statement = (
        sa.select(*_COLUMNS)
        .select_from(_SOURCE)
        .where(*_meant(instance_id, namespace_id, containing, selection, or_public, kind))
        .order_by(*(each.desc() if backwards else each for each in columns))
        .limit(most)
        .offset(skip or None)
    )
    if last:
        there = sa.tuple_(*columns)
        key = sa.tuple_(*_key_values(last, columns), types=[each.type for each in columns])
        statement = statement.where(there < key if backwards else there > key)
    return [Repository(*row) for row in await tx.all(statement)]


def key(row: Repository, order: Order = "name") -> str:
    """What `page` is asked with for what comes after this repository."""
    if order.lstrip("-") == "name":
        return row.name
    moment = row.created_at if order.endswith("creation_time") else row.updated_at
    return f"{moment.isoformat()} {row.name}"


def _key_values(last: str, columns: Sequence[Any]) -> list[object]:
    if len(columns) == 1:
        return [last]
    moment, _, name = last.partition(" ")
    try:
        return [datetime.fromisoformat(moment), name]
    except ValueError as error:
        raise InvalidInput(f"no page of this order ends at {last[:60]!r}; give Last as an answer gave it") from error


async def count(
    tx: Tx,
    instance_id: int,
    *,
    namespace_id: int | None = None,
    containing: str = "",
    selection: Selection = EVERYTHING_SHOWN,
    or_public: bool = False,
    kind: Kind = "",
) -> int:
    """How many repositories `page` would give in all."""
    source = _SOURCE if or_public else repositories
    meant = _meant(instance_id, namespace_id, containing, selection, or_public, kind)
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(source).where(*meant)))


async def names_in(tx: Tx, namespace_id: int, most: int) -> Sequence[str]:
    """Up to `most` names of visible repositories of the namespace."""
    rows = await tx.all(
        sa.select(repositories.c.name)
        .where(repositories.c.namespace_id == namespace_id, repositories.c.visible)
        .order_by(repositories.c.name)
        .limit(most)
    )
    return [row.name for row in rows]


async def remove_hidden_of(tx: Tx, namespace_id: int, now: datetime) -> None:
    """What unfinished pushes left in the namespace is gone."""
    hidden = sa.select(repositories.c.id).where(
        repositories.c.namespace_id == namespace_id, sa.not_(repositories.c.visible)
    )
    # Locked: one that a push makes visible in this moment is not among them.
    for row in await tx.all(hidden.with_for_update()):
        await remove(tx, row.id, now)
