"""Blobs: upload sessions that any process can carry on, mounts and deletion.

An answer of success is given only when the bytes are durable under their key and the row that holds them is
committed. The order (claim the row, place the bytes, commit that they are held) is such that a crash at any
point leaves either nothing or a claim that the collector cleans up. Bytes of a small blob are a row themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from roadstead.blobs.store import BlobStore, Body, blob_key
from roadstead.domain.counts import counted
from roadstead.domain.policy import Action
from roadstead.domain.reference import Digest, Hasher, RepositoryName, hasher
from roadstead.errors import (
    AccessDenied,
    BlobTooLarge,
    BlobUnknown,
    DigestInvalid,
    MethodUnsupported,
    RangeInvalid,
    SizeInvalid,
    TooManyRequests,
    Unavailable,
    UploadUnknown,
)
from roadstead.metadata import layers
from roadstead.metadata.access import StoredBlob, Target
from roadstead.metadata.database import Tx
from roadstead.metadata.layers import SMALL, Claim, Upload
from roadstead.services.access import Admitted, Asker, admit
from roadstead.services.context import Context
from roadstead.services.policies import reach_of
from roadstead.services.repositories import admit_push, open_for_push
from roadstead.services.secrets import random_id

# A claim outlives the longest placing of bytes: the copy of a 100 GiB blob inside an object store.
_CLAIM = timedelta(hours=6)
_PARTS_GONE = "the bytes of this upload are gone; begin a new one with POST"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The body of one request of a session, and where it says it belongs (Content-Range), if it says."""

    body: Body
    start: int | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A chunk that has been received: the session's bytes up to its end, which no row speaks of yet."""

    size: int
    running: Hasher
    # All bytes of the session, or else the new parts of the store (start, key).
    data: bytes | None
    parts: Sequence[tuple[int, str]] = ()

    @property
    def keys(self) -> list[str]:
        """The keys of the new parts."""
        return [key for _, key in self.parts]


async def begin(ctx: Context, asker: Asker, name: RepositoryName, algorithm: str) -> Upload:
    """A new upload session, at its beginning; raises TooManyRequests when the instance has too many open."""
    empty = Digest(algorithm, hasher(algorithm).hexdigest())
    async with ctx.database.read() as tx:
        admitted = await admit_push(ctx, tx, asker, name)
        most = ctx.settings.limits.uploads
        if await layers.too_many_uploads(tx, admitted.instance.id, most):
            raise TooManyRequests(
                f"the instance has {counted(most, 'upload')} open (setting limits.uploads); finish or cancel some",
                retry_after=30,
            )
    now = ctx.clock()
    upload = Upload(
        id=random_id(32),
        instance_id=admitted.instance.id,
        region=admitted.instance.row.region,
        repository=str(name),
        algorithm=algorithm,
        size=0,
        digest=str(empty),
        ends_at=now + timedelta(seconds=ctx.settings.collection.upload_seconds),
    )
    async with ctx.database.write(durable=False) as tx:
        await layers.begin_upload(tx, upload, now)
    return upload


async def session(ctx: Context, asker: Asker, name: RepositoryName, upload_id: str) -> Upload:
    """The session as it stands; raises UploadUnknown when it is finished, cancelled or ended."""
    _, upload = await _open(ctx, asker, name, upload_id)
    return upload


async def _open(ctx: Context, asker: Asker, name: RepositoryName, upload_id: str) -> tuple[Admitted, Upload]:
    async with ctx.database.read() as tx:
        admitted = await admit_push(ctx, tx, asker, name)
        upload = await layers.get_upload(tx, upload_id, admitted.instance.id, str(name))
    if upload is None or upload.ends_at < ctx.clock():
        raise UploadUnknown("this upload is finished, cancelled or has ended; begin a new one with POST")
    return admitted, upload


async def append(ctx: Context, asker: Asker, name: RepositoryName, upload_id: str, chunk: Chunk) -> Upload:
    """The session after the chunk; raises RangeInvalid when the chunk does not begin where it stands."""
    _, upload = await _open(ctx, asker, name, upload_id)
    arrived = await _receive(ctx, upload, chunk)
    after = replace(
        upload,
        size=arrived.size,
        digest=str(Digest(upload.algorithm, arrived.running.hexdigest())),
        ends_at=ctx.clock() + timedelta(seconds=ctx.settings.collection.upload_seconds),
        data=arrived.data,
    )
    async with ctx.database.write(durable=False) as tx:
        added = await layers.advance(tx, upload, after, arrived.parts)
    if not added:
        await _delete(ctx.store(upload.region), arrived.keys)
        raise RangeInvalid(
            "another chunk was received at the same place; ask for the session's status and go on there"
        )
    if after.data is None:
        ctx.recent.keep_hash(upload.id, after.size, arrived.running)
    return after


