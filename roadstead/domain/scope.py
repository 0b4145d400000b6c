"""Token scopes of the docker token protocol: `repository:ns/app:pull,push`, `registry:catalog:*`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ACTIONS = ("pull", "push", "delete")


@dataclass(frozen=True, slots=True)
class Scope:
    """What one token may do to one resource."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def allows(self, kind: str, name: str, action: str) -> bool:
        """Whether this scope covers the action on the resource."""
        return self.kind == kind and self.name == name and (action in self.actions or "*" in self.actions)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"


def parse_scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes that a token request asks for; parts that do not parse ask for nothing.

    One text may hold several scopes separated by blanks, a kind may carry a class (`repository(plugin)`), and a
    name may hold colons (a host with a port), as the docker token specification allows. Scopes of one resource
    are joined.
    """
    asked: dict[tuple[str, str], dict[str, None]] = {}
    for text in texts:
        for word in text.split():
            kind, _, rest = word.partition(":")
            name, colon, actions = rest.rpartition(":")
            kind = kind.partition("(")[0]
            if not colon or not kind or not name:
                continue
            wanted = asked.setdefault((kind, name), {})
            wanted.update({action: None for action in actions.split(",") if action})
    return tuple(Scope(kind, name, tuple(actions)) for (kind, name), actions in asked.items())


def expand(actions: Iterable[str]) -> tuple[str, ...]:
    """The known actions among those asked for; `*` stands for all of them."""
    wanted = set(actions)
    return ACTIONS if "*" in wanted else tuple(action for action in ACTIONS if action in wanted)
