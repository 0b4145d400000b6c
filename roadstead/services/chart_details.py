"""What is in a chart's archive, and how two archives differ. Everything here works on memory and may take a while."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from roadstead.domain import charts as rules
from roadstead.domain.archives import read_archive
from roadstead.domain.charts import Contents
from roadstead.services.chart_versions import limits
from roadstead.services.context import Context

# Comparing takes time with the square of the lines in the worst case.
_MOST_LINES = 3000
_LARGEST = 256 << 10
# Lines of both versions that are compared in all, and characters of differences that one answer holds.
_ALL_LINES, _ALL_TEXT = 200_000, 4 << 20
_NOT_COMPARED = "This is too large, or no text, to be compared line by line.\n"


Change = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """How one file of a chart differs between two versions."""

    path: str
    change: Change
    # The lines as `diff -u` writes them.
    text: str


def contents(ctx: Context, archive: bytes, wanted: Callable[[str], bool]) -> Contents:
    """What the archive holds, with the content of the wanted files. Raises ChartInvalid."""
    return Contents(read_archive(archive, limits(ctx), wanted))


def differences(ctx: Context, old: bytes, new: bytes) -> list[Difference]:
    """What differs in Chart.yaml, values, schema and templates of two versions, by path."""
    before, after = (contents(ctx, archive, rules.is_compared) for archive in (old, new))
    paths = {path for each in (before, after) for path in each.files if rules.is_compared(path)}
    found: list[Difference] = []
    lines, told = _ALL_LINES, _ALL_TEXT
    for path in sorted(paths):
        one, other = (each.files[path].content if path in each.files else None for each in (before, after))
        if one == other:
            continue
        change: Change = "added" if one is None else "removed" if other is None else "changed"
        text = _compared(path, one, other) if lines > 0 and told > 0 else _NOT_COMPARED
        lines -= sum((content or b"").count(b"\n") + 1 for content in (one, other))
        told -= len(text)
        found.append(Difference(path, change, text))
    return found


def _compared(path: str, old: bytes | None, new: bytes | None) -> str:
    lines: list[list[str]] = []
    for content in (old or b"", new or b""):
        try:
            text = content.decode() if len(content) <= _LARGEST else None
        except UnicodeDecodeError:
            text = None
        if text is None or text.count("\n") > _MOST_LINES:
            return _NOT_COMPARED
        lines.append(text.splitlines(keepends=True))
    names = ("/dev/null" if old is None else path), ("/dev/null" if new is None else path)
    compared = difflib.unified_diff(lines[0], lines[1], *names)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in compared)
