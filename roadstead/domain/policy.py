"""Actions and resources of permission checks, and what a decision says.

Resources are written as `qcs::tcr:REGION:uin/OWNER:repository/INSTANCE-ID/NAMESPACE/REPOSITORY`, actions as
`tcr:PullRepository`, so that policies written for TCR mean the same here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What the data plane asks permission for, besides the operations of the management table."""

    PULL = "tcr:PullRepository"
    PUSH = "tcr:PushRepository"
    CREATE = "tcr:CreateRepository"
    DELETE = "tcr:DeleteImage"
    LIST = "tcr:DescribeRepositories"
    CREATE_NAMESPACE = "tcr:CreateNamespace"


# The word of a token scope that stands for each action.
SCOPE_WORD = {
    Action.PULL: "pull",
    Action.PUSH: "push",
    Action.CREATE: "push",
    Action.CREATE_NAMESPACE: "push",
    Action.DELETE: "delete",
}


def resource(region: str, owner_uin: str, path: str) -> str:
    """The full name of a resource, for example of `repository/tcr-1/prod/web`."""
    return f"qcs::tcr:{region}:uin/{owner_uin}:{path}"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed, by which gate, and why."""

    allowed: bool
    gate: str
    reason: str
