"""Events are listed and followed by those who may see them, and go when they are old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from roadstead.config import Events
from roadstead.domain.identity import Caller, CredentialKind
from roadstead.errors import InstanceUnknown, InvalidInput, LoginNeeded, NotAuthenticated
from roadstead.metadata import accounts
from roadstead.services import event_log
from roadstead.services.callers import caller_of
from roadstead.services.context import Context
from roadstead.services.event_log import Wanted, describe_events, follow, watched
from roadstead.services.namespaces import create_namespace
from tests.factories.accounts import (
    add_sub_account,
    nobody,
    origin,
    owner_asker,
    owner_caller,
    registry_id,
    sub_caller,
)
from tests.factories.calls import call, call_as
from tests.factories.contexts import open_test_context
from tests.factories.policies import allow, give
from tests.factories.pushes import push_image
from tests.jobs.bench import FakeClock


@pytest.fixture
async def pushed(ctx: Context) -> Context:
    """Two namespaces with an image each."""
    await call(ctx, create_namespace, namespace_name="shop", is_public=False)
    owner = await owner_asker(ctx)
    await push_image(ctx, owner, "library/web", "v1")
    await push_image(ctx, owner, "shop/cart", "v1", "v2")
    return ctx


async def listed(ctx: Context, caller: Caller | None = None, **fields: Any) -> list[tuple[str, str]]:
    page = await call_as(ctx, caller or await owner_caller(ctx), describe_events, order="oldest", **fields)
    return [(event.kind, event.repository or event.namespace_name) for event in page.events]


async def test_what_happened_is_listed_and_narrowed(pushed: Context) -> None:
    everything = await listed(pushed)
    assert everything[-3:] == [("pushImage", "library/web"), ("pushImage", "shop/cart"), ("pushImage", "shop/cart")]
    assert set(await listed(pushed, namespace_name="shop")) == {("pushImage", "shop/cart")}
    assert await listed(pushed, repository="library/web", kinds=["pushImage"]) == [("pushImage", "library/web")]
    assert await listed(pushed, kinds=["deleteChart"]) == []
    with pytest.raises(InvalidInput, match=r"'nothing' is no kind of event; known are .*pushImage"):
        await listed(pushed, kinds=["pushImage", "nothing"])
    newest = await call(pushed, describe_events, limit=1)
    assert (newest.events[0].tags, newest.events[0].repository) == (["v2"], "shop/cart")
    assert newest.events[0].digest.startswith("sha256:")
    assert (newest.events[0].user, newest.events[0].user_name) == ((await owner_caller(pushed)).uin, "admin")


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_pages_hold_everything_once(pushed: Context, order: str) -> None:
    whole = [event.id for event in (await call(pushed, describe_events, order=order)).events]
    found: list[int] = []
    last = ""
    while True:
        page = await call(pushed, describe_events, order=order, limit=2, last=last)
        found += [event.id for event in page.events]
        last = page.last
        if not last:
            break
    assert found == whole
    assert sorted(found, reverse=order == "newest") == found
    with pytest.raises(InvalidInput):
        await call(pushed, describe_events, last="soon")


async def test_everybody_sees_what_their_policies_cover(pushed: Context) -> None:
    registry = await registry_id(pushed)
    assert await listed(pushed, await sub_caller(pushed)) == []
    login = await add_sub_account(pushed, "seer")
    await give(pushed, login, allow(["tcr:Describe*"], f"repository/{registry}/shop/*"))
    async with pushed.database.read() as tx:
        account = await accounts.get(tx, uin=login.username)
        seeing = await caller_of(pushed, tx, account, CredentialKind.API_KEY, origin())
    assert set(await listed(pushed, seeing)) == {("pushImage", "shop/cart")}
    with pytest.raises(LoginNeeded):
        await listed(pushed, nobody())


async def following(ctx: Context, wanted: Wanted, last: int | None, **more: Any) -> AsyncIterator[tuple[str, str]]:
    instance = await watched(ctx, await registry_id(ctx))
    caller = await owner_caller(ctx)

    async def identify() -> Caller:
        return caller

    async for batch in follow(ctx, instance, wanted, last, more.get("identify", identify), 0.05):
        for event in batch:
            yield event.kind, event.repository


async def test_events_are_followed_from_another_process_and_resumed(pushed: Context, clock: FakeClock) -> None:
    stream = following(pushed, Wanted(kinds=["pushImage"]), 0)
    assert [await anext(stream) for _ in range(3)] == [
        ("pushImage", "library/web"),
        ("pushImage", "shop/cart"),
        ("pushImage", "shop/cart"),
    ]
    async with open_test_context(pushed.settings.folder, clock) as other:
        await push_image(other, await owner_asker(other), "library/new", "v1")
    assert await anext(stream) == ("pushImage", "library/new")
    await stream.aclose()
    newest = (await call(pushed, describe_events, limit=1)).events[0].id
    ahead = following(pushed, Wanted(), newest + 1000)
    waiting = asyncio.ensure_future(anext(ahead))
    await asyncio.sleep(0.2)
    await push_image(pushed, await owner_asker(pushed), "library/web", "v9")
    assert await waiting == ("pushImage", "library/web")
    await ahead.aclose()


async def test_a_right_that_is_gone_ends_the_stream(pushed: Context) -> None:
    caller, asked = await owner_caller(pushed), 0

    async def identify() -> Caller:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise NotAuthenticated("credential: disabled")
        return caller

    stream = following(pushed, Wanted(), None, identify=identify)
    with pytest.raises(NotAuthenticated):
        await anext(stream)
    assert (asked, pushed.feed.streams) == (3, 0)


async def test_an_unknown_instance_cannot_be_watched(ctx: Context) -> None:
    with pytest.raises(InstanceUnknown):
        await watched(ctx, "tcr-none")


async def test_old_events_are_forgotten(pushed: Context, clock: FakeClock) -> None:
    before = len(await listed(pushed))
    await event_log.forget_events.run(pushed, "{}")
    assert len(await listed(pushed)) == before
    clock.turn(days=91)
    async with open_test_context(pushed.settings.folder, clock, events=Events(days=0)) as keeping:
        await event_log.forget_events.run(keeping, "{}")
    assert len(await listed(pushed)) == before
    await event_log.forget_events.run(pushed, "{}")
    assert await listed(pushed) == [("pushImage", "shop/cart")]
