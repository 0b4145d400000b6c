"""The product's own entry, asked in-process: the whole way of a request but for sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from starlette.types import Receive, Scope, Send

from roadstead.http.entry import Entry
from roadstead.services.context import Context
from tests.factories.contexts import initial_credentials

HOST = "registry.test:5000"


@asynccontextmanager
async def open_client(
    ctx: Context, *, address: str = "127.0.0.1", host: str = HOST, login: bool = False, local: str = ""
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client at `address` that asks for `host`; with `login` it sends the owner's first credential.

    Its connection came to the address `local` of this host, if that is given.
    """
    entry = Entry(ctx)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await entry({**scope, "server": (local, 5000)} if local else scope, receive, send)

    made = initial_credentials(ctx) if login else None
    transport = httpx2.ASGITransport(app=app, client=(address, 40000))
    async with httpx2.AsyncClient(
        transport=transport,
        base_url=f"http://{host}",
        auth=None if made is None else (made.registry_user, made.registry_token),
        trust_env=False,
    ) as client:
        yield client
