"""Namespaces: created, made public or private, listed, deleted when empty (mission 2)."""

from __future__ import annotations

import msgspec

from roadstead.domain.reference import namespace_name
from roadstead.errors import AlreadyExists, NamespaceUnknown, NotEmpty
from roadstead.metadata import namespaces, repositories
from roadstead.services.operations import Call, Done, Wire, operation, page_size

_NAMESPACE = "repository/{registry_id}/{namespace_name}"


class CreateNamespace(Wire, frozen=True, kw_only=True):
    """A new namespace."""

    registry_id: str
    namespace_name: str
    is_public: bool = False
    is_auto_scan: bool = False


class ModifyNamespace(Wire, frozen=True, kw_only=True):
    """What shall be different; fields left out stay."""

    registry_id: str
    namespace_name: str
    is_public: bool | None = None
    is_auto_scan: bool | None = None


class NamespaceOnly(Wire, frozen=True, kw_only=True):
    """Which namespace."""

    registry_id: str
    namespace_name: str


class DescribeNamespaces(Wire, frozen=True, kw_only=True):
    """Which page of which namespaces."""

    registry_id: str
    namespace_name: str | None = None
    limit: int | None = None
    last: str = ""


class NamespaceInfo(Wire, frozen=True, kw_only=True):
    """One namespace."""

    name: str
    creation_time: str
    public: bool
    namespace_id: int
    auto_scan: bool


class NamespacePage(Wire, frozen=True, kw_only=True):
    """A page of namespaces; `Last` is what the next page is asked with, empty at the end."""

    namespace_list: list[NamespaceInfo]
    last: str = msgspec.field(default="")


@operation(resource=_NAMESPACE, changes=True)
async def create_namespace(call: Call, request: CreateNamespace) -> Done:
    """Create a namespace, private unless asked otherwise."""
    name = namespace_name(request.namespace_name)
    added = await namespaces.add(
        call.tx, call.here.id, name, public=request.is_public, automatic_scan=request.is_auto_scan, now=call.now
    )
    if not added:
        raise AlreadyExists(f"namespace {name!r} exists already")
    return Done()


async def existing(call: Call, name: str, *, lock: bool = False) -> namespaces.Namespace:
    """The namespace of that name; raises NamespaceUnknown."""
    found = await namespaces.get(call.tx, call.here.id, name, lock=lock)
    if found is None:
        raise NamespaceUnknown(f"there is no namespace {name[:60]!r} in instance {call.here.name!r}")
    return found


@operation(resource=_NAMESPACE, changes=True)
async def modify_namespace(call: Call, request: ModifyNamespace) -> Done:
    """Change a namespace's access level or scan mode, at once for all that it holds."""
    found = await existing(call, request.namespace_name)
    values: dict[str, object] = {}
    if request.is_public is not None:
        values["public"] = request.is_public
    if request.is_auto_scan is not None:
        values["automatic_scan"] = request.is_auto_scan
    if values:
        await namespaces.modify(call.tx, found.id, **values)
    return Done()


@operation(resource=_NAMESPACE, changes=True)
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
    await namespaces.remove(call.tx, found.id)
    return Done()


@operation(resource="repository/{registry_id}/*", changes=False)
async def describe_namespaces(call: Call, request: DescribeNamespaces) -> NamespacePage:
    """List namespaces by name, those that contain a text if one is given."""
    most = page_size(call.ctx, request.limit)
    rows = await namespaces.page(
        call.tx, call.here.id, containing=request.namespace_name or "", last=request.last, most=most
    )
    listed = [
        NamespaceInfo(
            name=row.name,
            creation_time=row.created_at.isoformat(timespec="seconds"),
            public=row.public,
            namespace_id=row.id,
            auto_scan=row.automatic_scan,
        )
        for row in rows
    ]
    return NamespacePage(namespace_list=listed, last=rows[-1].name if rows and len(rows) == most else "")
