"""Namespaces: created, made public or private, listed, deleted when empty (mission 2)."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from roadstead.domain.reference import namespace_name
from roadstead.errors import AlreadyExists, InvalidInput, NamespaceUnknown, NotEmpty
from roadstead.metadata import charts, namespaces, repositories, resource_tags, triggers
from roadstead.services.fields import (
    CreatedAt,
    Filters,
    KeyValueString,
    Labels,
    NamespaceName,
    NewLabels,
    RegistryId,
    TagSpecification,
    filter_values,
)
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Slice, Wire, operation
from roadstead.services.quotas import room_for_namespace
from roadstead.services.resource_tags import checked, labels, wanted

_NAMESPACE = "repository/{registry_id}/{namespace_name}"
_LISTED = "tcr:DescribeNamespaces"
# More than any specification allows; who asks for all gets no more at once.
_ALL = 10_000

Severity = Annotated[
    Literal["", "low", "medium", "high"],
    Meta(description="Severity of findings from which pulls are refused; empty: not set."),
]
IsPublic = Annotated[bool, Meta(description="Whether anybody may pull: true public, false private.")]
IsAutoScan = Annotated[bool, Meta(description="Whether each pushed image is scanned: true at once, false by hand.")]
IsPreventVul = Annotated[
    bool, Meta(description="Whether pulls of images with findings at or above Severity are refused.")
]


class IgnoredFinding(Wire, frozen=True, kw_only=True):
    """A finding that refuses no pull."""

    cve_id: Annotated[str, Meta(description="Id of the finding, for example `CVE-2021-44228`.", max_length=60)] = (
        msgspec.field(name="CVEID")
    )


IgnoredFindings = Annotated[
    list[IgnoredFinding], Meta(description="Findings that refuse no pull, at most 1,000.", max_length=1000)
]


class CreateNamespace(Wire, frozen=True, kw_only=True):
    """A new namespace."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    is_public: IsPublic = False
    tag_specification: NewLabels = None
    is_auto_scan: IsAutoScan = False
    is_prevent_vul: IsPreventVul = msgspec.field(name="IsPreventVUL", default=False)
    severity: Severity = ""
    cve_whitelist_items: IgnoredFindings = msgspec.field(name="CVEWhitelistItems", default_factory=list)


