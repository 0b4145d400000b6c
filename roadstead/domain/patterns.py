"""The patterns by which rules choose repositories and tags: `nginx`, `team/*`, `{dev, test}/**`, `v[0-9]*`.

`*` stands for any text without a slash, `?` for one character other than a slash, `[a-z]` and `[^a-z]` for one
character of a class, `\\` takes the next character as it is, and `**` as a whole level for any number of levels:
none or more in front and in the middle, one or more at the end. `{a, b}` means either, within one level. An empty
pattern, `**` and, because users of the cloud write it so, `.*` match everything. A leading slash and blanks around
alternatives do not count. Triggers, synchronization, retention and immutability share these rules; they are those of
the cloud's own library, which `docs/decisions/0016-patterns.md` compares point by point.

Patterns come from users and are asked on every push, so a match takes time in proportion to the text, whatever the
pattern: alternatives are written out, and what a star has taken up to the next part's first place is never given up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from math import prod

from roadstead.errors import PatternInvalid

LONGEST = 512
_MOST_ALTERNATIVES = 64
_EVERYTHING = {"", "**", ".*"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that has been understood."""

    text: str
    _matches: Callable[[str], object] = field(repr=False, compare=False)
    everything: bool = False

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """The pattern; raises PatternInvalid, which says what is wrong with it."""
        if len(text) > LONGEST:
            raise PatternInvalid(f"a pattern has up to {LONGEST} characters, not {len(text)}")
        stripped = text.strip().removeprefix("/")
        if stripped in _EVERYTHING:
            return cls(text, _anything, everything=True)
        return cls(text, _compiled(stripped))

    def matches(self, name: str) -> bool:
        """Whether the whole name is one that the pattern means."""
        return bool(self._matches(name))


@dataclass(frozen=True, slots=True)
class Condition:
    """What a rule is about: repositories by their name within the namespace, and their tags."""

    text: str
    repository: Pattern
    tag: Pattern

    @classmethod
    def parse(cls, text: str) -> Condition:
        """The condition `REPOSITORY[:TAG]`, each a pattern; raises PatternInvalid."""
        repository, _, tag = text.partition(":")
        return cls(text, Pattern.parse(repository), Pattern.parse(tag))


def _anything(_: str) -> bool:
    return True


@lru_cache(maxsize=2048)
def _compiled(text: str) -> Callable[[str], object]:
    # A slash ends a level wherever it stands, as in the cloud's library.
    levels = [_alternatives(level) for level in text.split("/")]
    if prod(map(len, levels)) > _MOST_ALTERNATIVES:
        raise PatternInvalid(f"{text[:60]!r} has too many alternatives: {_MOST_ALTERNATIVES} combinations may be")
    ways = [re.compile(_path(list(way)), re.DOTALL).fullmatch for way in product(*levels)]
    if len(ways) == 1:
        return ways[0]
    return lambda name: any(way(name) for way in ways)


_TOKEN = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\{(?:\\.|[^}\\])*\}|\*+|.", re.DOTALL)


def _alternatives(level: str) -> list[str]:
    """The level once for each combination of its alternatives; raises PatternInvalid."""
    choices = []
    for piece in _TOKEN.findall(level):
        if piece in {"[", "{", "\\"}:
            hint = "; alternatives cannot hold a slash" if piece == "{" else ""
            raise PatternInvalid(f"{level[:60]!r} has a {piece} that does not end within its level{hint}")
        if piece.startswith("{") and "{" in piece[1:]:
            raise PatternInvalid(f"{level[:60]!r} has alternatives within alternatives")
        choices.append(_parts(piece) if piece.startswith("{") else [piece])
    if prod(map(len, choices)) > _MOST_ALTERNATIVES:
        raise PatternInvalid(f"{level[:60]!r} has too many alternatives: {_MOST_ALTERNATIVES} combinations may be")
    return ["".join(way) for way in product(*choices)]


def _parts(alternatives: str) -> list[str]:
    return [part.strip() for part in re.findall(r"(?:^|,)((?:\\.|[^,\\])*)", alternatives[1:-1])]


def _path(levels: list[str]) -> str:
    """The regular expression of levels without alternatives."""
    runs: list[list[str]] = [[]]
    for level in levels:
        if level == "**":
            runs.append([])
        else:
            runs[-1].append(_level(level))
    first, *rest = ["/".join(run) for run in runs]
    if not rest:
        return first
    beginning = f"{first}/" if first else ""
    # Atomic groups: levels that have been passed up to a run's first place are not tried again.
    middle = "".join(f"(?>(?:[^/]*/)*?{run}/)" for run in rest[:-1] if run)
    return f"{beginning}{middle}(?:[^/]*/)*{rest[-1] or '[^/]*'}"


def _level(level: str) -> str:
    """The regular expression of one level."""
    parts = [""]
    for piece in _TOKEN.findall(level):
        if piece.startswith("*"):
            parts.append("")
        else:
            parts[-1] += _one(piece, level)
    first, *rest = parts
    if not rest:
        return first
    middle = "".join(f"(?>[^/]*?{part})" for part in rest[:-1] if part)
    return f"{first}{middle}[^/]*{rest[-1]}(?![^/])"


def _one(piece: str, level: str) -> str:
    if piece == "?":
        return "[^/]"
    if piece.startswith("["):
        return _class(piece[1:-1], level)
    return re.escape(piece[1:] if piece.startswith("\\") else piece)


def _class(body: str, level: str) -> str:
    negated = body[:1] in {"^", "!"}
    spans = list(_spans(body[negated:], level))
    if not spans:
        raise PatternInvalid(f"{level[:60]!r} has a class without characters")
    inner = "".join(f"{re.escape(first)}-{re.escape(last)}" for first, last in spans)
    return f"[^/{inner}]" if negated else f"[{inner}]"


def _spans(body: str, level: str) -> Iterator[tuple[str, str]]:
    """The characters of a class, as spans."""
    characters = [(piece[-1], piece == "-") for piece in re.findall(r"\\.|.", body, re.DOTALL)]
    while characters:
        first = last = characters.pop(0)[0]
        if len(characters) > 1 and characters[0][1]:
            last = characters[1][0]
            del characters[:2]
        if first > last:
            raise PatternInvalid(f"{level[:60]!r} has a class whose span {first}-{last} runs backwards")
        yield first, last
