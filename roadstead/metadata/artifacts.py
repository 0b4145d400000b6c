"""Manifests and tags of a repository, and what manifests hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.domain.charts import CONFIG_TYPE
from roadstead.domain.manifest import Manifest
from roadstead.metadata.access import StoredBlob, StoredManifest, visible_link
from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.content import (
    blobs,
    manifest_blobs,
    manifest_members,
    manifest_pulls,
    manifests,
    missing_blobs,
    repository_blobs,
    tags,
)

# SQLite binds at most 32,766 values in one statement.
_MANY = 5000


@dataclass(frozen=True, slots=True)
class TagInfo:
    """A tag and the manifest it stands for."""

    name: str
    digest: str
    media_type: str
    artifact_type: str | None
    total_size: int
    platforms: str
    pushed_at: datetime
    pulls: int
    pulled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest whose subject is another one."""

    digest: str
    media_type: str
    size: int
    artifact_type: str | None
    annotations: str | None


async def manifest_body(tx: Tx, manifest_id: int) -> bytes | None:
    """The manifest's bytes exactly as they were pushed."""
    found: bytes | None = await tx.scalar(sa.select(manifests.c.body).where(manifests.c.id == manifest_id))
    return found


@dataclass(frozen=True, slots=True)
class HeldBlob:
    """A blob that a repository holds; `shown` is False while it is on its way out."""

    id: int
    size: int
    shown: bool


async def held_blobs(
    tx: Tx, repository_id: int, region: str, digests: Sequence[str], now: datetime
) -> dict[str, HeldBlob]:
    """Of these blobs, those that the repository holds, by digest."""
    found: dict[str, HeldBlob] = {}
    for start in range(0, len(digests), _MANY):
        rows = await tx.all(
            sa.select(blobs.c.digest, blobs.c.id, blobs.c.size, visible_link(now).label("shown"))
            .join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id)
            .where(
                repository_blobs.c.repository_id == repository_id,
                blobs.c.region == region,
                blobs.c.digest.in_(digests[start : start + _MANY]),
                blobs.c.state == "stored",
            )
        )
        found.update({row.digest: HeldBlob(row.id, row.size, bool(row.shown)) for row in rows})
    return found


async def find_manifest(tx: Tx, repository_id: int, digest: str) -> int | None:
    """The id of the repository's manifest of that digest."""
    found: int | None = await tx.scalar(
        sa.select(manifests.c.id).where(manifests.c.repository_id == repository_id, manifests.c.digest == digest)
    )
    return found


async def stored_manifest(tx: Tx, repository_id: int, digest: str) -> StoredManifest | None:
    """The repository's manifest of that digest, without its bytes."""
    c = manifests.c
    row = await tx.one(
        sa.select(c.id, c.digest, c.media_type, c.size, c.artifact_type).where(
            c.repository_id == repository_id, c.digest == digest
        )
    )
    return None if row is None else StoredManifest(*row)


async def add_manifest(
    tx: Tx,
    *,
    repository_id: int,
    digest: str,
    manifest: Manifest,
    platforms: str,
    annotations: str | None,
    body: bytes,
    blob_ids: Sequence[int],
    missing: Sequence[str],
    now: datetime,
) -> int | None:
    """The new manifest's id, its blobs counted as held; None when one of the blobs has just gone.

    The caller holds the repository's row lock, so no other push adds the same manifest at once.
    """
    manifest_id: int = await tx.scalar(
        sa.insert(manifests).returning(manifests.c.id),
        {
            "repository_id": repository_id,
            "digest": digest,
            "media_type": manifest.media_type,
            "artifact_type": manifest.referrer_type,
            "subject": str(manifest.subject) if manifest.subject else None,
            "size": len(body),
            "total_size": len(body) + await named_sizes(tx, repository_id, manifest),
            "platforms": platforms,
            "annotations": annotations,
            "created_at": now,
            "body": body,
        },
    )
    if not await _hold_blobs(tx, repository_id, manifest_id, sorted(blob_ids)):
        return None
    if missing:
        await tx.run(sa.insert(missing_blobs), [{"manifest_id": manifest_id, "digest": digest} for digest in missing])
    await _add_members(tx, manifest_id, manifest)
    return manifest_id


