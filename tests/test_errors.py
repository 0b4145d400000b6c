"""The tree in the docstring of `errors.py` is what the classes are: it is what people and the reference read."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

import pytest

import roadstead.app
import roadstead.cli.commands  # with it, every module that could declare a condition is loaded
from roadstead import errors
from roadstead.errors import AppError, StartRefused, TooManyRequests

_LINE = re.compile(r"^(?P<branch>[│├└─ ]*)(?P<names>[A-Z]\w+(?:, [A-Z]\w+)*)(?P<codes>.*)$")
_CODES = re.compile(r"\s+(?P<status>\d{3})\s+(?P<cloud>[A-Za-z.]+)\s+(?P<oci>[A-Z_]+)")

assert roadstead.app and roadstead.cli.commands


@dataclass(frozen=True)
class Row:
    """One class as the tree shows it: its parent and, unless inherited, its codes."""

    name: str
    parent: str | None
    codes: tuple[int, str, str] | None


def documented() -> list[Row]:
    text = inspect.cleandoc(errors.__doc__ or "").partition("\n\n")[2].partition("\n\n")[2]
    rows: list[Row] = []
    path: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        found = _LINE.match(line[4:])
        assert found, line
        depth = len(found["branch"]) // 4
        codes = _CODES.fullmatch(found["codes"])
        for name in found["names"].split(", "):
            del path[depth:]
            parent = path[-1] if path else None
            path.append(name)
            rows.append(Row(name, parent, (int(codes["status"]), codes["cloud"], codes["oci"]) if codes else None))
    return rows


def declared(of: type[AppError] = AppError) -> list[type[AppError]]:
    return [of, *(each for sub in of.__subclasses__() for each in declared(sub))]


def test_the_tree_names_every_class_once() -> None:
    assert sorted(row.name for row in documented()) == sorted(each.__name__ for each in declared())


def test_every_condition_is_declared_in_one_package() -> None:
    assert {each.__module__.rpartition(".")[0] for each in declared()} == {"roadstead.errors"}


@pytest.mark.parametrize("row", documented(), ids=lambda row: row.name)
def test_a_row_says_what_its_class_is(row: Row) -> None:
    kind: type[AppError] = getattr(errors, row.name)
    assert row.parent == (kind.__bases__[0].__name__ if kind is not AppError else None)
    if row.codes is not None:
        assert row.codes == (kind.status, kind.cloud, kind.oci)
    elif kind is not StartRefused:
        parent = kind.__bases__[0]
        assert isinstance(parent, type) and issubclass(parent, AppError)
        assert (kind.status, kind.cloud, kind.oci) == (parent.status, parent.cloud, parent.oci)


@pytest.mark.parametrize("kind", declared(), ids=lambda kind: kind.__name__)
def test_a_condition_says_what_it_is_and_keeps_what_it_is_told(kind: type[AppError]) -> None:
    assert kind.__doc__ and kind.__doc__.strip().endswith(".")
    detail = {"gate": "policy"}
    more: dict[str, Any] = {"retry_after": 7} if kind is TooManyRequests else {}
    error = kind("what is wrong", detail=detail, **more)
    assert (error.message, str(error), error.detail) == ("what is wrong", "what is wrong", detail)
    assert kind("x", **more).detail is None
    assert 400 <= kind.status <= 599
    assert kind.oci.isupper() and kind.cloud[0].isupper()


def test_a_limit_says_when_to_try_again() -> None:
    assert TooManyRequests("slow down", retry_after=30).retry_after == 30
