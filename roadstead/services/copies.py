"""Copying an image inside an instance: other tags and repositories come to stand for what is there already.

No bytes move: blobs are shared, so the target holds the same ones. Members of an index are copied before it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.domain import manifest as documents
from roadstead.domain.manifest import Manifest
from roadstead.domain.policy import Action
from roadstead.domain.reference import RepositoryName, tag_name
from roadstead.errors import (
    ManifestUnknown,
    NamespaceUnknown,
    PreconditionFailed,
    QuotaExceeded,
    ReferenceUnknown,
    RepositoryUnknown,
)
from roadstead.metadata import artifacts, layers, namespaces, repositories
from roadstead.metadata.repositories import Repository
from roadstead.services import chart_versions
from roadstead.services.events import Event, ImagePushed, RepositoryCreated, record
from roadstead.services.fields import RegistryId
from roadstead.services.operations import Call, Done, Wire, operation
from roadstead.services.quotas import room_for_repository
from roadstead.services.repositories import existing
from roadstead.services.tags import referred


class DuplicateImage(Wire, frozen=True, kw_only=True):
    """Which image, and where to."""

    registry_id: RegistryId
    source_namespace: Annotated[str, Meta(description="Namespace of the image.")]
    source_repo: Annotated[str, Meta(description="Repository of the image, without its namespace.")]
    source_reference: Annotated[str, Meta(description="Tag of the image.", max_length=200)]
    destination_tag: Annotated[str, Meta(description="Tag that shall stand for it.", max_length=128)]
    destination_namespace: Annotated[str, Meta(description="Namespace of the copy; empty: the same.")] = ""
    destination_repo: Annotated[str, Meta(description="Repository of the copy; empty: the same.")] = ""
    override: Annotated[bool, Meta(description="Whether a tag that stands for another image is moved.")] = False


@operation(
    resource="repository/{registry_id}/{source_namespace}/{source_repo}",
    changes=True,
    raises=(RepositoryUnknown, ManifestUnknown, NamespaceUnknown, PreconditionFailed, QuotaExceeded),
)
async def duplicate_image(call: Call, request: DuplicateImage) -> Done:
    """Copy an image to another tag or repository of the instance; needs the right to pull it and to push the copy."""
    source = RepositoryName.parse(f"{request.source_namespace}/{request.source_repo}")
    target = RepositoryName.parse(
        f"{request.destination_namespace or source.namespace}/{request.destination_repo or source.name}"
    )
    tag = tag_name(request.destination_tag)
    call.require(Action.PULL, f"repository/{call.here.registry_id}/{source}")
    call.require(Action.PUSH, f"repository/{call.here.registry_id}/{target}")
    found = await existing(call, source.namespace, source.name)
    source_id, digest = await referred(call.tx, found, request.source_reference)
    chart = await chart_versions.copied(call.tx, source_id, target, tag)
    repository_id = await _open(call, target)
    standing = await artifacts.tag_target(call.tx, repository_id, tag)
    if standing is not None and standing[1] != digest and not request.override:
        raise PreconditionFailed(
            f"{target}:{tag} stands for {standing[1]}; with Override it would be moved to {digest}"
        )
    manifest_id, media_type = await _copy(call, found, repository_id, digest)
    await artifacts.put_tag(call.tx, repository_id, tag, manifest_id, call.now)
    await repositories.modify(call.tx, repository_id, visible=True, updated_at=call.now)
    event: Event = ImagePushed(
        namespace=target.namespace, repository=str(target), digest=digest, media_type=media_type, tag=tag
    )
    if chart is not None and chart.tag == tag:
        event = await chart_versions.copy(call.tx, call.here.id, chart, repository_id, target, manifest_id, call.now)
    await record(call.ctx, call.tx, call.place, call.caller, event, call.now, audited=False)
    return Done()


async def _open(call: Call, target: RepositoryName) -> int:
    """The id of the target repository, locked; created when it is missing and the caller may do that."""
    found = await repositories.lock_named(call.tx, call.here.id, str(target))
    if found is not None:
        return found
    call.require(Action.CREATE, f"repository/{call.here.registry_id}/{target}")
    namespace = await namespaces.get(call.tx, call.here.id, target.namespace, lock=True)
    if namespace is None:
        raise NamespaceUnknown(f"there is no namespace {target.namespace!r} in instance {call.here.name!r}")
    await room_for_repository(call.ctx, call.tx, call.here)
    repository_id, created = await repositories.ensure(
        call.tx, call.here.id, namespace.id, str(target), visible=True, now=call.now
    )
    if created:
        event = RepositoryCreated(namespace=target.namespace, repository=str(target))
        await record(call.ctx, call.tx, call.place, call.caller, event, call.now, audited=False)
    return repository_id


async def _copy(call: Call, source: Repository, target_id: int, digest: str) -> tuple[int, str]:
    """Id and media type of the target's manifest of that digest; the members of an index come first."""
    origin = await artifacts.stored_manifest(call.tx, source.id, digest)
    there = await artifacts.find_manifest(call.tx, target_id, digest)
    if origin is None:
        raise ManifestUnknown(f"repository {source.name} has no manifest {digest}")
    if there is not None:
        return there, origin.media_type
    body = await artifacts.manifest_body(call.tx, origin.id) or b""
    manifest = documents.parse(body, origin.media_type, call.ctx.settings.limits.manifest_entries)
    for member in manifest.members:
        # A sparse index names members that are not here.
        if await artifacts.find_manifest(call.tx, source.id, str(member.digest)) is not None:
            await _copy(call, source, target_id, str(member.digest))
    added = await artifacts.add_manifest(
        call.tx,
        repository_id=target_id,
        digest=digest,
        manifest=manifest,
        platforms=await artifacts.platforms(call.tx, origin.id),
        annotations=msgspec.json.encode(manifest.annotations).decode() if manifest.annotations else None,
        body=body,
        blob_ids=await _hold(call, source, target_id, manifest),
        missing=await artifacts.missing(call.tx, origin.id),
        now=call.now,
    )
    if added is None:
        raise ReferenceUnknown("a layer was collected while the image was copied; copy it again")
    return added, origin.media_type


async def _hold(call: Call, source: Repository, target_id: int, manifest: Manifest) -> list[int]:
    """The ids of the image's blobs, which the target now holds too."""
    digests = [str(part.digest) for part in manifest.blobs]
    held = await artifacts.held_blobs(call.tx, source.id, call.here.region, digests, call.now)
    ends_at = call.now + timedelta(seconds=call.ctx.settings.collection.grace_seconds)
    for blob in sorted(held.values(), key=lambda each: each.id):
        if not await layers.mark_stored(call.tx, blob.id):
            raise ReferenceUnknown("a layer was collected while the image was copied; copy it again")
        await layers.hold(call.tx, target_id, blob.id, ends_at)
    return [blob.id for blob in held.values()]
