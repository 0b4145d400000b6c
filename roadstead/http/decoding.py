"""The parameters of an operation as clients of the cloud's API write them, and which page they mean.

Parameters come as JSON or, flattened, as names like `Filters.0.Values.1`. How they become a request is told in
`services/requests.py`, as for every door.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from roadstead.errors import InvalidInput
from roadstead.services.operations import PageRequest, Wire

Request = TypeVar("Request", bound=Wire)

_MOST_DEPTH = 20
# What a page of the cloud's API has when the client does not say.
_USUAL_LIMIT = 20
_LARGEST_NUMBER = 2**63 - 1


def unflatten(parameters: Mapping[str, str]) -> dict[str, Any]:
    """The parameters with names like `Filters.0.Values.1` put together again; raises InvalidInput."""
    tree: dict[str, Any] = {}
    for name, value in parameters.items():
        *path, last = name.split(".")
        if len(path) > _MOST_DEPTH:
            raise InvalidInput(f"the parameter {name[:80]!r} is nested too deeply")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise InvalidInput(f"the parameter {name[:80]!r} is a value and has parts at once")
        if last in node:
            raise InvalidInput(f"the parameter {name[:80]!r} is a value and has parts at once")
        node[last] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(node: Any) -> Any:
    """The node, a list when its names are numbers."""
    if not isinstance(node, dict):
        return node
    values = {name: _listed(value) for name, value in node.items()}
    if values and all(name.isascii() and name.isdigit() for name in values):
        return [values[name] for name in sorted(values, key=lambda name: (len(name), name))]
    return values


def without_nulls(value: Any) -> Any:
    """The value without what is null in it: SDKs write null for what their user left out."""
    if isinstance(value, Mapping):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def paged(request: Request, paging: str | None) -> Request:
    """The request whose Offset counts entries, for a list whose clients count Offset as `paging` says.

    Clients send 0 or 1 for the first page. A Limit that is over what a page holds is cut where the page is read.
    """
    if paging is None or not isinstance(request, PageRequest) or _wants_all(request):
        return request
    limit = _USUAL_LIMIT if request.limit is None else max(0, request.limit)
    offset = request.offset or 0
    if paging == "page":
        offset = min(max(0, offset - 1) * limit, _LARGEST_NUMBER)
    return msgspec.structs.replace(request, limit=limit, offset=offset)


def _wants_all(request: Wire) -> bool:
    """Whether the request asks for the whole list (`All`), whatever its Limit and Offset say."""
    return any(
        field.encode_name == "All" and getattr(request, field.name) for field in msgspec.structs.fields(request)
    )
