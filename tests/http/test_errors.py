"""Each condition as the registry protocol tells it, and what is told of a failure that nobody foresaw."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import pytest
import structlog
from starlette.types import Message

from roadstead.app import set_up_logging
from roadstead.errors import (
    AccessDenied,
    AppError,
    MethodUnsupported,
    NotAuthenticated,
    NotFound,
    RangeInvalid,
    TooManyRequests,
)
from roadstead.http.errors import render_oci, render_problem
from roadstead.http.exchange import Exchange
from roadstead.services.context import Context
from tests.factories.accounts import origin
from tests.factories.asgi import open_client


def conditions(of: type[AppError] = AppError) -> list[type[AppError]]:
    """The class and all that are derived from it."""
    return [of, *(each for sub in of.__subclasses__() for each in conditions(sub))]


@dataclass
class Told:
    """The messages of one answer."""

    messages: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return bytes(self.messages[1]["body"])


async def nothing() -> Message:
    raise AssertionError("an error is told without reading the request")


async def told(
    ctx: Context,
    error: AppError,
    *,
    method: str = "GET",
    renderer: Callable[[Exchange, AppError], Awaitable[None]] = render_oci,
    **headers: str,
) -> Told:
    """How that error is told to a client of registry.test."""
    sent = [(b"host", b"registry.test:5000"), *((name.encode(), text.encode()) for name, text in headers.items())]
    answer = Told()
    request: dict[str, Any] = {"method": method, "path": "/v2/", "scheme": "http", "headers": sent}
    exchange = Exchange(ctx, request, nothing, answer.send, origin())
    exchange.instance = await ctx.instances.find("default")
    await renderer(exchange, error)
    return answer


def made(kind: type[AppError]) -> AppError:
    if issubclass(kind, TooManyRequests):
        return kind("the reason", retry_after=7, detail={"more": 1})
    return kind("the reason", detail={"more": 1})


@pytest.mark.parametrize("kind", conditions(), ids=lambda kind: kind.__name__)
async def test_every_condition_has_the_shape_of_the_specification(ctx: Context, kind: type[AppError]) -> None:
    answer = await told(ctx, made(kind))
    assert answer.status == kind.status
    detail = {"more": 1, "request_id": origin().request_id}
    if kind.gate:
        reached = f"instance/{(await ctx.instances.find('default')).row.registry_id}"
        detail |= {"gate": kind.gate, "action": "connect", "resource": reached, "reason": "the reason"}
    assert json.loads(answer.body) == {"errors": [{"code": kind.oci, "message": "the reason", "detail": detail}]}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-request-id"] == origin().request_id
    assert ("www-authenticate" in answer.headers) == (kind.status == 401)
    assert ("retry-after" in answer.headers) == (kind.status == 429)


async def test_to_head_the_body_is_not_sent_but_its_length_is(ctx: Context) -> None:
    answer = await told(ctx, AccessDenied("no"), method="HEAD")
    assert answer.body == b""
    assert int(answer.headers["content-length"]) > 0


async def test_an_error_without_detail_still_names_the_request(ctx: Context) -> None:
    answer = await told(ctx, NotFound("no"))
    assert json.loads(answer.body)["errors"][0]["detail"] == {"request_id": origin().request_id}


async def test_who_has_to_wait_is_told_how_long(ctx: Context) -> None:
    assert (await told(ctx, TooManyRequests("slow down", retry_after=7))).headers["retry-after"] == "7"


async def test_a_method_that_does_not_exist_is_answered_with_those_that_do(ctx: Context) -> None:
    answer = await told(ctx, MethodUnsupported("no", detail={"allow": "GET, HEAD"}))
    assert answer.headers["allow"] == "GET, HEAD"
    assert "allow" not in (await told(ctx, MethodUnsupported("no"))).headers


@pytest.mark.parametrize(("offset", "shown"), [(0, "0-0"), (1, "0-0"), (10, "0-9")])
async def test_a_chunk_at_the_wrong_place_is_told_the_right_one(ctx: Context, offset: int, shown: str) -> None:
    answer = await told(ctx, RangeInvalid("no", detail={"offset": offset, "location": "/v2/a/b/blobs/uploads/x"}))
    assert answer.status == 416
    assert (answer.headers["range"], answer.headers["location"]) == (shown, "/v2/a/b/blobs/uploads/x")
    assert "location" not in (await told(ctx, RangeInvalid("no", detail={"offset": offset}))).headers


async def test_the_challenge_says_where_tokens_are_had_and_for_what(ctx: Context) -> None:
    service = (await ctx.instances.find("default")).row.registry_id
    start = f'Bearer realm="http://registry.test:5000/service/token",service="{service}"'
    scope = "repository:library/app:pull"
    scoped = partial(render_oci, scope=scope)
    assert (await told(ctx, NotAuthenticated("no"))).headers["www-authenticate"] == start
    with_scope = await told(ctx, NotAuthenticated("no"), renderer=scoped)
    assert with_scope.headers["www-authenticate"] == f'{start},scope="{scope}"'
    wrong = await told(ctx, NotAuthenticated("no"), authorization="Bearer x")
    assert wrong.headers["www-authenticate"] == f'{start},error="invalid_token"'
    narrow = await told(
        ctx, NotAuthenticated("no", detail={"action": "pull"}), renderer=scoped, authorization="Bearer x"
    )
    assert narrow.headers["www-authenticate"] == f'{start},scope="{scope}",error="insufficient_scope"'


@contextmanager
def logging(ctx: Context) -> Iterator[None]:
    """Log lines go to standard error as the product writes them; to be entered when that is being captured."""
    set_up_logging(ctx.settings)
    try:
        yield
    finally:
        structlog.reset_defaults()


def stopped_clock() -> datetime:
    password = "a-password-that-nobody-may-read"
    raise RuntimeError(f"the clock stands still after {len(password)} characters")


async def test_an_unforeseen_failure_is_logged_once_without_values_of_variables(
    ctx: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_client(replace(ctx, clock=stopped_clock)) as client:
        with logging(ctx):
            answer = await client.get("/v2/library/app/manifests/v1")
    assert answer.status_code == 500
    (error,) = answer.json()["errors"]
    request_id = answer.headers["x-request-id"]
    assert error["code"] == "UNKNOWN"
    assert error["detail"] == {"request_id": request_id}
    assert request_id in error["message"] and "clock" not in error["message"]
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert f"request_id={request_id}" in line and "level=error" in line
    assert "RuntimeError: the clock stands still" in line and "stopped_clock" in line
    assert "nobody-may-read" not in line


async def test_a_foreseen_condition_is_not_logged(ctx: Context, capsys: pytest.CaptureFixture[str]) -> None:
    async with open_client(ctx) as client:
        with logging(ctx):
            assert (await client.get("/v2/library/app/manifests/v1")).status_code == 401
            assert (await client.get("/nowhere")).status_code == 400
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", conditions(), ids=lambda kind: kind.__name__)
async def test_every_condition_is_a_problem_of_rfc_9457(ctx: Context, kind: type[AppError]) -> None:
    answer = await told(ctx, made(kind), renderer=render_problem)
    assert answer.status == kind.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == (kind.status == 429)
    assert ("www-authenticate" in answer.headers) == (kind.status == 401)
    problem = json.loads(answer.body)
    expected = {
        "type": f"/api/v1/problems/{kind.__name__}",
        "status": kind.status,
        "detail": "the reason",
        "Code": kind.cloud,
        "Remedy": kind.remedy,
        "RequestId": origin().request_id,
        "More": 1,
    }
    assert expected.items() <= problem.items()
    assert problem["title"] and kind.remedy.endswith(".")
    assert ("Gate" in problem) == (kind.status in {401, 403, 429})


async def test_a_browser_with_a_session_is_not_asked_for_a_key(ctx: Context) -> None:
    answer = await told(ctx, NotAuthenticated("no"), renderer=render_problem, cookie="session=x")
    assert "www-authenticate" not in answer.headers


async def test_a_remedy_of_its_own_wins(ctx: Context) -> None:
    problem = json.loads(
        (await told(ctx, NotFound("no", detail={"remedy": "Do this."}), renderer=render_problem)).body
    )
    assert problem["Remedy"] == "Do this."
    assert "remedy" not in problem
