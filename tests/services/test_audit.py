"""The audit as its operations show it: pages, filters, explanations of refused requests, and what is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from roadstead.config import Audit
from roadstead.domain.identity import Caller
from roadstead.errors import AccessDenied, AppError, InvalidInput, NetworkRefused, NotFound, TooManyRequests
from roadstead.jobs.queue import NoArguments
from roadstead.metadata.audit import AuditEntry, add_entries
from roadstead.services import audit, namespaces
from roadstead.services.context import Context
from roadstead.services.lookups import LookupAttribute
from roadstead.services.operations import run
from roadstead.services.refusals import Attempt
from tests.factories.accounts import origin, owner_caller, registry_id, sub_caller
from tests.jobs.bench import FakeClock


async def search(ctx: Context, **fields: Any) -> audit.AuditPage:
    await ctx.refusals.write_down(ctx.database)
    return await run(ctx, await owner_caller(ctx), audit.look_up_events, audit.LookUpEvents(**fields))


async def make(ctx: Context, *names: str, caller: Caller | None = None) -> None:
    caller = caller or await owner_caller(ctx)
    registry = await registry_id(ctx)
    for name in names:
        request = namespaces.create_namespace.request(registry_id=registry, namespace_name=name)
        await run(ctx, caller, namespaces.create_namespace, request)


async def test_changes_are_found_newest_first_and_by_pages(ctx: Context) -> None:
    await make(ctx, "one", "two", "three")
    registry = await registry_id(ctx)
    page = await search(ctx, registry_id=registry, limit=2)
    rest = await search(ctx, registry_id=registry, limit=2, last=page.last)
    found = [*page.events, *rest.events]
    assert [event.resource.rpartition("/")[2] for event in found] == ["three", "two", "one"]
    assert not rest.last
    event = found[0]
    owner = await owner_caller(ctx)
    assert (event.user, event.door, event.address) == (owner.uin, "command", "local")
    assert (event.registry_id, event.outcome) == (registry, "done")
    assert event.time == ctx.clock().isoformat(timespec="milliseconds")
    assert msgspec.json.decode(event.data)["NamespaceName"] == "three"


async def test_a_search_narrows_by_all_that_it_names(ctx: Context, clock: FakeClock) -> None:
    await make(ctx, "early")
    clock.now += timedelta(hours=3)
    await make(ctx, "late")
    builder = await sub_caller(ctx)
    with pytest.raises(AccessDenied):
        await make(ctx, "denied", caller=builder)
    between = int((clock() - timedelta(hours=1)).timestamp())

    async def names(**fields: Any) -> list[str]:
        return [event.resource.rpartition("/")[2] for event in (await search(ctx, **fields)).events]

    assert await names() == ["denied", "late", "early"]
    assert await names(start_time=between) == ["denied", "late"]
    assert await names(end_time=between) == ["early"]
    assert await names(user=builder.uin) == ["denied"]
    assert await names(outcome="refused") == ["denied"]
    assert await names(action="tcr:CreateNamespace", outcome="done") == ["late", "early"]
    assert await names(action="tcr:Create*", resource="repository/*/late") == []
    assert await names(resource=f"repository/{await registry_id(ctx)}/l*") == ["late"]
    assert await names(request_id=builder.origin.request_id) == ["denied"]
    assert await names(door="api") == await names(address="192.0.2.*") == []
    assert await names(door="command", address="local") == ["denied", "late", "early"]


@pytest.mark.parametrize("last", ["x", "-1", "0", "1.5", "９", "9" * 30])
async def test_a_place_that_no_page_has_answered(ctx: Context, last: str) -> None:
    with pytest.raises(InvalidInput, match="Last"):
        await search(ctx, last=last)


async def test_a_search_as_clients_of_the_cloud_write_it(ctx: Context) -> None:
    await make(ctx, "one", "two")
    owner = await owner_caller(ctx)

    async def found(*attributes: tuple[str, str], **fields: Any) -> audit.AuditPage:
        wanted = [LookupAttribute(attribute_key=key, attribute_value=value) for key, value in attributes]
        return await search(ctx, lookup_attributes=wanted, **fields)

    page = await found(("EventName", "CreateNamespace"), ("PrincipalId", owner.uin), max_results=1, mode="quick")
    (event,) = page.events
    assert (page.next_token, page.list_over, page.total_count) == (page.last, False, 1)
    assert (event.event_id, event.username, event.event_name) == (str(event.id), event.user_name, "CreateNamespace")
    assert (event.event_source, event.resources.resource_type) == ("tcr", "repository")
    assert event.event_time == str(int(ctx.clock().timestamp()))
    assert msgspec.json.decode(event.cloud_audit_event)["requestParameters"]["NamespaceName"] == "two"
    rest = await found(("EventName", "tcr:CreateNamespace"), max_results=2, next_token=page.next_token)
    assert [each.resources.resource_name for each in rest.events] == [rest.events[0].resource]
    assert (rest.next_token, rest.list_over) == ("", True)
    assert (await found(("SourceIP", "192.0.2.1"))).events == (await found(("ResourceName", "none"))).events == []
    assert (await found(("RequestId", event.request_id))).events
    for wrong in (("AccessKeyId", "x"),), (("SourceIP", "x"), ("SourceIP", "y")):
        with pytest.raises(InvalidInput, match="can, each once: RequestId, EventName"):
            await found(*wrong)


async def test_who_may_not_read_the_audit(ctx: Context) -> None:
    caller = await sub_caller(ctx)
    with pytest.raises(AccessDenied) as caught:
        await run(ctx, caller, audit.look_up_events, audit.LookUpEvents())
    assert caught.value.detail is not None
    assert (caught.value.detail["action"], caught.value.detail["resource"]) == ("cloudaudit:LookUpEvents", "audit/*")
    with pytest.raises(AccessDenied) as caught:
        await run(ctx, caller, audit.look_up_events, audit.LookUpEvents(registry_id=await registry_id(ctx)))
    assert caught.value.detail is not None
    assert caught.value.detail["resource"] == f"audit/{await registry_id(ctx)}"


async def explain(ctx: Context, request_id: str) -> audit.Explanation:
    await ctx.refusals.write_down(ctx.database)
    request = audit.ExplainRequest(request_id=request_id)
    return await run(ctx, await owner_caller(ctx), audit.explain_request, request)


async def test_a_refused_operation_is_explained(ctx: Context) -> None:
    builder = await sub_caller(ctx)
    with pytest.raises(AccessDenied):
        await make(ctx, "denied", caller=builder)
    found = await explain(ctx, builder.origin.request_id)
    (refusal,) = found.refusals
    path = f"repository/{await registry_id(ctx)}/denied"
    assert (refusal.gate, refusal.action, refusal.resource) == ("policy", "tcr:CreateNamespace", path)
    assert (refusal.user, refusal.reason) == (builder.uin, "no policy of the account allows it")
    assert "Attach a policy that allows tcr:CreateNamespace" in refusal.remedy and builder.uin in refusal.remedy
    assert (refusal.policy, refusal.statement) == ("", None)
    assert len(found.events) == 1


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NetworkRefused("no", detail={"gate": "network", "reason": "closed"}), "roadstead network allow 127.0.0.1"),
        (
            NetworkRefused("no", detail={"gate": "network", "entry": "private", "remedy": "roadstead network link"}),
            "Admit it: roadstead network link.",
        ),
        (TooManyRequests("slowly", retry_after=3), "Wait"),
        (AccessDenied("no", detail={"gate": "credential", "reason": "wrong"}), "Log in"),
        (
            AccessDenied("no", detail={"gate": "policy", "reason": "deny", "policy": "NoPush", "statement": 1}),
            "Statement 2 of the policy NoPush",
        ),
    ],
)
async def test_each_gate_has_its_remedy(ctx: Context, error: AppError, says: str) -> None:
    error.audited = False
    ctx.refusals.note(error, Attempt(origin(), ctx.clock(), action="http:GET", resource="/v2/"))
    (refusal,) = (await explain(ctx, origin().request_id)).refusals
    assert says in refusal.remedy
    assert refusal.message == error.message
    assert refusal.action == "http:GET"


async def test_a_change_is_explained_as_no_refusal(ctx: Context) -> None:
    caller = await owner_caller(ctx)
    await make(ctx, "one", caller=caller)
    found = await explain(ctx, caller.origin.request_id)
    assert found.refusals == [] and [event.action for event in found.events] == ["tcr:CreateNamespace"]


@pytest.mark.parametrize("request_id", ["", "nothing", "*"])
async def test_a_request_of_which_nothing_is_known(ctx: Context, request_id: str) -> None:
    await make(ctx, "one")
    with pytest.raises(NotFound, match="90 days"):
        await explain(ctx, request_id)


@pytest.mark.parametrize(("days", "left"), [(90, 1), (1, 0), (0, 1202)])
async def test_old_entries_are_forgotten(ctx: Context, clock: FakeClock, days: int, left: int) -> None:
    kept = replace(ctx, settings=_with_days(ctx, days))
    entry = AuditEntry(None, clock(), "100", "::1", "api", "request", "tcr:Push", "repository/x", "done", "{}")
    async with ctx.database.write() as tx:
        await add_entries(tx, [replace(entry, occurred_at=clock() - timedelta(days=91))] * 1201)
        await add_entries(tx, [replace(entry, occurred_at=clock() - timedelta(days=2))])
    await audit.forget_audit.body(kept, NoArguments())
    found = 0
    last = ""
    while True:
        page = await search(ctx, last=last)
        found += len(page.events)
        if not page.last:
            break
        last = page.last
    assert found == left


def _with_days(ctx: Context, days: int) -> Any:
    return msgspec.structs.replace(ctx.settings, audit=Audit(days=days))
