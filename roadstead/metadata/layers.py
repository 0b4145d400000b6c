"""Blobs, who holds them, and upload sessions.

A blob row goes pending → stored → leaving → gone. Whoever changes who holds a blob locks its row first, so that a
collector and a push that meet at one blob come one after the other.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.domain.reach import EVERYTHING_SHOWN, Selection
from roadstead.domain.reference import Digest
from roadstead.metadata.access import StoredBlob, visible_link
from roadstead.metadata.database import Prepared, Tx, insert_into
from roadstead.metadata.schema.content import (
    blobs,
    manifest_blobs,
    manifests,
    missing_blobs,
    repositories,
    repository_blobs,
    small_blobs,
    upload_parts,
    uploads,
)
from roadstead.metadata.schema.types import Instant
from roadstead.metadata.selections import within


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload session and how far it stands."""

    id: str
    instance_id: int
    region: str
    repository: str
    algorithm: str
    size: int
    digest: str
    ends_at: datetime
    # All of its bytes while they are few; None once they lie in parts.
    data: bytes | None = b""


@dataclass(frozen=True, slots=True)
class Claim:
    """A blob row that an upload may fill: where its bytes go, and whether they are there already."""

    blob_id: int
    generation: int
    stored: bool
    size: int


# Blobs of no more bytes have them in a row: a row is cheaper than a file, and far cheaper than an object.
SMALL = 32 << 10

# Every push runs these; each is built once.
_u, _b, _l = uploads.c, blobs.c, repository_blobs.c
_BEGIN = Prepared(lambda _: sa.insert(uploads))
_FULL = Prepared(
    lambda _: (
        sa.select(_u.id)
        .where(_u.instance_id == sa.bindparam("instance"))
        .limit(1)
        .offset(sa.bindparam("others", type_=sa.Integer))
    )
)
_SESSION = Prepared(
    lambda _: sa.select(
        _u.id, _u.instance_id, _u.region, _u.repository, _u.algorithm, _u.size, _u.digest, _u.ends_at, _u.data
    ).where(
        _u.id == sa.bindparam("upload"),
        _u.instance_id == sa.bindparam("instance"),
        _u.repository == sa.bindparam("repository"),
    )
)
_MOVE = Prepared(
    lambda _: (
        sa.update(uploads)
        .where(
            _u.id == sa.bindparam("upload"),
            _u.size == sa.bindparam("from_size"),
            _u.digest == sa.bindparam("from_digest"),
            sa.or_(_u.data.is_not(None), sa.bindparam("from_parts", type_=sa.Boolean)),
        )
        .values(
            size=sa.bindparam("to_size", type_=sa.BigInteger),
            digest=sa.bindparam("to_digest", type_=sa.String),
            ends_at=sa.bindparam("to_ends_at", type_=Instant()),
            data=sa.bindparam("to_data", type_=sa.LargeBinary),
        )
    )
)
_END = Prepared(lambda _: sa.delete(uploads).where(_u.id == sa.bindparam("upload")))
_CURRENT = Prepared(
    lambda _: (
        sa.select(_b.id, _b.generation, _b.state, _b.size)
        .where(
            _b.region == sa.bindparam("region"),
            _b.digest == sa.bindparam("digest"),
            sa.text("blobs.state IN ('pending', 'stored', 'broken')"),
        )
        .with_for_update()
    )
)
_CLAIM = Prepared(
    lambda dialect: (
        insert_into(dialect, blobs)
        .values({name: sa.bindparam(name) for name in _b.keys() if name != "id"})  # noqa: SIM118  columns, no dictionary
        .on_conflict_do_nothing()
        .returning(_b.id)
    )
)
_STORED = Prepared(
    lambda _: (
        sa.update(blobs)
        .where(
            _b.id == sa.bindparam("blob"),
            sa.text("blobs.state IN ('pending', 'stored')"),
            sa.or_(_b.generation == sa.bindparam("only"), sa.bindparam("any", type_=sa.Boolean)),
        )
        .values(state="stored", collect_at=sa.null())
    )
)
_HOLD = Prepared(
    lambda dialect: (
        insert_into(dialect, repository_blobs)
        .values({name: sa.bindparam(name) for name in _l.keys()})  # noqa: SIM118
        .on_conflict_do_update(
            index_elements=["repository_id", "blob_id"],
            set_={"ends_at": sa.bindparam("ends_at", type_=Instant())},
            where=_l.manifests == 0,
        )
    )
)
# Asked the other way round, by a join, SQLite would go through all manifests of the repository.
_WAITING_MANIFESTS = sa.select(missing_blobs.c.manifest_id).where(
    missing_blobs.c.digest == sa.bindparam("digest"),
    sa.exists().where(
        manifests.c.id == missing_blobs.c.manifest_id, manifests.c.repository_id == sa.bindparam("repository")
    ),
)
_WAITING = Prepared(lambda _: _WAITING_MANIFESTS.limit(1))


