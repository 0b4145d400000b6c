"""Repositories: made by their first push or by name, listed, described, deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from roadstead.domain.charts import CONFIG_TYPE
from roadstead.domain.identity import Caller
from roadstead.domain.policy import Action
from roadstead.domain.reference import RepositoryName
from roadstead.errors import AlreadyExists, InvalidInput, NamespaceUnknown, NotEmpty, RepositoryUnknown
from roadstead.metadata import artifacts, namespaces, repositories
from roadstead.metadata.database import Tx
from roadstead.services import chart_versions
from roadstead.services.access import Admitted, Asker, admit
from roadstead.services.context import Context
from roadstead.services.events import ChartDeleted, ImageDeleted, NamespaceCreated, Place, RepositoryCreated, record
from roadstead.services.fields import (
    CreatedAt,
    Description,
    FullRepositoryName,
    LastPullTime,
    NamespaceName,
    PullCount,
    RegistryId,
    RepositoryPath,
    ResourceKind,
    Summary,
    UpdatedAt,
)
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation
from roadstead.services.policies import permit, permit_chart, reach_of
from roadstead.services.quotas import room_for_namespace, room_for_repository


async def admit_push(ctx: Context, tx: Tx, asker: Asker, name: RepositoryName, *, chart: bool = False) -> Admitted:
    """The request may push to the repository, or upload a chart to it, and create what is missing of it."""
    admitted = await admit(ctx, tx, asker, name, None if chart else Action.PUSH)
    instance, public, now = admitted.instance.row, admitted.facts.public, ctx.clock()
    creates = chart and permit_chart(admitted.caller, Action.CHART_PUSH, instance, name, now=now, public=public)
    if admitted.facts.repository_id is None and not creates:
        permit(admitted.caller, Action.CREATE, instance, name, now=now, public=public)
    if admitted.facts.namespace_id is None:
        _refuse_missing_namespace(admitted, name, now)
    if admitted.facts.repository_id is None:
        # Asked again when it is created; here, so that nobody sends layers for nothing.
        await room_for_repository(ctx, tx, instance, wait=False)
    return admitted


def _refuse_missing_namespace(admitted: Admitted, name: RepositoryName, now: datetime) -> None:
    """Returns when the push may create the namespace; raises NamespaceUnknown with the remedy otherwise."""
    instance = admitted.instance.row
    if instance.create_namespace_on_push:
        permit(admitted.caller, Action.CREATE_NAMESPACE, instance, name, now=now, public=False)
        return
    raise NamespaceUnknown(
        f"namespace {name.namespace!r} does not exist in instance {instance.name!r}; "
        f"its owner can create it with: roadstead namespace create {name.namespace}",
        detail={"namespace": name.namespace, "instance": instance.registry_id},
    )


async def open_for_push(
    ctx: Context, tx: Tx, admitted: Admitted, name: RepositoryName, now: datetime, *, visible: bool
) -> int:
    """The id of the repository, locked; it and a missing namespace that the push may create exist now.

    Locks are taken in the order namespace, repository, blob, link by all who take several, so that none waits for
    another in a circle.
    """
    instance = admitted.instance
    found = await repositories.lock_named(tx, instance.id, str(name))
    if found is not None:
        return found
    place = Place(instance.id, instance.row.registry_id)
    namespace = await _open_namespace(ctx, tx, admitted, name, now)
    found = await repositories.lock_named(tx, instance.id, str(name))
    if found is not None:
        return found
    await room_for_repository(ctx, tx, instance.row)
    repository_id, created = await repositories.ensure(
        tx, instance.id, namespace.id, str(name), visible=visible, now=now
    )
    if created and visible:
        event = RepositoryCreated(namespace=name.namespace, repository=str(name))
        await record(ctx, tx, place, admitted.caller, event, now)
    return repository_id


async def _open_namespace(
    ctx: Context, tx: Tx, admitted: Admitted, name: RepositoryName, now: datetime
) -> namespaces.Namespace:
    """The namespace, locked; created when it is missing and the push may do that."""
    found = None
    while found is None:
        found = await namespaces.get(tx, admitted.instance.id, name.namespace, lock=True)
        if found is None:
            _refuse_missing_namespace(admitted, name, now)
            # Not waiting for others: they may hold the namespace that they have just made, and wait for this one.
            await room_for_namespace(ctx, tx, admitted.instance.row, wait=False)
            await _create_namespace(ctx, tx, admitted.place, admitted.caller, name.namespace, now)
    return found


async def _create_namespace(ctx: Context, tx: Tx, place: Place, caller: Caller, name: str, now: datetime) -> None:
    created = await namespaces.add(tx, place.instance_id, name, public=False, automatic_scan=False, now=now)
    if created:
        await record(ctx, tx, place, caller, NamespaceCreated(namespace=name, repository="", public=False), now)


async def catalog(ctx: Context, asker: Asker, last: str, most: int) -> list[str]:
    """Up to `most` full names after `last` of the repositories that the caller may see."""
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, None, Action.LIST)
        instance = admitted.instance.row
        reach = reach_of(admitted.caller, Action.LIST, instance, now=ctx.clock())
        rows = await repositories.page(
            tx,
            instance.id,
            last=last,
            most=most,
            selection=reach.names(f"repository/{instance.registry_id}/"),
            or_public=instance.anonymous_access,
        )
    return [row.name for row in rows]


# Tags that one event tells.
_TAGS_TOLD = 1000
_REPOSITORY = "repository/{registry_id}/{namespace_name}/{repository_name}"


class CreateRepository(Wire, frozen=True, kw_only=True):
    """A new, empty repository."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    brief_description: Summary = ""
    description: Description = ""