async def named_sizes(tx: Tx, repository_id: int, manifest: Manifest) -> int:
    """Bytes of what the manifest names; of a member that is there, with everything that it names in turn."""
    there = await total_sizes(tx, repository_id, [str(part.digest) for part in manifest.members])
    members = sum(there.get(str(part.digest), part.size) for part in manifest.members)
    return members + sum(part.size for part in manifest.blobs)


async def _hold_blobs(tx: Tx, repository_id: int, manifest_id: int, ordered: Sequence[int]) -> bool:
    """Whether the blobs, in the order of their ids, are all there; if so, they are counted as held."""
    if not ordered:
        return True
    if not await _keep_blobs(tx, ordered):
        return False
    await tx.run(
        sa.insert(manifest_blobs),
        [{"manifest_id": manifest_id, "blob_id": blob_id} for blob_id in ordered],
    )
    return await _count_blobs(tx, repository_id, ordered, 1) == len(ordered)


async def _add_members(tx: Tx, manifest_id: int, manifest: Manifest) -> None:
    """The members of an index are known as such."""
    rows = [
        {"manifest_id": manifest_id, "position": place, "digest": str(part.digest), "platform": part.platform}
        for place, part in enumerate(manifest.members)
    ]
    if rows:
        await tx.run(sa.insert(manifest_members), rows)


async def _keep_blobs(tx: Tx, blob_ids: Sequence[int]) -> bool:
    """Whether all these rows exist; if so, they do until the transaction ends."""
    kept = 0
    for start in range(0, len(blob_ids), _MANY):
        there = sa.select(blobs.c.id).where(blobs.c.id.in_(blob_ids[start : start + _MANY])).order_by(blobs.c.id)
        kept += len(await tx.all(there.with_for_update(read=True, key_share=True)))
    return kept == len(blob_ids)


async def _count_blobs(tx: Tx, repository_id: int, blob_ids: Sequence[int], step: int) -> int:
    changed = 0
    for start in range(0, len(blob_ids), _MANY):
        changed += await tx.run(
            sa.update(repository_blobs)
            .where(
                repository_blobs.c.repository_id == repository_id,
                repository_blobs.c.blob_id.in_(blob_ids[start : start + _MANY]),
            )
            .values(
                manifests=repository_blobs.c.manifests + step,
                ends_at=None if step > 0 else repository_blobs.c.ends_at,
            )
        )
    return changed


async def remove_manifest(tx: Tx, repository_id: int, manifest_id: int, ends_at: datetime) -> list[str]:
    """The manifest and its tags are gone; their names. Blobs it alone named stay visible until `ends_at`."""
    rows = await tx.all(sa.select(tags.c.name).where(tags.c.manifest_id == manifest_id).order_by(tags.c.name))
    held = await tx.all(
        sa.select(manifest_blobs.c.blob_id)
        .where(manifest_blobs.c.manifest_id == manifest_id)
        .order_by(manifest_blobs.c.blob_id)
    )
    await _count_blobs(tx, repository_id, [row.blob_id for row in held], -1)
    await tx.run(
        sa.update(repository_blobs)
        .where(
            repository_blobs.c.repository_id == repository_id,
            repository_blobs.c.manifests == 0,
            repository_blobs.c.ends_at.is_(None),
            repository_blobs.c.blob_id.in_(
                sa.select(manifest_blobs.c.blob_id).where(manifest_blobs.c.manifest_id == manifest_id)
            ),
        )
        .values(ends_at=ends_at)
    )
    await tx.run(sa.delete(manifests).where(manifests.c.id == manifest_id))
    return [row.name for row in rows]


async def put_tag(tx: Tx, repository_id: int, name: str, manifest_id: int, now: datetime) -> None:
    """The tag stands for the manifest."""
    row: dict[str, Any] = {
        "repository_id": repository_id,
        "name": name,
        "manifest_id": manifest_id,
        "pushed_at": now,
    }
    await tx.run(
        insert(tx, tags)
        .values(row)
        .on_conflict_do_update(
            index_elements=["repository_id", "name"], set_={"manifest_id": manifest_id, "pushed_at": now}
        )
    )


