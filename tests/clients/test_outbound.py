"""Calls to other hosts: what is refused before a connection is made, and what answers are not taken."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from roadstead.clients.outbound import Outbound, check_url
from roadstead.config import Outbound as Rules
from roadstead.errors import OutboundFailed, OutboundRefused
from tests.clients.web import Asked, Web, says, web

LOCAL = ("127.0.0.1/32",)


@pytest.fixture
async def other() -> AsyncIterator[Web]:
    """Another host."""
    async with web() as found:
        found.handlers["/"] = says(200, b"hello", "X-Said: yes")
        yield found


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    """A client that may call this host."""
    client = Outbound(Rules(allow=LOCAL, answer_bytes=1024, seconds=30))
    yield client
    await client.close()


async def test_an_answer_comes_whole(outbound: Outbound, other: Web) -> None:
    answer = await outbound.ask("POST", f"{other.url}/?a=1", headers={"x-own": "1"}, content=b"body")
    assert (answer.status, answer.body, answer.headers["x-said"]) == (200, b"hello", "yes")
    (asked,) = other.asked
    assert (asked.method, asked.target, asked.body, asked.headers["x-own"]) == ("POST", "/?a=1", b"body", "1")
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["host"] == f"127.0.0.1:{other.port}"


async def test_private_addresses_are_not_called_unless_listed(other: Web) -> None:
    client = Outbound(Rules())
    with pytest.raises(OutboundRefused, match=r"outbound\.allow"):
        await client.ask("GET", other.url)
    with pytest.raises(OutboundRefused):
        await client.ask("GET", f"http://localhost:{other.port}/")
    await client.close()
    assert other.asked == []


async def test_the_address_that_was_judged_is_the_one_that_is_called(other: Web) -> None:
    """A name server that answers a public address first and a private one later gains nothing."""
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    seen: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        seen.append((host, port))
        return answers.pop(0)

    client = Outbound(Rules(allow=LOCAL), resolve)
    answer = await client.ask("GET", f"http://rebinding.test:{other.port}/")
    assert answer.status == 200 and other.asked[0].headers["host"].startswith("rebinding.test")
    with pytest.raises(OutboundRefused):
        await client.ask("GET", f"http://rebinding.test:{other.port}/")
    assert seen == [("rebinding.test", other.port)] * 2
    await client.close()


async def test_of_several_addresses_only_those_admitted_are_tried(other: Web) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["10.255.255.1", "127.0.0.1"]

    client = Outbound(Rules(allow=LOCAL), resolve)
    assert (await client.ask("GET", f"http://both.test:{other.port}/")).status == 200
    await client.close()


async def test_name_servers_that_do_not_answer_hold_up_nothing_else(
    outbound: Outbound, other: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go, real = threading.Event(), socket.getaddrinfo

    def slow(host: str, *more: Any, **options: Any) -> Any:
        if host.endswith(".test"):
            let_go.wait(20)
            raise OSError("nobody answers")
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    asking = [asyncio.create_task(outbound.ask("GET", f"http://n{number}.test/")) for number in range(12)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert (await outbound.ask("GET", f"http://localhost:{other.port}/")).status == 200
        assert await asyncio.to_thread(lambda: "done") == "done"
    assert not any(task.done() for task in asking)
    let_go.set()
    assert {type(each) for each in await asyncio.gather(*asking, return_exceptions=True)} == {OutboundFailed}


async def test_a_name_without_an_address(outbound: Outbound) -> None:
    with pytest.raises(OutboundFailed, match="no address"):
        await outbound.ask("GET", "http://nowhere.invalid/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com/",
        "http:///x",
        "http://user:secret@example.com/",
        "http://user@example.com/",
        "http://example.com:port/",
        "http://exa mple.com/",
        "http://example.com/\r\nHost: x",
        "http://ex\u00e4mple.com/",
        "",
    ],
)
def test_what_is_not_called_at_all(url: str) -> None:
    with pytest.raises(OutboundRefused):
        check_url(url)


async def test_a_redirect_on_the_same_host_is_followed(outbound: Outbound, other: Web) -> None:
    other.handlers["/old"] = says(302, b"", "Location: /")
    assert (await outbound.ask("GET", f"{other.url}/old")).body == b"hello"
    assert (await outbound.ask("POST", f"{other.url}/old")).status == 302


@pytest.mark.parametrize(
    "target",
    ["http://127.0.0.1:1/", "http://localhost/", "https://127.0.0.1/", "http://169.254.169.254/x", "ftp://x/"],
)
async def test_a_redirect_elsewhere_is_not(outbound: Outbound, other: Web, target: str) -> None:
    other.handlers["/old"] = says(302, b"", f"Location: {target}")
    with pytest.raises(OutboundRefused):
        await outbound.ask("GET", f"{other.url}/old")
    assert len(other.asked) == 1


async def test_redirects_in_a_circle_end(outbound: Outbound, other: Web) -> None:
    other.handlers["/old"] = says(302, b"", "Location: /old")
    with pytest.raises(OutboundFailed, match="too often"):
        await outbound.ask("GET", f"{other.url}/old")
    assert len(other.asked) == 4


async def test_an_answer_without_an_end_is_dropped(outbound: Outbound, other: Web) -> None:
    async def flood(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 100000000\r\n\r\n")
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    other.handlers["/flood"] = flood
    with pytest.raises(OutboundFailed, match="more than 1024 bytes"):
        await outbound.ask("GET", f"{other.url}/flood")


async def test_who_never_answers_is_given_up(other: Web) -> None:
    async def drip(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    other.handlers["/drip"] = drip
    client = Outbound(Rules(allow=LOCAL, seconds=1))
    with pytest.raises(OutboundFailed, match="within 1 s"):
        await client.ask("GET", f"{other.url}/drip?secret=1")
    await client.close()


async def test_who_closes_early(outbound: Outbound, other: Web) -> None:
    async def half(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\nhalf")
        await writer.drain()

    other.handlers["/half"] = half
    with pytest.raises(OutboundFailed) as caught:
        await outbound.ask("GET", f"{other.url}/half?secret=1")
    assert "secret" not in caught.value.message
