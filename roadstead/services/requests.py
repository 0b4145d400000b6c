"""From JSON to the request of an operation, strictly: what is not understood is refused, and named.

Every door that takes JSON reads requests here, so that a misspelled field is told in the same words everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from roadstead.errors import InvalidInput, OperationUnknown, ParameterMissing, ParameterUnknown
from roadstead.services.operations import AnyOperation, Operation, Wire

Request = TypeVar("Request", bound=Wire)
Answer = TypeVar("Answer", bound=Wire)

_LARGEST = 1 << 63
_DEEPEST = 32
# What msgspec says of a request that does not fit, and where.
_MISSING = re.compile(r"Object missing required field `(\w+)`(?: - at `\$\.?(.*)`)?")
_WRONG = re.compile(r"(.*?) - at `\$\.?(.*)`")


def named(operations: Mapping[str, AnyOperation], name: str) -> AnyOperation:
    """The operation of that name; raises OperationUnknown, which names those that are near."""
    found = operations.get(name)
    if found is None:
        raise OperationUnknown(f"there is no operation {name[:60]!r}{_near(name, operations)}")
    return found


def decode(body: bytes) -> object:
    """The JSON value of a request's body, an empty one being an empty object; raises InvalidInput."""
    if not body.strip():
        return {}
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON: {error}") from error


def request_of(op: Operation[Request, Answer], value: object, *, lax: bool = False) -> Request:
    """The request that the JSON value says; raises ParameterMissing, ParameterUnknown or InvalidInput with the field.

    `lax` takes texts for numbers and for yes and no, as they come from a command line.
    """
    if not isinstance(value, dict):
        raise InvalidInput(f"the body must be a JSON object with the fields of {op.name}")
    _check(value, op.request, "")
    try:
        request = msgspec.convert(value, op.request, strict=not lax)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from error
    if lax:
        # A text may have stood for a number that cannot be kept.
        _check(msgspec.to_builtins(request), None, "")
    return request


def _explained(text: str) -> InvalidInput:
    if found := _MISSING.fullmatch(text):
        return ParameterMissing(f"the field {_dotted(found[2] or '', found[1])} is missing")
    if found := _WRONG.fullmatch(text):
        return InvalidInput(f"the field {_dotted(found[2])} does not fit: {found[1]}")
    return InvalidInput(f"the fields do not fit: {text}")


def _dotted(*parts: str) -> str:
    """The place of a field as requests write it."""
    return ".".join(re.sub(r"\[(\d+|\.\.\.)\]", r".\1", part) for part in parts if part)


def _check(value: object, kind: Any, path: str, depth: int = 0) -> None:
    """Returns when every field is one that the type has, and every value one that can be kept."""
    if depth > _DEEPEST:
        raise InvalidInput(f"{path[:200]} is nested too deep")
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise InvalidInput(f"{path} is a number of more than 64 bits")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _check(item, _item_kind(kind), f"{path}.{place}", depth + 1)
    elif isinstance(value, dict):
        _check_object(value, kind, path, depth)


def _check_object(value: dict[object, object], kind: Any, path: str, depth: int) -> None:
    fields = _fields(kind)
    for name, item in value.items():
        where = f"{path}.{name}" if path else str(name)
        _check_text(str(name), path or "a field's name")
        if fields is not None and name not in fields:
            raise ParameterUnknown(f"the field {where[:200]} is not known{_near(str(name), fields)}")
        _check(item, None if fields is None else fields[str(name)], where, depth + 1)


def _check_text(text: str, path: str) -> None:
    if "\0" in text:
        raise InvalidInput(f"{path} holds a NUL character")


def _struct(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that the type is, alone or beside null; None for what has no fields of its own."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in {Union, UnionType}:
        return next(filter(None, map(_struct, get_args(kind))), None)
    return kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None


def _fields(kind: Any) -> dict[str, Any] | None:
    struct = _struct(kind)
    return None if struct is None else _fields_of(struct)


@cache
def _fields_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(struct)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}


def _item_kind(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in {Union, UnionType}:
        return next(filter(None, map(_item_kind, get_args(kind))), None)
    return get_args(kind)[0] if get_origin(kind) in {list, tuple} else None


def _near(name: str, known: Iterable[str]) -> str:
    """What to say of the names that are near; nothing when none is."""
    spellings = {each.lower(): each for each in known}
    sought = name.lower()
    close = get_close_matches(sought, spellings, 3, 0.6)
    if len(sought) > 3:
        close += [each for each in spellings if sought in each and each not in close]
    return f"; near it: {', '.join(spellings[each] for each in close[:4])}" if close else ""