class ModifyNamespace(Wire, frozen=True, kw_only=True):
    """What shall be different; fields left out stay."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    is_public: IsPublic | None = None
    is_auto_scan: IsAutoScan | None = None
    is_prevent_vul: IsPreventVul | None = msgspec.field(name="IsPreventVUL", default=None)
    severity: Severity | None = None
    cve_whitelist_items: IgnoredFindings | None = msgspec.field(name="CVEWhitelistItems", default=None)
    tag_specification: NewLabels = None


class NamespaceOnly(Wire, frozen=True, kw_only=True):
    """Which namespace."""

    registry_id: RegistryId
    namespace_name: NamespaceName


class DescribeNamespaces(PageRequest, frozen=True, kw_only=True):
    """Which page of which namespaces."""

    registry_id: RegistryId
    namespace_name: Annotated[str | None, Meta(description="Only names that contain this.")] = None
    all: Annotated[bool, Meta(description="Whether to give the whole list at once.")] = False
    filters: Filters = msgspec.field(default_factory=list)
    kms_sign_policy: Annotated[bool, Meta(description="Only namespaces with a signature policy.")] = False


class NamespaceInfo(Wire, frozen=True, kw_only=True):
    """One namespace."""

    name: NamespaceName
    creation_time: CreatedAt
    public: IsPublic
    namespace_id: Annotated[int, Meta(description="Numeric id.")]
    tag_specification: Labels
    metadata: Annotated[list[KeyValueString], Meta(description="The same once more, as keys with texts.")]
    cve_whitelist_items: IgnoredFindings = msgspec.field(name="CVEWhitelistItems")
    auto_scan: IsAutoScan
    prevent_vul: IsPreventVul = msgspec.field(name="PreventVUL")
    severity: Severity


class NamespacePage(PageAnswer, frozen=True, kw_only=True):
    """A page of namespaces."""

    namespace_list: Annotated[list[NamespaceInfo], Meta(description="The namespaces, by name.")]


def label_path(registry_id: str, name: str) -> str:
    """The path under which a namespace is labelled."""
    return f"repository/{registry_id}/{name}"


@operation(resource=_NAMESPACE, changes=True, raises=(AlreadyExists, InvalidInput))
async def create_namespace(call: Call, request: CreateNamespace) -> Done:
    """Create a namespace, private unless asked otherwise."""
    name = namespace_name(request.namespace_name)
    if await namespaces.get(call.tx, call.here.id, name) is not None:
        raise AlreadyExists(f"namespace {name!r} exists already")
    await room_for_namespace(call.ctx, call.tx, call.here)
    added = await namespaces.add(
        call.tx,
        call.here.id,
        name,
        public=request.is_public,
        automatic_scan=request.is_auto_scan,
        now=call.now,
        prevent_vulnerable=request.is_prevent_vul,
        severity=request.severity,
        ignored_findings=_ignored(request.cve_whitelist_items),
    )
    if not added:
        raise AlreadyExists(f"namespace {name!r} exists already")
    if request.tag_specification is not None:
        path = label_path(call.here.registry_id, name)
        await resource_tags.put(call.tx, path, checked(request.tag_specification.tags))
    return Done()


def _ignored(findings: list[IgnoredFinding]) -> str:
    return msgspec.json.encode([each.cve_id for each in findings]).decode()


async def existing(call: Call, name: str, *, lock: bool = False) -> namespaces.Namespace:
    """The namespace of that name; raises NamespaceUnknown."""
    found = await namespaces.get(call.tx, call.here.id, name, lock=lock)
    if found is None:
        raise NamespaceUnknown(f"there is no namespace {name[:60]!r} in instance {call.here.name!r}")
    return found


@operation(resource=_NAMESPACE, changes=True, raises=(NamespaceUnknown, InvalidInput))
async def modify_namespace(call: Call, request: ModifyNamespace) -> Done:
    """Change a namespace's access level, scan mode, pull block or labels, at once for all that it holds."""
    found = await existing(call, request.namespace_name, lock=True)
    (before,) = await _infos(call, [found])
    asked = {
        "public": request.is_public,
        "automatic_scan": request.is_auto_scan,
        "prevent_vulnerable": request.is_prevent_vul,
        "severity": request.severity,
        "ignored_findings": None if request.cve_whitelist_items is None else _ignored(request.cve_whitelist_items),
    }
    values = {name: value for name, value in asked.items() if value is not None}
    if values:
        await namespaces.modify(call.tx, found.id, **values)
    if request.tag_specification is not None:
        path = label_path(call.here.registry_id, found.name)
        given = checked(request.tag_specification.tags)
        await resource_tags.remove(call.tx, path)
        await resource_tags.put(call.tx, path, given)
    (after,) = await _infos(call, [await existing(call, found.name)])
    call.changed(before, after)
    return Done()


@operation(resource=_NAMESPACE, changes=True, raises=(NamespaceUnknown, NotEmpty))
async def delete_namespace(call: Call, request: NamespaceOnly) -> Done:
    """Delete an empty namespace."""
    found = await existing(call, request.namespace_name, lock=True)
    await repositories.remove_hidden_of(call.tx, found.id, call.now)
    names = await repositories.names_in(call.tx, found.id, 4)
    if names:
        more = ", …" if len(names) > 3 else ""
        raise NotEmpty(
            f"namespace {found.name!r} still holds repositories: {', '.join(names[:3])}{more}; delete them first",
            detail={"repositories": list(names)},
        )
    (before,) = await _infos(call, [found])
    await charts.remove_indexes(call.tx, call.here.id, found.name)
    await triggers.remove_some(call.tx, call.here.id, namespace_id=found.id)
    await namespaces.remove(call.tx, found.id)
    await resource_tags.remove(call.tx, label_path(call.here.registry_id, found.name))
    call.changed(before, None)
    return Done()


