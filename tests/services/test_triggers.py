"""Triggers by operation: kept as written, their secrets shown nowhere, their log, test and sending again."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from roadstead.config import Triggers
from roadstead.domain.payloads import Resource
from roadstead.errors import (
    AccessDenied,
    AlreadyExists,
    Conflict,
    InvalidInput,
    LimitReached,
    NamespaceUnknown,
    OutboundRefused,
    ParameterMissing,
    PatternInvalid,
    RuleInvalid,
    TriggerUnknown,
)
from roadstead.metadata import deliveries as waiting
from roadstead.metadata import triggers as stored
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.metadata.schema.triggers import deliveries
from roadstead.metadata.schema.triggers import triggers as table
from roadstead.services import deletions, namespaces, triggers
from roadstead.services import trigger_log as log
from roadstead.services.accounts import local_owner
from roadstead.services.context import Context
from roadstead.services.triggering import Told, follow
from roadstead.services.triggers import Header, WebhookTarget
from tests.clients.web import Asked, Web, says
from tests.factories import receivers
from tests.factories.accounts import owner_asker, sub_caller
from tests.factories.calls import call, call_as
from tests.factories.contexts import open_test_context
from tests.factories.instances import ask, status, work_off
from tests.factories.instances import create as create_instance
from tests.factories.pushes import push_image
from tests.factories.receivers import create, deliver_due, pass_time, receiver, told, trigger
from tests.jobs.bench import FakeClock

URL = "https://deploy.example.com/push"


@pytest.fixture
async def ctx(folder: Path, clock: FakeClock) -> AsyncIterator[Context]:
    """A Context that may call this host."""
    async with open_test_context(folder, clock, **receivers.SETTINGS) as ctx:
        yield ctx


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    """A receiver that accepts everything."""
    async with receiver() as found:
        yield found


async def listed(ctx: Context, **fields: Any) -> list[Any]:
    found: list[Any] = (await call(ctx, triggers.describe_webhook_trigger, **fields)).triggers
    return found


async def modify(ctx: Context, asked: Any, namespace: str = "library") -> None:
    await call(ctx, triggers.modify_webhook_trigger, namespace=namespace, trigger=asked)


async def test_a_trigger_comes_back_as_it_was_written(ctx: Context) -> None:
    asked = trigger(
        targets=[
            WebhookTarget(address=URL, headers=[Header(key="X-A", values=["1", "2"]), Header(key="", values=["u"])])
        ],
        event_types=["pullImage", "uploadChart"],
        condition=".*",
        description="what for",
    )
    made = (await call(ctx, triggers.create_webhook_trigger, namespace="library", trigger=asked)).trigger
    assert (made.targets, made.event_types, made.condition) == (asked.targets, asked.event_types, ".*")
    assert (made.id, made.namespace_name, made.description, made.enabled) == (made.id, "library", "what for", True)
    assert made.format == "default" and made.signed is False and made.secret is None
    assert await listed(ctx, namespace="library") == [made]


async def test_what_a_request_does_not_know_stays(ctx: Context) -> None:
    number = await create(ctx, URL, secret="s", format="cloudevents", operator_pattern="{uin}!")
    await modify(ctx, trigger("http://other.example.com", id=number, name="new", enabled=False))
    (found,) = await listed(ctx)
    assert (found.name, found.enabled, found.targets[0].address) == ("new", False, "http://other.example.com")
    assert (found.signed, found.format, found.operator_pattern) == (True, "cloudevents", "{uin}!")
    await modify(ctx, trigger(URL, id=number, secret="", format="default", operator_pattern=""))
    (found,) = await listed(ctx)
    assert (found.signed, found.format, found.operator_pattern) == (False, "default", "")


async def test_headers_and_secrets_are_neither_in_the_database_nor_in_the_audit(ctx: Context) -> None:
    number = await create(ctx, secret="hush-secret", targets=[receivers.target(URL, Authorization="hush-header")])
    await modify(
        ctx, trigger(id=number, secret="hush-again", targets=[receivers.target(URL, Authorization="hush-too")])
    )
    async with ctx.database.read() as tx:
        rows = [*await tx.all(sa.select(table)), *await tx.all(sa.select(audit_entries))]
    assert "Authorization" in str(rows) and "hush" not in str(rows)
    assert "CreateWebhookTrigger" in str(rows) and URL in str(rows)


@pytest.mark.parametrize(
    ("fields", "condition", "said"),
    [
        ({"name": ""}, RuleInvalid, "Name: non zero value required"),
        ({"name": "Deploy"}, RuleInvalid, "Name"),
        ({"name": "-x"}, RuleInvalid, "Name"),
        ({"name": "x" * 65}, RuleInvalid, "Name"),
        ({"targets": []}, RuleInvalid, "Targets"),
        ({"targets": [WebhookTarget(address="")]}, RuleInvalid, "Address"),
        ({"targets": [WebhookTarget(address="ftp://x")]}, OutboundRefused, "http"),
        ({"targets": [WebhookTarget(address="http://u:p@x.example.com")]}, OutboundRefused, "password"),
        ({"targets": [receivers.target(URL, Host="x")]}, RuleInvalid, "server"),
        ({"targets": [receivers.target(URL, X_Roadstead_Delivery="x")]}, RuleInvalid, "server"),
        ({"targets": [receivers.target(URL, X="a\r\nY: b")]}, RuleInvalid, "characters"),
        ({"targets": [receivers.target(URL, **{"a b": "x"})]}, RuleInvalid, "name"),
        ({"event_types": []}, RuleInvalid, "EventTypes"),
        ({"event_types": ["pushimage"]}, RuleInvalid, "EventTypes"),
        ({"condition": "{a/b,c}"}, PatternInvalid, "slash"),
        ({"operator_pattern": "{secret}"}, RuleInvalid, "OperatorPattern"),
    ],
)
async def test_what_cannot_be_a_trigger(
    ctx: Context, fields: dict[str, Any], condition: type[Exception], said: str
) -> None:
    asked = trigger(URL, **fields) if "targets" not in fields else trigger(**fields)
    with pytest.raises(condition, match=said):
        await call(ctx, triggers.create_webhook_trigger, namespace="library", trigger=asked)
    assert await listed(ctx) == []


async def test_names_are_unique_in_a_namespace(ctx: Context) -> None:
    await call(ctx, namespaces.create_namespace, namespace_name="other", is_public=False)
    first = await create(ctx, URL)
    await create(ctx, URL, namespace="other")
    await create(ctx, URL, namespace="")
    for namespace in ("library", ""):
        with pytest.raises(AlreadyExists, match="already exists"):
            await create(ctx, URL, namespace=namespace)
    second = await create(ctx, URL, name="second")
    with pytest.raises(AlreadyExists):
        await modify(ctx, trigger(URL, id=second))
    await modify(ctx, trigger(URL, id=first))


async def test_what_is_not_there(ctx: Context) -> None:
    number = await create(ctx, URL)
    with pytest.raises(NamespaceUnknown, match="namespace not found"):
        await create(ctx, URL, namespace="nowhere")
    with pytest.raises(ParameterMissing):
        await modify(ctx, trigger(URL))
    for namespace, wrong in (("library", number + 1), ("", number)):
        with pytest.raises(TriggerUnknown, match="not found"):
            await modify(ctx, trigger(URL, id=wrong), namespace)
        with pytest.raises(TriggerUnknown):
            await call(ctx, triggers.delete_webhook_trigger, namespace=namespace, id=wrong)
    with pytest.raises(TriggerUnknown):
        await call(ctx, log.send_again, namespace="library", id=number, log_id=1)
    with pytest.raises(InvalidInput):
        await call(ctx, triggers.describe_webhook_trigger, last="x")


async def test_lists_are_paged_searched_and_hide_what_belongs_to_products(ctx: Context) -> None:
    for name in ("a1", "b1", "a2", "a3"):
        await create(ctx, URL, name=name)
    await create(ctx, URL, name="a4", product="ags")
    page = await call(ctx, triggers.describe_webhook_trigger, namespace="library", search="a", limit=2)
    assert ([each.name for each in page.triggers], page.total_count) == (["a1", "a2"], 3)
    rest = await call(
        ctx, triggers.describe_webhook_trigger, namespace="library", search="a", limit=2, last=page.last
    )
    assert [each.name for each in rest.triggers] == ["a3"]
    skipped = await call(ctx, triggers.describe_webhook_trigger, offset=3)
    assert [each.name for each in skipped.triggers] == ["a3"]


async def test_an_instance_has_so_many_triggers(folder: Path, clock: FakeClock) -> None:
    async with open_test_context(folder, clock, triggers=Triggers(most=2)) as ctx:
        await create(ctx, URL, name="one")
        await create(ctx, URL, name="two")
        with pytest.raises(LimitReached):
            await create(ctx, URL, name="three")


async def test_triggers_go_with_their_namespace(ctx: Context) -> None:
    await call(ctx, namespaces.create_namespace, namespace_name="other", is_public=False)
    await create(ctx, URL, namespace="other")
    await call(ctx, namespaces.delete_namespace, namespace_name="other")
    assert await listed(ctx) == []


async def test_nobody_without_permission_sees_or_does_anything(ctx: Context) -> None:
    number = await create(ctx, URL)
    caller = await sub_caller(ctx)
    for op, fields in (
        (triggers.create_webhook_trigger, {"trigger": trigger(URL)}),
        (triggers.modify_webhook_trigger, {"trigger": trigger(URL, id=number)}),
        (triggers.delete_webhook_trigger, {"id": number}),
        (log.describe_webhook_trigger_log, {}),
        (log.describe_delivery_attempts, {"id": number, "log_id": 1}),
        (log.send_again, {"id": number}),
        (log.test_webhook_trigger, {"id": number}),
    ):
        with pytest.raises(AccessDenied):
            await call_as(ctx, caller, op, namespace="library", **fields)
    assert (await call_as(ctx, caller, triggers.describe_webhook_trigger)).triggers == []


async def test_a_test_posts_a_sample_and_stores_nothing(ctx: Context, web: Web) -> None:
    web.handlers["/"] = says(202, b"seen", "X-Said: yes")
    number = await create(ctx, secret="s", targets=[receivers.target(web.url, Authorization="hush")])
    (result,) = (await call(ctx, log.test_webhook_trigger, namespace="library", id=number)).results
    assert (result.accepted, result.status, result.answer_body) == (True, 202, "seen")
    assert "x-said: yes" in result.answer and "hush" not in result.request
    (asked,) = web.asked
    assert told(asked)["type"] == "pushImage" and asked.headers["authorization"] == "hush"
    assert (await call(ctx, log.describe_webhook_trigger_log, namespace="library")).logs == []
    before = await call(ctx, log.test_webhook_trigger, namespace="", target=receivers.target(f"{web.url}/?a=b"))
    assert before.results[0].accepted and "a=b" not in before.results[0].request
    with pytest.raises(InvalidInput, match="Target"):
        await call(ctx, log.test_webhook_trigger, namespace="")


async def test_a_test_is_audited_and_no_transaction_waits_for_the_receiver(ctx: Context, web: Web) -> None:
    number = await create(ctx, web.url)

    async def writes(asked: Asked, writer: asyncio.StreamWriter) -> None:
        async with ctx.database.write() as tx:
            await tx.run(sa.update(table).values(description="written meanwhile"))
        await says(204)(asked, writer)

    web.handlers["/"] = writes
    tested = await call(ctx, log.test_webhook_trigger, namespace="library", id=number)
    assert tested.results[0].status == 204
    assert [each.description for each in await listed(ctx)] == ["written meanwhile"]
    async with ctx.database.read() as tx:
        entry = await tx.one(sa.select(audit_entries).order_by(audit_entries.c.id.desc()).limit(1))
    assert entry is not None and entry.action == "tcr:TestWebhookTrigger"
    assert msgspec.json.decode(entry.data)["Id"] == number


async def test_private_addresses_are_not_called_unless_listed(folder: Path, clock: FakeClock, web: Web) -> None:
    async with open_test_context(folder, clock) as ctx:
        tested = await call(ctx, log.test_webhook_trigger, namespace="", target=receivers.target(web.url))
        assert not tested.results[0].accepted and "outbound.allow" in tested.results[0].error
    assert web.asked == []


async def test_posts_are_signed_and_formatted_as_the_trigger_says(ctx: Context, web: Web, clock: FakeClock) -> None:
    await create(ctx, web.url, secret="s3cret", format="cloudevents", operator_pattern="{uin} at {address}")
    await push_image(ctx, await owner_asker(ctx), "library/web", "1")
    await deliver_due(ctx)
    (asked,) = web.asked
    at = int(clock.now.timestamp())
    mac = hmac.new(b"s3cret", f"{at}.".encode() + asked.body, hashlib.sha256).hexdigest()
    assert asked.headers["x-roadstead-signature"] == f"t={at},v1={mac}"
    assert asked.headers["content-type"] == "application/cloudevents+json"
    assert told(asked)["type"] == "roadstead.pushImage"
    assert told(asked)["data"]["operator"].endswith(" at 127.0.0.1")


async def test_one_delivery_is_sent_again_as_it_was(ctx: Context, web: Web) -> None:
    number = await create(ctx, web.url)
    await push_image(ctx, await owner_asker(ctx), "library/web", "1")
    page = await call(ctx, log.describe_webhook_trigger_log, namespace="library", id=number)
    async with ctx.database.write() as tx:
        await tx.run(sa.update(deliveries).values(state="running"))
    with pytest.raises(Conflict, match="on its way"):
        await call(ctx, log.send_again, namespace="library", id=number, log_id=page.logs[0].id)
    await deliver_due(ctx)
    again = await call(ctx, log.send_again, namespace="library", id=number, log_id=page.logs[0].id)
    await deliver_due(ctx)
    assert again.count == 1 and len(web.asked) == 2
    assert web.asked[0].body == web.asked[1].body
    assert web.asked[0].headers["x-roadstead-delivery"] == web.asked[1].headers["x-roadstead-delivery"]
    await modify(ctx, trigger(web.url, id=number, enabled=False))
    with pytest.raises(Conflict, match="disabled"):
        await call(ctx, log.send_again, namespace="library", id=number)


async def test_of_a_span_what_has_lost_its_target_is_skipped_and_counted(ctx: Context, web: Web) -> None:
    number = await create(ctx, web.url, f"{web.url}/?second")
    for tag in ("1", "2"):
        await push_image(ctx, await owner_asker(ctx), "library/web", tag)
    await deliver_due(ctx)
    async with ctx.database.write() as tx:
        await tx.run(sa.update(deliveries).values(state="error"))
    await modify(ctx, trigger(web.url, id=number))
    web.asked.clear()
    again = await call(ctx, log.send_again, namespace="library", id=number)
    assert (again.count, again.skipped, again.more) == (2, 2, False)
    await deliver_due(ctx)
    assert receivers.tags(web) == ["1", "2"]
    left = await call(ctx, log.describe_webhook_trigger_log, namespace="library", id=number, status="error")
    with pytest.raises(Conflict, match="no target 1"):
        await call(ctx, log.send_again, namespace="library", id=number, log_id=left.logs[0].id)
    none = await call(ctx, log.send_again, namespace="library", id=number, end_time=0)
    assert (none.count, none.skipped) == (0, 0)


async def test_the_log_is_as_the_cloud_shows_it(ctx: Context, web: Web) -> None:
    number = await create(ctx, web.url)
    for tag in ("1", "2", "3"):
        await push_image(ctx, await owner_asker(ctx), "library/web", tag)
    await deliver_due(ctx)
    page = await call(ctx, log.describe_webhook_trigger_log, namespace="library", id=number, limit=2)
    assert page.total_count == 3 and [msgspec.json.decode(each.detail)["type"] for each in page.logs] == [
        "pushImage",
        "pushImage",
    ]
    first = page.logs[0]
    assert (first.trigger_id, first.notify_type, first.status, first.repository) == (
        number,
        "http",
        "finished",
        "library/web",
    )
    rest = await call(ctx, log.describe_webhook_trigger_log, namespace="library", id=number, limit=2, last=page.last)
    assert len(rest.logs) == 1 and rest.logs[0].id < page.logs[1].id
    everything = await call(ctx, log.describe_webhook_trigger_log, namespace="library")
    assert len(everything.logs) == 3
    failed = await call(ctx, log.describe_webhook_trigger_log, namespace="library", status="error")
    assert failed.logs == [] and failed.total_count == 0


async def test_the_log_tells_when_what_waits_is_tried_next(ctx: Context, web: Web, clock: FakeClock) -> None:
    async def again() -> list[tuple[str, float | None]]:
        page = await call(ctx, log.describe_webhook_trigger_log, namespace="library")
        return [
            (each.status, each.next_attempt_time and (each.next_attempt_time - clock.now).total_seconds())
            for each in page.logs
        ]

    seen = []

    async def refuses(asked: Asked, writer: asyncio.StreamWriter) -> None:
        seen.append(await again())
        await says(400)(asked, writer)

    await create(ctx, web.url)
    web.handlers["/"] = refuses
    for tag in ("1", "2"):
        await push_image(ctx, await owner_asker(ctx), "library/web", tag)
    assert await again() == [("pending", 0), ("pending", 0)]
    await deliver_due(ctx)
    assert seen == [[("pending", None), ("running", None)]]
    assert await again() == [("pending", 1), ("pending", 1)]
    clock.turn(seconds=1)
    web.handlers["/"] = says(503)
    await deliver_due(ctx)
    # The receiver is away: its pause counts too.
    assert await again() == [("pending", 2), ("pending", 2)]
    web.handlers["/"] = says(200)
    await pass_time(ctx, clock, 2)
    assert await again() == [("finished", None), ("finished", None)]


async def test_lanes_are_locked_in_one_order_whichever_event_came_first(ctx: Context) -> None:
    second = await create(ctx, URL, f"{URL}/b", name="second")
    first = await create(ctx, URL, name="first")
    served, caller = await ctx.instances.find("default"), await local_owner(ctx)
    event = Told(served.row.id, "", 1, "pushImage", "library/b", [Resource("1", "sha256:0")], caller, ctx.clock())
    async with ctx.database.write() as tx:
        await follow(ctx, tx, [event, replace(event, repository="library/a"), replace(event, event_id=2)])
        rows = await tx.all(sa.select(deliveries).order_by(deliveries.c.id))
    assert [(row.trigger_id, row.target, row.lane[-1], row.event_id) for row in rows] == [
        (trigger_id, target, lane, event_id)
        for trigger_id, target in ((second, 0), (second, 1), (first, 0))
        for lane, event_id in (("a", 1), ("b", 1), ("b", 2))
    ]


async def test_a_trigger_that_goes_while_it_is_changed_is_unknown(
    tmp_path: Path, clock: FakeClock, postgres_url: str
) -> None:
    async with open_test_context(tmp_path / "other", clock, database=postgres_url) as ctx:
        number = await create(ctx, URL)
        async with ctx.database.write() as tx:
            row = await stored.get(tx, number)
            assert row is not None
            await stored.remove(tx, row)
            changing = asyncio.create_task(modify(ctx, trigger(URL, id=number)))
            # Time enough to come to what the deletion holds.
            await asyncio.sleep(0.2)
        with pytest.raises(TriggerUnknown):
            await changing


async def delete_namespace(ctx: Context, registry_id: str) -> None:
    await ask(ctx, namespaces.delete_namespace, registry_id=registry_id, namespace_name="shop")


async def delete_instance(ctx: Context, registry_id: str) -> None:
    await ask(ctx, deletions.delete_instance, registry_id=registry_id)
    assert await work_off(ctx) == ["done"] and await status(ctx, registry_id) is None


@pytest.mark.parametrize("delete", [delete_namespace, delete_instance])
async def test_what_goes_with_a_namespace_or_an_instance_waits_for_whoever_delivers(
    tmp_path: Path, clock: FakeClock, postgres_url: str, delete: Callable[[Context, str], Awaitable[None]]
) -> None:
    """Where rows are locked, each by itself: a worker that has given up locks the receiver, then the trigger."""
    chosen = {**receivers.SETTINGS, "database": postgres_url}
    async with open_test_context(tmp_path / "other", clock, **chosen) as ctx:
        registry_id = await create_instance(ctx)
        await work_off(ctx)
        await ask(ctx, namespaces.create_namespace, registry_id=registry_id, namespace_name="shop")
        made = await ask(
            ctx,
            triggers.create_webhook_trigger,
            registry_id=registry_id,
            namespace="shop",
            trigger=trigger(URL, f"{URL}/second"),
        )
        number = made.trigger.id
        async with ctx.database.write() as tx:
            assert await waiting.target(tx, number, 1) is not None
            deleting = asyncio.create_task(delete(ctx, registry_id))
            # Time enough to come to what the worker holds.
            await asyncio.sleep(0.3)
            await stored.mark(tx, number, clock.now)
        await deleting
        async with ctx.database.read() as tx:
            assert await stored.get(tx, number) is None
            assert await waiting.target(tx, number, 1) is None
