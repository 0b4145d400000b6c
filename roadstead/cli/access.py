"""`roadstead can-i`: whether a user may do something, and the statement that decides."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from roadstead.cli.output import show
from roadstead.cli.people import user_of
from roadstead.cli.session import Session, work
from roadstead.domain.policy import Action
from roadstead.services import simulation

_WORDS = {
    "pull": Action.PULL,
    "push": Action.PUSH,
    "delete": Action.DELETE,
    "create": Action.CREATE,
    "list": Action.LIST,
}
_KINDS = ("instance", "repository", "uin", "policyid", "groupid", "audit")


def can_i(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="Name or number of the user.")],
    action: Annotated[str, typer.Argument(help=f"{', '.join(_WORDS)}, or an action like tcr:DescribeImages.")],
    resource: Annotated[
        str,
        typer.Argument(help="NAMESPACE, NAMESPACE/REPOSITORY of the instance, or a resource like instance/tcr-1."),
    ],
    address: Annotated[str, typer.Option(help="From which address, for policies that ask.")] = "",
) -> None:
    """Say whether a user may do something, by which statement of which policy; exit code 1 when it may not."""

    async def body(s: Session) -> Any:
        return await s.call(
            simulation.simulate_policy,
            uin=await user_of(s, user),
            action=_WORDS.get(action, action),
            resource=_resource(resource, await s.registry_id()),
            address=address,
        )

    answer = work(context, body)
    lines = [f"{'yes' if answer.allowed else 'no'}: {answer.reason} (gate: {answer.gate})"]
    show(context, answer, "\n".join([*lines, answer.text] if answer.text else lines))
    if not answer.allowed:
        raise typer.Exit(1)


def _resource(text: str, registry_id: str) -> str:
    """The resource that a person means by a name."""
    if text == "*" or text.startswith("qcs:") or text.partition("/")[0] in _KINDS:
        return text
    return f"repository/{registry_id}/{text}"
