"""Manifests and tags: pushed in one transaction, read with one look-up, listed by key, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from roadstead.domain import manifest as documents
from roadstead.domain.manifest import Manifest, Part
from roadstead.domain.policy import Action
from roadstead.domain.reference import Digest, RepositoryName, is_tag, tag_name
from roadstead.errors import (
    DigestInvalid,
    ManifestInvalid,
    ManifestUnknown,
    PreconditionFailed,
    ReferenceUnknown,
    RepositoryUnknown,
)
from roadstead.metadata import artifacts, repositories
from roadstead.metadata.access import StoredManifest, Target
from roadstead.metadata.artifacts import HeldBlob, Referrer
from roadstead.metadata.database import Tx
from roadstead.services import chart_versions
from roadstead.services.access import Admitted, Asker, admit, admit_pull
from roadstead.services.blob_contents import BlobContent
from roadstead.services.context import Context
from roadstead.services.events import Event, ImageDeleted, ImagePushed, note, record
from roadstead.services.pulls import Given, client_of, count, tag_meant
from roadstead.services.repositories import admit_push, open_for_push

_CONFIG_TYPES = {
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
}
_LARGEST_CONFIG = 1 << 20
# How helm names itself. Where a tag is both an image's and a chart's version, helm means the chart.
_HELM = "Helm/"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push of a manifest has done."""

    digest: Digest
    subject: Digest | None
    tags: tuple[str, ...]
    # Layers that the manifest names and nobody has pushed here.
    missing: tuple[str, ...]


class _ImageConfig(msgspec.Struct):
    architecture: str = ""
    os: str = ""
    variant: str = ""


async def get(
    ctx: Context, asker: Asker, name: RepositoryName, reference: str, accept: str, client: str = ""
) -> tuple[StoredManifest, bytes]:
    """The manifest that the tag or digest stands for, and its bytes; raises ManifestUnknown.

    To a client that asks for a tag and accepts no index, the index's linux/amd64 member is given, as docker's
    registries do for clients older than indexes.
    """
    return (await _get(ctx, asker, name, reference, accept, client))[1:]


async def _get(
    ctx: Context, asker: Asker, name: RepositoryName, reference: str, accept: str, client: str
) -> tuple[Admitted, StoredManifest, bytes]:
    admitted, stored = await _find(ctx, asker, name, reference, client)
    body = ctx.recent.content(stored.digest)
    member_wanted = _wants_member(stored, reference, accept)
    if body is not None and not member_wanted:
        return admitted, stored, body
    async with ctx.database.read() as tx:
        body = body or await _body(ctx, tx, stored)
        if member_wanted:
            member = await _member(ctx, tx, admitted, name, body)
            if member is not None:
                return admitted, *member
    return admitted, stored, body


async def pull(
    ctx: Context,
    asker: Asker,
    name: RepositoryName,
    reference: str,
    accept: str,
    condition: str,
    client: str = "",
) -> tuple[StoredManifest, bytes | None]:
    """What `get` gives, and the pull is counted; without bytes where If-None-Match says that the client has them.

    `client` is what the client calls itself.
    """
    admitted, stored, body = await _get(ctx, asker, name, reference, accept, client)
    if condition and matches(condition, stored.digest):
        return stored, None
    count(ctx, asker, admitted, name, Given(reference, stored, body), helm=client.startswith(_HELM))
    return stored, body


async def head(
    ctx: Context, asker: Asker, name: RepositoryName, reference: str, accept: str, client: str = ""
) -> StoredManifest:
    """The manifest that the tag or digest stands for, without its bytes; raises ManifestUnknown."""
    admitted, stored = await _find(ctx, asker, name, reference, client)
    if _wants_member(stored, reference, accept):
        stored, _ = await get(ctx, asker, name, reference, accept)
    tag = tag_meant(admitted, stored, reference)
    if tag and admitted.facts.repository_id is not None:
        ctx.pulls.expect_tag(client_of(asker), admitted.facts.repository_id, stored.digest, tag, ctx.clock())
    return stored


async def _find(
    ctx: Context, asker: Asker, name: RepositoryName, reference: str, client: str = ""
) -> tuple[Admitted, StoredManifest]:
    target = Target.MANIFEST if ":" in reference else Target.TAG
    if target is Target.MANIFEST:
        Digest.parse(reference)
    admitted = await admit_pull(ctx, asker, name, target, reference)
    if target is Target.TAG and client.startswith(_HELM) and admitted.facts.repository_id is not None:
        async with ctx.database.read() as tx:
            chart = await chart_versions.standing(tx, admitted.facts.repository_id, reference)
        if chart is not None:
            return admitted, chart
    if not isinstance(admitted.found, StoredManifest):
        what = "manifest" if target is Target.MANIFEST else "tag"
        raise ManifestUnknown(
            f"repository {name} has no {what} {reference[:150]!r}",
            detail={"name": str(name), "reference": reference[:150]},
        )
    return admitted, admitted.found


