"""Answers of operations as the cloud's API writes them.

Times are written in five ways there, depending on the field; services know only times. The rows here say which
field has which form; a field without a row is written as RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec

from roadstead.services.operations import Wire

_CHINA = timezone(timedelta(hours=8))


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _china(time: datetime) -> str:
    return time.astimezone(_CHINA).isoformat(timespec="seconds")


def _go(time: datetime) -> str:
    """As Go's `time.Time` prints itself: without the fraction's last zeros, and without a fraction of zero."""
    utc = time.astimezone(UTC)
    fraction = f".{utc.microsecond:06d}".rstrip("0") if utc.microsecond else ""
    return f"{utc:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp()) * 1000 + time.microsecond // 1000


Form = Callable[[datetime], str | int]

# By the answer's type and the field as clients know them.
_FORMS: dict[tuple[str, str], Form] = {
    ("Region", "CreatedAt"): _china,
    ("Region", "UpdatedAt"): _china,
    ("Registry", "CreatedAt"): _china,
    ("Registry", "ExpiredAt"): _china,
    ("RepositoryInfo", "CreationTime"): _go,
    ("RepositoryInfo", "UpdateTime"): _go,
    ("TokenInfo", "CreatedAt"): _china,
    ("TokenInfo", "ExpiredAt"): _milliseconds,
    ("CreatedToken", "ExpTime"): _milliseconds,
    ("CreatedServiceAccount", "ExpiresAt"): _milliseconds,
    ("CreatedServiceAccount", "CreateTime"): _china,
    ("ServiceAccount", "ExpiresAt"): _milliseconds,
    ("ServiceAccount", "CreateTime"): _china,
    ("ServiceAccount", "UpdateTime"): _china,
}


def cloud_answer(answer: Wire) -> dict[str, Any]:
    """The answer's fields as clients of the cloud's API read them; what they do not know of pages is left out."""
    written = _struct(answer)
    written.pop("Last", None)
    return written


def _struct(value: msgspec.Struct) -> dict[str, Any]:
    kind = type(value).__name__
    written = {}
    for name, encoded in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
        inner = getattr(value, name)
        if isinstance(inner, datetime):
            inner = _FORMS.get((kind, encoded), _utc)(inner)
        written[encoded] = _value(inner)
    return written


def _value(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _struct(value)
    if isinstance(value, list | tuple):
        return [_value(entry) for entry in value]
    return value
