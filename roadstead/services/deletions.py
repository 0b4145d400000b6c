"""Deleting an instance with all it holds, and saying beforehand what a deletion takes with it.

From the moment it is asked for, the instance is `Deleting`: pushes, pulls and changes are refused. A job removes its
rows in small steps, so that nobody else waits for them, and lets go of its blobs; the collector removes those that no
other instance holds. Then the instance disappears and its name is free again. A process that dies in the
middle leaves the job to another, which goes on with what is left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.errors import ManifestUnknown, OperationRefused, RepositoryUnknown
from roadstead.jobs.queue import job
from roadstead.metadata import artifacts, deletions, event_log, instances, repositories, resource_tags, triggers
from roadstead.metadata.database import Tx
from roadstead.metadata.deletions import Holdings
from roadstead.metadata.instances import Instance
from roadstead.services.context import Context
from roadstead.services.deployments import InstanceJob
from roadstead.services.doers import DoneBy, named
from roadstead.services.fields import LastPullTime, NamespaceName, PullCount, RegistryId, RepositoryPath
from roadstead.services.layers import discard
from roadstead.services.operations import Call, Wire, operation
from roadstead.services.registries import RegistryCondition, infos, label_path, told
from roadstead.services.repositories import existing
from roadstead.services.tags import referred

_DELETING = "Deleting"
_STEPS = ("Content", "Registry")
_MOST_TAGS = 100
_EVENTS_LOOKED_AT = 1000
_PULLS_TOLD = 10


class DeleteInstance(Wire, frozen=True, kw_only=True):
    """Which instance."""

    registry_id: RegistryId
    delete_bucket: Annotated[
        bool, Meta(description="Without effect: instances of a region share its storage, and their bytes go anyway.")
    ] = False
    dry_run: Annotated[bool, Meta(description="Whether to say only what would go.")] = False


class DeletedContent(Wire, frozen=True, kw_only=True):
    """What goes with the deletion."""

    namespaces: Annotated[int, Meta(description="Number of namespaces.")]
    repositories: Annotated[int, Meta(description="Number of repositories.")]
    images: Annotated[int, Meta(description="Number of images, tagged or not.")]
    tags: Annotated[int, Meta(description="Number of tags.")]
    credentials: Annotated[int, Meta(description="Number of access credentials and service accounts.")]
    freed_bytes: Annotated[int, Meta(description="Bytes that nobody else holds.")]


class InstanceDeletion(Wire, frozen=True, kw_only=True):
    """What goes, or would go, with the instance."""

    content: Annotated[DeletedContent, Meta(description="What goes, or would go.")]


@operation(resource="instance/{registry_id}", changes=True, always=True, raises=(OperationRefused,))
async def delete_instance(call: Call, request: DeleteInstance) -> InstanceDeletion:
    """Delete an instance with all it holds, or only say what would go."""
    row = call.here
    if row.name == call.ctx.settings.default_instance:
        raise OperationRefused(
            f"instance {row.name!r} is the default instance, which serves every host name that names no other; it "
            "cannot be deleted"
        )
    if row.deletion_protection:
        raise OperationRefused(
            f"instance {row.name!r} is protected against deletion; switch the protection off first: "
            f"roadstead instance modify {row.name} --unprotect"
        )
    held = content(await deletions.of_instance(call.tx, row.id))
    if not request.dry_run and row.status != _DELETING:
        conditions = told([RegistryCondition(type=step) for step in _STEPS])
        await instances.modify(call.tx, row.id, status=_DELETING, conditions=conditions)
        job_of = InstanceJob(instance_id=row.id)
        await call.ctx.jobs.enqueue(call.tx, remove_instance, job_of, now=call.now)
        call.changed((await infos(call, [row]))[0], None)
    return InstanceDeletion(content=held)


def content(held: Holdings) -> DeletedContent:
    """What goes, as answers show it."""
    return DeletedContent(
        namespaces=held.namespaces,
        repositories=held.repositories,
        images=held.manifests,
        tags=held.tags,
        credentials=held.credentials,
        freed_bytes=held.size,
    )


@job(queue="instances", attempts=100, timeout=timedelta(hours=6))
async def remove_instance(ctx: Context, arguments: InstanceJob) -> None:
    """An instance that is being deleted is gone with all it held, but for bytes that the collector removes."""
    async with ctx.database.read() as tx:
        row = await instances.by_id(tx, arguments.instance_id)
    gone = row is None or row.status != _DELETING
    while row is not None and not gone:
        await _tell(ctx, row, 0)
        await _empty(ctx, row)
        await _tell(ctx, row, 1)
        gone = await _remove(ctx, row)


async def _tell(ctx: Context, row: Instance, place: int) -> None:
    conditions = [RegistryCondition(type=step, status="Succeeded") for step in _STEPS[:place]]
    conditions.append(RegistryCondition(type=_STEPS[place], status="Running"))
    conditions += [RegistryCondition(type=step) for step in _STEPS[place + 1 :]]
    async with ctx.database.write(durable=False) as tx:
        await instances.step(tx, row.id, (_DELETING,), conditions=told(conditions))


async def _empty(ctx: Context, row: Instance) -> None:
    """What the instance held is gone."""
    batch = ctx.settings.collection.batch
    while True:
        async with ctx.database.read() as tx:
            opened = await deletions.open_uploads(tx, row.id, batch)
        for region, upload_id in opened:
            await discard(ctx, region, upload_id)
        if not opened:
            break
    while (repository_id := await _next_repository(ctx, row.id)) is not None:
        manifests = partial(deletions.remove_manifests, repository_id=repository_id, most=batch)
        await _steps(ctx, manifests)
        links = partial(deletions.let_go, repository_id=repository_id, now=ctx.clock(), most=batch)
        await _steps(ctx, links)
        async with ctx.database.write() as tx:
            # What a push has added since then goes too: locked, it can add no more.
            await repositories.lock(tx, repository_id)
            await repositories.remove(tx, repository_id, ctx.clock())
    await _steps(ctx, lambda tx: triggers.remove_some(tx, row.id, batch))
    await _steps(ctx, lambda tx: deletions.remove_namespaces(tx, row.id, batch))
    await _steps(ctx, lambda tx: deletions.remove_events(tx, row.id, batch))


async def _next_repository(ctx: Context, instance_id: int) -> int | None:
    async with ctx.database.read() as tx:
        return await deletions.any_repository(tx, instance_id)


async def _steps(ctx: Context, step: Callable[[Tx], Awaitable[int]]) -> None:
    """The step was taken until it found nothing more to do."""
    done = 1
    while done:
        async with ctx.database.write(durable=False) as tx:
            done = await step(tx)


async def _remove(ctx: Context, row: Instance) -> bool:
    """The instance's row is gone; False when a push that began before has added something to it."""
    async with ctx.database.write() as tx:
        if await instances.by_id(tx, row.id, lock=True) is None:
            return True
        if not await deletions.remove_instance(tx, row.id):
            return False
        await resource_tags.remove(tx, label_path(row))
        await resource_tags.remove_under(tx, f"repository/{row.registry_id}")
    return True


