"""Selections of names, as lists that are narrowed to what a caller may see ask for them in SQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from roadstead.domain.reach import Names, Selection

_ESCAPE = "\\"


def within(column: sa.ColumnElement[Any], selection: Selection, *, bytewise: bool = True) -> list[Any]:
    """Conditions that the column's name is in the selection; none when every name is.

    `bytewise` says that the column is ordered by its bytes, so that an index finds names by their start.
    """
    if selection.everything:
        return []
    found = [_among(column, selection.shown, bytewise)]
    if selection.hidden:
        found.append(sa.not_(_among(column, selection.hidden, bytewise)))
    return found


def _among(column: sa.ColumnElement[Any], names: Names, bytewise: bool) -> Any:
    ways: list[Any] = []
    if names.exact:
        ways.append(column.in_(sorted(names.exact)))
    ways += [_begins(column, start, bytewise) for start in names.starts]
    ways += [column.like(_like(pattern), escape=_ESCAPE) for pattern in names.patterns]
    return sa.or_(*ways) if ways else sa.false()


def _begins(column: sa.ColumnElement[Any], start: str, bytewise: bool) -> Any:
    if not start:
        return sa.true()
    if not bytewise:
        return column.startswith(start, autoescape=True)
    return sa.and_(column >= start, column < start[:-1] + chr(ord(start[-1]) + 1))


def _like(pattern: str) -> str:
    for char in (_ESCAPE, "%", "_"):
        pattern = pattern.replace(char, _ESCAPE + char)
    return pattern.replace("*", "%").replace("?", "_")