_KEEP_SMALL = Prepared(
    lambda dialect: (
        insert_into(dialect, small_blobs)
        .values(blob_id=sa.bindparam("blob"), data=sa.bindparam("data"))
        .on_conflict_do_update(index_elements=["blob_id"], set_={"data": sa.bindparam("data", type_=sa.LargeBinary)})
    )
)
_SMALL = Prepared(
    lambda _: sa.select(small_blobs.c.data).where(small_blobs.c.blob_id == sa.bindparam("blob", type_=sa.BigInteger))
)


async def begin_upload(tx: Tx, upload: Upload, now: datetime) -> None:
    """The session exists."""
    await tx.change(
        _BEGIN,
        {
            "id": upload.id,
            "instance_id": upload.instance_id,
            "region": upload.region,
            "repository": upload.repository,
            "algorithm": upload.algorithm,
            "size": upload.size,
            "digest": upload.digest,
            "started_at": now,
            "ends_at": upload.ends_at,
            "data": upload.data,
        },
    )


async def too_many_uploads(tx: Tx, instance_id: int, most: int) -> bool:
    """Whether the instance has `most` sessions open already."""
    return await tx.look_up(_FULL, {"instance": instance_id, "others": most - 1}) is not None


async def get_upload(tx: Tx, upload_id: str, instance_id: int, repository: str) -> Upload | None:
    """The session, if it belongs to that repository."""
    row = await tx.look_up(_SESSION, {"upload": upload_id, "instance": instance_id, "repository": repository})
    return None if row is None else Upload(*row)


async def advance(tx: Tx, before: Upload, after: Upload, parts: Sequence[tuple[int, str]] = ()) -> bool:
    """The session stands as `after` and has these further parts (start, key); False when another was quicker."""
    given = {
        "upload": before.id,
        "from_size": before.size,
        "from_digest": before.digest,
        "from_parts": before.data is None,
        "to_size": after.size,
        "to_digest": after.digest,
        "to_ends_at": after.ends_at,
        "to_data": after.data,
    }
    if not await tx.change(_MOVE, given):
        return False
    for start, key in parts:
        # A part without bytes may stand where the next one begins.
        await tx.run(
            sa.delete(upload_parts).where(upload_parts.c.upload_id == before.id, upload_parts.c.start == start)
        )
        await tx.run(sa.insert(upload_parts), {"upload_id": before.id, "start": start, "key": key})
    return True


async def part_keys(tx: Tx, upload_id: str, size: int | None = None) -> list[str]:
    """The keys of the session's parts, in order; those of its first `size` bytes only, when that is given.

    Whoever has checked a digest says of how many bytes: another request may have added a part meanwhile.
    """
    c = upload_parts.c
    statement = sa.select(c.key).where(c.upload_id == upload_id).order_by(c.start)
    rows = await tx.all(statement if size is None else statement.where(c.start < size))
    return [row.key for row in rows]


async def end_upload(tx: Tx, upload_id: str) -> bool:
    """The session is gone; False when it was before."""
    return await tx.change(_END, {"upload": upload_id}) > 0


async def expired_uploads(tx: Tx, now: datetime, most: int) -> list[tuple[str, str]]:
    """Sessions whose time has ended: region and id."""
    c = uploads.c
    rows = await tx.all(sa.select(c.region, c.id).where(c.ends_at < now).order_by(c.ends_at).limit(most))
    return [(row.region, row.id) for row in rows]


async def upload_total(tx: Tx) -> int:
    """How many sessions are open, of all instances."""
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(uploads)))


async def known_uploads(tx: Tx, ids: Sequence[str]) -> set[str]:
    """Which of the sessions exist."""
    rows = await tx.all(sa.select(uploads.c.id).where(uploads.c.id.in_(ids)))
    return {row.id for row in rows}


async def claim_blob(tx: Tx, region: str, digest: Digest, size: int, now: datetime, until: datetime) -> Claim:
    """A row for the blob that no collector takes before `until`, its bytes stored or still to come."""
    row = await tx.look_up(_CURRENT, {"region": region, "digest": str(digest)})
    if row is not None:
        blob_id, standing, state, stored_size = row
        if state == "pending":
            await tx.run(sa.update(blobs).where(blobs.c.id == blob_id).values(collect_at=until))
        if state == "broken":
            return await _heal(tx, blob_id, size, until)
        return Claim(blob_id, standing, state == "stored", stored_size)
    claim = await _add_blob(tx, region, digest, size, now, until)
    # Another upload of the same content may just have claimed it.
    return claim or await claim_blob(tx, region, digest, size, now, until)


async def _add_blob(tx: Tx, region: str, digest: Digest, size: int, now: datetime, until: datetime) -> Claim | None:
    """A new pending row; None when the blob has one."""
    generation = _new_generation()
    claimed = await tx.look_up(
        _CLAIM,
        {
            "region": region,
            "digest": str(digest),
            "generation": generation,
            "size": size,
            "state": "pending",
            "created_at": now,
            "collect_at": until,
        },
    )
    return None if claimed is None else Claim(claimed[0], generation, False, size)


