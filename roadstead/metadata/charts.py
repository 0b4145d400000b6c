"""Versions of charts as a view over the artifacts that they are, and what the indexes of chart repositories say.

A version's row hangs on its manifest and goes with it. Each change of an index takes the next revision under the
lock of the index's row and is noted with it, so whoever has read the index once catches up by the notes, and a push
costs the same however many versions there are. Notes older than the last thousand are forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.domain.charts import CONFIG_TYPE
from roadstead.domain.reach import EVERYTHING_SHOWN, Selection
from roadstead.metadata.database import Prepared, Tx, insert
from roadstead.metadata.schema.charts import chart_changes, chart_indexes, chart_versions
from roadstead.metadata.schema.content import manifest_pulls, manifests, namespaces, repositories
from roadstead.metadata.selections import within

_NOTES = 1000
_MANY = 5000


@dataclass(frozen=True, slots=True)
class ChartVersion:
    """One version of a chart as it stands."""

    repository_id: int
    tag: str
    index_id: int
    manifest_id: int
    name: str
    version: str
    precedence: str
    prerelease: bool
    file: str
    archive_digest: str
    archive_size: int
    provenance_digest: str | None
    description: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class IndexState:
    """Which index, and as of which change."""

    id: int
    revision: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class IndexLine:
    """What an index says of one version."""

    name: str
    tag: str
    precedence: str
    line: bytes


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A chart as lists show it: its repository and its newest version."""

    repository: str
    public: bool
    versions: int
    newest: ChartVersion
    created_at: datetime
    updated_at: datetime
    pulls: int


_FIELDS = tuple(ChartVersion.__dataclass_fields__)
_COLUMNS = tuple(chart_versions.c[name] for name in _FIELDS)
_STATE = Prepared(
    lambda _: sa.select(chart_indexes.c.id, chart_indexes.c.revision, chart_indexes.c.changed_at).where(
        chart_indexes.c.instance_id == sa.bindparam("instance"), chart_indexes.c.folder == sa.bindparam("folder")
    )
)


async def index_state(tx: Tx, instance_id: int, folder: str) -> IndexState | None:
    """The index of the folder as it stands; None when no chart was ever there."""
    row = await tx.look_up(_STATE, {"instance": instance_id, "folder": folder})
    return None if row is None else IndexState(*row)


async def index_lines(tx: Tx, index_id: int, last: tuple[str, str], most: int) -> list[IndexLine]:
    """Up to `most` lines of the index after the chart and tag `last`."""
    c = chart_versions.c
    rows = await tx.all(
        sa.select(c.name, c.tag, c.precedence, c.line)
        .where(c.index_id == index_id, sa.tuple_(c.name, c.tag) > sa.tuple_(*last, types=[c.name.type, c.tag.type]))
        .order_by(c.name, c.tag)
        .limit(most)
    )
    return [IndexLine(*row) for row in rows]


async def changed_lines(tx: Tx, index_id: int, name: str, tags: Collection[str]) -> list[IndexLine]:
    """Those of the chart's tags that stand, with their lines; no tags: all of the chart."""
    c = chart_versions.c
    statement = sa.select(c.name, c.tag, c.precedence, c.line).where(c.index_id == index_id, c.name == name)
    if tags:
        statement = statement.where(c.tag.in_(sorted(tags)))
    return [IndexLine(*row) for row in await tx.all(statement)]


async def changes(tx: Tx, index_id: int, after: int) -> Sequence[tuple[int, str, str]]:
    """Revision, chart and tag of each noted change after that revision, in order."""
    c = chart_changes.c
    statement = sa.select(c.revision, c.name, c.tag).where(c.index_id == index_id, c.revision > after)
    return [tuple(row) for row in await tx.all(statement.order_by(c.revision))]


async def open_index(tx: Tx, instance_id: int, folder: str, now: datetime) -> IndexState:
    """The folder's index at its next revision, which the transaction's one change of it takes; made when missing."""
    row: dict[str, Any] = {
        "instance_id": instance_id,
        "folder": folder,
        "revision": 1,
        "changed_at": now,
    }
    c = chart_indexes.c
    found = await tx.one(
        insert(tx, chart_indexes)
        .values(row)
        .on_conflict_do_update(
            index_elements=["instance_id", "folder"], set_={"revision": c.revision + 1, "changed_at": now}
        )
        .returning(c.id, c.revision)
    )
    assert found is not None  # noqa: S101  an upsert returns its row
    return IndexState(found.id, found.revision, now)


async def next_revision(tx: Tx, index_id: int, now: datetime) -> IndexState:
    """The same for an index that is there."""
    c = chart_indexes.c
    changing = sa.update(chart_indexes).where(c.id == index_id).values(revision=c.revision + 1, changed_at=now)
    revision = await tx.scalar(changing.returning(c.revision))
    return IndexState(index_id, revision, now)


