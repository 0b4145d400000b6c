"""Receivers of every kind: what one request to each comes to, and that none can hold or fill this server."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from roadstead.config import Triggers
from roadstead.domain.receivers import Receiver
from roadstead.services.context import Context
from roadstead.services.receivers import Message, Outcome, post
from tests.clients.web import Asked, Web, says, web
from tests.factories import receivers
from tests.factories.contexts import open_test_context

MESSAGE = Message("uuid", "pushImage", "default", b"{}")


@pytest.fixture
async def ctx(folder: Path) -> AsyncIterator[Context]:
    """A Context whose requests have time enough on a busy machine."""
    async with open_test_context(folder, **receivers.SETTINGS) as ctx:
        yield ctx


@pytest.fixture
async def hurried(folder: Path) -> AsyncIterator[Context]:
    """A Context whose requests have little time."""
    settings = {**receivers.SETTINGS, "triggers": Triggers(attempt_seconds=1)}
    async with open_test_context(folder, **settings) as ctx:
        yield ctx


@pytest.fixture
async def there() -> AsyncIterator[Web]:
    """A receiver whose answers each test says."""
    async with web() as found:
        yield found


async def sent(ctx: Context, there: Web, handler: Any) -> Outcome:
    there.handlers["/"] = handler
    return await post(ctx, Receiver(address=f"{there.url}/?token=hush"), MESSAGE)


async def hangs(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drips(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """One byte of the head now and then, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        writer.write(b"y")
        await writer.drain()
        await asyncio.sleep(0.05)


async def closes_early(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhal")
    await writer.drain()


async def says_nothing(asked: Asked, writer: asyncio.StreamWriter) -> None:
    return


async def talks_nonsense(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff nonsense\r\n\r\n")
    await writer.drain()


async def resets(asked: Asked, writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("handler", [hangs, drips, closes_early, says_nothing, talks_nonsense, resets])
async def test_receivers_that_give_no_whole_answer_are_silent(hurried: Context, there: Web, handler: Any) -> None:
    outcome = await sent(hurried, there, handler)
    assert (outcome.accepted, outcome.silent, outcome.status) == (False, True, None)
    assert outcome.error and "hush" not in outcome.error + outcome.request
    assert " " in outcome.error.partition("could not be asked: ")[2] or "has not answered" in outcome.error


async def test_a_redirect_is_not_followed(ctx: Context, there: Web) -> None:
    async with web() as other:
        outcome = await sent(ctx, there, says(307, b"", f"location: {other.url}/"))
        assert (outcome.accepted, outcome.silent, outcome.status) == (False, False, 307)
        assert "redirect" in outcome.error and other.asked == []


async def test_of_a_long_answer_only_the_beginning_is_read(ctx: Context, there: Web) -> None:
    outcome = await sent(ctx, there, says(200, b"x" * (10 << 20)))
    assert outcome.accepted and outcome.answer_body == "x" * 2048


@pytest.mark.parametrize(
    ("status", "accepted", "silent"),
    [(200, True, False), (204, True, False), (299, True, False), (400, False, False), (500, False, False)]
    + [(status, False, True) for status in (429, 502, 503, 504)],
)
async def test_what_statuses_mean(ctx: Context, there: Web, status: int, accepted: bool, silent: bool) -> None:
    outcome = await sent(ctx, there, says(status))
    assert (outcome.accepted, outcome.silent, outcome.status) == (accepted, silent, status)


async def test_a_port_that_nobody_listens_on(ctx: Context, there: Web) -> None:
    outcome = await post(ctx, Receiver(address="http://127.0.0.1:9/"), MESSAGE)
    assert outcome.silent and "could not be asked" in outcome.error


async def test_an_answer_of_bytes_that_no_text_holds(ctx: Context, there: Web) -> None:
    outcome = await sent(ctx, there, says(200, b"\x00\xff"))
    assert outcome.accepted and "\0" not in outcome.answer_body
