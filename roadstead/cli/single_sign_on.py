"""How a command line logs in through a browser (RFC 8252): it listens on the loopback and takes a key for an hour.

`roadstead login URL --sso` calls `log_in`. Nothing of the key passes through the browser, only a code that is worth
nothing without the secret which this process has made and keeps.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
import time
import webbrowser
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import typer

from roadstead.config import Outbound as Rules
from roadstead.errors import NotAuthenticated, OutboundFailed, Unavailable

_PATH = "/api/v1/session/oidc/"
_SECONDS = 300
# The user has named the server: whatever address it has may be called.
_ANYWHERE = ("0.0.0.0/0", "::/0")
_DONE = b"You are logged in at the command line. This window may be closed.\n"


class TemporaryKey(msgspec.Struct, frozen=True, rename="pascal"):
    """An API key for an hour, which holds only together with its token."""

    tmp_secret_id: str
    tmp_secret_key: str
    token: str
    expired_time: int


class _Problem(msgspec.Struct, frozen=True):
    detail: str = ""


def log_in(server: str, browse: Callable[[str], object] = webbrowser.open, seconds: float = _SECONDS) -> TemporaryKey:
    """A key of whoever logs in at the server's identity provider with the browser.

    Raises Unavailable when nobody does in time, NotAuthenticated or OutboundFailed when the server gives none.
    """
    from roadstead.services.secrets import random_secret
    from roadstead.services.single_sign_on import challenge

    verifier, state = random_secret(), random_secret()
    with _Waiting(state) as waiting:
        asked = {"port": waiting.port, "state": state, "challenge": challenge(verifier)}
        url = f"{server.rstrip('/')}{_PATH}login?{urlencode(asked)}"
        typer.echo(f"Log in with your browser: {url}", err=True)
        threading.Thread(target=browse, args=(url,), daemon=True).start()
        code = waiting.code(seconds)
    return asyncio.run(_take(server, code, verifier))


class _Waiting(HTTPServer):
    """The loopback port to which the browser comes with the code."""

    def __init__(self, state: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state = state
        self.found = ""

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def code(self, seconds: float) -> str:
        """The code of this very login; raises Unavailable when it does not come in time."""
        end = time.monotonic() + seconds
        while not self.found:
            self.timeout = end - time.monotonic()
            if self.timeout <= 0:
                raise Unavailable(f"nobody has logged in within {seconds:g} s; try again")
            self.handle_request()
        return self.found


class _Handler(BaseHTTPRequestHandler):
    server: _Waiting
    # Whoever connects and says nothing does not keep the browser from coming through.
    timeout = 5

    def do_GET(self) -> None:  # the name that http.server calls
        query = parse_qs(urlsplit(self.path).query)
        ours = hmac.compare_digest(query.get("state", [""])[0].encode(), self.server.state.encode())
        if ours:
            self.server.found = query.get("code", [""])[0]
        self.send_response(200 if ours else 400)
        self.send_header("content-type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(_DONE if ours else b"This is not the login that the command line waits for.\n")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the address holds the code."""


async def _take(server: str, code: str, verifier: str) -> TemporaryKey:
    from roadstead.clients.outbound import Outbound

    outbound = Outbound(Rules(allow=_ANYWHERE))
    try:
        answer = await outbound.ask(
            "POST",
            f"{server.rstrip('/')}{_PATH}key",
            headers={"content-type": "application/json"},
            content=msgspec.json.encode({"Code": code, "Verifier": verifier}),
        )
    finally:
        await outbound.close()
    try:
        if answer.status == 200:
            return msgspec.json.decode(answer.body, type=TemporaryKey)
        problem = msgspec.json.decode(answer.body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OutboundFailed(f"{server} does not answer as a registry does (status {answer.status})") from error
    raise NotAuthenticated(problem.detail or f"{server} gave no key (status {answer.status})")
