"""Selections of names, as lists that are narrowed to what a caller may see ask for them in SQL."""

from __future__ import annotations

from collections.abc import Sequence
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


def within_any(column: sa.ColumnElement[Any], selections: Sequence[Selection], *, bytewise: bool = True) -> list[Any]:
    """Conditions that the column's name is in one of the selections; none when every name is."""
    if any(selection.everything for selection in selections):
        return []
    ways = [sa.and_(*within(column, each, bytewise=bytewise)) for each in selections if each.shown]
    return [sa.or_(sa.false(), *ways)]


def within_pairs(
    first: sa.ColumnElement[Any], second: sa.ColumnElement[Any], selection: Selection, *, bytewise: tuple[bool, bool]
) -> list[Any]:
    """Conditions that the two names, written `FIRST/SECOND`, are in the selection; none when all are.

    `bytewise` says of each column whether it is ordered by its bytes.
    """
    if selection.everything:
        return []
    found = [_pairs_among(first, second, selection.shown, bytewise)]
    if selection.hidden:
        found.append(sa.not_(_pairs_among(first, second, selection.hidden, bytewise)))
    return found


def _pairs_among(
    first: sa.ColumnElement[Any], second: sa.ColumnElement[Any], names: Names, bytewise: tuple[bool, bool]
) -> Any:
    """As `_among`, each column asked by itself as far as can be, so that its index helps."""
    ways: list[Any] = []
    inside: dict[str, list[str]] = {}
    for name in sorted(names.exact):
        one, slash, other = name.partition("/")
        if slash:
            inside.setdefault(one, []).append(other)
    ways += [sa.and_(first == one, second.in_(others)) for one, others in inside.items()]
    for start in names.starts:
        one, slash, other = start.partition("/")
        if slash:
            ways.append(sa.and_(first == one, _begins(second, other, bytewise[1])))
        else:
            ways.append(_begins(first, one, bytewise[0]))
    whole = first + "/" + second
    ways += [whole.like(_like(pattern), escape=_ESCAPE) for pattern in names.patterns]
    return sa.or_(*ways) if ways else sa.false()


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