async def note(tx: Tx, state: IndexState, name: str, tag: str) -> None:
    """The change is noted under the revision."""
    row = {"index_id": state.id, "revision": state.revision, "name": name, "tag": tag}
    await tx.run(sa.insert(chart_changes), row)
    old = chart_changes.c.revision <= state.revision - _NOTES
    await tx.run(sa.delete(chart_changes).where(chart_changes.c.index_id == state.id, old))


async def put(tx: Tx, row: ChartVersion, line: bytes) -> None:
    """The version stands so; what stood in its place before does not."""
    values = {name: getattr(row, name) for name in _FIELDS} | {"line": line}
    kept = {name: value for name, value in values.items() if name not in {"repository_id", "tag"}}
    await tx.run(
        insert(tx, chart_versions)
        .values(values)
        .on_conflict_do_update(index_elements=["repository_id", "tag"], set_=kept)
    )


async def line_of(tx: Tx, repository_id: int, tag: str) -> bytes:
    """What the index says of the version."""
    c = chart_versions.c
    return bytes(await tx.scalar(sa.select(c.line).where(c.repository_id == repository_id, c.tag == tag)) or b"")


async def remove(tx: Tx, repository_id: int, tag: str) -> None:
    """The version stands no more; its artifact does."""
    c = chart_versions.c
    await tx.run(sa.delete(chart_versions).where(c.repository_id == repository_id, c.tag == tag))


async def get(tx: Tx, repository_id: int, tag: str) -> ChartVersion | None:
    """The version that the tag stands for."""
    c = chart_versions.c
    row = await tx.one(sa.select(*_COLUMNS).where(c.repository_id == repository_id, c.tag == tag))
    return None if row is None else ChartVersion(*row)


async def of_manifests(tx: Tx, manifest_ids: Collection[int]) -> list[ChartVersion]:
    """The versions that these manifests are."""
    found: list[ChartVersion] = []
    ids = sorted(manifest_ids)
    for start in range(0, len(ids), _MANY):
        some = chart_versions.c.manifest_id.in_(ids[start : start + _MANY])
        found += [ChartVersion(*row) for row in await tx.all(sa.select(*_COLUMNS).where(some))]
    return found


async def by_file(tx: Tx, instance_id: int, folder: str, file: str) -> tuple[str, ChartVersion] | None:
    """The version whose archive has that name in the folder, and the full name of its repository."""
    c = chart_versions.c
    row = await tx.one(
        sa.select(repositories.c.name.label("repository"), *_COLUMNS)
        .select_from(
            chart_versions.join(chart_indexes, chart_indexes.c.id == c.index_id).join(
                repositories, repositories.c.id == c.repository_id
            )
        )
        .where(chart_indexes.c.instance_id == instance_id, chart_indexes.c.folder == folder, c.file == file)
        .limit(1)
    )
    return None if row is None else (row.repository, ChartVersion(*row[1:]))


async def page(
    tx: Tx, repository_id: int, *, last: str = "", most: int, skip: int = 0, stable: bool = False
) -> list[ChartVersion]:
    """Up to `most` versions of the chart, the highest first, after the one whose precedence is `last`."""
    c = chart_versions.c
    statement = sa.select(*_COLUMNS).where(c.repository_id == repository_id)
    if last:
        statement = statement.where(c.precedence < last)
    if stable:
        statement = statement.where(sa.not_(c.prerelease))
    statement = statement.order_by(c.precedence.desc()).limit(most).offset(skip or None)
    return [ChartVersion(*row) for row in await tx.all(statement)]


async def count(tx: Tx, repository_id: int) -> int:
    """How many versions the chart has."""
    c = chart_versions.c
    return int(await tx.scalar(sa.select(sa.func.count()).where(c.repository_id == repository_id)))


def _meant(
    instance_id: int, namespace_id: int | None, containing: str, selection: Selection, folder: str | None
) -> list[Any]:
    found: list[Any] = [repositories.c.instance_id == instance_id, repositories.c.visible, holds_charts()]
    if namespace_id is not None:
        found.append(repositories.c.namespace_id == namespace_id)
    if containing:
        found.append(repositories.c.name.contains(containing, autoescape=True))
    if folder is not None:
        below = repositories.c.name.startswith(f"{folder}/", autoescape=True)
        found += [below, sa.not_(repositories.c.name.like(f"{_escaped(folder)}/%/%", escape="\\"))]
    return [*found, *within(repositories.c.name, selection)]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")


def holds_charts() -> sa.ColumnElement[bool]:
    """Of a query of repositories: those that hold a chart."""
    return sa.exists().where(chart_versions.c.repository_id == repositories.c.id)


