"""The Range header (RFC 9110 section 14): one byte range of a blob."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` up to but without `stop`; `partial` when not the whole was asked for."""

    start: int
    stop: int
    partial: bool


def requested_range(header: str, if_range: str, size: int, digest: str) -> Part | None:
    """What of `size` bytes is asked for; None when the range lies outside or runs backwards (416).

    Several ranges, other units and an If-Range for another content mean the whole, as the RFC allows.
    """
    whole = Part(0, size, False)
    if not header or (if_range and if_range.strip().strip('"') != digest):
        return whole
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return whole
    if not found[1]:
        length = min(int(found[2]), size)
        return Part(size - length, size, True) if length else None
    start = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if last < start:
        return None
    return Part(start, last + 1, True)
