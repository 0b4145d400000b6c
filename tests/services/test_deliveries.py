"""Deliveries of triggers: what receivers get, in which order, and how failures of every kind are met."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.app import worker
from roadstead.config import Triggers
from roadstead.jobs.queue import NoArguments
from roadstead.metadata import triggers as stored
from roadstead.metadata.schema.jobs import jobs
from roadstead.metadata.schema.triggers import deliveries, trigger_lanes
from roadstead.services import repositories, triggers
from roadstead.services import trigger_log as log
from roadstead.services.context import Context
from roadstead.services.deliveries import forget_deliveries, wake_receivers
from tests.clients.web import Asked, Web, says
from tests.factories import receivers
from tests.factories.accounts import owner_asker
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.factories.pushes import push_image
from tests.factories.receivers import create, deliver_due, pass_time, receiver, tags, told
from tests.jobs.bench import FakeClock


@pytest.fixture
async def ctx(folder: Path, clock: FakeClock) -> AsyncIterator[Context]:
    """A Context that may call this host."""
    async with open_test_context(folder, clock, **receivers.SETTINGS) as ctx:
        yield ctx


@pytest.fixture(params=["sqlite", "postgresql"])
async def both(
    request: pytest.FixtureRequest, folder: Path, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Context]:
    """The same over each database, for what locks decide."""
    chosen = dict(receivers.SETTINGS)
    if request.param == "postgresql":
        folder, chosen["database"] = tmp_path / "other", request.getfixturevalue("postgres_url")
    async with open_test_context(folder, clock, **chosen) as ctx:
        yield ctx


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    """A receiver that accepts everything."""
    async with receiver() as found:
        yield found


async def push(ctx: Context, repository: str, *pushed: str) -> None:
    owner = await owner_asker(ctx)
    for tag in pushed:
        await push_image(ctx, owner, f"library/{repository}", tag)


async def states(ctx: Context) -> list[str]:
    async with ctx.database.read() as tx:
        return [row.state for row in await tx.all(sa.select(deliveries.c.state).order_by(deliveries.c.id))]


async def waiting_lanes(ctx: Context) -> int:
    async with ctx.database.read() as tx:
        return int(await tx.scalar(sa.select(sa.func.count()).select_from(trigger_lanes)))


def failing(wrong: Callable[[Any], bool], status: int = 500) -> Any:
    """A handler that refuses the bodies for which `wrong` holds."""

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await says(status if wrong(told(asked)) else 204)(asked, writer)

    return answer


def tag_of(body: Any) -> str:
    found: str = body["event_data"]["resources"][0]["tag"]
    return found


async def test_a_push_is_posted_as_documented(ctx: Context, web: Web) -> None:
    await create(ctx, web.url)
    await push(ctx, "shop/web", "1.0")
    await deliver_due(ctx)
    (asked,) = web.asked
    body = told(asked)
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/json")
    assert (asked.headers["x-roadstead-event"], len(asked.headers["x-roadstead-delivery"])) == ("pushImage", 36)
    assert asked.headers["user-agent"].startswith("roadstead/")
    assert "x-roadstead-signature" not in asked.headers
    assert body["type"] == "pushImage" and body["event_data"]["repository"]["repo_full_name"] == "library/shop/web"
    assert body["event_data"]["resources"][0]["resource_url"] == "default.localhost:5000/library/shop/web:1.0"
    assert await states(ctx) == ["finished"] and await waiting_lanes(ctx) == 0


async def test_nothing_is_entered_where_no_trigger_wants_it(ctx: Context, web: Web) -> None:
    await create(ctx, web.url, condition="other", name="a")
    await create(ctx, web.url, condition=":v*", name="b")
    await create(ctx, web.url, event_types=["pullImage"], name="c")
    await create(ctx, web.url, enabled=False, name="d")
    await push(ctx, "web", "1.0")
    await deliver_due(ctx)
    assert web.asked == [] and await states(ctx) == []


async def test_of_several_deleted_tags_those_that_match_are_told(ctx: Context, web: Web) -> None:
    await create(ctx, web.url, condition="w*:v*", event_types=["deleteImage"])
    await push(ctx, "web", "v1", "latest", "v2")
    await call(ctx, repositories.delete_repository, namespace_name="library", repository_name="web")
    await deliver_due(ctx)
    (body,) = map(told, web.asked)
    resources = body["event_data"]["resources"]
    assert [each["tag"] for each in resources] == ["v1", "v2"] and resources[0]["digest"].startswith("sha256:")
    assert "date_created" not in body["event_data"]["repository"]


async def test_deliveries_of_a_repository_are_in_order_and_each_comes_once(both: Context, web: Web) -> None:
    ctx = both
    await create(ctx, web.url)
    for round_ in range(5):
        await push(ctx, "first", f"a{round_}")
        await push(ctx, "second", f"b{round_}")
    await deliver_due(ctx)
    heard = tags(web)
    assert [tag for tag in heard if tag[0] == "a"] == [f"a{number}" for number in range(5)]
    assert [tag for tag in heard if tag[0] == "b"] == [f"b{number}" for number in range(5)]
    assert len(heard) == 10 and await waiting_lanes(ctx) == 0


async def test_a_burst_of_pushes_enters_one_job(ctx: Context, web: Web) -> None:
    await create(ctx, web.url)
    await push(ctx, "web", *(f"t{number}" for number in range(10)))
    async with ctx.database.read() as tx:
        waiting = sa.select(sa.func.count()).where(jobs.c.task == "deliver")
        assert await tx.scalar(waiting) == 1


async def test_an_answer_that_is_no_success_is_tried_again_with_the_same_id(
    ctx: Context, web: Web, clock: FakeClock
) -> None:
    trigger_id = await create(ctx, web.url)
    web.handlers["/"] = says(500, b"no")
    await push(ctx, "web", "1")
    await deliver_due(ctx)
    assert await states(ctx) == ["pending"]
    web.handlers["/"] = says(200, b"thank you")
    await pass_time(ctx, clock, 2)
    assert await states(ctx) == ["finished"]
    assert len({asked.headers["x-roadstead-delivery"] for asked in web.asked}) == 1
    assert len({asked.body for asked in web.asked}) == 1
    page = await call(ctx, log.describe_webhook_trigger_log, namespace="library", id=trigger_id)
    tried = await call(
        ctx, log.describe_delivery_attempts, namespace="library", id=trigger_id, log_id=page.logs[0].id
    )
    assert [(each.number, each.status, each.answer_body) for each in tried.attempts] == [
        (1, 500, "no"),
        (2, 200, "thank you"),
    ]
    assert "content-length: 9" in tried.attempts[1].answer


async def test_a_message_that_the_receiver_refuses_steps_aside(both: Context, web: Web, clock: FakeClock) -> None:
    """Decision 0017: its lane waits for a few attempts, then goes on without it; it is tried on by itself."""
    ctx = both
    await create(ctx, web.url)
    web.handlers["/"] = failing(lambda body: tag_of(body) == "bad")
    await push(ctx, "web", "1", "bad", "2", "3")
    await deliver_due(ctx)
    assert tags(web) == ["1", "bad"]
    await pass_time(ctx, clock, 40, step=1)
    heard = tags(web)
    assert heard[-1] == "bad" or heard[-2:] == ["2", "3"]
    assert [tag for tag in heard if tag != "bad"] == ["1", "2", "3"]
    assert heard.index("2") == 6, "five attempts, then the lane goes on"
    assert await states(ctx) == ["finished", "pending", "finished", "finished"]
    web.handlers["/"] = says(200)
    await pass_time(ctx, clock, 60)
    assert await states(ctx) == ["finished"] * 4 and await waiting_lanes(ctx) == 0


async def test_while_nobody_answers_the_order_is_kept(ctx: Context, web: Web, clock: FakeClock) -> None:
    await create(ctx, web.url)
    web.handlers["/"] = says(503)
    await push(ctx, "web", "1", "2", "3")
    await pass_time(ctx, clock, 3600)
    assert set(tags(web)) == {"1"}
    web.handlers["/"] = says(200)
    await pass_time(ctx, clock, 1000)
    heard = tags(web)
    assert heard[-2:] == ["2", "3"] and heard.count("2") == 1
    assert await states(ctx) == ["finished"] * 3


async def test_a_silent_receiver_is_asked_less_and_less_and_slows_no_other(
    ctx: Context, web: Web, clock: FakeClock
) -> None:
    async with receiver(503) as away:
        await create(ctx, away.url, name="away")
        await create(ctx, web.url, name="there")
        for number in range(20):
            await push(ctx, f"repository{number}", "1")
        await deliver_due(ctx)
        assert len(web.asked) == 20
        # The requests that were under way together, and no more.
        assert len(away.asked) <= 4
        await pass_time(ctx, clock, 3600)
        assert len(away.asked) <= 4 * 14


async def test_while_one_receiver_never_answers_others_are_told(ctx: Context, web: Web) -> None:
    let_go, heard = asyncio.Event(), asyncio.Queue[str]()

    async def hangs(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await heard.put("hangs")
        await let_go.wait()
        await says(200)(asked, writer)

    async def answers(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await says(200)(asked, writer)
        await heard.put("answers")

    async with receiver() as away:
        away.handlers["/"], web.handlers["/"] = hangs, answers
        await create(ctx, away.url, name="away")
        await create(ctx, web.url, name="there")
        for number in range(6):
            await push(ctx, f"repository{number}", "1")
        jobs_of_both = worker(ctx)
        working = asyncio.create_task(jobs_of_both.run())
        async with asyncio.timeout(15):
            told_ = sorted([await heard.get() for _ in range(10)])
        assert told_ == ["answers"] * 6 + ["hangs"] * 4, "at most so many at once, by triggers.concurrency"
        let_go.set()
        jobs_of_both.stop()
        await working


async def test_after_a_day_a_delivery_is_given_up_and_its_trigger_marked(
    ctx: Context, web: Web, clock: FakeClock
) -> None:
    trigger_id = await create(ctx, web.url)
    web.handlers["/"] = failing(lambda body: tag_of(body) == "1", 503)
    await push(ctx, "web", "1", "2")
    began = clock.now
    await pass_time(ctx, clock, 23 * 3600, step=3600)
    assert await states(ctx) == ["pending", "pending"]
    shown = await call(ctx, triggers.describe_webhook_trigger, namespace="library")
    assert shown.triggers[0].failing_since is None
    await pass_time(ctx, clock, 2 * 3600, step=900)
    assert await states(ctx) == ["error", "finished"], "the lane goes on"
    shown = await call(ctx, triggers.describe_webhook_trigger, namespace="library")
    assert shown.triggers[0].failing_since is None, "what came after it got through"
    await push(ctx, "web", "1")
    second = clock.now
    await pass_time(ctx, clock, 26 * 3600, step=3600)
    shown = await call(ctx, triggers.describe_webhook_trigger, namespace="library")
    assert shown.triggers[0].failing_since == second and second > began
    web.handlers["/"] = says(200)
    again = await call(ctx, log.send_again, namespace="library", id=trigger_id)
    assert (again.count, again.more) == (2, False)
    await pass_time(ctx, clock, 1000)
    assert set(await states(ctx)) == {"finished"}
    shown = await call(ctx, triggers.describe_webhook_trigger, namespace="library")
    assert shown.triggers[0].failing_since is None


async def test_what_waits_for_a_disabled_trigger_is_stopped(ctx: Context, web: Web, clock: FakeClock) -> None:
    trigger_id = await create(ctx, web.url)
    web.handlers["/"] = says(503)
    await push(ctx, "web", "1", "2")
    await deliver_due(ctx)
    off = receivers.trigger(web.url, enabled=False, id=trigger_id)
    await call(ctx, triggers.modify_webhook_trigger, namespace="library", trigger=off)
    await deliver_due(ctx)
    assert await states(ctx) == ["stopped", "stopped"] and await waiting_lanes(ctx) == 0


@pytest.mark.parametrize("status", [503, 400])
async def test_what_waits_for_another_attempt_has_it_at_once_when_asked_to(
    both: Context, web: Web, clock: FakeClock, status: int
) -> None:
    ctx = both
    trigger_id = await create(ctx, web.url)
    web.handlers["/"] = says(status)
    await push(ctx, "web", "1", "2")
    await pass_time(ctx, clock, 600)
    web.handlers["/"] = says(200)
    asked = len(web.asked)
    await deliver_due(ctx)
    assert len(web.asked) == asked
    page = await call(ctx, log.describe_webhook_trigger_log, namespace="library", id=trigger_id)
    again = await call(ctx, log.send_again, namespace="library", id=trigger_id, log_id=page.logs[-1].id)
    await deliver_due(ctx)
    assert again.count == 1 and set(await states(ctx)) == {"finished"}
    assert sorted(tags(web)[asked:]) == ["1", "2"]


async def test_a_change_stops_nothing_of_a_worker_that_waits_for_it(
    both: Context, web: Web, clock: FakeClock
) -> None:
    ctx = both
    trigger_id = await create(ctx, web.url)
    await push(ctx, "web", "1")
    async with ctx.database.read() as tx:
        row = await stored.get(tx, trigger_id)
    assert row is not None
    async with ctx.database.write() as tx:
        await stored.modify(tx, row)
        working = asyncio.create_task(deliver_due(ctx))
        # Time enough to come to what the change holds.
        await asyncio.sleep(0.2)
    await working
    await pass_time(ctx, clock, 60)
    assert await states(ctx) == ["finished"]


async def test_a_trigger_that_was_put_right_tries_at_once(ctx: Context, web: Web, clock: FakeClock) -> None:
    trigger_id = await create(ctx, "http://127.0.0.1:9/", f"{web.url}/second")
    web.handlers["/second"] = says(200)
    await push(ctx, "web", "1")
    await pass_time(ctx, clock, 600)
    right = receivers.trigger(web.url, f"{web.url}/second", id=trigger_id)
    await call(ctx, triggers.modify_webhook_trigger, namespace="library", trigger=right)
    await deliver_due(ctx)
    assert await states(ctx) == ["finished", "finished"]


async def test_a_deleted_trigger_takes_its_log_along(ctx: Context, web: Web, clock: FakeClock) -> None:
    trigger_id = await create(ctx, web.url)
    await push(ctx, "web", "1")
    await deliver_due(ctx)
    web.handlers["/"] = says(503)
    await push(ctx, "web", "2")
    await deliver_due(ctx)
    await call(ctx, triggers.delete_webhook_trigger, namespace="library", id=trigger_id)
    page = await call(ctx, log.describe_webhook_trigger_log, namespace="library")
    assert page.logs == []
    await forget_deliveries.body(ctx, NoArguments())
    assert await states(ctx) == [] and await waiting_lanes(ctx) == 0
    asked = len(web.asked)
    await pass_time(ctx, clock, 600)
    assert len(web.asked) == asked


async def test_the_log_is_kept_for_some_days(ctx: Context, web: Web, clock: FakeClock) -> None:
    await create(ctx, web.url)
    await push(ctx, "web", "1")
    await deliver_due(ctx)
    clock.now += timedelta(days=29)
    await push(ctx, "web", "2")
    await forget_deliveries.body(ctx, NoArguments())
    assert await states(ctx) == ["finished", "pending"]
    clock.now += timedelta(days=2)
    await forget_deliveries.body(ctx, NoArguments())
    assert await states(ctx) == ["pending"]


async def test_deliveries_without_a_job_are_found_again(ctx: Context, web: Web, clock: FakeClock) -> None:
    await create(ctx, web.url)
    await push(ctx, "web", "1")
    async with ctx.database.write() as tx:
        await tx.run(sa.delete(jobs))
    await wake_receivers.body(ctx, NoArguments())
    await deliver_due(ctx)
    assert web.asked == [], "not overdue yet"
    clock.now += timedelta(minutes=2)
    await wake_receivers.body(ctx, NoArguments())
    await deliver_due(ctx)
    assert tags(web) == ["1"]


async def test_ten_thousand_deliveries_take_little_memory(ctx: Context, web: Web, clock: FakeClock) -> None:
    """At most one body for each request under way is in memory."""
    await create(ctx, web.url)
    await push(ctx, "web", "1")
    async with ctx.database.write() as tx:
        row = await tx.one(sa.select(deliveries))
        assert row is not None
        kept = {key: value for key, value in row._mapping.items() if key != "id"}
        for start in range(0, 10_000, 1000):
            lane = f"library/web{start}"
            rows = [{**kept, "lane": lane, "body": '{"x":"' + "y" * 2000 + f'{number}"}}'} for number in range(1000)]
            await tx.run(sa.insert(deliveries), rows)
            lanes = {"trigger_id": row.trigger_id, "target": 0, "lane": lane, "next_at": row.created_at, "entered": 1}
            await tx.run(sa.insert(trigger_lanes), lanes)
    received = 0

    async def count(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received += 1
        clock.now += timedelta(seconds=0.5)
        web.asked.clear()
        await says(200)(asked, writer)

    web.handlers["/"] = count
    tracemalloc.start()
    await receivers.work_off(ctx, "triggers")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert received >= 40 and most < 4 << 20


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_so_many_requests_to_one_receiver_at_once(folder: Path, clock: FakeClock, concurrency: int) -> None:
    chosen = {**receivers.SETTINGS, "triggers": Triggers(concurrency=concurrency)}
    now, most = 0, 0

    async def slow(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        await says(200)(asked, writer)

    async with receiver() as web, open_test_context(folder, clock, **chosen) as ctx:
        web.handlers["/"] = slow
        await create(ctx, web.url)
        for number in range(9):
            await push(ctx, f"r{number}", "1")
        await deliver_due(ctx)
        assert len(web.asked) == 9 and most == concurrency