class ModifyRepository(Wire, frozen=True, kw_only=True):
    """New descriptions."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    brief_description: Summary
    description: Description


class DeleteRepository(Wire, frozen=True, kw_only=True):
    """Which repository; without ForceDelete it must hold no images."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    repository_name: RepositoryPath
    force_delete: Annotated[bool, Meta(description="Whether to delete it with the images that it holds.")] = True


class DescribeRepositories(PageRequest, frozen=True, kw_only=True):
    """Which page of which repositories, in which order."""

    registry_id: RegistryId
    namespace_name: Annotated[str | None, Meta(description="Only repositories of this namespace.")] = None
    repository_name: Annotated[str | None, Meta(description="Only names that contain this.")] = None
    sort_by: Annotated[repositories.Order, Meta(description="What the list is ordered by; with `-` backwards.")] = (
        "name"
    )
    resource_type: ResourceKind = ""


class RepositoryInfo(Wire, frozen=True, kw_only=True):
    """One repository."""

    name: FullRepositoryName
    namespace: NamespaceName
    creation_time: CreatedAt
    update_time: UpdatedAt
    public: Annotated[bool, Meta(description="Whether anybody may pull.")]
    brief_description: Summary
    description: Description
    pull_count: PullCount
    last_pull_time: LastPullTime


class RepositoryPage(PageAnswer, frozen=True, kw_only=True):
    """A page of repositories."""

    repository_list: Annotated[list[RepositoryInfo], Meta(description="The repositories.")]


def _described(summary: str, description: str) -> dict[str, object]:
    if len(summary) > 100 or len(description) > 1000:
        raise InvalidInput("BriefDescription has up to 100 characters, Description up to 1,000")
    return {"summary": summary, "description": description}


async def existing(call: Call, namespace: str, repository: str) -> repositories.Repository:
    """The visible repository of that name; raises RepositoryUnknown."""
    name = RepositoryName.parse(f"{namespace}/{repository}")
    found = await repositories.get(call.tx, call.here.id, str(name))
    if found is None or not found.visible:
        raise RepositoryUnknown(f"there is no repository {name} in instance {call.here.name!r}")
    return found


@operation(resource=_REPOSITORY, changes=True)
async def create_repository(call: Call, request: CreateRepository) -> Done:
    """Create an empty repository; a push would create it too."""
    name = RepositoryName.parse(f"{request.namespace_name}/{request.repository_name}")
    values = _described(request.brief_description, request.description)
    namespace = await namespaces.get(call.tx, call.here.id, name.namespace, lock=True)
    if namespace is None:
        raise NamespaceUnknown(f"there is no namespace {name.namespace!r} in instance {call.here.name!r}")
    found = await repositories.get(call.tx, call.here.id, str(name))
    if found is not None and found.visible:
        raise AlreadyExists(f"repository {name} exists already")
    if found is None:
        await room_for_repository(call.ctx, call.tx, call.here)
    repository_id, _ = await repositories.ensure(
        call.tx, call.here.id, namespace.id, str(name), visible=True, now=call.now
    )
    await repositories.modify(call.tx, repository_id, visible=True, **values)
    event = RepositoryCreated(namespace=name.namespace, repository=str(name))
    await record(call.ctx, call.tx, call.place, call.caller, event, call.now, audited=False)
    return Done()