async def tag_target(tx: Tx, repository_id: int, name: str) -> tuple[int, str] | None:
    """The manifest that the tag stands for: id and digest."""
    row = await tx.one(
        sa.select(manifests.c.id, manifests.c.digest)
        .join(tags, tags.c.manifest_id == manifests.c.id)
        .where(tags.c.repository_id == repository_id, tags.c.name == name)
    )
    return None if row is None else (row.id, row.digest)


async def tagged(tx: Tx, repository_id: int, name: str) -> StoredManifest | None:
    """The manifest that the tag stands for, without its bytes."""
    c = manifests.c
    row = await tx.one(
        sa.select(c.id, c.digest, c.media_type, c.size, c.artifact_type)
        .join(tags, tags.c.manifest_id == c.id)
        .where(tags.c.repository_id == repository_id, tags.c.name == name)
    )
    return None if row is None else StoredManifest(*row)


async def manifest_by_id(tx: Tx, manifest_id: int) -> StoredManifest | None:
    """The manifest, without its bytes."""
    c = manifests.c
    row = await tx.one(sa.select(c.id, c.digest, c.media_type, c.size, c.artifact_type).where(c.id == manifest_id))
    return None if row is None else StoredManifest(*row)


async def remove_tag(tx: Tx, repository_id: int, name: str) -> bool:
    """The tag is gone; False when there was none."""
    return await tx.run(sa.delete(tags).where(tags.c.repository_id == repository_id, tags.c.name == name)) > 0


async def any_manifest(tx: Tx, repository_id: int) -> bool:
    """Whether the repository has a manifest."""
    statement = sa.select(manifests.c.id).where(manifests.c.repository_id == repository_id).limit(1)
    return await tx.scalar(statement) is not None


async def is_tagged(tx: Tx, manifest_id: int) -> bool:
    """Whether a tag stands for the manifest."""
    return await tx.scalar(sa.select(tags.c.name).where(tags.c.manifest_id == manifest_id).limit(1)) is not None


async def is_member(tx: Tx, repository_id: int, digest: str) -> bool:
    """Whether an index of the repository names the manifest."""
    statement = (
        sa.select(manifest_members.c.manifest_id)
        .join(manifests, manifests.c.id == manifest_members.c.manifest_id)
        .where(manifest_members.c.digest == digest, manifests.c.repository_id == repository_id)
        .limit(1)
    )
    return await tx.scalar(statement) is not None


async def tag_names(tx: Tx, repository_id: int, last: str, most: int) -> list[str]:
    """Up to `most` tag names after `last`, by code point."""
    rows = await tx.all(
        sa.select(tags.c.name)
        .where(tags.c.repository_id == repository_id, tags.c.name > last)
        .order_by(tags.c.name)
        .limit(most)
    )
    return [row.name for row in rows]


async def tag_infos(
    tx: Tx,
    repository_id: int,
    *,
    last: str,
    most: int,
    skip: int = 0,
    containing: str = "",
    exact: bool = False,
    digest: str = "",
    kind: str = "",
) -> list[TagInfo]:
    """Up to `most` tags after `last` and `skip` more with their manifests, filtered."""
    statement = (
        sa.select(
            tags.c.name,
            manifests.c.digest,
            manifests.c.media_type,
            manifests.c.artifact_type,
            manifests.c.total_size,
            manifests.c.platforms,
            tags.c.pushed_at,
            tags.c.pulls,
            tags.c.pulled_at,
        )
        .join(manifests, manifests.c.id == tags.c.manifest_id)
        .where(*_meant(repository_id, containing, exact, digest, kind), tags.c.name > last)
        .order_by(tags.c.name)
        .limit(most)
        .offset(skip or None)
    )
    return [TagInfo(*row) for row in await tx.all(statement)]