async def charts_page(
    tx: Tx,
    instance_id: int,
    *,
    last: str,
    most: int,
    skip: int = 0,
    namespace_id: int | None = None,
    containing: str = "",
    selection: Selection = EVERYTHING_SHOWN,
    folder: str | None = None,
) -> list[ChartRow]:
    """Up to `most` charts after the repository `last` and `skip` more, by name, each with its newest version.

    The newest is the highest that is no pre-release, or else the highest.
    """
    newest, r = chart_versions.alias("newest"), repositories.c
    columns = (r.name, namespaces.c.public, _versions(), r.created_at, r.updated_at, r.pulls)
    statement = (
        sa.select(*columns, *(newest.c[name] for name in _FIELDS))
        .select_from(
            repositories.join(namespaces, namespaces.c.id == r.namespace_id).join(
                newest, sa.and_(newest.c.repository_id == r.id, newest.c.tag == _best())
            )
        )
        .where(*_meant(instance_id, namespace_id, containing, selection, folder), r.name > last)
        .order_by(r.name)
    )
    return [_chart(row) for row in await tx.all(statement.limit(most).offset(skip or None))]


def _best() -> sa.ColumnElement[str]:
    """Of a query of repositories: the tag of the newest version of each.

    Two look-ups, because no index gives what both would have to be sorted by.
    """
    other = chart_versions.alias("other")
    mine = (
        sa.select(other.c.tag).where(other.c.repository_id == repositories.c.id).order_by(other.c.precedence.desc())
    )
    looked_up = (mine.where(sa.not_(other.c.prerelease)), mine)
    return sa.func.coalesce(*(each.limit(1).correlate(repositories).scalar_subquery() for each in looked_up))


def _versions() -> sa.ScalarSelect[int]:
    """Of a query of repositories: how many versions each has."""
    counted = chart_versions.alias("counted_versions")
    return (
        sa.select(sa.func.count())
        .where(counted.c.repository_id == repositories.c.id)
        .correlate(repositories)
        .scalar_subquery()
    )


def _chart(row: Sequence[Any]) -> ChartRow:
    repository, public, versions, created_at, updated_at, pulls, *newest = row
    return ChartRow(
        repository=repository,
        public=public,
        versions=versions,
        created_at=created_at,
        updated_at=updated_at,
        pulls=pulls,
        newest=ChartVersion(*newest),
    )


async def chart_count(
    tx: Tx,
    instance_id: int,
    *,
    namespace_id: int | None = None,
    containing: str = "",
    selection: Selection = EVERYTHING_SHOWN,
) -> int:
    """How many charts `charts_page` would give in all."""
    meant = _meant(instance_id, namespace_id, containing, selection, None)
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(repositories).where(*meant)))


async def tags_pulled(tx: Tx, repository_id: int, tags: Collection[str]) -> dict[str, int]:
    """How often each of these versions was downloaded, by tag."""
    c = chart_versions.c
    rows = await tx.all(
        sa.select(c.tag, manifest_pulls.c.pulls)
        .join(manifest_pulls, manifest_pulls.c.manifest_id == c.manifest_id)
        .where(c.repository_id == repository_id, c.tag.in_(sorted(tags)))
    )
    return {row.tag: row.pulls for row in rows}


async def versions(tx: Tx, repository_id: int) -> list[str]:
    """All versions of the chart, the highest first."""
    c = chart_versions.c
    ordered = sa.select(c.version).where(c.repository_id == repository_id).order_by(c.precedence.desc())
    return [row.version for row in await tx.all(ordered)]


async def every(tx: Tx, repository_id: int) -> list[ChartVersion]:
    """All versions of the chart, the highest first."""
    c = chart_versions.c
    ordered = sa.select(*_COLUMNS).where(c.repository_id == repository_id).order_by(c.precedence.desc())
    return [ChartVersion(*row) for row in await tx.all(ordered)]


async def holds_more(tx: Tx, repository_id: int) -> bool:
    """Whether the repository holds a tag or manifest that is no chart's version."""
    c = manifests.c
    others = sa.select(c.id).where(
        c.repository_id == repository_id, sa.or_(c.artifact_type.is_(None), c.artifact_type != CONFIG_TYPE)
    )
    return await tx.scalar(others.limit(1)) is not None


async def remove_indexes(tx: Tx, instance_id: int, namespace: str) -> None:
    """The indexes of the namespace, which holds no chart any more, are gone."""
    c = chart_indexes.c
    inside = sa.or_(c.folder == namespace, c.folder.startswith(f"{namespace}/", autoescape=True))
    await tx.run(sa.delete(chart_indexes).where(c.instance_id == instance_id, inside))
