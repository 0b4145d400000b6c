"""Tags by operation: listed, and deleted one or several at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from roadstead.domain.reference import RepositoryName
from roadstead.errors import ManifestUnknown, RepositoryUnknown
from roadstead.metadata import artifacts, repositories
from roadstead.metadata.database import Tx
from roadstead.metadata.repositories import Repository
from roadstead.services.events import record
from roadstead.services.fields import ManifestDigest, NamespaceName, RegistryId, RepositoryPath, TagName
from roadstead.services.images import remove_manifest, remove_tag
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation
from roadstead.services.repositories import existing


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


class ImageInfo(Wire, frozen=True, kw_only=True):
    """One tag."""

    image_version: TagName
    digest: ManifestDigest
    size: Annotated[int, Meta(description="Bytes of the manifest and of everything that it names.")]
    update_time: Annotated[datetime, Meta(description="When the tag was last pushed.")]
    kind: Annotated[str, Meta(description="`Artifact::` and the media type of the manifest.")]
    kms_signature: Annotated[str, Meta(description="Signature in base64; empty when it has none.")] = ""
    platforms: Annotated[str, Meta(description="Operating systems and architectures, parted by commas.")]


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
    )
    total = None
    if which.counted:
        total = await artifacts.tag_count(call.tx, found.id, containing=containing, exact=exact, digest=digest)
    listed = [
        ImageInfo(
            image_version=row.name,
            digest=row.digest,
            size=row.total_size,
            update_time=row.pushed_at,
            kind=f"Artifact::{row.media_type}",
            platforms=row.platforms,
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
    await _delete_tag(call, RepositoryName.parse(found.name), found.id, request.image_version)
    return Done()


async def _delete_tag(call: Call, name: RepositoryName, repository_id: int, tag: str) -> None:
    target = await artifacts.tag_target(call.tx, repository_id, tag)
    event = await remove_tag(call.tx, name, repository_id, tag)
    if target is not None:
        manifest_id, digest = target
        tagged = await artifacts.is_tagged(call.tx, manifest_id)
        if not tagged and not await artifacts.is_member(call.tx, repository_id, digest):
            await remove_manifest(call.ctx, call.tx, name, repository_id, digest, call.now)
    await record(call.tx, call.place, call.caller, event, call.now, audited=False)