async def _body(ctx: Context, tx: Tx, stored: StoredManifest) -> bytes:
    body = ctx.recent.content(stored.digest)
    if body is None:
        body = await artifacts.manifest_body(tx, stored.id)
        if body is None:
            raise ManifestUnknown(f"the manifest {stored.digest} has just been deleted")
        ctx.recent.keep_content(stored.digest, body)
    return body


def _wants_member(stored: StoredManifest, reference: str, accept: str) -> bool:
    if stored.media_type not in documents.INDEX_TYPES or ":" in reference:
        return False
    return not documents.accepts(accept, stored.media_type) and any(
        documents.accepts(accept, kind) for kind in documents.MANIFEST_TYPES
    )


async def _member(
    ctx: Context, tx: Tx, admitted: Admitted, name: RepositoryName, body: bytes
) -> tuple[StoredManifest, bytes] | None:
    digest = documents.child_for(body, "linux/amd64")
    if digest is None or admitted.facts.repository_id is None:
        return None
    found = await artifacts.stored_manifest(tx, admitted.facts.repository_id, digest)
    return None if found is None else (found, await _body(ctx, tx, found))


@dataclass(frozen=True, slots=True)
class Incoming:
    """A manifest as it was pushed."""

    reference: str
    extra_tags: tuple[str, ...]
    content_type: str
    body: bytes
    if_match: str = ""
    if_none_match: str = ""


async def put(ctx: Context, asker: Asker, name: RepositoryName, incoming: Incoming) -> Pushed:
    """The repository has the manifest, and its tags stand for it, durably and all at once."""
    _targets(incoming)
    async with ctx.database.read() as tx:
        admitted = await admit_push(ctx, tx, asker, name)
    return await place(ctx, admitted, name, incoming)


async def place(ctx: Context, admitted: Admitted, name: RepositoryName, incoming: Incoming) -> Pushed:
    """The same for a caller who has been let in to push."""
    digest, tags = _targets(incoming)
    manifest = documents.parse(incoming.body, incoming.content_type, ctx.settings.limits.manifest_entries)
    async with ctx.database.read() as tx:
        held = await _held(ctx, tx, admitted, manifest)
    missing = _check_parts(ctx, name, manifest, held)
    platforms = await _platforms(ctx, admitted, manifest, held)
    chart = await chart_versions.inspect(ctx, admitted.instance.row.region, name, manifest, held, tags)
    async with ctx.database.write() as tx:
        now = ctx.clock()
        repository_id = await open_for_push(ctx, tx, admitted, name, now, visible=True)
        await _check_conditions(tx, repository_id, incoming)
        manifest_id = await artifacts.find_manifest(tx, repository_id, str(digest))
        if manifest_id is None:
            manifest_id = await artifacts.add_manifest(
                tx,
                repository_id=repository_id,
                digest=str(digest),
                manifest=manifest,
                platforms=platforms,
                annotations=msgspec.json.encode(manifest.annotations).decode() if manifest.annotations else None,
                body=incoming.body,
                blob_ids=[blob.id for blob in held.values()],
                missing=missing,
                now=now,
            )
        if manifest_id is None:
            raise ReferenceUnknown("a layer was collected while the image was pushed; push the image again")
        moved = await chart_versions.tags_to_move(tx, repository_id, chart, tags)
        await _tag(tx, repository_id, manifest_id, moved, now)
        if chart is None or (tags and chart.chart.version.tag not in tags):
            await _record_push(ctx, tx, admitted, name, digest, manifest.media_type, tags, now)
        elif tags:
            event = await chart_versions.accept(tx, admitted.place, repository_id, name, chart, manifest_id, now)
            await record(ctx, tx, admitted.place, admitted.caller, event, now)
        else:
            # Helm pushes by digest first and by tag then; only the second is an event.
            untagged = _pushed(name, digest, manifest.media_type, "")
            await note(tx, admitted.place, admitted.caller, untagged, now)
    return Pushed(digest, manifest.subject, tags, tuple(missing))


