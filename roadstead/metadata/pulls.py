"""How often repositories, tags and manifests were pulled: counted in batches, beside the pulls themselves.

A push holds its repository's row until it commits. Whoever counts never waits for it: repositories that are held are
left for the next time, so that no batch of counts stands in the way of a push, or waits in a circle with one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.content import manifest_pulls, manifests, repositories, tags
from roadstead.metadata.schema.types import Instant


@dataclass(frozen=True, slots=True)
class Counted:
    """So many pulls of one thing: of a tag or, without one, by digest."""

    repository_id: int
    manifest_id: int
    tag: str
    pulls: int
    last: datetime


async def held(tx: Tx, repository_ids: Collection[int]) -> set[int]:
    """Those of the repositories that another transaction is changing; the others are now this one's to change."""
    c = repositories.c
    wanted = sa.select(c.id).where(c.id.in_(sorted(repository_ids))).order_by(c.id)
    free = {row.id for row in await tx.all(wanted.with_for_update(key_share=True, skip_locked=True))}
    if len(free) == len(repository_ids):
        return set()
    return {row.id for row in await tx.all(wanted)} - free


async def count(tx: Tx, counted: Sequence[Counted]) -> None:
    """The pulls are added to what was pulled, as far as it is still there. The caller has asked `held`."""
    if not counted:
        return
    by_repository: dict[tuple[Any, ...], list[Counted]] = {}
    by_manifest: dict[tuple[Any, ...], list[Counted]] = {}
    by_tag: dict[tuple[Any, ...], list[Counted]] = {}
    for each in counted:
        by_repository.setdefault((each.repository_id,), []).append(each)
        by_manifest.setdefault((each.manifest_id,), []).append(each)
        if each.tag:
            by_tag.setdefault((each.repository_id, each.tag), []).append(each)
    await tx.run(_adding(repositories, "id"), _rows(by_repository))
    await tx.run(_adding_to_manifest(tx), _rows(by_manifest))
    if by_tag:
        await tx.run(_adding(tags, "repository_id", "name"), _rows(by_tag))


def _rows(groups: dict[tuple[Any, ...], list[Counted]]) -> list[dict[str, Any]]:
    return [
        {
            **{f"key_{place}": value for place, value in enumerate(key)},
            "more": sum(each.pulls for each in groups[key]),
            "last": max(each.last for each in groups[key]),
        }
        for key in sorted(groups)
    ]


_MORE = sa.bindparam("more", type_=sa.BigInteger)
_LAST = sa.bindparam("last", type_=Instant)


def _later(column: Any) -> Any:
    return sa.case((column > _LAST, column), else_=_LAST)


def _adding(table: sa.Table, *key: str) -> sa.Update:
    c = table.c
    found = [c[name] == sa.bindparam(f"key_{place}", type_=c[name].type) for place, name in enumerate(key)]
    return sa.update(table).where(*found).values(pulls=c.pulls + _MORE, pulled_at=_later(c.pulled_at))


def _adding_to_manifest(tx: Tx) -> Any:
    c = manifests.c
    there = sa.select(c.id, _MORE, _LAST).where(c.id == sa.bindparam("key_0", type_=c.id.type))
    known = manifest_pulls.c
    return (
        insert(tx, manifest_pulls)
        .from_select(["manifest_id", "pulls", "pulled_at"], there)
        .on_conflict_do_update(
            index_elements=[known.manifest_id],
            set_={"pulls": known.pulls + _MORE, "pulled_at": _later(known.pulled_at)},
        )
    )
