"""From the words of a command line to the JSON of a request.

`Name=text`, `Filters.0.Values.1=text` inside lists and objects, `Count:=5` for any JSON, `Name=@file` for a file's
text, `Items:=@file` for its JSON, and `@file` alone for a whole request, over which the other words are laid; `@-` is
what comes in on standard input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from roadstead.errors import InvalidInput

# Beyond what any request holds; a slip of the finger must not make a list of a billion entries.
_LONGEST = 10_000


def request_tree(words: Iterable[str]) -> dict[str, Any]:
    """The request that the words say; raises InvalidInput, naming the word."""
    tree: dict[str, Any] = {}
    for word in words:
        if word.startswith("@"):
            whole = _json(word, _read(word[1:]))
            if not isinstance(whole, dict):
                raise InvalidInput(f"{word} does not hold a JSON object")
            tree |= whole
            continue
        name, value = _pair(word)
        _put(tree, name, value)
    return tree


def _pair(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals or not name.strip(":"):
        raise InvalidInput(f"{word!r} is not Name=text, Name:=JSON or @file")
    text = _read(value[1:]) if value.startswith("@") else value
    if name.endswith(":"):
        return name[:-1], _json(word, text)
    return name, text


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error


def _json(word: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{word[:80]}: this is not JSON: {error}") from error


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    """The value stands at its place in the tree, whose missing lists and objects have been made."""
    steps = name.split(".")
    place: Any = tree
    for step, following in zip(steps, [*steps[1:], ""], strict=True):
        if not step:
            raise InvalidInput(f"{name!r} has an empty part")
        missing: Any = value if not following else [] if following.isdigit() else {}
        if isinstance(place, list):
            place = _item(place, step, name, missing, last=not following)
        elif isinstance(place, dict):
            place = place.setdefault(step, missing) if following else place.update({step: value})
        else:
            raise InvalidInput(f"{name} says something inside of what is no list or object")


def _item(items: list[Any], step: str, name: str, missing: Any, *, last: bool) -> Any:
    if not step.isdigit() or int(step) > min(len(items), _LONGEST):
        raise InvalidInput(f"{name}: entries of a list are given as 0, 1, 2 … in order")
    number = int(step)
    if number == len(items):
        items.append(missing)
    elif last:
        items[number] = missing
    return items[number]
