"""Tags by operation: listed, and deleted one or several at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from roadstead.domain.reference import RepositoryName
from roadstead.errors import InvalidInput, ManifestUnknown, RepositoryUnknown
from roadstead.metadata import artifacts, charts, repositories
from roadstead.metadata.database import Tx
from roadstead.metadata.repositories import Repository
from roadstead.services.events import record
from roadstead.services.fields import (
    LastPullTime,
    ManifestDigest,
    NamespaceName,
    PullCount,
    RegistryId,
    RepositoryPath,
    ResourceKind,
    TagName,
)
from roadstead.services.images import remove_manifest, remove_tag
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation
from roadstead.services.repositories import existing

# As the cloud's API has it.
_MOST_AT_ONCE = 20


async def referred(tx: Tx, found: Repository, reference: str) -> tuple[int, str]:
    """Id and digest of the manifest that the tag or digest stands for in the repository; raises ManifestUnknown."""
    if ":" in reference:
        manifest_id = await artifacts.find_manifest(tx, found.id, reference)
        target = None if manifest_id is None else (manifest_id, reference)
    else:
        target = await artifacts.tag_target(tx, found.id, reference)
    if target is None:
        what = "manifest" if ":" in reference else "tag"
        raise ManifestUnknown(f"repository {found.name} has no {what} {reference[:150]!r}")
    return target


class DescribeImages(PageRequest, frozen=True, kw_only=True):
    """Which page of which tags."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    image_version: Annotated[str | None, Meta(description="Only tags that contain this.")] = None
    exact_match: Annotated[bool, Meta(description="Only the tag that is ImageVersion itself.")] = False
    digest: Annotated[str | None, Meta(description="Only tags that stand for this manifest.")] = None
    resource_type: ResourceKind = ""


class ImageInfo(Wire, frozen=True, kw_only=True):
    """One tag."""

    image_version: TagName
    digest: ManifestDigest
    size: Annotated[int, Meta(description="Bytes of the manifest and of everything that it names.")]
    update_time: Annotated[datetime, Meta(description="When the tag was last pushed.")]
    kind: Annotated[str, Meta(description="`Artifact::` and the media type of the manifest.")]
    kms_signature: Annotated[str, Meta(description="Signature in base64; empty when it has none.")] = ""
    platforms: Annotated[str, Meta(description="Operating systems and architectures, parted by commas.")]
    pull_count: PullCount
    last_pull_time: LastPullTime


class ImagePage(PageAnswer, frozen=True, kw_only=True):
    """A page of tags."""

    image_info_list: Annotated[list[ImageInfo], Meta(description="The tags, by name.")]


class DeleteImage(Wire, frozen=True, kw_only=True):
    """Which tag."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    image_version: TagName


@operation(
    resource="repository/{registry_id}/{namespace_name}/{repository_name}/*",
    changes=False,
    paging="page",
    raises=(RepositoryUnknown,),
)
async def describe_images(call: Call, request: DescribeImages) -> ImagePage:
    """List the tags of a repository, those that contain a text or stand for a digest if one is given."""
    found = await existing(call, request.namespace_name, request.repository_name)
    which = call.slice(request)
    containing, exact, digest = request.image_version or "", request.exact_match, request.digest or ""
    rows = await artifacts.tag_infos(
        call.tx,
        found.id,
        last=which.last,
        most=which.most,
        skip=which.skip,
        containing=containing,
        exact=exact,
        digest=digest,
        kind=request.resource_type,
    )
    total = None
    if which.counted:
        total = await artifacts.tag_count(
            call.tx, found.id, containing=containing, exact=exact, digest=digest, kind=request.resource_type
        )
    listed = [
        ImageInfo(
            image_version=row.name,
            digest=row.digest,
            size=row.total_size,
            update_time=row.pushed_at,
            kind=f"Artifact::{row.media_type}",
            platforms=row.platforms,
            pull_count=row.pulls,
            last_pull_time=row.pulled_at,
        )
        for row in rows
    ]
    return ImagePage(image_info_list=listed, total_count=total, last=which.next([row.name for row in rows]))


@operation(
    resource="repository/{registry_id}/{namespace_name}/{repository_name}",
    changes=True,
    raises=(RepositoryUnknown, ManifestUnknown),
)
async def delete_image(call: Call, request: DeleteImage) -> Done:
    """Delete a tag, and with the last tag of an image the image, unless an index names it."""
    found = await existing(call, request.namespace_name, request.repository_name)
    await repositories.lock(call.tx, found.id)
    await _delete_tag(call, found, request.image_version)
    return Done()


async def _delete_tag(call: Call, found: Repository, tag: str) -> None:
    name = RepositoryName.parse(found.name)
    target = await artifacts.tag_target(call.tx, found.id, tag)
    event = await remove_tag(call.tx, name, found.id, tag, call.now)
    if target is not None:
        await drop_unnamed(call, found, *target)
    await record(call.ctx, call.tx, call.place, call.caller, event, call.now, audited=False)


async def drop_unnamed(call: Call, found: Repository, manifest_id: int, digest: str) -> None:
    """The manifest is gone unless a tag, a chart's version or an index names it.

    So are the members of an index that only it named.
    """
    if await artifacts.is_tagged(call.tx, manifest_id) or await artifacts.is_member(call.tx, found.id, digest):
        return
    if await charts.of_manifests(call.tx, [manifest_id]):
        return
    members = await artifacts.members(call.tx, manifest_id)
    await remove_manifest(call.ctx, call.tx, RepositoryName.parse(found.name), found.id, digest, call.now)
    for member in dict.fromkeys(members):
        member_id = await artifacts.find_manifest(call.tx, found.id, member)
        if member_id is not None:
            await drop_unnamed(call, found, member_id, member)


class DeleteRepositoryTags(Wire, frozen=True, kw_only=True):
    """Which tags."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    tags: Annotated[list[str], Meta(description="The tags, at most 20.", min_length=1, max_length=_MOST_AT_ONCE)]


@operation(
    resource="repository/{registry_id}/{namespace_name}/{repository_name}",
    changes=True,
    raises=(RepositoryUnknown, ManifestUnknown, InvalidInput),
)
async def delete_repository_tags(call: Call, request: DeleteRepositoryTags) -> Done:
    """Delete several tags, all or none, and with the last tag of an image the image, unless an index names it."""
    if not 1 <= len(request.tags) <= _MOST_AT_ONCE:
        raise InvalidInput(f"Tags has 1 to {_MOST_AT_ONCE} entries, not {len(request.tags)}")
    found = await existing(call, request.namespace_name, request.repository_name)
    await repositories.lock(call.tx, found.id)
    for tag in dict.fromkeys(request.tags):
        await _delete_tag(call, found, tag)
    return Done()