def _new_generation() -> int:
    """A generation that the blob never had.

    Counting would start again once its rows are forgotten, and a collector that stalled before a deletion could then
    wake up and remove the bytes of a later upload.
    """
    return secrets.randbelow(1 << 31)


async def _heal(tx: Tx, blob_id: int, size: int, until: datetime) -> Claim:
    """The broken blob waits for good bytes under a new key; whatever holds the row keeps holding it."""
    generation = _new_generation()
    await tx.run(
        sa.update(blobs)
        .where(blobs.c.id == blob_id)
        .values(state="pending", generation=generation, size=size, collect_at=until)
    )
    return Claim(blob_id, generation, False, size)


async def keep_small(tx: Tx, region: str, digest: Digest, data: bytes, now: datetime) -> int:
    """The blob is stored with these bytes in its row, and locked; its id."""
    claim = await claim_blob(tx, region, digest, len(data), now, now)
    if not claim.stored:
        await tx.change(_KEEP_SMALL, {"blob": claim.blob_id, "data": data})
    await mark_stored(tx, claim.blob_id)
    return claim.blob_id


async def small_content(tx: Tx, blob_id: int) -> bytes | None:
    """The bytes of a small blob; None when they lie in the store, or are gone."""
    row = await tx.look_up(_SMALL, {"blob": blob_id})
    return None if row is None else bytes(row[0])


async def mark_stored(tx: Tx, blob_id: int, generation: int | None = None) -> bool:
    """The blob's bytes are there and it is held; False when a collector has taken the row meanwhile.

    With `generation`, False also when another upload heals the blob, under another key.
    """
    given = {"blob": blob_id, "only": generation if generation is not None else -1, "any": generation is None}
    return await tx.change(_STORED, given) > 0


async def hold(tx: Tx, repository_id: int, blob_id: int, ends_at: datetime) -> None:
    """The repository shows the blob, at least until `ends_at`."""
    await tx.change(_HOLD, {"repository_id": repository_id, "blob_id": blob_id, "manifests": 0, "ends_at": ends_at})


async def complete_sparse(tx: Tx, repository_id: int, blob_id: int, digest: Digest) -> None:
    """Manifests of the repository that were waiting for the blob now name it. The repository's row is locked."""
    which = {"digest": str(digest), "repository": repository_id}
    if await tx.look_up(_WAITING, which) is None:
        return
    rows = await tx.all(_WAITING_MANIFESTS, which)
    waiting = [row.manifest_id for row in rows]
    await tx.run(
        sa.insert(manifest_blobs), [{"manifest_id": manifest_id, "blob_id": blob_id} for manifest_id in waiting]
    )
    await tx.run(
        sa.update(repository_blobs)
        .where(repository_blobs.c.repository_id == repository_id, repository_blobs.c.blob_id == blob_id)
        .values(manifests=repository_blobs.c.manifests + len(waiting), ends_at=None)
    )
    await tx.run(
        sa.delete(missing_blobs).where(
            missing_blobs.c.digest == str(digest), missing_blobs.c.manifest_id.in_(waiting)
        )
    )


async def find_held(
    tx: Tx,
    instance_id: int,
    region: str,
    digest: Digest,
    repository: str,
    now: datetime,
    selection: Selection = EVERYTHING_SHOWN,
) -> StoredBlob | None:
    """The stored blob, locked, if that repository (or, when "" is given, one of the selection) shows it."""
    link = sa.exists().where(
        repository_blobs.c.blob_id == blobs.c.id,
        visible_link(now),
        repositories.c.id == repository_blobs.c.repository_id,
        repositories.c.instance_id == instance_id,
    )
    chosen = [repositories.c.name == repository] if repository else within(repositories.c.name, selection)
    link = link.where(*chosen)
    row = await tx.one(
        sa.select(blobs.c.id, blobs.c.generation, blobs.c.size)
        .where(blobs.c.region == region, blobs.c.digest == str(digest), blobs.c.state == "stored", link)
        .with_for_update()
    )
    return None if row is None else StoredBlob(row.id, digest, row.generation, row.size)


async def release(tx: Tx, repository_id: int, blob_id: int, now: datetime) -> bool:
    """The repository no longer shows the blob; False when a manifest still names it."""
    await tx.scalar(sa.select(blobs.c.id).where(blobs.c.id == blob_id).with_for_update())
    gone = await tx.run(
        sa.delete(repository_blobs).where(
            repository_blobs.c.repository_id == repository_id,
            repository_blobs.c.blob_id == blob_id,
            repository_blobs.c.manifests == 0,
        )
    )
    if gone:
        await tx.run(sa.update(blobs).where(blobs.c.id == blob_id).values(collect_at=now))
    return gone > 0
