"""Actions and resources of permission checks, and what a decision says.

Resources are written as `qcs::tcr:REGION:uin/OWNER:repository/INSTANCE-ID/NAMESPACE/REPOSITORY`, actions as
`tcr:PullRepository`, so that policies written for TCR mean the same here. What policies say is read in
`policy_documents`, and compiled to be asked in `rights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class Action(StrEnum):
    """What the data plane asks permission for, besides the operations of the management table."""

    PULL = "tcr:PullRepository"
    PUSH = "tcr:PushRepository"
    CREATE = "tcr:CreateRepository"
    DELETE = "tcr:DeleteImage"
    LIST = "tcr:DescribeRepositories"
    CREATE_NAMESPACE = "tcr:CreateNamespace"
    CHART_PULL = "tcr:DescribeHelmCharts"
    CHART_PUSH = "tcr:CreateHelmChart"
    CHART_DELETE = "tcr:DeleteHelmChart"


# The word of a token scope that stands for each action.
SCOPE_WORD = {
    Action.PULL: "pull",
    Action.PUSH: "push",
    Action.CREATE: "push",
    Action.CREATE_NAMESPACE: "push",
    Action.DELETE: "delete",
    Action.CHART_PULL: "pull",
    Action.CHART_PUSH: "push",
    Action.CHART_DELETE: "delete",
}


class Resource(NamedTuple):
    """What is asked for: `repository/tcr-1/prod/web` or `instance/tcr-1` of a region and an owner."""

    service: str
    region: str
    owner_uin: str
    path: str

    def __str__(self) -> str:
        return f"qcs::{self.service}:{self.region}:uin/{self.owner_uin}:{self.path}"


class Circumstances(NamedTuple):
    """What the conditions of a policy may ask about."""

    address: str
    now: datetime
    # Who asks.
    uin: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed, by which gate, and why."""

    allowed: bool
    gate: str
    reason: str
    # The policy whose statement decided, and the statement's place in it from 0; empty when none did.
    policy: str = ""
    statement: int = 0


class Paths(NamedTuple):
    """Patterns of the paths that statements allow and deny at this moment: what lists are narrowed by."""

    allowed: Sequence[str]
    # Nothing that these match is allowed; what more is denied, `Rights.decide` says.
    denied: Sequence[str]


class Rights(Protocol):
    """What one account may do, compiled from its policies."""

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        """Whether the action on the resource is allowed."""
        ...

    def paths(self, action: str, area: Resource, circumstances: Circumstances) -> Paths:
        """On which paths the action can be allowed; the area is a resource whose path does not count.

        An area without a region means resources of any.
        """
        ...


class Everything:
    """The rights of the owner."""

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        """Always allowed."""
        return _OWNER

    def paths(self, action: str, area: Resource, circumstances: Circumstances) -> Paths:
        """All of them."""
        return Paths(("*",), ())


class Nothing:
    """The rights of whoever has no policy."""

    def decide(self, action: str, resource: Resource, circumstances: Circumstances) -> Decision:
        """Never allowed."""
        return UNNAMED

    def paths(self, action: str, area: Resource, circumstances: Circumstances) -> Paths:
        """None."""
        return Paths((), ())


_OWNER = Decision(True, "policy", "the account owns this deployment")
UNNAMED = Decision(False, "policy", "no policy of the account allows it")
EVERYTHING: Rights = Everything()
NOTHING: Rights = Nothing()
