"""Rights are compiled once and hold as they stand: a change counts at the next request, in every process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.domain.policy import EVERYTHING, NOTHING, Action, Circumstances, Resource
from roadstead.domain.reference import RepositoryName
from roadstead.errors import AccessDenied
from roadstead.metadata import accounts
from roadstead.metadata.schema.access import policy_versions
from roadstead.services.access import admit
from roadstead.services.context import Context
from roadstead.services.rights import RightsMemory, compiled
from tests.factories.accounts import Login, add_sub_account, asker
from tests.factories.contexts import open_test_context
from tests.factories.policies import allow, ask, deny, document, give
from tests.jobs.bench import FakeClock

WEB = RepositoryName.parse("library/web")


@pytest.fixture(params=["sqlite", "postgresql"])
async def processes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Context, Context]]:
    """Two processes of one registry."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    async with AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(open_test_context(tmp_path / "data", FakeClock(), database=url))
            for _ in range(2)
        ]
        yield opened[0], opened[1]


async def may(ctx: Context, login: Login, action: Action = Action.PULL) -> bool:
    request = await asker(ctx, login)
    try:
        async with ctx.database.read() as tx:
            await admit(ctx, tx, request, WEB, action)
    except AccessDenied:
        return False
    return True


PULL = document(allow("tcr:PullRepository", "*"))
PUSH = document(allow("tcr:PushRepository", "*"))

Change = Callable[[Context, dict[str, Any]], Awaitable[Any]]


def _to(name: str, **fixed: Any) -> Change:
    async def change(ctx: Context, known: dict[str, Any]) -> None:
        await ask(
            ctx,
            name,
            **{
                key: known[value] if isinstance(value, str) and value in known else value
                for key, value in fixed.items()
            },
        )

    return change


# In this order, each changes whether the user may pull.
STEPS: list[tuple[str, Change, bool]] = [
    ("attached", _to("AttachUserPolicy", policy_id="policy", attach_uin="uin"), True),
    (
        "another version",
        _to("CreatePolicyVersion", policy_id="policy", policy_document=PUSH, set_as_default=True),
        False,
    ),
    ("the first again", _to("SetDefaultPolicyVersion", policy_id="policy", version_id=1), True),
    ("another document", _to("UpdatePolicy", policy_id="policy", policy_document=PUSH), False),
    ("and back", _to("UpdatePolicy", policy_id="policy", policy_document=PULL), True),
    ("detached", _to("DetachUserPolicy", policy_id="policy", detach_uin="uin"), False),
    ("to its group", _to("AttachGroupPolicy", policy_id="policy", attach_group_id="group"), False),
    ("into the group", _to("AddUserToGroup", info="members"), True),
    ("out of the group", _to("RemoveUserFromGroup", info="members"), False),
    ("in again", _to("AddUserToGroup", info="members"), True),
    ("from the group", _to("DetachGroupPolicy", policy_id="policy", detach_group_id="group"), False),
    ("back to the group", _to("AttachGroupPolicy", policy_id="policy", attach_group_id="group"), True),
    ("no group", _to("DeleteGroup", group_id="group"), False),
    ("attached again", _to("AttachUserPolicy", policy_id="policy", attach_uin="uin"), True),
    ("no policy", _to("DeletePolicy", policy_id="policies"), False),
]


async def test_a_change_holds_in_every_process_at_the_next_request(processes: tuple[Context, Context]) -> None:
    here, there = processes
    login = await add_sub_account(here)
    from roadstead.services.groups import Membership

    policy = (await ask(here, "CreatePolicy", policy_name="p", policy_document=PULL)).policy_id
    group = (await ask(here, "CreateGroup", group_name="g")).group_id
    uin = int(login.username)
    known = {
        "policy": policy,
        "policies": [policy],
        "group": group,
        "uin": uin,
        "members": [Membership(group_id=group, uin=uin)],
    }
    assert not await may(here, login) and not await may(there, login)
    for name, change, allowed in STEPS:
        await change(here, known)
        assert (name, await may(there, login)) == (name, allowed)
        assert (name, await may(here, login)) == (name, allowed)


async def test_what_did_not_change_is_compiled_once(ctx: Context) -> None:
    login = await add_sub_account(ctx)
    await give(ctx, login, allow("tcr:PullRepository", "*"))
    memory = RightsMemory()

    async def rights() -> object:
        async with ctx.database.read() as tx:
            account = await accounts.get(tx, uin=login.username)
            assert account is not None
            return await memory.of(tx, account.id, owner=False, revision=account.policy_revision)

    first = await rights()
    assert await rights() is first
    await give(ctx, login, deny("tcr:PullRepository", "*"), name="another")
    assert await rights() is not first


async def test_no_more_accounts_are_remembered_than_fit(ctx: Context) -> None:
    memory = RightsMemory(most=2)
    async with ctx.database.read() as tx:
        for number in (1, 2, 1, 3):
            await memory.of(tx, number, owner=False, revision=0)
    assert list(memory._known) == [1, 3]


async def test_the_owner_needs_no_policy_and_a_stranger_has_none(ctx: Context) -> None:
    memory = RightsMemory()
    async with ctx.database.read() as tx:
        assert await memory.of(tx, 1, owner=True, revision=0) is EVERYTHING
        assert await memory.of(tx, 99, owner=False, revision=0) is NOTHING


async def test_a_policy_that_cannot_be_read_denies_everything(ctx: Context) -> None:
    """It might be one that denies."""
    login = await add_sub_account(ctx)
    await give(ctx, login, allow("tcr:*", "*"))
    broken = await give(ctx, login, allow("tcr:*", "*"), name="broken")
    assert await may(ctx, login)
    async with ctx.database.write() as tx:
        mine = policy_versions.c.policy_id == broken
        await tx.run(sa.update(policy_versions).where(mine).values(document='{"version": "3.0"}'))
    rights = compiled([("fine", PULL), ("broken", '{"version": "3.0"}')])
    asked = Resource("tcr", "local", "1", "repository/tcr-1/library/web")
    decision = rights.decide(Action.PULL, asked, Circumstances("local", ctx.clock()))
    assert (decision.allowed, decision.policy) == (False, "broken")
