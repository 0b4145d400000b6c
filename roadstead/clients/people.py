"""A person's own login at another Roadstead, for what no API key may do: the own password and second factor.

It is the console's way in: name, password and code for a session, which ends with the block that it was opened for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx2
import msgspec

from roadstead.clients.api import condition
from roadstead.errors import AppError, InvalidInput, Unavailable

_PATH = "/api/v1/session"
_SECONDS = 30.0


class Person:
    """Somebody at a server, logged in or not yet."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        # What the server says of the login: `Name`, `Uin`, `Totp`, `RecoveryCodes` and what changes must carry.
        self.told: Mapping[str, Any] = {}

    async def log_in(self, fields: Mapping[str, str]) -> None:
        """The person is logged in; raises the condition that the server met, or Unavailable."""
        self.told = await self.ask("/login", **fields)

    async def ask(self, path: str, **fields: str) -> dict[str, Any]:
        """What the server answers there; raises the condition that it met, or Unavailable."""
        headers = {"content-type": "application/json", "x-csrf-token": str(self.told.get("CsrfToken", ""))}
        try:
            answer = await self._http.post(f"{_PATH}{path}", content=msgspec.json.encode(fields), headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"{self._http.base_url} cannot be reached: {error or type(error).__name__}") from error
        if answer.status_code != 200:
            raise condition(answer.status_code, answer.content)
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise InvalidInput(f"{self._http.base_url} does not answer as a Roadstead server") from error


@asynccontextmanager
async def somebody(server: str, transport: httpx2.AsyncBaseTransport | None = None) -> AsyncIterator[Person]:
    """Somebody who is not logged in, for requests that say themselves whose they are."""
    async with httpx2.AsyncClient(base_url=server, timeout=_SECONDS, transport=transport) as http:
        yield Person(http)


@asynccontextmanager
async def logged_in(
    server: str, fields: Mapping[str, str], transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[Person]:
    """Whoever these fields name (`Name`, `Password`, `Code`, `NewPassword`) is logged in while the block lasts."""
    async with somebody(server, transport) as person:
        await person.log_in(fields)
        try:
            yield person
        finally:
            with suppress(AppError):
                await person.ask("/logout")
