"""/openapi.json as it is served."""

from __future__ import annotations

import pytest

import roadstead
from roadstead.services.context import Context
from roadstead.services.table import OPERATIONS
from tests.factories.asgi import open_client


async def test_everybody_may_read_the_description(ctx: Context) -> None:
    async with open_client(ctx) as client:
        answer = await client.get("/openapi.json")
        head = await client.head("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    told = answer.json()
    assert told["info"]["version"] == roadstead.__version__
    assert len(told["paths"]) == len(OPERATIONS)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(answer.content)))


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
async def test_who_has_it_need_not_read_it_again(ctx: Context, form: str) -> None:
    async with open_client(ctx) as client:
        tag = (await client.get("/openapi.json")).headers["etag"]
        same = await client.get("/openapi.json", headers={"if-none-match": form.format(tag)})
        other = await client.get("/openapi.json", headers={"if-none-match": '"other"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200


async def test_it_is_only_read(ctx: Context) -> None:
    async with open_client(ctx) as client:
        answer = await client.post("/openapi.json")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.headers["content-type"] == "application/problem+json"