@operation(resource=_REPOSITORY, changes=True)
async def modify_repository(call: Call, request: ModifyRepository) -> Done:
    """Change a repository's summary and description."""
    found = await existing(call, request.namespace_name, request.repository_name)
    values = _described(request.brief_description, request.description)
    await repositories.modify(call.tx, found.id, updated_at=call.now, **values)
    after = await existing(call, request.namespace_name, request.repository_name)
    call.changed(info(found), info(after))
    return Done()


@operation(resource=_REPOSITORY, changes=True)
async def delete_repository(call: Call, request: DeleteRepository) -> Done:
    """Delete a repository with all its images."""
    found = await existing(call, request.namespace_name, request.repository_name)
    await repositories.lock(call.tx, found.id)
    if not request.force_delete and await artifacts.any_manifest(call.tx, found.id):
        raise NotEmpty(f"repository {found.name} is not empty; it cannot be deleted without ForceDelete=true")
    held = await _tags(call, found)
    versions = await chart_versions.remove_repository(call.tx, found.id, call.now)
    call.changed(info(found), None)
    for start in range(0, len(versions), _TAGS_TOLD):
        told = ChartDeleted(
            namespace=request.namespace_name, repository=found.name, versions=versions[start : start + _TAGS_TOLD]
        )
        await record(call.ctx, call.tx, call.place, call.caller, told, call.now, audited=False)
    # One event, unless it would be larger than a receiver wants to read; none where there was nothing but a chart.
    for start in range(0, len(held) or (not versions), _TAGS_TOLD):
        some = held[start : start + _TAGS_TOLD]
        event = ImageDeleted(
            namespace=request.namespace_name,
            repository=found.name,
            tags=[name for name, _ in some],
            digests=[digest for _, digest in some],
        )
        await record(call.ctx, call.tx, call.place, call.caller, event, call.now, audited=False)
    return Done()


async def _tags(call: Call, found: repositories.Repository) -> list[tuple[str, str]]:
    """All tags of the repository's images, and what they stand for."""
    tags: list[tuple[str, str]] = []
    page = [("", "")]
    while page:
        rows = await artifacts.tag_infos(call.tx, found.id, last=page[-1][0], most=_TAGS_TOLD)
        page = [(row.name, row.digest) for row in rows]
        tags += [(row.name, row.digest) for row in rows if row.artifact_type != CONFIG_TYPE]
    return tags


@operation(
    resource="repository/{registry_id}/{namespace_name}/*",
    changes=False,
    filtered=True,
    paging="page",
    raises=(NamespaceUnknown, InvalidInput),
)
async def describe_repositories(call: Call, request: DescribeRepositories) -> RepositoryPage:
    """List repositories by full name, of one namespace or all, those that contain a text if one is given."""
    reach, head = call.reach(Action.LIST), f"repository/{call.here.registry_id}/"
    namespace_id, selection = None, reach.names(head)
    if request.namespace_name:
        namespace = await namespaces.get(call.tx, call.here.id, request.namespace_name)
        if namespace is None or not reach.sees_into(head + namespace.name):
            raise NamespaceUnknown(f"there is no namespace {request.namespace_name[:60]!r}")
        namespace_id = namespace.id
    which, containing, order = call.slice(request), request.repository_name or "", request.sort_by
    rows = await repositories.page(
        call.tx,
        call.here.id,
        last=which.last,
        most=which.most,
        skip=which.skip,
        namespace_id=namespace_id,
        containing=containing,
        selection=selection,
        order=order,
        kind=request.resource_type,
    )
    total = None
    if which.counted:
        total = await repositories.count(
            call.tx,
            call.here.id,
            namespace_id=namespace_id,
            containing=containing,
            selection=selection,
            kind=request.resource_type,
        )
    return RepositoryPage(
        repository_list=[info(row) for row in rows if reach.sees(head + row.name)],
        total_count=total,
        last=which.next([repositories.key(row, order) for row in rows]),
    )


def info(row: repositories.Repository) -> RepositoryInfo:
    """The repository as answers show it."""
    return RepositoryInfo(
        name=row.name,
        namespace=row.name.partition("/")[0],
        creation_time=row.created_at,
        update_time=row.updated_at,
        public=row.public,
        brief_description=row.summary,
        description=row.description,
        pull_count=row.pulls,
        last_pull_time=row.pulled_at,
    )