async def _delete(store: BlobStore, keys: Sequence[str]) -> None:
    for key in keys:
        await store.delete(key)


async def _receive(ctx: Context, upload: Upload, chunk: Chunk) -> Arrived:
    """The chunk's bytes are in memory or in the store, and hashed after all that came before them."""
    if chunk.start is not None and chunk.start != upload.size:
        raise RangeInvalid(
            f"the chunk begins at {chunk.start}, but the upload stands at {upload.size}: send what begins there",
            detail={"offset": upload.size},
        )
    announced = chunk.body.length
    if chunk.length is not None and announced is not None and chunk.length != announced:
        raise SizeInvalid(f"Content-Range speaks of {chunk.length} bytes, Content-Length of {announced}")
    limit = ctx.settings.limits.blob_bytes - upload.size
    small = None
    if (announced or 0) <= limit and upload.data is not None:
        small = await chunk.body.at_once(SMALL - upload.size)
    received = announced if small is None else len(small)
    if received is not None and received > limit:
        raise BlobTooLarge(f"a blob may have {ctx.settings.limits.blob_bytes} bytes here (setting limits.blob_bytes)")
    if small is None or upload.data is None:
        return await _receive_part(ctx, upload, chunk, limit)
    _check_length(chunk, len(small))
    data = upload.data + small
    running = hasher(upload.algorithm)
    running.update(data)
    return Arrived(len(data), running, data)


def _check_length(chunk: Chunk, received: int) -> None:
    if chunk.length is not None and received != chunk.length:
        raise SizeInvalid(f"Content-Range speaks of {chunk.length} bytes, {received} came")


async def _receive_part(ctx: Context, upload: Upload, chunk: Chunk, limit: int) -> Arrived:
    """The chunk's bytes are a part of the store, and those that the session's row holds are one before it."""
    store = ctx.store(upload.region)
    before = await _running_hash(ctx, upload)
    running = before.copy()
    parts = [(upload.size, _part_key(upload, upload.size))]
    try:
        received = await store.put(parts[0][1], chunk.body, running, limit)
        try:
            _check_length(chunk, received)
            if upload.data:
                parts.insert(0, (0, _part_key(upload, 0)))
                await store.write(parts[0][1], upload.data)
        except BaseException:
            await store.delete(parts[-1][1])
            raise
    except BaseException:
        ctx.recent.keep_hash(upload.id, upload.size, before)
        raise
    return Arrived(upload.size + received, running, None, parts)


def _part_key(upload: Upload, start: int) -> str:
    return f"uploads/{upload.id}.{start}.{random_id(8)}"


async def _running_hash(ctx: Context, upload: Upload) -> Hasher:
    """The hash of the session's bytes so far: remembered, or computed again from its parts."""
    if upload.data is not None:
        running = hasher(upload.algorithm)
        running.update(upload.data)
        return running
    known = ctx.recent.take_hash(upload.id, upload.size)
    if known is not None:
        return known
    return await _hash_again(ctx, upload, upload.algorithm, await _content(ctx, upload, None))


async def cancel(ctx: Context, asker: Asker, name: RepositoryName, upload_id: str) -> None:
    """The session and its bytes are gone."""
    _, upload = await _open(ctx, asker, name, upload_id)
    await discard(ctx, upload.region, upload.id)


async def discard(ctx: Context, region: str, upload_id: str) -> None:
    """The session's parts are gone, then its row, so that a crash between leaves something to find.

    A part whose chunk was just being received is not known yet; the collector's sweep finds it.
    """
    async with ctx.database.read() as tx:
        keys = await layers.part_keys(tx, upload_id)
    for key in keys:
        await ctx.store(region).delete(key)
    async with ctx.database.write(durable=False) as tx:
        await layers.end_upload(tx, upload_id)