@operation(resource="repository/{registry_id}/*", changes=False, filtered=True, paging="page", raises=(InvalidInput,))
async def describe_namespaces(call: Call, request: DescribeNamespaces) -> NamespacePage:
    """List namespaces by name, those that contain a text or carry labels if such are given."""
    asked = filter_values(request.filters, {"Tags"})
    which = Slice("", _ALL, 0, counted=True) if request.all else call.slice(request)
    if request.kms_sign_policy:
        return NamespacePage(namespace_list=[], total_count=0 if which.counted else None)
    containing, conditions = request.namespace_name or "", [wanted(values) for values in asked.values()]
    registry_id = call.here.registry_id
    reach, head = call.reach(_LISTED), f"repository/{registry_id}/"
    selection = reach.first_levels(head)
    rows = await namespaces.page(
        call.tx,
        call.here.id,
        containing=containing,
        last=which.last,
        most=which.most,
        skip=which.skip,
        registry_id=registry_id,
        labels=conditions,
        selection=selection,
    )
    total = None
    if which.counted:
        total = await namespaces.count(
            call.tx,
            call.here.id,
            containing=containing,
            registry_id=registry_id,
            labels=conditions,
            selection=selection,
        )
    seen = [row for row in rows if reach.sees_into(head + row.name)]
    return NamespacePage(
        namespace_list=await _infos(call, seen), total_count=total, last=which.next([row.name for row in rows])
    )


async def _infos(call: Call, rows: list[namespaces.Namespace]) -> list[NamespaceInfo]:
    registry_id = call.here.registry_id
    carried = await resource_tags.of(call.tx, [label_path(registry_id, row.name) for row in rows])
    return [info(row, carried.get(label_path(registry_id, row.name), {})) for row in rows]


def info(row: namespaces.Namespace, carried: dict[str, str]) -> NamespaceInfo:
    """The namespace with its labels, as answers show it."""
    said = {
        "auto_scan": row.automatic_scan,
        "prevent_vul": row.prevent_vulnerable,
        "public": row.public,
    }
    texts = {**{key: str(value).lower() for key, value in said.items()}, "severity": row.severity}
    return NamespaceInfo(
        name=row.name,
        creation_time=row.created_at,
        public=row.public,
        namespace_id=row.id,
        tag_specification=TagSpecification(resource_type="namespace", tags=labels(carried)),
        metadata=[KeyValueString(key=key, value=value) for key, value in texts.items()],
        cve_whitelist_items=[
            IgnoredFinding(cve_id=each) for each in msgspec.json.decode(row.ignored_findings, type=list[str])
        ],
        auto_scan=row.automatic_scan,
        prevent_vul=row.prevent_vulnerable,
        severity=cast(Severity, row.severity),
    )


class DescribeInstanceAllNamespaces(PageRequest, frozen=True, kw_only=True):
    """Which page of the namespaces of all instances."""


class PlacedNamespaceInfo(NamespaceInfo, frozen=True, kw_only=True):
    """A namespace and the instance it is in."""

    registry_id: RegistryId
    registry_name: Annotated[str, Meta(description="Name of the instance.")]


class PlacedNamespacePage(PageAnswer, frozen=True, kw_only=True):
    """A page of namespaces of all instances."""

    namespace_list: Annotated[
        list[PlacedNamespaceInfo], Meta(description="The namespaces, by the names of instance and namespace.")
    ]


@operation(resource="repository/*", changes=False, filtered=True, paging="record")
async def describe_instance_all_namespaces(call: Call, request: DescribeInstanceAllNamespaces) -> PlacedNamespacePage:
    """List the namespaces of all instances that the caller may see."""
    which, reach = call.slice(request), call.reach(_LISTED)
    selection = reach.second_levels("repository/")
    rows = await namespaces.everywhere(call.tx, which.last, which.most, skip=which.skip, selection=selection)
    paths = {row.key: label_path(row.registry_id, row.namespace.name) for row in rows}
    seen = [row for row in rows if reach.sees_into(paths[row.key], row.region)]
    carried = await resource_tags.of(call.tx, list(paths.values()))
    return PlacedNamespacePage(
        namespace_list=[_placed(row, info(row.namespace, carried.get(paths[row.key], {}))) for row in seen],
        total_count=await namespaces.count_everywhere(call.tx, selection) if which.counted else None,
        last=which.next([row.key for row in rows]),
    )


def _placed(place: namespaces.Placed, shown: NamespaceInfo) -> PlacedNamespaceInfo:
    return PlacedNamespaceInfo(
        **msgspec.structs.asdict(shown), registry_id=place.registry_id, registry_name=place.registry_name
    )
