"""Sub-accounts with policies, given through the operations as the owner would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from roadstead.services.accounts import local_owner
from roadstead.services.context import Context
from roadstead.services.operations import AnyOperation, run
from roadstead.services.table import OPERATIONS
from tests.factories.accounts import Login, add_sub_account, registry_id


def allow(actions: str | Sequence[str], *resources: str, **more: Any) -> dict[str, Any]:
    """A statement that allows; resources are paths, or `*`."""
    named = [each if each == "*" else f"qcs::{_service(actions)}:::{each}" for each in resources]
    return {"effect": "allow", "action": actions, "resource": named, **more}


def deny(actions: str | Sequence[str], *resources: str, **more: Any) -> dict[str, Any]:
    """A statement that denies."""
    return {**allow(actions, *resources, **more), "effect": "deny"}


def _service(actions: str | Sequence[str]) -> str:
    first = actions if isinstance(actions, str) else actions[0]
    return first.partition(":")[0] if ":" in first else "*"


def document(*statements: Mapping[str, Any]) -> str:
    """The policy of these statements."""
    return json.dumps({"version": "2.0", "statement": list(statements)})


async def ask(ctx: Context, name: str, **fields: Any) -> Any:
    """The owner's answer of an operation that names no instance."""
    op: AnyOperation = OPERATIONS[name]
    return await run(ctx, await local_owner(ctx), op, op.request(**fields))


async def give(ctx: Context, login: Login, *statements: Mapping[str, Any], name: str = "given") -> int:
    """The account has a new policy of these statements; its number."""
    made = await ask(ctx, "CreatePolicy", policy_name=name, policy_document=document(*statements))
    await ask(ctx, "AttachUserPolicy", policy_id=made.policy_id, attach_uin=int(login.username))
    number: int = made.policy_id
    return number


async def reader_of(ctx: Context, path: str, name: str = "reader") -> Login:
    """A sub-account that may see and pull one repository, by the published sample."""
    login = await add_sub_account(ctx, name)
    registry = await registry_id(ctx)
    await give(
        ctx,
        login,
        allow(
            ["tcr:DescribeRepositories", "tcr:PullRepository", "tcr:DescribeNamespaces"],
            f"repository/{registry}/{path}/*",
        ),
        allow("tcr:DescribeInstance*", f"instance/{registry}"),
        name=f"{name}-policy",
    )
    return login
