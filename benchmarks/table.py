"""Figures to ratios to one table, in Markdown, so that it can be read in a terminal and put into a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.experiments import Row

_NAMES = ("roadstead", "docker-registry")


@dataclass(slots=True)
class Figures:
    """What was measured for one row: one pair for each run, ours first."""

    row: Row
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Ours to the other's, run by run."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def verdict(self) -> str:
        """PASS or SHORT; empty where nothing is asked for."""
        if self.row.target is None:
            return ""
        reached = median(self.ours if self.row.alone else self.ratios)
        good = reached >= self.row.target if self.row.better == "more" else reached <= self.row.target
        return "PASS" if good else "SHORT"


def lines(figures: Sequence[Figures], names: tuple[str, str] = _NAMES) -> list[str]:
    """The table, line by line; `names` are those of ours and of the other."""
    head = ("", "unit", *names, "ratio", "from – to", "target", "")
    cells = [head, *(_cells(each) for each in figures)]
    widths = [max(3, *(len(row[place]) for row in cells)) for place in range(len(head))]
    printed = [_line(row, widths) for row in cells]
    rule = "|".join(
        ["", *("-" * (width + 1) + ("-" if place < 2 else ":") for place, width in enumerate(widths)), ""]
    )
    return [printed[0], rule, *printed[1:]]


def figures_line(name: str, unit: str, values: Sequence[float | str]) -> str:
    """A line of a table without comparison."""
    shown = (value if isinstance(value, str) else _number(value) for value in values)
    return f"| {' | '.join((name, unit, *shown))} |"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    sides = ["<", "<", *">" * (len(cells) - 2)]
    padded = (f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _cells(figures: Figures) -> tuple[str, ...]:
    row, ratios = figures.row, figures.ratios
    target = ""
    if row.target is not None:
        target = f"{'≥' if row.better == 'more' else '≤'} {row.target:g}" + ("" if row.alone else "x")
    return (
        row.name,
        row.unit,
        _number(median(figures.ours)),
        _number(median(figures.theirs)),
        f"{_number(median(ratios))}x",
        f"{_number(min(ratios))} – {_number(max(ratios))}",
        target,
        figures.verdict,
    )


def _number(value: float) -> str:
    """The value with about three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
