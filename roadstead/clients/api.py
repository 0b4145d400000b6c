"""Another Roadstead's management API, asked as its own command line asks it.

What the server tells as a problem becomes the same condition here that it was there, so that a command fails with the
same words whether it works on a data folder or across a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec

from roadstead.errors import AppError, InvalidInput, NotAuthenticated, TooManyRequests, Unavailable, conditions

_SECONDS = 60.0
# A stream shows a sign of life each few seconds.
_SILENT_SECONDS = 30.0
_PAUSE_SECONDS = 1.0


class Root(msgspec.Struct, frozen=True, rename="pascal"):
    """What the root of the API says of the server: the product, and the instance that its host name means."""

    product: str
    version: str
    instance: Mapping[str, str]


class ApiClient:
    """The API of one server, asked with one key."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    @property
    def host(self) -> str:
        """The server's host, with the port if it has one of its own."""
        return self._http.base_url.netloc.decode()

    async def root(self) -> Root:
        """What the server says of itself; raises InvalidInput when it is no Roadstead, Unavailable."""
        answer = await self._ask("GET", "/api/v1", None)
        try:
            return msgspec.json.decode(answer, type=Root)
        except msgspec.DecodeError as error:
            raise InvalidInput(f"{self._http.base_url} does not answer as a Roadstead server") from error

    async def call(self, action: str, body: bytes) -> bytes:
        """The JSON that the operation answers; raises the condition that the server met, or Unavailable."""
        return await self._ask("POST", f"/api/v1/{action}", body)

    async def end_key(self) -> None:
        """The temporary key with which this client asks has ended; raises the condition that the server met."""
        await self._ask("POST", "/api/v1/session/oidc/end", b"{}")

    async def events(self, wanted: Mapping[str, str], last: str) -> AsyncIterator[bytes]:
        """The JSON of each event that the server tells of, after the one with the id `last` if it is given.

        A broken connection is taken up again where it broke; raises what the server refuses with, and Unavailable
        when it cannot be reached in the first place.
        """
        begun = False
        while True:
            try:
                async for number, data in self._stream(wanted, last):
                    begun = True
                    if number:
                        last = number
                        yield data
            except Unavailable:
                if not begun:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _stream(self, wanted: Mapping[str, str], last: str) -> AsyncIterator[tuple[str, bytes]]:
        """Id and data of each event, and empty ones for signs of life, until the connection ends."""
        headers = {"last-event-id": last} if last else {}
        asked = self._http.stream("GET", "/api/v1/events", params=wanted, headers=headers, timeout=_SILENT_SECONDS)
        try:
            async with asked as answer:
                if answer.status_code != 200:
                    raise condition(answer.status_code, await answer.aread())
                fields: dict[str, str] = {}
                async for line in answer.aiter_lines():
                    name, _, value = line.partition(": ")
                    if line:
                        fields[name] = value
                        continue
                    if fields.get("event") == "refused":
                        raise NotAuthenticated(_refused(fields.get("data", "")))
                    yield fields.get("id", ""), fields.get("data", "").encode()
                    fields = {}
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"{self._http.base_url} cannot be reached: {error or type(error).__name__}") from error

    async def _ask(self, method: str, path: str, body: bytes | None) -> bytes:
        headers = {"content-type": "application/json"} if body is not None else {}
        try:
            answer = await self._http.request(method, path, content=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"{self._http.base_url} cannot be reached: {error or type(error).__name__}") from error
        if answer.status_code == 200:
            return answer.content
        raise condition(answer.status_code, answer.content)


def _refused(data: str) -> str:
    try:
        return str(msgspec.json.decode(data, type=dict[str, str])["detail"])
    except (msgspec.DecodeError, KeyError):
        return "credential: the server has ended the stream"


@asynccontextmanager
async def open_api(
    server: str,
    secret_id: str,
    secret_key: str,
    transport: httpx2.AsyncBaseTransport | None = None,
    *,
    token: str = "",
    seconds: float = _SECONDS,
) -> AsyncIterator[ApiClient]:
    """A client of the server at that URL; `token` is the session token of a temporary key.

    Redirects are not followed: they would carry the key elsewhere.
    """
    headers = {"x-tc-token": token} if token else {}
    async with httpx2.AsyncClient(
        base_url=server, auth=(secret_id, secret_key), headers=headers, timeout=seconds, transport=transport
    ) as http:
        yield ApiClient(http)


def condition(status: int, body: bytes) -> AppError:
    """The condition that the server's answer tells."""
    try:
        told: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return Unavailable(f"the server answered {status} without saying why")
    message = str(told.pop("detail", f"the server answered {status}"))
    kind = conditions().get(str(told.pop("type", "")).rpartition("/")[2], AppError)
    if issubclass(kind, TooManyRequests):
        return kind(message, retry_after=0, detail=told)
    return kind(message, detail=told)