async def finish(
    ctx: Context, asker: Asker, name: RepositoryName, upload_id: str, digest: Digest, chunk: Chunk
) -> None:
    """The repository holds the blob, durably; the session is gone.

    With a wrong digest nothing is stored and the session stays where it stood before this request.
    """
    admitted, upload = await _open(ctx, asker, name, upload_id)
    arrived = None
    if chunk.body.length != 0:
        arrived = await _receive(ctx, upload, chunk)
    elif chunk.start is not None and chunk.start != upload.size:
        raise RangeInvalid(f"the upload stands at {upload.size}", detail={"offset": upload.size})
    try:
        content = await _content(ctx, upload, arrived)
        await _verify(ctx, upload, digest, arrived, content)
    except BaseException:
        await _delete(ctx.store(upload.region), arrived.keys if arrived else ())
        raise
    await _keep(ctx, admitted, name, upload, digest, content)


async def store(ctx: Context, admitted: Admitted, name: RepositoryName, data: bytes) -> Digest:
    """The repository holds these bytes as a blob, durably; the caller has been let in to push."""
    digest = Digest.of(data)
    await _keep(ctx, admitted, name, None, digest, _Content(len(data), data))
    return digest


@dataclass(frozen=True, slots=True)
class _Content:
    """What a finished upload brings: its bytes, or the keys of its parts in order."""

    size: int
    data: bytes | None
    parts: Sequence[str] = ()


async def _content(ctx: Context, upload: Upload, arrived: Arrived | None) -> _Content:
    if arrived is not None and (arrived.data is not None or upload.data is not None):
        return _Content(arrived.size, arrived.data, arrived.keys)
    if upload.data is not None:
        return _Content(upload.size, upload.data)
    parts = await _parts(ctx, upload)
    if arrived is None:
        return _Content(upload.size, None, parts)
    return _Content(arrived.size, None, parts + arrived.keys)


async def _parts(ctx: Context, upload: Upload) -> list[str]:
    async with ctx.database.read() as tx:
        return await layers.part_keys(tx, upload.id, upload.size)


async def _verify(ctx: Context, upload: Upload, digest: Digest, arrived: Arrived | None, content: _Content) -> None:
    """Returns when all bytes of the content have that digest; raises DigestInvalid otherwise."""
    if digest.algorithm != upload.algorithm:
        actual = (await _hash_again(ctx, upload, digest.algorithm, content)).hexdigest()
    else:
        actual = arrived.running.hexdigest() if arrived is not None else Digest.parse(upload.digest).hex
    if actual != digest.hex:
        raise DigestInvalid(
            f"the content has the digest {digest.algorithm}:{actual}, not {digest}: it was damaged on its way, "
            "or the digest is of something else",
            detail={"expected": str(digest), "actual": f"{digest.algorithm}:{actual}"},
        )


async def _hash_again(ctx: Context, upload: Upload, algorithm: str, content: _Content) -> Hasher:
    """The hash of the content, read again; raises UploadUnknown when a crash has used its parts up."""
    running = hasher(algorithm)
    running.update(content.data or b"")
    store = ctx.store(upload.region)
    try:
        for key in content.parts:
            async for piece in store.open(key):
                await asyncio.to_thread(running.update, piece)
    except FileNotFoundError as error:
        raise UploadUnknown(_PARTS_GONE) from error
    return running


async def _keep(
    ctx: Context,
    admitted: Admitted,
    name: RepositoryName,
    upload: Upload | None,
    digest: Digest,
    content: _Content,
) -> None:
    """The bytes are in their place and the repository holds the blob, or nothing has changed."""
    region = admitted.instance.row.region
    if content.data is not None and len(content.data) <= SMALL:
        await _keep_small(ctx, admitted, name, upload, digest, content.data)
        return
    store = ctx.store(region)
    # Bytes placed for a claim that was lost meanwhile: the next attempt takes them from there, for no row knows them.
    placed: list[str] = []
    try:
        for _ in range(3):
            now = ctx.clock()
            async with ctx.database.write(durable=False) as tx:
                claim = await layers.claim_blob(tx, region, digest, content.size, now, now + _CLAIM)
            if not claim.stored:
                await _place(store, _Content(content.size, None, placed) if placed else content, digest, claim)
            async with ctx.database.write() as tx:
                kept = await _commit(ctx, tx, admitted, name, upload, digest, claim)
            if kept:
                await _delete(store, content.parts if claim.stored else ())
                return
            if not claim.stored:
                placed = [blob_key(digest, claim.generation)]
        raise Unavailable("the blob was collected while it was pushed; push it again")
    finally:
        await _delete(store, placed)


