"""What an image is made of: its manifest and configuration, its layers with the commands that made them, its members.

The configuration is the builder's own document, so nothing in it is relied upon: what does not parse is left out.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.domain import manifest as documents
from roadstead.domain.manifest import Manifest
from roadstead.domain.reference import Digest
from roadstead.errors import InvalidInput, ManifestUnknown, RepositoryUnknown
from roadstead.metadata import artifacts
from roadstead.metadata.access import StoredManifest
from roadstead.metadata.repositories import Repository
from roadstead.services.blob_contents import BlobContent
from roadstead.services.fields import (
    Bytes,
    KeyValueString,
    ManifestDigest,
    MediaType,
    NamespaceName,
    RegistryId,
    RepositoryPath,
    TagName,
)
from roadstead.services.operations import Call, PageAnswer, PageRequest, Wire, operation
from roadstead.services.repositories import existing
from roadstead.services.tags import referred

_REPOSITORY = "repository/{registry_id}/{namespace_name}/{repository_name}"
_LARGEST_CONFIG = 4 << 20
_COMMAND_SHOWN = 4000

Reference = Annotated[str, Meta(description="Tag or digest of the image.", max_length=200)]
Platform = Annotated[str, Meta(description="Operating system and architecture, for example `linux/arm64/v8`.")]


class DescribeImageManifests(Wire, frozen=True, kw_only=True):
    """Which image."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    image_version: TagName


class ImageManifests(Wire, frozen=True, kw_only=True):
    """The documents of an image."""

    manifest: Annotated[str, Meta(description="The manifest, JSON as it was pushed.")]
    config: Annotated[str, Meta(description="The configuration, JSON as it was pushed; empty for an index.")]
    labels: Annotated[list[KeyValueString], Meta(description="Labels from the configuration.")]
    size: Annotated[int, Meta(description="Bytes of the manifest and of everything that it names.")]


class DescribeImageLayers(Wire, frozen=True, kw_only=True):
    """Which image; of an index, the member for which platform."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    reference: Reference
    platform: Annotated[
        str,
        Meta(description="Of an index, the platform to show; empty: linux/amd64, or else the first."),
    ] = ""


class LayerInfo(Wire, frozen=True, kw_only=True):
    """One step of the image's making, with the layer that it made, if any."""

    command: Annotated[str, Meta(description="The command that made it, as the builder wrote it.")]
    created: Annotated[str, Meta(description="When, as the builder wrote it.")]
    digest: Annotated[str, Meta(description="Digest of the layer; empty when the step made none.")] = ""
    media_type: Annotated[str, Meta(description="Media type of the layer.")] = ""
    size: Annotated[int, Meta(description="Bytes of the layer as it is stored.")] = 0


class ImageLayers(Wire, frozen=True, kw_only=True):
    """An image in its layers, the lowest first."""

    digest: ManifestDigest
    platform: Platform
    created: Annotated[str, Meta(description="When the image was made, as the builder wrote it.")]
    layers: Annotated[list[LayerInfo], Meta(description="The steps, in the order in which they were taken.")]
    size: Annotated[int, Meta(description="Bytes of all layers.")]


class DescribeImageMembers(Wire, frozen=True, kw_only=True):
    """Which index."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    reference: Reference


class MemberInfo(Wire, frozen=True, kw_only=True):
    """One image of an index."""

    digest: ManifestDigest
    media_type: MediaType
    platform: Platform
    size: Annotated[
        int, Meta(description="Bytes of the member and of everything that it names; 0 when it is not here.")
    ]
    present: Annotated[bool, Meta(description="Whether the repository has it.")]


class ImageMembers(Wire, frozen=True, kw_only=True):
    """The images of an index."""

    digest: ManifestDigest
    members: Annotated[list[MemberInfo], Meta(description="The members; none for what is no index.")]


class DescribeImageReferrers(PageRequest, frozen=True, kw_only=True):
    """Which page of what refers to an image."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    reference: Reference
    artifact_type: Annotated[str, Meta(description="Only artifacts of this type.")] = ""


class ReferrerInfo(Wire, frozen=True, kw_only=True):
    """A signature, a bill of materials or another artifact about an image."""

    digest: ManifestDigest
    media_type: MediaType
    artifact_type: Annotated[str, Meta(description="What kind of artifact it is.")]
    size: Bytes


class ReferrerPage(PageAnswer, frozen=True, kw_only=True):
    """A page of what refers to an image."""

    referrers: Annotated[list[ReferrerInfo], Meta(description="The artifacts, by digest.")]


class _Step(msgspec.Struct, frozen=True):
    created: str = ""
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


class _Settings(msgspec.Struct, frozen=True):
    labels: dict[str, str] | None = msgspec.field(name="Labels", default=None)


class _Config(msgspec.Struct, frozen=True):
    created: str = ""
    architecture: str = ""
    os: str = ""
    variant: str = ""
    history: list[_Step] | None = None
    config: _Settings | None = None


async def _stored(call: Call, found: Repository, reference: str) -> tuple[StoredManifest, Manifest, bytes]:
    """The manifest that the tag or digest stands for, and its bytes; raises ManifestUnknown."""
    _, digest = await referred(call.tx, found, reference)
    stored = await artifacts.stored_manifest(call.tx, found.id, digest)
    body = None if stored is None else await artifacts.manifest_body(call.tx, stored.id)
    if stored is None or body is None:
        raise ManifestUnknown(f"the manifest {digest} has just been deleted")
    return stored, documents.parse(body, stored.media_type, call.ctx.settings.limits.manifest_entries), body


