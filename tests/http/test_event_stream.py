"""The door that tells what happens: who gets in, what is sent, and how it ends. Asked by plain ASGI messages."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Message

from roadstead.http.entry import Entry
from roadstead.services.context import Context
from tests.factories.accounts import add_api_key, add_sub_account, owner_asker, set_account_enabled
from tests.factories.asgi import open_client
from tests.factories.contexts import initial_credentials
from tests.factories.policies import allow, give
from tests.factories.pushes import push_image
from tests.jobs.bench import FakeClock


class Listener:
    """One client of the door."""

    def __init__(self, ctx: Context, query: str, headers: dict[str, str], method: str) -> None:
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self._leaving = asyncio.Event()
        self._asked = False
        scope = {
            "type": "http",
            "method": method,
            "path": "/api/v1/events",
            "query_string": query.encode(),
            "headers": [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in headers.items())],
            "client": ("127.0.0.1", 4000),
            "scheme": "http",
        }
        self.task = asyncio.create_task(Entry(ctx)(scope, self._receive, self.sent.put))

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._leaving.wait()
        return {"type": "http.disconnect"}

    async def leave(self) -> None:
        self._leaving.set()
        await self.task

    async def head(self) -> tuple[int, dict[str, str]]:
        started = await self.sent.get()
        return started["status"], {name.decode(): value.decode() for name, value in started["headers"]}

    async def event(self) -> dict[str, str]:
        """The fields of the next event; signs of life are passed over."""
        while True:
            for part in (await self.sent.get())["body"].decode().split("\n\n"):
                if part and not part.startswith(":"):
                    return dict(line.split(": ", 1) for line in part.splitlines())


@asynccontextmanager
async def listening(
    ctx: Context, query: str = "", key: tuple[str, str] | None = None, method: str = "GET", **headers: str
) -> AsyncIterator[Listener]:
    made = initial_credentials(ctx)
    secret = ":".join(key or (made.secret_id, made.secret_key))
    if key != ("", ""):
        headers["authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
    found = Listener(ctx, query, {name.replace("_", "-"): value for name, value in headers.items()}, method)
    try:
        yield found
    finally:
        await found.leave()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams look at rights and show signs of life many times a second."""
    follow = __import__("roadstead.services.event_log", fromlist=["follow"]).follow
    monkeypatch.setattr("roadstead.http.event_stream.follow", lambda *given: follow(*given, 0.05))


async def test_what_happens_is_sent_and_resumed(ctx: Context) -> None:
    owner = await owner_asker(ctx)
    async with listening(ctx, "Kind=pushImage,deleteImage&NamespaceName=library") as client:
        status, headers = await client.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream")
        await push_image(ctx, owner, "library/web", "v1")
        first = await client.event()
        told = json.loads(first["data"])
        assert (first["event"], told["Repository"], told["Tags"]) == ("pushImage", "library/web", ["v1"])
        assert first["id"] == str(told["Id"])
    assert ctx.feed.streams == 0
    await push_image(ctx, owner, "library/web", "v2")
    async with listening(ctx, "Kind=pushImage", last_event_id=first["id"]) as client:
        await client.head()
        assert json.loads((await client.event())["data"])["Tags"] == ["v2"]
    async with listening(ctx, f"Kind=pushImage&LastEventId={first['id']}") as client:
        await client.head()
        assert json.loads((await client.event())["data"])["Tags"] == ["v2"]


async def test_a_sign_of_life_comes_when_nothing_happens(ctx: Context) -> None:
    async with listening(ctx) as client:
        await client.head()
        for _ in range(3):
            assert (await client.sent.get())["body"] == b": nothing new\n\n"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"key": ("", "")}, 401),
        ({"key": ("AKIDnobody", "wrong")}, 401),
        ({"query": "RegistryId=tcr-none"}, 404),
        ({"last_event_id": "soon"}, 400),
        ({"query": "Kind=pushimage"}, 400),
        ({"method": "POST"}, 405),
    ],
)
async def test_what_cannot_be_is_told_as_a_problem(ctx: Context, asked: dict[str, Any], status: int) -> None:
    async with listening(ctx, **asked) as client:
        found, headers = await client.head()
        assert (found, headers["content-type"]) == (status, "application/problem+json")


async def test_a_client_sees_what_its_policies_cover_until_it_is_disabled(ctx: Context) -> None:
    login = await add_sub_account(ctx)
    key = await add_api_key(ctx, login.username)
    registry = (await owner_asker(ctx)).instance.row.registry_id
    await give(ctx, login, allow("tcr:DescribeEvents", f"repository/{registry}/library/web"))
    async with listening(ctx, "Kind=pushImage", key) as client:
        await client.head()
        for repository in ("library/other", "library/web"):
            await push_image(ctx, await owner_asker(ctx), repository, "v1")
        assert json.loads((await client.event())["data"])["Repository"] == "library/web"
        await set_account_enabled(ctx, login.username, False)
        ended = await client.event()
        assert ended["event"] == "refused"
        assert "disabled" in json.loads(ended["data"])["detail"]
        await client.task


async def test_a_stream_does_not_keep_a_login_alive_and_ends_with_it(ctx: Context, clock: FakeClock) -> None:
    made = initial_credentials(ctx)
    async with open_client(ctx) as browser:
        body = {"Name": made.user_name, "Password": made.password}
        cookie = (await browser.post("/api/v1/session/login", json=body)).headers["set-cookie"].split(";")[0]
    async with listening(ctx, "Kind=pushImage", key=("", ""), cookie=cookie) as client:
        await client.head()
        for _ in range(2):
            clock.turn(hours=1)
            await push_image(ctx, await owner_asker(ctx), "library/web", "v1")
            assert (await client.event())["event"] == "pushImage"
        clock.turn(seconds=1)
        ended = await client.event()
        assert (ended["event"], "log in again" in ended["data"]) == ("refused", True)
        await client.task


async def test_the_end_of_the_process_ends_it(ctx: Context) -> None:
    async with listening(ctx) as client:
        await client.head()
        ctx.feed.close()
        await client.task
    assert ctx.feed.streams == 0
