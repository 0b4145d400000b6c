"""What of a list somebody may see, so that lists are narrowed instead of refused.

A list is read from the database by conditions on its names that let through all that may be seen and little else;
`Reach.sees` and `Reach.sees_into` then have the last word on each entry. A namespace is seen by whoever may do the
action on it or on anything in it: the cloud's own sample of read access to one repository lists namespaces that way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from roadstead.domain.policy import Circumstances, Paths, Resource, Rights
from roadstead.domain.wildcards import is_literal, literal_start, matcher, residuals

# Stands for what a star can be: longer than any name and made of what no name has, so only a star matches it whole.
_SOMETHING = "\x01" * 300


@dataclass(frozen=True, slots=True)
class Names:
    """A set of names: these, those that begin with one of the starts, and those that a pattern matches."""

    exact: frozenset[str] = frozenset()
    starts: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.exact or self.starts or self.patterns)

    def joined(self, other: Names) -> Names:
        """The names of either set."""
        return Names(self.exact | other.exact, self.starts + other.starts, self.patterns + other.patterns)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which names a list can show: those of `shown` that are not among `hidden`."""

    shown: Names
    hidden: Names = field(default_factory=Names)

    @property
    def everything(self) -> bool:
        """Whether every name can be shown."""
        return self.shown == _EVERY and not self.hidden


_EVERY = Names(starts=("",))
EVERYTHING_SHOWN = Selection(_EVERY)


@dataclass(frozen=True, slots=True)
class Reach:
    """What one caller may do an action on, at one moment."""

    rights: Rights
    action: str
    # Where: its path does not count, and without a region it means resources of any.
    area: Resource
    circumstances: Circumstances
    paths: Paths

    @classmethod
    def of(cls, rights: Rights, action: str, area: Resource, circumstances: Circumstances) -> Reach:
        """The reach of the rights."""
        return cls(rights, action, area, circumstances, rights.paths(action, area, circumstances))

    def sees(self, path: str, region: str = "") -> bool:
        """Whether the action is allowed on that path, in the region if one is said."""
        asked = self.area._replace(path=path, region=region or self.area.region)
        return self.rights.decide(self.action, asked, self.circumstances).allowed

    def sees_into(self, node: str, region: str = "") -> bool:
        """Whether the action is allowed on the node or on anything that can be below it."""
        return self.sees(node, region) or any(self.sees(path, region) for path in self._below(f"{node}/"))

    def _below(self, head: str) -> Iterator[str]:
        """For each allowed pattern, a path after `head` that it matches and that a denial matches only whole."""
        for pattern in self.paths.allowed:
            start = literal_start(pattern)
            if start.startswith(head) or head.startswith(start):
                for rest in residuals(pattern, head):
                    if rest:
                        yield head + rest.replace("*", _SOMETHING).replace("?", _SOMETHING[0])

    def names(self, *heads: str) -> Selection:
        """Which whole names can be seen, where a name's path is one of the heads and the name."""
        return Selection(
            _names(rest for head in heads for pattern in self.paths.allowed for rest in residuals(pattern, head)),
            _names(rest for head in heads for pattern in self.paths.denied for rest in residuals(pattern, head)),
        )

    def first_levels(self, *heads: str) -> Selection:
        """Which nodes right below the heads can be seen, themselves or something in them."""
        shown = _names(node for pattern in self._inside(heads) for node in _first_levels(pattern))
        return Selection(shown, _names(self._hidden_whole(heads[0], 1)) if len(heads) == 1 else Names())

    def second_levels(self, head: str) -> Selection:
        """Which nodes two levels below the head, `FIRST/SECOND`, can be seen, themselves or something in them."""
        shown = _names(node for pattern in self._inside([head]) for node in _second_levels(pattern))
        return Selection(shown, _names(self._hidden_whole(head, 2)))

    def instances(self) -> tuple[Selection, Selection]:
        """Which instances can be seen by their ids: those of either selection, as `sees_instance` says."""
        itself, inside = self.names("instance/"), self.first_levels("repository/")
        return itself, Selection(inside.shown, inside.hidden.joined(itself.hidden))

    def sees_instance(self, registry_id: str, region: str) -> bool:
        """Whether the action is allowed on the instance or, unless it is denied there, on anything in it."""
        node = f"instance/{registry_id}"
        if self.sees(node, region):
            return True
        there = self.rights.paths(self.action, self.area._replace(region=region), self.circumstances)
        denied = any(matcher(pattern)(node) for pattern in there.denied)
        return not denied and self.sees_into(f"repository/{registry_id}", region)

    def _inside(self, heads: Iterable[str]) -> set[str]:
        return {rest for head in heads for pattern in self.paths.allowed for rest in residuals(pattern, head)}

    def _hidden_whole(self, head: str, levels: int) -> Iterator[str]:
        """Patterns of nodes so many levels below the head that are denied with all that is below them."""
        denied = {rest for pattern in self.paths.denied for rest in residuals(pattern, head)}
        for rest in denied:
            node = rest.removesuffix("/*")
            level = node.count("/") + 1
            if level <= levels and (node in denied if rest != node else rest.endswith("*")):
                yield node
            if level < levels and rest != node:
                yield rest


def _first_levels(pattern: str) -> Iterator[str]:
    """Patterns that match exactly the first levels of what the pattern can match."""
    for place, char in enumerate(pattern):
        if char == "*":
            yield pattern[: place + 1]
            return
        if char in "/?":  # the one character may be the slash
            yield pattern[:place]
        if char == "/":
            return
    yield pattern


def _second_levels(pattern: str) -> Iterator[str]:
    """Patterns that match the first two levels of what the pattern can match, and little else."""
    slashes = 0
    for place, char in enumerate(pattern):
        if char in "*?":  # may be a slash, or many
            yield f"{pattern[:place]}*"
            return
        slashes += char == "/"
        if slashes == 2:
            yield pattern[:place]
            return
    if slashes:
        yield pattern


def _names(patterns: Iterable[str]) -> Names:
    """The names that the patterns match; names are in lower case, so a pattern with a capital letter matches none."""
    exact: set[str] = set()
    starts: set[str] = set()
    others: set[str] = set()
    for pattern in patterns:
        if not pattern or pattern != pattern.lower():
            continue
        if is_literal(pattern):
            exact.add(pattern)
        elif pattern.endswith("*") and is_literal(pattern[:-1]):
            starts.add(pattern[:-1])
        else:
            others.add(pattern)
    if "" in starts:
        return _EVERY
    return Names(frozenset(exact), tuple(sorted(starts)), tuple(sorted(others)))