async def _config_text(call: Call, found: Repository, manifest: Manifest) -> str:
    """The bytes of the image's configuration as text; empty when there is none that can be shown."""
    part = manifest.config
    if part is None or part.size > _LARGEST_CONFIG:
        return ""
    held = await artifacts.held_blobs(call.tx, found.id, call.here.region, [str(part.digest)], call.now)
    known = held.get(str(part.digest))
    blob = None if known is None else await artifacts.config_blob(call.tx, known.id)
    if blob is None:
        return ""
    try:
        return (await BlobContent(call.ctx, call.here.region, blob).read()).decode()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _parsed(text: str) -> _Config:
    try:
        return msgspec.json.decode(text, type=_Config)
    except (msgspec.MsgspecError, RecursionError):
        return _Config()


@operation(resource=_REPOSITORY, changes=False, raises=(RepositoryUnknown, ManifestUnknown))
async def describe_image_manifests(call: Call, request: DescribeImageManifests) -> ImageManifests:
    """Show an image's manifest and configuration as they were pushed, and its labels."""
    found = await existing(call, request.namespace_name, request.repository_name)
    _, manifest, body = await _stored(call, found, request.image_version)
    text = await _config_text(call, found, manifest)
    config = _parsed(text).config
    labels = (config.labels if config is not None else None) or {}
    return ImageManifests(
        manifest=body.decode(),
        config=text,
        labels=[KeyValueString(key=key, value=value) for key, value in labels.items()],
        size=len(body) + await artifacts.named_sizes(call.tx, found.id, manifest),
    )


@operation(resource=_REPOSITORY, changes=False, raises=(RepositoryUnknown, ManifestUnknown, InvalidInput))
async def describe_image_layers(call: Call, request: DescribeImageLayers) -> ImageLayers:
    """Show the layers of an image: the command that made each, and its size."""
    found = await existing(call, request.namespace_name, request.repository_name)
    stored, manifest, body = await _stored(call, found, request.reference)
    if stored.media_type in documents.INDEX_TYPES:
        member = documents.child_for(body, request.platform or "linux/amd64")
        if member is None and not request.platform and manifest.members:
            member = str(manifest.members[0].digest)
        if member is None:
            raise ManifestUnknown(f"{found.name}@{stored.digest} has no image for {request.platform[:100]!r}")
        stored, manifest, _ = await _stored(call, found, member)
    config = _parsed(await _config_text(call, found, manifest))
    layers = _layers(manifest, config.history or [])
    return ImageLayers(
        digest=stored.digest,
        platform="/".join(part for part in (config.os, config.architecture, config.variant) if part),
        created=config.created,
        layers=layers,
        size=sum(layer.size for layer in layers),
    )


def _layers(manifest: Manifest, history: list[_Step]) -> list[LayerInfo]:
    """The layers with the steps that made them; without steps when their numbers do not match."""
    parts = [part for part in manifest.blobs if part is not manifest.config]
    if sum(not step.empty_layer for step in history) != len(parts):
        history = [_Step() for _ in parts]
    rest = iter(parts)
    listed = []
    for step in history:
        part = None if step.empty_layer else next(rest)
        listed.append(
            LayerInfo(
                command=(step.created_by or step.comment)[:_COMMAND_SHOWN],
                created=step.created,
                digest=str(part.digest) if part is not None else "",
                media_type=part.media_type if part is not None else "",
                size=part.size if part is not None else 0,
            )
        )
    return listed


@operation(resource=_REPOSITORY, changes=False, raises=(RepositoryUnknown, ManifestUnknown))
async def describe_image_members(call: Call, request: DescribeImageMembers) -> ImageMembers:
    """List the images of an index with their platforms."""
    found = await existing(call, request.namespace_name, request.repository_name)
    stored, manifest, _ = await _stored(call, found, request.reference)
    digests = [str(part.digest) for part in manifest.members]
    sizes = await artifacts.total_sizes(call.tx, found.id, digests)
    return ImageMembers(
        digest=stored.digest,
        members=[
            MemberInfo(
                digest=str(part.digest),
                media_type=part.media_type,
                platform=part.platform,
                size=sizes.get(str(part.digest), 0),
                present=str(part.digest) in sizes,
            )
            for part in manifest.members
        ],
    )


@operation(
    resource=_REPOSITORY, changes=False, paging="record", raises=(RepositoryUnknown, ManifestUnknown, InvalidInput)
)
async def describe_image_referrers(call: Call, request: DescribeImageReferrers) -> ReferrerPage:
    """List what refers to an image: signatures, bills of materials, attestations."""
    found = await existing(call, request.namespace_name, request.repository_name)
    digest = request.reference
    if ":" in digest:
        Digest.parse(digest)
    else:
        _, digest = await referred(call.tx, found, digest)
    which, kind = call.slice(request), request.artifact_type
    rows = await artifacts.referrers(
        call.tx, found.id, digest, artifact_type=kind, last=which.last, most=which.most, skip=which.skip
    )
    total = await artifacts.referrer_count(call.tx, found.id, digest, kind) if which.counted else None
    return ReferrerPage(
        referrers=[
            ReferrerInfo(
                digest=row.digest,
                media_type=row.media_type,
                artifact_type=row.artifact_type or "",
                size=row.size,
            )
            for row in rows
        ],
        total_count=total,
        last=which.next([row.digest for row in rows]),
    )