def _targets(incoming: Incoming) -> tuple[Digest, tuple[str, ...]]:
    """The digest of the body and the tags that shall stand for it."""
    extra = tuple(dict.fromkeys(tag_name(tag) for tag in incoming.extra_tags))
    if ":" not in incoming.reference:
        if extra:
            raise ManifestInvalid("the parameter tag goes with a push by digest only")
        return Digest.of(incoming.body), (tag_name(incoming.reference),)
    wanted = Digest.parse(incoming.reference)
    actual = Digest.of(incoming.body, wanted.algorithm)
    if actual != wanted:
        raise DigestInvalid(
            f"the manifest has the digest {actual}, not {wanted}",
            detail={"expected": str(wanted), "actual": str(actual)},
        )
    return actual, extra


async def _held(ctx: Context, tx: Tx, admitted: Admitted, manifest: Manifest) -> dict[str, HeldBlob]:
    if admitted.facts.repository_id is None or not manifest.blobs:
        return {}
    digests = [str(part.digest) for part in manifest.blobs]
    return await artifacts.held_blobs(
        tx, admitted.facts.repository_id, admitted.instance.row.region, digests, ctx.clock()
    )


def _check_parts(ctx: Context, name: RepositoryName, manifest: Manifest, held: dict[str, HeldBlob]) -> list[str]:
    """The layers that nobody has pushed here, when they may be missing; raises ReferenceUnknown when not.

    A blob that is on its way out was pushed here once: the client believes that it is there, so that is refused,
    and the client pushes it again.
    """
    missing: list[Part] = []
    refused: list[Part] = []
    for part in manifest.blobs:
        blob = held.get(str(part.digest))
        if blob is None and part is not manifest.config and ctx.settings.push.sparse_images:
            missing.append(part)
        elif blob is None or not blob.shown:
            refused.append(part)
        elif blob.size != part.size:
            raise ManifestInvalid(
                f"the manifest says that {part.digest} has {part.size} bytes; it has {blob.size}",
                detail={"digest": str(part.digest), "size": blob.size},
            )
    if refused:
        raise ReferenceUnknown(
            f"repository {name} lacks {len(refused)} of the blobs that the manifest names; push them first: "
            + ", ".join(str(part.digest) for part in refused[:5]),
            detail={"digests": [str(part.digest) for part in refused[:100]]},
        )
    return [str(part.digest) for part in missing]


async def _platforms(ctx: Context, admitted: Admitted, manifest: Manifest, held: dict[str, HeldBlob]) -> str:
    """The platforms that the image or index is for, as lists show them."""
    config = manifest.config
    if config is None:
        return documents.platforms(manifest)
    if config.media_type not in _CONFIG_TYPES or config.size > _LARGEST_CONFIG:
        return ""
    async with ctx.database.read() as tx:
        blob = await artifacts.config_blob(tx, held[str(config.digest)].id)
    if blob is None:
        return ""
    try:
        data = await BlobContent(ctx, admitted.instance.row.region, blob).read()
        found = msgspec.json.decode(data, type=_ImageConfig)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    platform = "/".join(part for part in (found.os, found.architecture, found.variant) if part)[:100]
    return platform if platform.isprintable() else ""


async def _check_conditions(tx: Tx, repository_id: int, incoming: Incoming) -> None:
    """Returns when If-Match and If-None-Match hold for what the reference stands for (RFC 9110 section 13.1)."""
    if not incoming.if_match and not incoming.if_none_match:
        return
    if ":" in incoming.reference:
        found = await artifacts.find_manifest(tx, repository_id, incoming.reference)
        current = incoming.reference if found is not None else None
    else:
        target = await artifacts.tag_target(tx, repository_id, incoming.reference)
        current = target[1] if target is not None else None
    if incoming.if_match and not matches(incoming.if_match, current):
        raise PreconditionFailed(f"If-Match does not hold: {incoming.reference} stands for {current or 'nothing'}")
    if incoming.if_none_match and matches(incoming.if_none_match, current):
        raise PreconditionFailed(f"If-None-Match does not hold: {incoming.reference} stands for {current}")


def matches(header: str, digest: str | None) -> bool:
    """Whether a list of entity tags names the digest; `*` names anything that exists."""
    if digest is None:
        return False
    tags = [part.strip().removeprefix("W/").strip('"') for part in header.split(",")]
    return "*" in tags or digest in tags


async def _tag(tx: Tx, repository_id: int, manifest_id: int, tags: Sequence[str], now: datetime) -> None:
    for tag in tags:
        await artifacts.put_tag(tx, repository_id, tag, manifest_id, now)
    await repositories.modify(tx, repository_id, visible=True, updated_at=now)


