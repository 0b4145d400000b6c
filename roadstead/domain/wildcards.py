"""The wildcards of policies: `*` stands for any text, slashes included, `?` for any one character.

Patterns come from users and are asked on every request, so a match takes time in proportion to the text, whatever
the pattern: each part between two stars is found at its first place and never given back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

_WILD = re.compile(r"[*?]")


def is_literal(pattern: str) -> bool:
    """Whether the pattern stands for itself only."""
    return "*" not in pattern and "?" not in pattern


def literal_start(pattern: str) -> str:
    """What every matching text begins with."""
    return _WILD.split(pattern, maxsplit=1)[0]


@lru_cache(maxsize=4096)
def matcher(pattern: str) -> Callable[[str], object]:
    """A function that says whether a text matches the whole pattern."""
    first, *rest = [_part(part) for part in re.split(r"\*+", pattern)]
    if not rest:
        return re.compile(first, re.DOTALL).fullmatch
    # Atomic groups: what a star has taken up to the next part's first place is not tried again.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL).fullmatch


def _part(text: str) -> str:
    return "".join("." if char == "?" else re.escape(char) for char in text)


def residuals(pattern: str, head: str) -> Iterator[str]:
    """Patterns that together match exactly the texts which, written after `head`, the pattern matches."""
    places = _past_stars(pattern, {0})
    for char in head:
        after = {place for place in places if place < len(pattern) and pattern[place] == "*"}
        after |= {place + 1 for place in places if place < len(pattern) and pattern[place] in {char, "?"}}
        places = _past_stars(pattern, after)
    # What follows a star is matched by the star's own residual too.
    whole = [place for place in places if place < len(pattern) and pattern[place] == "*"]
    for place in sorted(places):
        if not any(star < place for star in whole if set(pattern[star:place]) == {"*"}):
            yield pattern[place:]


def _past_stars(pattern: str, places: set[int]) -> set[int]:
    """The places with those that a star, standing for nothing, leads to."""
    found = set(places)
    for place in places:
        beyond = place
        while beyond < len(pattern) and pattern[beyond] == "*":
            beyond += 1
            found.add(beyond)
    return found