async def _keep_small(
    ctx: Context, admitted: Admitted, name: RepositoryName, upload: Upload | None, digest: Digest, data: bytes
) -> None:
    """The same for a blob that has its bytes in a row: all of it is one transaction, and nothing needs a claim."""
    now = ctx.clock()
    async with ctx.database.write() as tx:
        repository_id = await open_for_push(ctx, tx, admitted, name, now, visible=False)
        blob_id = await layers.keep_small(tx, admitted.instance.row.region, digest, data, now)
        await _hold(ctx, tx, repository_id, blob_id, digest, upload, now)


async def _place(store: BlobStore, content: _Content, digest: Digest, claim: Claim) -> None:
    key = blob_key(digest, claim.generation)
    try:
        if content.data is not None:
            await store.write(key, content.data)
        else:
            await store.assemble(content.parts, key)
    except FileNotFoundError as error:
        raise UploadUnknown(_PARTS_GONE) from error


async def _commit(
    ctx: Context,
    tx: Tx,
    admitted: Admitted,
    name: RepositoryName,
    upload: Upload | None,
    digest: Digest,
    claim: Claim,
) -> bool:
    now = ctx.clock()
    repository_id = await open_for_push(ctx, tx, admitted, name, now, visible=False)
    if not await layers.mark_stored(tx, claim.blob_id, claim.generation):
        return False
    await _hold(ctx, tx, repository_id, claim.blob_id, digest, upload, now)
    return True


async def _hold(
    ctx: Context, tx: Tx, repository_id: int, blob_id: int, digest: Digest, upload: Upload | None, now: datetime
) -> None:
    """The repository holds the blob, and the session that has brought it is gone."""
    if upload is not None and not await layers.end_upload(tx, upload.id):
        raise UploadUnknown("this upload was finished or cancelled by another request")
    grace = timedelta(seconds=ctx.settings.collection.grace_seconds)
    await layers.hold(tx, repository_id, blob_id, now + grace)
    await layers.complete_sparse(tx, repository_id, blob_id, digest)


async def mount(
    ctx: Context, asker: Asker, name: RepositoryName, digest: Digest, source: RepositoryName | None
) -> bool:
    """Whether the repository now holds the blob that `source` (None: any repository the caller may pull) shows.

    An account that may not pull the source has to upload; one whose token is too narrow is told which it needs.
    """
    async with ctx.database.read() as tx:
        admitted = await admit_push(ctx, tx, asker, name)
        if not await _may_mount(ctx, tx, asker, admitted, digest, source):
            return False
    now = ctx.clock()
    async with ctx.database.write() as tx:
        repository_id = await open_for_push(ctx, tx, admitted, name, now, visible=False)
        blob = await _mountable(tx, admitted, digest, source, now)
        if blob is None:
            return False
        await layers.mark_stored(tx, blob.id)
        await _hold(ctx, tx, repository_id, blob.id, digest, None, now)
    return True


async def _may_mount(
    ctx: Context, tx: Tx, asker: Asker, admitted: Admitted, digest: Digest, source: RepositoryName | None
) -> bool:
    if source is None:
        return await _mountable(tx, admitted, digest, None, ctx.clock()) is not None
    try:
        found = await admit(ctx, tx, asker, source, Action.PULL, Target.BLOB, str(digest))
    except AccessDenied:
        return False
    return found.found is not None


async def _mountable(
    tx: Tx, admitted: Admitted, digest: Digest, source: RepositoryName | None, now: datetime
) -> StoredBlob | None:
    instance = admitted.instance
    where = str(source) if source is not None else ""
    pulled = reach_of(admitted.caller, Action.PULL, instance.row, now=now)
    selection = pulled.names(f"repository/{instance.row.registry_id}/")
    return await layers.find_held(tx, instance.id, instance.row.region, digest, where, now, selection)


async def remove(ctx: Context, asker: Asker, name: RepositoryName, digest: Digest) -> None:
    """The repository no longer holds the blob; raises MethodUnsupported while a manifest names it."""
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, name, Action.DELETE, Target.BLOB, str(digest))
    blob, repository_id = admitted.found, admitted.facts.repository_id
    if not isinstance(blob, StoredBlob) or repository_id is None:
        raise BlobUnknown(f"repository {name} has no blob {digest}", detail={"digest": str(digest)})
    async with ctx.database.write() as tx:
        if not await layers.release(tx, repository_id, blob.id, ctx.clock()):
            raise MethodUnsupported(f"a manifest of {name} names blob {digest}; delete that manifest first")
