"""The storage check: every digest verified, every reference followed, what is broken put aside.

It runs beside the serving processes. A broken blob that is put aside is no longer served; the next push of the
same content heals it everywhere at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from roadstead.blobs.store import blob_key
from roadstead.domain.reference import Digest, hasher
from roadstead.errors import DigestInvalid
from roadstead.metadata import inventory, layers
from roadstead.metadata.database import Tx
from roadstead.metadata.inventory import KeptBlob, KeptManifest
from roadstead.services.context import Context

_PAGE = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    kind: str
    subject: str
    problem: str
    remedy: str
    put_aside: bool = False


@dataclass(slots=True)
class Progress:
    """How far a check has come."""

    blobs: int = 0
    bytes: int = 0
    manifests: int = 0
    keys: int = 0


async def check(ctx: Context, progress: Progress, *, quarantine: bool) -> AsyncIterator[Finding]:
    """Each finding, as it is found; `progress` grows meanwhile. With `quarantine`, broken blobs are put aside."""
    async for finding in _check_blobs(ctx, progress, quarantine=quarantine):
        yield finding
    async for finding in _check_manifests(ctx, progress):
        yield finding
    async for finding in _check_keys(ctx, progress):
        yield finding


async def _check_blobs(ctx: Context, progress: Progress, *, quarantine: bool) -> AsyncIterator[Finding]:
    last = 0
    while True:
        async with ctx.database.read() as tx:
            page = await inventory.stored_blobs(tx, last, _PAGE)
        for blob in page:
            problem = await _blob_problem(ctx, blob, progress)
            if problem:
                put_aside = quarantine and await _put_aside(ctx, blob)
                yield Finding("blob", str(blob.digest), problem, "push an image that has this layer again", put_aside)
        if len(page) < _PAGE:
            return
        last = page[-1].id


async def _blob_problem(ctx: Context, blob: KeptBlob, progress: Progress) -> str:
    """What is wrong with the stored bytes; empty when nothing is."""
    running = hasher(blob.digest.algorithm)
    size = 0
    try:
        async for piece in _pieces(ctx, blob):
            await asyncio.to_thread(running.update, piece)
            size += len(piece)
    except FileNotFoundError:
        return "" if await _has_left(ctx, blob) else "its bytes are missing"
    except OSError as error:
        return f"its bytes cannot be read: {error.strerror}"
    progress.blobs += 1
    progress.bytes += size
    if size != blob.size:
        return f"it has {size} bytes instead of {blob.size}"
    if running.hexdigest() != blob.digest.hex:
        return f"its bytes have the digest {blob.digest.algorithm}:{running.hexdigest()}"
    return ""


async def _pieces(ctx: Context, blob: KeptBlob) -> AsyncIterator[bytes]:
    """All bytes as they are stored now; raises FileNotFoundError when they are gone."""
    if blob.size <= layers.SMALL:
        # Not by `blob_contents`, which may remember what was right once.
        async with ctx.database.read() as tx:
            small = await layers.small_content(tx, blob.id)
        if small is not None:
            yield small
            return
    async for piece in ctx.store(blob.region).open(blob_key(blob.digest, blob.generation)):
        yield piece


async def _has_left(ctx: Context, blob: KeptBlob) -> bool:
    """Whether the collector has taken the blob since its row was read."""
    async with ctx.database.read() as tx:
        page = await inventory.stored_blobs(tx, blob.id - 1, 1)
    return not page or page[0] != blob


async def _put_aside(ctx: Context, blob: KeptBlob) -> bool:
    async with ctx.database.write() as tx:
        if not await inventory.quarantine(tx, blob.id, blob.generation):
            return False
    key = blob_key(blob.digest, blob.generation)
    store = ctx.store(blob.region)
    if await store.stat(key) is not None:
        await store.assemble([key], "quarantine/" + key.removeprefix("blobs/"))
    return True


async def _check_manifests(ctx: Context, progress: Progress) -> AsyncIterator[Finding]:
    last = 0
    while True:
        async with ctx.database.read() as tx:
            page = await inventory.kept_manifests(tx, last, _PAGE)
            for manifest in page:
                progress.manifests += 1
                for finding in await _manifest_findings(tx, manifest):
                    yield finding
        if len(page) < _PAGE:
            return
        last = page[-1].id


async def _manifest_findings(tx: Tx, manifest: KeptManifest) -> list[Finding]:
    subject = f"{manifest.repository}@{manifest.digest}"
    found: list[Finding] = []
    actual = Digest.of(manifest.body, manifest.digest.algorithm)
    if actual != manifest.digest:
        found.append(Finding("manifest", subject, f"its bytes have the digest {actual}", "push the image again"))
    broken, missing = await inventory.unusable_parts(tx, manifest.id)
    found += [
        Finding("manifest", subject, f"its blob {digest} is not stored", "push the image again") for digest in broken
    ]
    found += [
        Finding("sparse", subject, f"its blob {digest} was never pushed", "push the layer, or leave it so")
        for digest in missing
    ]
    return found


async def _check_keys(ctx: Context, progress: Progress) -> AsyncIterator[Finding]:
    """Bytes that no row knows: a power failure can leave them, nothing refers to them."""
    for region, store in ctx.stores.items():
        batch: list[str] = []
        async for entry in store.list("blobs/"):
            progress.keys += 1
            batch.append(entry.key)
            if len(batch) == _PAGE:
                for finding in await _unknown_keys(ctx, region, batch):
                    yield finding
                batch = []
        for finding in await _unknown_keys(ctx, region, batch):
            yield finding


async def _unknown_keys(ctx: Context, region: str, keys: list[str]) -> list[Finding]:
    parsed = {key: _digest_of(key) for key in keys}
    digests = [str(found[0]) for found in parsed.values() if found is not None]
    async with ctx.database.read() as tx:
        known = await inventory.known_digests(tx, region, digests)
    remedy = "remove the file or object when no upload is running"
    unknown = [key for key, found in parsed.items() if found is None or (str(found[0]), found[1]) not in known]
    return [
        Finding("leftover", key, "nothing knows these bytes", remedy)
        for key in unknown
        # A collector may have removed them since they were listed.
        if await ctx.store(region).stat(key) is not None
    ]


def _digest_of(key: str) -> tuple[Digest, int] | None:
    parts = key.split("/")
    if len(parts) != 4:
        return None
    encoded, _, generation = parts[3].partition(".")
    try:
        return Digest.parse(f"{parts[1]}:{encoded}"), int(generation or 0)
    except (DigestInvalid, ValueError):
        return None
