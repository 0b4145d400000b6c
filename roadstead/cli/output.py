"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from roadstead.cli.session import Options


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
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading, _ in columns:
            table.add_column(heading, no_wrap=True)
        for row in rows:
            table.add_row(*(_cell(getattr(row, field)) for _, field in columns))
        console = Console(highlight=False, markup=False)
        # A pipe has no width: nothing may be cut off there.
        console.print(table, width=None if console.is_terminal else 400)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


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
