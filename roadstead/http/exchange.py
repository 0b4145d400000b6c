"""One request and its answer, as the doors work with them: a thin layer over the ASGI scope.

The data plane answers thousands of small requests a second, so headers are looked up only when asked for and an
answer is two messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from roadstead.domain.identity import NOBODY, Origin, Presented
from roadstead.domain.proxies import Hop
from roadstead.errors import InvalidInput
from roadstead.services.access import Asker
from roadstead.services.context import Context
from roadstead.services.instances import ServedInstance
from roadstead.services.tolls import Toll

Headers = list[tuple[bytes, bytes]]

_MOST_PARAMETERS = 1000


class Exchange:
    """One request at one instance, and the way to answer it."""

    # Set by the entry before any door sees the exchange.
    instance: ServedInstance

    __slots__ = (
        "asked",
        "ctx",
        "headers",
        "instance",
        "method",
        "origin",
        "path",
        "presented",
        "receive",
        "scope",
        "send",
        "status",
        "toll",
    )

    def __init__(self, ctx: Context, scope: Scope, receive: Receive, send: Send, origin: Origin) -> None:
        self.ctx = ctx
        self.scope = scope
        self.receive = receive
        self.send = send
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.origin = origin
        self.presented: Presented = NOBODY
        # The action and the resource that a refusal names; empty: reaching the instance at all.
        self.asked = ("", "")
        # By name; several of one name are joined.
        self.headers = _joined(scope["headers"])
        # What the request pays, where rates are limited.
        self.toll: Toll | None = None
        # Of the answer; 0 until its head is sent.
        self.status = 0

    @property
    def started(self) -> bool:
        """Whether the head of the answer is sent."""
        return self.status > 0

    @property
    def here(self) -> str:
        """The instance as a resource; only once the entry has found it."""
        return f"instance/{self.instance.row.registry_id}"

    @property
    def asker(self) -> Asker:
        """The request before it is let in."""
        return Asker(self.instance, self.presented, self.origin, self.toll)

    def header(self, name: bytes) -> str:
        """The header's value, several of one name joined with commas; empty when it is missing."""
        value = self.headers.get(name)
        return "" if value is None else value.decode("latin-1")

    def come_from(self, client: Hop) -> None:
        """The request counts as the client's that a proxy forwards, at the host and by the scheme that it used."""
        self.origin = replace(self.origin, address=client.address)
        if client.scheme:
            self.scope["scheme"] = client.scheme
        if client.host:
            self.headers[b"host"] = client.host.encode()

    def pay(self, toll: Toll | None) -> None:
        """The request pays, and its transfers go as fast as the rates let them."""
        self.toll = toll
        if toll is not None and toll.bounds_bytes:
            self.scope.setdefault("extensions", {})["roadstead.pace"] = toll

    def begin_transfer(self) -> None:
        """A large body or file may be moved; raises TooManyRequests."""
        if self.toll is not None:
            self.toll.begin_transfer()

    def query(self) -> dict[str, list[str]]:
        """The parameters of the query string, blank ones included; raises InvalidInput for what nobody sends."""
        return parameters(self.scope["query_string"])

    @property
    def base_url(self) -> str:
        """Scheme and host by which the client reached this server."""
        scheme = self.ctx.settings.network.scheme or self.scope["scheme"]
        return f"{scheme}://{self.header(b'host')}"

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The head of the answer has been sent; the request id is part of it."""
        self.status = status
        request_id = (b"x-request-id", self.origin.request_id.encode())
        await self.send(
            {"type": "http.response.start", "status": status, "headers": [*headers, request_id, *_VERSION]}
        )

    async def answer(self, status: int, headers: Headers, body: bytes = b"", *, length: int | None = None) -> None:
        """The whole answer has been sent; to HEAD without its body.

        `length` is the Content-Length of an answer to HEAD whose body is not at hand.
        """
        size = len(body) if length is None else length
        # A 204 or 304 has no body and says no length (RFC 9110 section 8.6).
        sized = headers if status in {204, 304} else [*headers, (b"content-length", b"%d" % size)]
        await self.start(status, sized)
        await self.send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name; several of one name are one, joined with commas (RFC 9110 section 5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = found[name] + b", " + value if name in found else value
    return found


def parameters(text: bytes) -> dict[str, list[str]]:
    """The parameters of a query string or form; raises InvalidInput for too many and for NUL, which no name holds."""
    if not text:
        return {}
    try:
        if b"%00" in text or b"\0" in text:
            raise ValueError("it holds a NUL character")
        return parse_qs(text.decode(), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidInput(f"the parameters do not parse: {error}") from error


# The docker registry protocol's mark on each answer; old docker clients look for it.
_VERSION: Headers = [(b"docker-distribution-api-version", b"registry/2.0")]
JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
