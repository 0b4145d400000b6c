"""What a test of a command needs: to run it in this process, and to read what it has printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ended:
    """What a command has printed, and its exit code."""

    code: int
    out: str
    err: str


Invoke = Callable[..., Ended]


def ok(ended: Ended) -> str:
    """What a command that went well has printed."""
    assert (ended.code, ended.err) == (0, ""), ended
    return ended.out


def parsed(ended: Ended) -> Any:
    """The JSON that a command that went well has printed."""
    return json.loads(ok(ended))


def fails(ended: Ended, reason: str) -> None:
    """The command has ended with code 1 and one line that gives the reason."""
    assert (ended.code, ended.out) == (1, "")
    (line,) = ended.err.splitlines()
    assert line.startswith("roadstead: ") and reason in line


def table(ended: Ended) -> list[list[str]]:
    """The words of each line of a printed table, without its rule."""
    return [line.split() for line in ok(ended).splitlines() if line.strip(" ─")]
