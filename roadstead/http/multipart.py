"""Forms with files (RFC 7578), as clients of chart repositories send them: small enough to be read whole."""

from __future__ import annotations

import re

from roadstead.errors import InvalidInput

_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'(?:^|[;\s])name=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
_MOST_PARTS = 20


def form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The content of each field by its name, of several of one name the first; raises InvalidInput."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise InvalidInput("the form has no boundary in its Content-Type")
    mark = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
    # Before the first boundary stands nothing that counts, and each boundary begins a line.
    parts = (b"\r\n" + body).split(b"\r\n" + mark, _MOST_PARTS + 1)
    if len(parts) < 3 or len(parts) > _MOST_PARTS + 1 or not parts[-1].startswith(b"--"):
        raise InvalidInput("the form is not complete, or has too many parts")
    fields: dict[str, bytes] = {}
    for part in parts[1:-1]:
        head, blank, content = part.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = _name(head)
        if not blank or name is None:
            raise InvalidInput("a part of the form has no name")
        fields.setdefault(name, content)
    return fields


def _name(head: bytes) -> str | None:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition" and (found := _NAME.search(value)):
            return (found[1] if found[1] is not None else found[2]).decode("utf-8", "replace")
    return None
