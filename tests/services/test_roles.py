"""Every operation in every role: who may what follows from the role's policy by one plain rule.

The policies are in CAM form and judged by the product's own evaluator; what they should come to is said here a second
time, as a rule about the declaration and the request, so that neither can be wrong alone.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from roadstead.domain.identity import Caller, CredentialKind
from roadstead.domain.policy import NOTHING, Rights
from roadstead.domain.policy_documents import parse
from roadstead.domain.rights import CompiledRights
from roadstead.errors import AccessDenied, NotAuthenticated, NotFound
from roadstead.metadata import accounts
from roadstead.services.callers import caller_of
from roadstead.services.context import Context
from roadstead.services.operations import AnyOperation, Wire, run
from roadstead.services.secrets import random_id
from roadstead.services.table import OPERATIONS
from tests.factories.accounts import add_sub_account, nobody, origin, set_account_enabled, sub_caller
from tests.services.test_table import ALWAYS, Stock, known, operations, request_for, stock, stocked

__all__ = ["known", "stock", "stocked"]

Judge = Callable[[AnyOperation, Wire], bool]


def rights(*statements: dict[str, Any]) -> Rights:
    """What a policy of these statements gives."""
    return CompiledRights([("given", parse(json.dumps({"version": "2.0", "statement": list(statements)})))])


def allow(action: list[str], *resource: str) -> dict[str, Any]:
    return {"effect": "allow", "action": action, "resource": list(resource)}


@dataclass(frozen=True)
class Role:
    """A sub-account's policy, given the instance's id, and which requests it should cover."""

    rights: Callable[[str], Rights]
    may: Judge


def _in_library(op: AnyOperation, request: Wire) -> bool:
    registry = getattr(request, "registry_id", "")
    return f"{op.resource_of(request)}/".startswith(f"repository/{registry}/library/")


ROLES = {
    "admin": Role(lambda registry: rights(allow(["*"], "*")), lambda op, request: True),
    "namespace manager": Role(
        lambda registry: rights(
            allow(
                ["tcr:*"],
                f"qcs::tcr:::repository/{registry}/library",
                f"qcs::tcr:::repository/{registry}/library/*",
            )
        ),
        lambda op, request: op.service == "tcr" and _in_library(op, request),
    ),
    "reader": Role(
        lambda registry: rights(allow(["tcr:Describe*", "tcr:Check*", "tcr:Get*", "tcr:PullRepository"], "*")),
        lambda op, request: op.service == "tcr" and not op.changes and not op.name.startswith("Test"),
    ),
    "stranger": Role(lambda registry: NOTHING, lambda op, request: False),
}


OF_THEIR_MAKER = {"ModifyInstanceToken", "DeleteInstanceToken"}


async def check(ctx: Context, op: AnyOperation, caller: Caller, request: Wire, name: str) -> None:
    """The operation does for the caller what the role of that name says."""
    listed = op.filtered and not op.changes
    if ROLES[name].may(op, request) or listed:
        try:
            assert type(await run(ctx, caller, op, request)) is op.answer
        except ALWAYS.get(op.name, ()):
            pass
        except NotFound:
            # What may not be seen reads like what is not there: credentials belong to whoever made them.
            assert op.name in OF_THEIR_MAKER or (listed and name != "admin")
    else:
        with pytest.raises(AccessDenied) as refused:
            await run(ctx, caller, op, request)
        detail = dict(refused.value.detail or {})
        assert (detail["gate"], detail["action"]) == ("policy", op.action)
        assert detail["resource"] and detail["reason"]


async def in_role(ctx: Context, name: str, registry: str) -> Caller:
    """A sub-account with the role's policy."""
    return replace(await sub_caller(ctx, "somebody"), rights=ROLES[name].rights(registry))


@pytest.mark.parametrize("name", ["admin", "namespace manager"])
@pytest.mark.parametrize("op", operations(changing=True))
async def test_who_may_change_something_does(stock: Stock, tmp_path: Path, op: AnyOperation, name: str) -> None:
    request = request_for(op, stock.known)
    if ROLES[name].may(op, request):
        async with stock.opened(tmp_path) as ctx:
            await check(ctx, op, await in_role(ctx, name, stock.known["registry_id"]), request, name)


@pytest.mark.parametrize("name", ROLES)
async def test_a_sub_account_may_do_what_its_policy_covers(
    stocked: Context, known: dict[str, Any], name: str
) -> None:
    """All in one registry, for what only reads or is refused leaves everything as it was."""
    caller = await in_role(stocked, name, known["registry_id"])
    for op in OPERATIONS.values():
        request = request_for(op, known)
        if op.changes and ROLES[name].may(op, request):
            continue
        try:
            await check(stocked, op, caller, request, name)
        except BaseException as error:
            error.add_note(f"the operation was {op.name}")
            raise


async def _anonymous(ctx: Context) -> Caller:
    return nobody()


async def _disabled(ctx: Context) -> Caller:
    """Somebody whose account was disabled: no credential makes a caller of it."""
    login = await add_sub_account(ctx, f"gone-{random_id(8)}")
    await set_account_enabled(ctx, login.username, False)
    async with ctx.database.read() as tx:
        account = await accounts.get(tx, uin=login.username)
        return await caller_of(ctx, tx, account, CredentialKind.API_KEY, origin())


@pytest.mark.parametrize("become", [_anonymous, _disabled], ids=["anonymous", "disabled"])
async def test_who_is_nobody_may_do_nothing(
    stocked: Context, known: dict[str, Any], become: Callable[[Context], Awaitable[Caller]]
) -> None:
    for op in OPERATIONS.values():
        with pytest.raises(NotAuthenticated):
            await run(stocked, await become(stocked), op, request_for(op, known))
