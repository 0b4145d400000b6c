"""Listening at addresses of private links, which come and go while the server runs."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from typing import Any

import pytest

from roadstead.config import Settings, Tls
from roadstead.http.listening import LinkListeners, Port
from roadstead.http.server import manners_of, serve, server_config
from tests.http.serving import Application


def bound(host: str, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, 0))
    return listener


async def local(address: str, port: int) -> str:
    """The address of ours by which the server answers there; empty where it does not listen."""
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return ""
    writer.write(b"GET /where HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    body = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    return str(json.loads(body)["server"][0])


async def reached(address: str, port: int, wanted: str) -> None:
    async with asyncio.timeout(30):
        while await local(address, port) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_server_on_one_address_follows_the_links() -> None:
    listener = bound("127.0.0.1")
    port, links, stop = listener.getsockname()[1], ["127.0.9.1", "192.0.2.77"], asyncio.Event()
    listeners = LinkListeners(lambda: links, [Port.of(listener, secure=False)])
    config = server_config(Application(), Settings(), at_link=listeners.at_link)
    serving = asyncio.create_task(serve(config, [listener], stop, beside=listeners.follow))
    await reached("127.0.9.1", port, "127.0.9.1")
    assert await local("127.0.9.2", port) == ""
    assert listeners.at_link("127.0.9.1") and listeners.at_link("::ffff:127.0.9.1")
    assert not listeners.at_link("127.0.0.1")
    links[:] = ["127.0.9.2", "::1"]
    await reached("127.0.9.2", port, "127.0.9.2")
    await reached("127.0.9.1", port, "")
    await reached("::1", port, "::1")
    assert await local("127.0.0.1", port) == "127.0.0.1"
    stop.set()
    await serving
    for address in ("127.0.0.1", "127.0.9.2", "::1"):
        assert await local(address, port) == ""


@pytest.mark.parametrize(
    ("authorities", "where", "asked"),
    [("", "all", []), ("ca.pem", "links", ["127.0.9.1"]), ("ca.pem", "all", ["127.0.9.1", "127.0.0.1"])],
)
def test_at_links_clients_may_have_to_show_a_certificate(authorities: str, where: Any, asked: list[str]) -> None:
    settings = Settings(tls=Tls(client_authorities=authorities, client_certificates=where))
    manners = manners_of(settings, at_link=lambda address: address == "127.0.9.1")
    assert [address for address in ("127.0.9.1", "127.0.0.1") if manners.asks(address)] == asked


class Recorder:
    """Stands for the server: what it was told to listen at."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    async def open(self, listener: socket.socket, *, secure: bool) -> socket.socket:
        self.opened.append(f"{listener.getsockname()[0]} {secure}")
        return listener

    def shut(self, listening: object) -> None:
        assert isinstance(listening, socket.socket)
        listening.close()


async def test_nothing_is_opened_where_every_address_is_heard_already() -> None:
    links = ["127.0.9.1", "::1"]
    every, both = bound("0.0.0.0"), bound("::", socket.AF_INET6)
    with suppress(OSError):
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    one = bound("127.0.0.1")
    for listener, secure, opened in (
        (every, False, ["::1 False"]),
        (both, False, []),
        (one, True, ["127.0.9.1 True", "::1 True"]),
    ):
        recorder = Recorder()
        ports = [Port.of(listener, secure=secure)]
        held = list(links)
        listeners = LinkListeners(lambda held=held: held, ports)  # type: ignore[misc]
        for _ in range(2):
            await listeners.match(recorder)
        assert sorted(recorder.opened) == opened
        held.clear()
        await listeners.match(recorder)
        listener.close()
