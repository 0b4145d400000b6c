"""The client of our own API: what a server tells as a problem is the same condition here."""

from __future__ import annotations

import httpx2
import msgspec
import pytest

from roadstead.clients.api import condition, open_api
from roadstead.errors import (
    AlreadyExists,
    AppError,
    InvalidInput,
    NotAuthenticated,
    OperationUnknown,
    TooManyRequests,
    Unavailable,
    conditions,
)
from roadstead.http.entry import Entry
from roadstead.http.errors import PROBLEMS
from roadstead.services.context import Context
from tests.factories.contexts import initial_credentials
from tests.factories.fixtures import clock, ctx, folder

__all__ = ["clock", "ctx", "folder"]


async def test_operations_are_called_with_a_key(ctx: Context) -> None:
    made = initial_credentials(ctx)
    transport = httpx2.ASGITransport(app=Entry(ctx))
    async with open_api("http://registry.test", made.secret_id, made.secret_key, transport) as client:
        root = await client.root()
        assert (root.product, root.instance["Name"]) == ("Roadstead", "default")
        body = msgspec.json.encode({"RegistryId": root.instance["RegistryId"], "NamespaceName": "library"})
        assert b"library" in await client.call("DescribeNamespaces", body)
        with pytest.raises(AlreadyExists, match="library") as met:
            await client.call("CreateNamespace", body)
        assert met.value.detail is not None and met.value.detail["RequestId"]
        with pytest.raises(OperationUnknown, match="Xyzzy"):
            await client.call("Xyzzy", b"{}")
    async with open_api("http://registry.test", made.secret_id, "wrong", transport) as client:
        with pytest.raises(NotAuthenticated, match="wrong"):
            await client.call("DescribeNamespaces", body)


@pytest.mark.parametrize("kind", conditions().values(), ids=lambda kind: kind.__name__)
def test_every_condition_comes_back_as_itself(kind: type[AppError]) -> None:
    told = {"type": f"{PROBLEMS}{kind.__name__}", "detail": "the reason", "RequestId": "1"}
    met = condition(kind.status, msgspec.json.encode(told))
    assert type(met) is kind and met.message == "the reason"
    assert met.detail == {"RequestId": "1"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", Unavailable),
        (b"", Unavailable),
        (b"[]", Unavailable),
        (b"{}", AppError),
        (b'{"type": "about:blank", "detail": "x"}', AppError),
        (b'{"type": "/api/v1/problems/OfTomorrow"}', AppError),
        (b'{"type": "/api/v1/problems/TooManyRequests"}', TooManyRequests),
    ],
)
def test_what_others_answer_is_a_condition_too(body: bytes, kind: type[AppError]) -> None:
    assert type(condition(502, body)) is kind


async def answering(status: int, **more: object) -> None:
    """The client has met a server that answers so to everything."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, **more)  # type: ignore[arg-type]

    async with open_api("http://other.test", "a", "b", httpx2.MockTransport(answer)) as client:
        await client.root()


async def test_another_server_is_told_apart() -> None:
    with pytest.raises(InvalidInput, match="not answer as a Roadstead"):
        await answering(200, text="hello")


async def test_a_redirect_is_not_followed_with_the_key() -> None:
    with pytest.raises(Unavailable, match="302"):
        await answering(302, headers={"location": "http://elsewhere.test/"})


async def test_a_server_that_breaks_off_is_unavailable() -> None:
    def break_off(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadError("gone")

    async with open_api("http://other.test", "a", "b", httpx2.MockTransport(break_off)) as client:
        with pytest.raises(Unavailable, match=r"other\.test.* cannot be reached: gone"):
            await client.call("DescribeNamespaces", b"{}")