async def tag_count(
    tx: Tx, repository_id: int, *, containing: str = "", exact: bool = False, digest: str = "", kind: str = ""
) -> int:
    """How many tags `tag_infos` would give in all."""
    source: Any = tags.join(manifests, manifests.c.id == tags.c.manifest_id) if digest or kind else tags
    statement = sa.select(sa.func.count()).select_from(source)
    return int(await tx.scalar(statement.where(*_meant(repository_id, containing, exact, digest, kind))))


def _meant(repository_id: int, containing: str, exact: bool, digest: str, kind: str) -> list[Any]:
    found: list[Any] = [tags.c.repository_id == repository_id]
    if containing and exact:
        found.append(tags.c.name == containing)
    elif containing:
        found.append(tags.c.name.contains(containing, autoescape=True))
    if digest:
        found += [manifests.c.digest == digest, manifests.c.repository_id == repository_id]
    if kind:
        chart = sa.func.coalesce(manifests.c.artifact_type, "") == CONFIG_TYPE
        found.append(chart if kind == "chart" else sa.not_(chart))
    return found


async def total_sizes(tx: Tx, repository_id: int, digests: Sequence[str]) -> dict[str, int]:
    """The bytes of each of these manifests and of what it names, by digest; those that are not there are left out."""
    c = manifests.c
    found: dict[str, int] = {}
    for start in range(0, len(digests), _MANY):
        some = c.digest.in_(digests[start : start + _MANY])
        rows = await tx.all(sa.select(c.digest, c.total_size).where(c.repository_id == repository_id, some))
        found.update({row.digest: row.total_size for row in rows})
    return found


async def manifest_pulls_of(tx: Tx, manifest_id: int) -> tuple[int, datetime] | None:
    """How often the manifest was pulled and when last; None when it never was."""
    c = manifest_pulls.c
    row = await tx.one(sa.select(c.pulls, c.pulled_at).where(c.manifest_id == manifest_id))
    return None if row is None else (row.pulls, row.pulled_at)


async def platforms(tx: Tx, manifest_id: int) -> str:
    """The platforms that the manifest is for, as lists show them."""
    return await tx.scalar(sa.select(manifests.c.platforms).where(manifests.c.id == manifest_id)) or ""


async def missing(tx: Tx, manifest_id: int) -> list[str]:
    """The layers that the manifest names and that were never pushed to its repository."""
    c = missing_blobs.c
    return [row.digest for row in await tx.all(sa.select(c.digest).where(c.manifest_id == manifest_id))]


async def members(tx: Tx, manifest_id: int) -> list[str]:
    """The digests of the members of an index."""
    c = manifest_members.c
    rows = await tx.all(sa.select(c.digest).where(c.manifest_id == manifest_id).order_by(c.position))
    return [row.digest for row in rows]


async def referrer_count(tx: Tx, repository_id: int, subject: str, artifact_type: str) -> int:
    """How many manifests `referrers` would give in all."""
    c = manifests.c
    statement = sa.select(sa.func.count()).where(c.repository_id == repository_id, c.subject == subject)
    if artifact_type:
        statement = statement.where(c.artifact_type == artifact_type)
    return int(await tx.scalar(statement))


async def referrers(
    tx: Tx, repository_id: int, subject: str, *, artifact_type: str, last: str, most: int, skip: int = 0
) -> list[Referrer]:
    """Up to `most` manifests with that subject, by digest after `last` and `skip` more."""
    c = manifests.c
    statement = (
        sa.select(c.digest, c.media_type, c.size, c.artifact_type, c.annotations)
        .where(c.repository_id == repository_id, c.subject == subject, c.digest > last)
        .order_by(c.digest)
        .limit(most)
        .offset(skip or None)
    )
    if artifact_type:
        statement = statement.where(c.artifact_type == artifact_type)
    return [Referrer(*row) for row in await tx.all(statement)]


async def config_blob(tx: Tx, blob_id: int) -> StoredBlob | None:
    """The stored blob of that id."""
    from roadstead.domain.reference import Digest

    row = await tx.one(
        sa.select(blobs.c.digest, blobs.c.generation, blobs.c.size).where(
            blobs.c.id == blob_id, blobs.c.state == "stored"
        )
    )
    return None if row is None else StoredBlob(blob_id, Digest.parse(row.digest), row.generation, row.size)