class DescribeDeletionImpact(Wire, frozen=True, kw_only=True):
    """Which repository, or which image of it."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    reference: Annotated[str, Meta(description="Tag or digest of an image; empty: the whole repository.")] = ""


class RecentPull(DoneBy, frozen=True, kw_only=True):
    """Somebody who has pulled what would go."""

    time: Annotated[datetime, Meta(description="When.")]
    tag: Annotated[str, Meta(description="The tag that was pulled; empty when it was pulled by digest.")]


class DeletionImpact(Wire, frozen=True, kw_only=True):
    """What the deletion takes with it."""

    digest: Annotated[str, Meta(description="Digest of the image; empty for a whole repository.")] = ""
    tags: Annotated[list[str], Meta(description="Tags that go, up to 100 of them, by name.")]
    tag_count: Annotated[int, Meta(description="Number of tags that go.")]
    image_count: Annotated[int, Meta(description="Number of images that go, tagged or not.")]
    freed_bytes: Annotated[int, Meta(description="Bytes that nobody else holds.")]
    member_of: Annotated[
        bool, Meta(description="Whether an index names the image, so that it stays when its tags are deleted.")
    ] = False
    pull_count: PullCount = 0
    last_pull_time: LastPullTime = None
    recent_pulls: Annotated[
        list[RecentPull],
        Meta(description="Its last pulls, up to 10, as far as the newest events tell."),
    ] = msgspec.field(default_factory=list)


@operation(
    resource="repository/{registry_id}/{namespace_name}/{repository_name}",
    changes=False,
    raises=(RepositoryUnknown, ManifestUnknown),
)
async def describe_deletion_impact(call: Call, request: DescribeDeletionImpact) -> DeletionImpact:
    """Say what deleting a repository, or an image with all tags that share it, would take with it."""
    found = await existing(call, request.namespace_name, request.repository_name)
    if not request.reference:
        held = await deletions.of_repository(call.tx, found.id)
        names = await artifacts.tag_names(call.tx, found.id, "", _MOST_TAGS)
        return DeletionImpact(
            tags=names,
            tag_count=held.tags,
            image_count=held.manifests,
            freed_bytes=held.size,
            pull_count=found.pulls,
            last_pull_time=found.pulled_at,
            recent_pulls=await _recent_pulls(call, found.name, ""),
        )
    manifest_id, digest = await referred(call.tx, found, request.reference)
    pulled = await artifacts.manifest_pulls_of(call.tx, manifest_id)
    names = [
        row.name for row in await artifacts.tag_infos(call.tx, found.id, last="", most=_MOST_TAGS, digest=digest)
    ]
    return DeletionImpact(
        digest=digest,
        tags=names,
        tag_count=await artifacts.tag_count(call.tx, found.id, digest=digest),
        image_count=1,
        freed_bytes=await deletions.freed_by_manifest(call.tx, found.id, manifest_id),
        member_of=await artifacts.is_member(call.tx, found.id, digest),
        pull_count=0 if pulled is None else pulled[0],
        last_pull_time=None if pulled is None else pulled[1],
        recent_pulls=await _recent_pulls(call, found.name, digest),
    )


async def _recent_pulls(call: Call, repository: str, digest: str) -> list[RecentPull]:
    """The last pulls of the repository, or of that image of it, which the newest events tell."""
    rows = await event_log.before(call.tx, call.here.id, None, _EVENTS_LOOKED_AT)
    found = []
    for row in rows:
        if row.kind == "pullImage":
            data = msgspec.json.decode(row.data, type=_Pull)
            if data.repository == repository and digest in {"", data.digest}:
                found.append(RecentPull(time=row.occurred_at, user=row.operator, tag=data.tag))
    return await named(call.tx, found[:_PULLS_TOLD])


class _Pull(msgspec.Struct, frozen=True):
    repository: str = ""
    digest: str = ""
    tag: str = ""
