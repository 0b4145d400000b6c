"""Answers of operations as the cloud's API writes them.

Times are written in several ways there, depending on the field; services know only times. The rows here say which
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


def _precise(time: datetime) -> str:
    return time.astimezone(_CHINA).isoformat()


def _go(time: datetime) -> str:
    """As Go's `time.Time` prints itself: without the fraction's last zeros, and without a fraction of zero."""
    utc = time.astimezone(UTC)
    fraction = f".{utc.microsecond:06d}".rstrip("0") if utc.microsecond else ""
    return f"{utc:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _account(time: datetime) -> str:
    """As the service of accounts writes times, without saying that they are China's."""
    return f"{time.astimezone(_CHINA):%Y-%m-%d %H:%M:%S}"


def _day(time: datetime) -> str:
    return f"{time.astimezone(_CHINA):%Y-%m-%d}"


Form = Callable[[datetime], str | int]

# By the answer's type and the field as clients know them.
_FORMS: dict[tuple[str, str], Form] = {
    ("CreatedServiceAccount", "CreateTime"): _china,
    ("RegionInfo", "CreatedAt"): _china,
    ("RegionInfo", "UpdatedAt"): _china,
    ("RegistryInfo", "CreatedAt"): _china,
    ("ReplicationRegistry", "CreatedAt"): _china,
    ("RepositoryInfo", "CreationTime"): _go,
    ("RepositoryInfo", "UpdateTime"): _go,
    ("SecretIdLastUsed", "LastUsedDate"): _day,
    ("ServiceAccountInfo", "CreateTime"): _china,
    ("ServiceAccountInfo", "UpdateTime"): _china,
    ("TokenInfo", "CreatedAt"): _china,
    ("WebhookTriggerLog", "CreationTime"): _precise,
    ("WebhookTriggerLog", "UpdateTime"): _precise,
    ("VersionDetail", "CreateDate"): _utc,
    ("VersionInfo", "CreateDate"): _utc,
}
# What only our own API tells, though the answer is one of the cloud's.
_OURS = {("WebhookTriggerLog", "NextAttemptTime")}
# How a service writes the times of all other fields.
_USUAL: dict[str, Form] = {"cam": _account}


def cloud_answer(answer: Wire, service: str = "tcr") -> dict[str, Any]:
    """The answer's fields as clients of the service read them; what they do not know of pages is left out."""
    written = _struct(answer, _USUAL.get(service, _utc))
    written.pop("Last", None)
    return written


def _struct(value: msgspec.Struct, usual: Form) -> dict[str, Any]:
    kind = type(value).__name__
    written = {}
    for name, encoded in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
        if (kind, encoded) in _OURS:
            continue
        inner = getattr(value, name)
        if isinstance(inner, datetime):
            inner = _FORMS.get((kind, encoded), usual)(inner)
        written[encoded] = _value(inner, usual)
    return written


def _value(value: Any, usual: Form) -> Any:
    if isinstance(value, msgspec.Struct):
        return _struct(value, usual)
    if isinstance(value, list | tuple):
        return [_value(entry, usual) for entry in value]
    return value
