"""Service accounts: logins of machines that bring their own permissions, namespace by namespace.

They stand beside policies, not under them: what one may do is the list that it was given, and nothing else. The name
that logs in is `tcr$NAME`; `tcr@NAME` is the same for tools in which `$` cannot be written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from roadstead.domain.policy import Circumstances, Decision, Paths, Resource
from roadstead.domain.reference import namespace_name
from roadstead.errors import InvalidInput, NameInvalid

PREFIX = "tcr$"
_PREFIXES = (PREFIX, "tcr@")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
EVERY_NAMESPACE = "*"
ACTIONS = (
    "tcr:PushRepository",
    "tcr:PullRepository",
    "tcr:CreateRepository",
    "tcr:CreateHelmChart",
    "tcr:DescribeHelmCharts",
)
MOST_PERMISSIONS = 100


class Granted(msgspec.Struct, frozen=True, array_like=True):
    """What a service account may do in one namespace, or in every one (`*`)."""

    namespace: str
    actions: tuple[str, ...]


def plain_name(text: str) -> str:
    """The name without its prefix, which may be left out; raises NameInvalid when it is none."""
    name = text[len(PREFIX) :] if text.startswith(_PREFIXES) else text
    if _NAME.fullmatch(name) is None:
        raise NameInvalid(
            f"{text[:80]!r} is not the name of a service account: 1 to 64 letters, digits, `.`, `_` and `-`, "
            "a letter or digit at both ends"
        )
    return name


def login_name(username: str) -> str | None:
    """The service account that a username means, without its prefix; None for a username of an account."""
    if not username.startswith(_PREFIXES):
        return None
    return username[len(PREFIX) :]


def granted(asked: Sequence[tuple[str, Sequence[str]]]) -> tuple[Granted, ...]:
    """The permissions that a request lists; raises InvalidInput in the words that TCR has for it."""
    if not asked:
        raise InvalidInput("custom account's permission can not be empty")
    if len(asked) > MOST_PERMISSIONS:
        raise InvalidInput(f"a service account has up to {MOST_PERMISSIONS} permissions")
    return tuple(Granted(_namespace(where), _actions(where, actions)) for where, actions in asked)


def _namespace(text: str) -> str:
    if text == EVERY_NAMESPACE:
        return text
    try:
        return namespace_name(text)
    except NameInvalid as error:
        raise InvalidInput(
            f"custom account for resource({text[:80]}) is illegal: name a namespace, or * for every one"
        ) from error


def _actions(where: str, actions: Sequence[str]) -> tuple[str, ...]:
    if not actions:
        raise InvalidInput(f"custom account's permission can not be empty: name the actions for {where}")
    for action in actions:
        if action not in ACTIONS:
            raise InvalidInput(f"not support action {action[:60]!r}; known are: {', '.join(ACTIONS)}")
    return tuple(dict.fromkeys(actions))


def written(permissions: Sequence[Granted]) -> str:
    """The permissions as they are kept; `parsed` reads them again."""
    return msgspec.json.encode(permissions).decode()


@lru_cache(maxsize=1024)
def parsed(text: str) -> tuple[Granted, ...]:
    """The permissions of a kept text."""
    return msgspec.json.decode(text, type=tuple[Granted, ...])


@dataclass(frozen=True, slots=True)
class ServiceRights:
    """The rights of a service account: its own permissions, in its own instance."""

    registry_id: str
    permissions: tuple[Granted, ...]

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        """Whether one of the permissions allows the action on the resource."""
        kind, _, rest = resource.path.partition("/")
        registry_id, _, name = rest.partition("/")
        namespace = name.partition("/")[0]
        if kind == "repository" and registry_id == self.registry_id and namespace not in {"", "*"}:
            for place, each in enumerate(self.permissions):
                if action in each.actions and each.namespace in {namespace, EVERY_NAMESPACE}:
                    return Decision(True, "policy", "a permission of the service account allows it", "", place)
        return Decision(False, "policy", "no permission of the service account allows it")

    def paths(self, action: str, area: Resource, circumstances: Circumstances) -> Paths:
        """The namespaces of the permissions that have the action, with all below them."""
        head = f"repository/{self.registry_id}/"
        found: list[str] = []
        for each in self.permissions:
            if action in each.actions:
                node = head + each.namespace
                found += [node] if each.namespace == EVERY_NAMESPACE else [node, f"{node}/*"]
        return Paths(found, ())