def _pushed(name: RepositoryName, digest: Digest, media_type: str, tag: str) -> ImagePushed:
    return ImagePushed(
        namespace=name.namespace, repository=str(name), digest=str(digest), media_type=media_type, tag=tag
    )


async def _record_push(
    ctx: Context,
    tx: Tx,
    admitted: Admitted,
    name: RepositoryName,
    digest: Digest,
    media_type: str,
    tags: Sequence[str],
    now: datetime,
) -> None:
    for tag in tags or ("",):
        event = _pushed(name, digest, media_type, tag)
        await record(ctx, tx, admitted.place, admitted.caller, event, now)


async def remove(ctx: Context, asker: Asker, name: RepositoryName, reference: str) -> None:
    """The tag, or the manifest with every tag on it, is gone (distribution-spec "Content Management")."""
    by_digest = ":" in reference
    if by_digest:
        Digest.parse(reference)
    target = Target.MANIFEST if by_digest else Target.TAG
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, name, Action.DELETE, target, reference)
    repository_id = admitted.facts.repository_id
    if repository_id is None:
        raise RepositoryUnknown(f"there is no repository {name}")
    now = ctx.clock()
    async with ctx.database.write() as tx:
        await repositories.lock(tx, repository_id)
        if by_digest:
            event = await remove_manifest(ctx, tx, name, repository_id, reference, now)
        else:
            event = await remove_tag(tx, name, repository_id, reference, now)
        await record(ctx, tx, admitted.place, admitted.caller, event, now)


async def remove_tag(tx: Tx, name: RepositoryName, repository_id: int, tag: str, now: datetime) -> Event:
    """The tag is gone, with the chart's version that it is; what happened, to be recorded. Raises ManifestUnknown."""
    target = await artifacts.tag_target(tx, repository_id, tag)
    if target is None or not await artifacts.remove_tag(tx, repository_id, tag):
        raise ManifestUnknown(f"repository {name} has no tag {tag[:150]!r}")
    chart = await chart_versions.tag_gone(tx, name, repository_id, tag, target[0], now)
    return chart or ImageDeleted(namespace=name.namespace, repository=str(name), digest=target[1], tags=[tag])


async def remove_manifest(
    ctx: Context, tx: Tx, name: RepositoryName, repository_id: int, digest: str, now: datetime
) -> Event:
    """The manifest with every tag on it is gone; what happened, to be recorded. Raises ManifestUnknown."""
    manifest_id = await artifacts.find_manifest(tx, repository_id, digest)
    if manifest_id is None:
        raise ManifestUnknown(f"repository {name} has no manifest {digest}")
    chart = await chart_versions.manifest_going(tx, name, manifest_id, now)
    ends_at = now + timedelta(seconds=ctx.settings.collection.grace_seconds)
    tags = await artifacts.remove_manifest(tx, repository_id, manifest_id, ends_at)
    await chart_versions.tags_gone(tx, repository_id, tags, now)
    return chart or ImageDeleted(namespace=name.namespace, repository=str(name), digest=digest, tags=tags)


async def tag_page(ctx: Context, asker: Asker, name: RepositoryName, last: str, most: int) -> list[str]:
    """Up to `most` tags of the repository after `last`, by code point; raises RepositoryUnknown."""
    async with ctx.database.read() as tx:
        repository_id = await _readable(ctx, tx, asker, name)
        return await artifacts.tag_names(tx, repository_id, last, most) if most else []


async def _readable(ctx: Context, tx: Tx, asker: Asker, name: RepositoryName) -> int:
    admitted = await admit(ctx, tx, asker, name, Action.PULL)
    if admitted.facts.repository_id is None:
        raise RepositoryUnknown(f"there is no repository {name}", detail={"name": str(name)})
    return admitted.facts.repository_id


async def referrer_page(
    ctx: Context, asker: Asker, name: RepositoryName, subject: Digest, artifact_type: str, last: str, most: int
) -> list[Referrer]:
    """Up to `most` referrers of the manifest after the digest `last`; none when nothing refers to it."""
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, name, Action.PULL)
        if admitted.facts.repository_id is None:
            return []
        return await artifacts.referrers(
            tx, admitted.facts.repository_id, str(subject), artifact_type=artifact_type, last=last, most=most
        )


def is_reference(text: str) -> bool:
    """Whether `text` can be a tag or a digest at all."""
    return ":" in text or is_tag(text)
