"""The one HTTP client: every call to another host goes through it and its guard.

A name is resolved and the address judged at the moment of connecting, and the connection goes to that very address:
what a name server answers a moment later changes nothing (rebinding). Only redirects on the same host are followed.
A call has one time limit for all of it, an answer a size beyond which it is dropped, TLS certificates are verified,
and neither proxies nor credentials are taken from the environment.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import roadstead
from roadstead.config import Outbound as Rules
from roadstead.domain.outbound import Destinations
from roadstead.errors import OutboundFailed, OutboundRefused, StartRefused

if TYPE_CHECKING:
    import httpx2

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_MOST_REDIRECTS = 3
_AGENT = f"roadstead/{roadstead.__version__}"
# Each call has a limit of its own, which is shorter.
_CALL_SECONDS = 300
# Names asked for at once.
_RESOLVING = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may take: time for all of it, and bytes of the answer."""

    seconds: int
    answer_bytes: int
    # Whether the beginning of a longer answer is enough; the rest is not read then.
    beginning: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Names:
    """Asks the system for addresses, in threads of its own: name servers that do not answer hold up nothing else."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """The addresses of the host, in the system's order of preference; raises OSError when it has none."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_RESOLVING, thread_name_prefix="resolve")
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    def close(self) -> None:
        """Nothing is asked any more, and nothing waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


class Outbound:
    """Calls to other hosts. The HTTP library is loaded with the first call: most processes never make one."""

    def __init__(self, rules: Rules, resolve: Resolve | None = None) -> None:
        self._rules = rules
        self._names = Names()
        self._resolve = resolve or self._names.resolve
        self._destinations = Destinations.of(rules.allow)
        self._client: httpx2.AsyncClient | None = None

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        limits: Limits | None = None,
    ) -> Answer:
        """The answer to one request.

        Raises OutboundRefused when the URL or the address behind it must not be called, OutboundFailed when no whole
        answer came in time.
        """
        limits = limits or Limits(self._rules.seconds, self._rules.answer_bytes)
        # Loading the library can take a busy machine seconds, which are not the other host's.
        self._opened()
        try:
            async with asyncio.timeout(limits.seconds):
                return await self._follow(method, url, dict(headers or {}), content, limits)
        except TimeoutError as error:
            raise OutboundFailed(f"{place(url)} has not answered within {limits.seconds} s") from error

    async def close(self) -> None:
        """Every connection is closed."""
        self._names.close()
        if self._client is not None:
            await self._client.aclose()

    async def _follow(self, method: str, url: str, headers: dict[str, str], content: bytes, limits: Limits) -> Answer:
        origin = check_url(url)
        for _ in range(_MOST_REDIRECTS + 1):
            answer = await self._once(method, url, headers, content, limits)
            target = answer.headers.get("location", "")
            if method not in {"GET", "HEAD"} or answer.status not in {301, 302, 303, 307, 308} or not target:
                return answer
            url = urljoin(url, target)
            if check_url(url) != origin:
                raise OutboundRefused(f"{place(url)}: a redirect to another host is not followed")
        raise OutboundFailed(f"{place(url)} redirects too often")

    async def _once(self, method: str, url: str, headers: dict[str, str], content: bytes, limits: Limits) -> Answer:
        import httpx2

        try:
            async with self._opened().stream(method, url, headers=headers, content=content or None) as response:
                body = await self._read(response, url, limits)
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
            cut = isinstance(error, httpx2.ReadError | httpx2.RemoteProtocolError)
            reason = str(error) or ("the connection was closed before an answer" if cut else type(error).__name__)
            raise OutboundFailed(f"{place(url)} could not be asked: {reason[:200]}") from error
        return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)

    async def _read(self, response: httpx2.Response, url: str, limits: Limits) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in response.aiter_bytes():
            size += len(piece)
            pieces.append(piece)
            if size > limits.answer_bytes and limits.beginning:
                break
            if size > limits.answer_bytes:
                raise OutboundFailed(f"{place(url)} answers more than {limits.answer_bytes} bytes")
        return b"".join(pieces)[: limits.answer_bytes]

    def _opened(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = self._open()
        return self._client

    def _open(self) -> httpx2.AsyncClient:
        import httpx2

        from roadstead.clients.guard import GuardedTransport

        transport = GuardedTransport(_trust(self._rules.ca_file), self._addresses)
        # Compressed answers could grow beyond measure in one piece, so none is asked for.
        headers = {"user-agent": _AGENT, "accept-encoding": "identity"}
        return httpx2.AsyncClient(
            transport=transport, headers=headers, timeout=_CALL_SECONDS, trust_env=False, follow_redirects=False
        )

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of the host that may be called; raises OutboundRefused when there is none."""
        found = await self._resolve(host, port)
        admitted = [address for address in found if self._destinations.admit(address)]
        if not admitted:
            raise OutboundRefused(
                f"{host[:100]} is not at a public address; the operator can allow its address by the setting "
                "outbound.allow"
            )
        return admitted


def check_url(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL that may be called; raises OutboundRefused for any other text."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OutboundRefused(f"{url[:100]!r} is not a URL") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise OutboundRefused(f"{url[:100]!r} is not an http or https URL")
    if parts.username is not None or parts.password is not None:
        raise OutboundRefused("a URL with a username or password is not called; secrets do not belong in URLs")
    if not url.isascii() or any(character <= " " for character in url):
        raise OutboundRefused(f"{url[:100]!r} holds characters that a URL does not have")
    return parts.scheme, parts.hostname, port


def place(url: str) -> str:
    """The URL without its query, which may hold secrets."""
    return url.partition("?")[0][:200]


def _trust(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            raise StartRefused(f"outbound.ca_file: cannot use {ca_file}: {error}") from error
    return context
