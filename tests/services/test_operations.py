"""The one place where an operation's permission is asked, its transaction opened and its audit entry written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from roadstead.domain.identity import Caller
from roadstead.errors import AccessDenied, AlreadyExists, InstanceUnknown, InvalidInput, NotAuthenticated
from roadstead.metadata import audit, namespaces
from roadstead.metadata.audit import AuditEntry
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.services.context import Context
from roadstead.services.operations import (
    AnyOperation,
    Call,
    Done,
    Preparation,
    Wire,
    operation,
    page_size,
    run,
    table,
)
from tests.factories.accounts import nobody, owner_caller, registry_id, sub_caller


class PaintFence(Wire, frozen=True, kw_only=True):
    """Which fence, and what befalls."""

    registry_id: str
    colour: str = "white"
    note: str | None = None
    fails: bool = False


class Weather(Wire, frozen=True, kw_only=True):
    """A request that names no instance."""

    place: str = ""


@operation(resource="fence/{registry_id}/{colour}/{note}", changes=True)
async def paint_fence(call: Call, request: PaintFence) -> Done:
    """Paint a fence.

    The second paragraph is not the summary.
    """
    await namespaces.add(call.tx, call.here.id, request.colour, public=False, automatic_scan=False, now=call.now)
    if request.fails:
        raise AlreadyExists("the fence is painted")
    return Done()


@operation(resource="fence/{registry_id}/*", changes=False)
async def describe_fence(call: Call, request: PaintFence) -> Done:
    """Look at a fence."""
    return Done()


@operation(resource="weather/{place}", changes=True)
async def make_weather(call: Call, request: Weather) -> Done:
    """Make weather, which needs an instance in its body."""
    assert call.here
    return Done()


async def mix_paint(before: Preparation, request: PaintFence) -> str:
    """Another change goes through meanwhile, so no transaction is open."""
    async with before.reading() as call:
        assert await namespaces.get(call.tx, call.here.id, request.colour) is None
    async with asyncio.timeout(10), before.ctx.database.write() as tx:
        await namespaces.add(tx, call.here.id, "mixed", public=False, automatic_scan=False, now=before.now)
    if request.fails:
        raise AlreadyExists("the paint is mixed")
    return f"mixed by {before.caller.uin}"


@operation(resource="fence/{registry_id}", changes=True, prepare=mix_paint)
async def whitewash_fence(call: Call, request: PaintFence) -> Done:
    """Paint a fence with paint that is mixed first."""
    assert call.prepared(str) == f"mixed by {call.caller.uin}"
    with pytest.raises(TypeError, match="str, not int"):
        call.prepared(int)
    return Done()


@dataclass(frozen=True)
class Bench:
    """Where the fence stands."""

    ctx: Context
    registry: str

    async def run(self, caller: Caller, op: AnyOperation = paint_fence, **fields: Any) -> Done:
        answer: Done = await run(self.ctx, caller, op, op.request(registry_id=self.registry, **fields))
        return answer

    async def audited(self) -> list[AuditEntry]:
        instance = await self.ctx.instances.find("default")
        await self.ctx.refusals.write_down(self.ctx.database)
        async with self.ctx.database.read() as tx:
            return [entry for _, entry in await audit.entries(tx, instance.id, 0, 99)]

    async def painted(self, colour: str) -> bool:
        instance = await self.ctx.instances.find("default")
        async with self.ctx.database.read() as tx:
            return await namespaces.get(tx, instance.id, colour) is not None


@pytest.fixture
async def bench(ctx: Context) -> Bench:
    return Bench(ctx, await registry_id(ctx))


def test_an_operation_is_what_its_function_says() -> None:
    assert (paint_fence.name, paint_fence.action, paint_fence.summary) == (
        "PaintFence",
        "tcr:PaintFence",
        "Paint a fence.",
    )
    assert (paint_fence.request, paint_fence.answer, paint_fence.changes) == (PaintFence, Done, True)
    assert not describe_fence.changes


@pytest.mark.parametrize(
    ("fields", "resource"),
    [
        ({}, "fence/tcr-1/white/*"),
        ({"colour": "", "note": "x"}, "fence/tcr-1/*/x"),
        # What a request says is never read as a pattern.
        ({"colour": "{note}", "note": "{registry_id}{0}"}, "fence/tcr-1/{note}/{registry_id}{0}"),
    ],
)
def test_the_resource_that_permission_is_asked_for(fields: dict[str, str], resource: str) -> None:
    assert paint_fence.resource_of(PaintFence(registry_id="tcr-1", **fields)) == resource  # type: ignore[arg-type]


def test_a_name_stands_for_one_operation() -> None:
    assert set(table([paint_fence, describe_fence])) == {"PaintFence", "DescribeFence"}
    with pytest.raises(ValueError, match="PaintFence"):
        table([paint_fence, paint_fence])


async def test_what_was_done_is_done_and_audited(bench: Bench) -> None:
    caller = await owner_caller(bench.ctx)
    assert await bench.run(caller, colour="green", note="garden") == Done()
    assert await bench.painted("green")
    (entry,) = await bench.audited()
    assert (entry.operator, entry.outcome, entry.action) == (caller.uin, "done", "tcr:PaintFence")
    assert entry.resource == f"fence/{bench.registry}/green/garden"
    assert (entry.door, entry.address, entry.request_id) == ("command", "local", caller.origin.request_id)
    assert entry.occurred_at == bench.ctx.clock()
    said = msgspec.json.decode(entry.data)
    assert said == {"RegistryId": bench.registry, "Colour": "green", "Note": "garden", "Fails": False}


async def test_what_fails_leaves_neither_rows_nor_audit(bench: Bench) -> None:
    with pytest.raises(AlreadyExists):
        await bench.run(await owner_caller(bench.ctx), colour="green", fails=True)
    assert not await bench.painted("green")
    assert await bench.audited() == []


async def test_what_takes_long_is_done_before_the_transaction_opens(bench: Bench) -> None:
    assert await bench.run(await owner_caller(bench.ctx), whitewash_fence, colour="green") == Done()
    assert await bench.painted("mixed")
    assert [entry.action for entry in await bench.audited()] == ["tcr:WhitewashFence"]


async def test_nothing_is_prepared_for_who_is_refused(bench: Bench) -> None:
    with pytest.raises(AccessDenied):
        await bench.run(await sub_caller(bench.ctx), whitewash_fence)
    assert not await bench.painted("mixed")
    with pytest.raises(AlreadyExists):
        await bench.run(await owner_caller(bench.ctx), whitewash_fence, fails=True)
    assert [entry.outcome for entry in await bench.audited()] == ["refused"]


async def test_looking_is_not_audited(bench: Bench) -> None:
    await bench.run(await owner_caller(bench.ctx), describe_fence)
    assert await bench.audited() == []


async def test_a_refusal_names_gate_action_and_resource_and_is_audited(bench: Bench) -> None:
    caller = await sub_caller(bench.ctx)
    with pytest.raises(AccessDenied) as caught:
        await bench.run(caller, colour="green")
    assert caught.value.detail == {
        "gate": "policy",
        "action": "tcr:PaintFence",
        "resource": f"fence/{bench.registry}/green/*",
        "reason": "no policy of the account allows it",
    }
    assert caller.uin in caught.value.message
    assert not await bench.painted("green")
    (entry,) = await bench.audited()
    assert (entry.operator, entry.outcome) == (caller.uin, "refused")


async def test_a_refused_look_is_audited_too(bench: Bench) -> None:
    with pytest.raises(AccessDenied):
        await bench.run(await sub_caller(bench.ctx), describe_fence)
    assert [entry.outcome for entry in await bench.audited()] == ["refused"]


async def test_nobody_is_told_to_log_in(bench: Bench) -> None:
    with pytest.raises(NotAuthenticated, match="log in"):
        await bench.run(nobody(), colour="green")
    assert not await bench.painted("green")
    assert await bench.audited() == []


async def test_what_a_change_says_of_before_and_after_is_audited(bench: Bench) -> None:
    @operation(resource="fence/{registry_id}", changes=True)
    async def tear_fence(call: Call, request: PaintFence) -> Done:
        """Tear the fence down."""
        call.changed(request, None)
        return Done()

    await bench.run(await owner_caller(bench.ctx), tear_fence, colour="green")
    entry = (await bench.audited())[-1]
    assert msgspec.json.decode(entry.before)["Colour"] == "green"
    assert entry.after == ""


async def test_what_a_body_requires_is_refused_and_audited_like_the_operation_itself(bench: Bench) -> None:
    @operation(resource="fence/*", changes=False, filtered=True)
    async def describe_fences(call: Call, request: PaintFence) -> Done:
        """Look at fences."""
        assert not call.may("tcr:ClimbFence", "fence/1").allowed
        call.require("tcr:ClimbFence", "fence/1")
        return Done()

    with pytest.raises(AccessDenied, match="tcr:ClimbFence on fence/1"):
        await bench.run(await sub_caller(bench.ctx), describe_fences)
    entry = (await bench.audited())[-1]
    assert (entry.outcome, msgspec.json.decode(entry.decision)["resource"]) == ("refused", "fence/1")


@pytest.mark.parametrize("name", ["", "tcr-nothing", "default"])
async def test_an_instance_that_is_not_there(bench: Bench, name: str) -> None:
    with pytest.raises(InstanceUnknown):
        await replace(bench, registry=name).run(await owner_caller(bench.ctx))


async def test_an_operation_that_needs_an_instance_says_so(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="RegistryId is missing"):
        await run(bench.ctx, await owner_caller(bench.ctx), make_weather, Weather())
    async with bench.ctx.database.read() as tx:
        assert await tx.all(sa.select(audit_entries)) == []


@pytest.mark.parametrize(("asked", "given"), [(None, 1000), (0, 0), (-5, 0), (7, 7), (1000, 1000), (10**9, 1000)])
def test_the_size_of_a_page(ctx: Context, asked: int | None, given: int) -> None:
    assert page_size(ctx, asked) == given
