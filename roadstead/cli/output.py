"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from roadstead.cli.options import Options

# A pipe has no width: nothing may be cut off or folded there.
_WIDE = 1000


def show(context: typer.Context, answer: Any, text: str) -> None:
    """The answer is printed: as JSON when asked for, else as the sentence `text`."""
    options: Options = context.obj
    typer.echo(_json(answer) if options.as_json else text)


def show_rows(context: typer.Context, rows: Sequence[Any], columns: Sequence[tuple[str, str]], *, empty: str) -> None:
    """The rows are printed: as a JSON list, as a table of (heading, field) columns, or as `empty` says."""
    options: Options = context.obj
    if options.as_json:
        typer.echo(_json(list(rows)))
    elif not rows:
        typer.echo(empty)
    else:
        Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else _WIDE).print(
            _table(rows, columns)
        )


def _table(rows: Sequence[Any], columns: Sequence[tuple[str, str]]) -> Table:
    """The rows as a table whose first column, which names them, is never cut; the others fold where it is narrow."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    cells = [[_cell(getattr(row, field)) for _, field in columns] for row in rows]
    for place, (heading, _) in enumerate(columns):
        longest = max(len(line[place]) for line in cells) if place == 0 else 0
        table.add_column(heading, overflow="fold", min_width=longest or None)
    for line in cells:
        table.add_row(*line)
    return table


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return time_text(value) if isinstance(value, datetime) else str(value)


def time_text(moment: datetime) -> str:
    """The time as RFC 3339 has it, to the second."""
    return moment.isoformat(timespec="seconds")


def wire(value: Any) -> dict[str, Any]:
    """The fields of an answer, or of a dataclass or struct of our own, in the spelling of the API."""
    plain: dict[str, Any] = msgspec.to_builtins(value)
    return {name if name[:1].isupper() else _pascal(name): found for name, found in plain.items()}


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def short_digest(digest: str) -> str:
    """The digest as people compare it: its algorithm and first twelve digits."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}:{encoded[:12]}"


def size_text(count: int) -> str:
    """The number of bytes as people read it."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def _json(answer: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(answer)).decode()
