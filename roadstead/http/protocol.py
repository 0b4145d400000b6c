"""One HTTP connection: uvicorn's httptools protocol extended by lent sockets, limits and time-outs.

httptools parses heads; where a head ends and how large it may be, how a body is framed and who reads it, is decided
here. One request of a connection is served at a time: bytes that arrive early are kept and reading pauses.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Any, cast
from urllib.parse import unquote

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn._types import ASGIApplication
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from roadstead.config import Settings
from roadstead.http.arrivals import Manners, explain_tls
from roadstead.http.bodies import SMALL
from roadstead.http.framing import LINE_BYTES, ChunkedFraming, Framing, MalformedBody, SizedFraming, malformed_head
from roadstead.http.lending import Lender, LendingCycle, LentBody
from roadstead.http.transfer import Sending

LINGER_SECONDS = 1.0
LINGER_BYTES = 1 << 20

_LENDING_METHODS = frozenset({"PATCH", "PUT", "POST"})
_END_OF_HEAD = b"\r\n\r\n"


class ServerConfig(uvicorn.Config):
    """uvicorn's configuration, with our limits and the process's transfer threads."""

    def __init__(
        self, app: ASGIApp, settings: Settings, manners: Manners, sending: Sending = "mmap", **options: Any
    ) -> None:
        super().__init__(cast(ASGIApplication, app), **options)
        self.manners = manners
        self.limits = settings.limits
        self.lender = Lender(settings.limits, sending)


class Phase(Enum):
    """Whose the next bytes of a connection are."""

    HEAD = "a request's head"
    HELD = "the body of a request whose application has not said how to read it"
    BODY = "the body of a request, for receive()"
    ANSWER = "the next request's, kept until this one is answered"
    LINGER = "nobody's: the connection is closing"


class LendingProtocol(HttpToolsProtocol):
    """One connection."""

    cycle: LendingCycle

    def __init__(
        self,
        config: ServerConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        told: str = "",
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._secure_only = config.manners.secure_only
        self._told = told  # the client's address where it is not the peer's
        self.lender = config.lender
        self._limits = config.limits
        self._phase = Phase.HEAD
        self._head_size = 0
        self._head_tail = b""
        self._head_is_whole = False
        self._keep_alive = False
        self._framing: Framing | None = None
        self._held = b""
        self._lingered = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # The transport's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection waits for its first head, for a limited time."""
        super().connection_made(transport)
        self.plain = self.scheme == "http"
        self.client = (self._told, 0) if self._told else self.client
        if self.plain and self.server is not None and self._secure_only(self.server[0]):
            self.app = explain_tls
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing of the connection is left but a request that finds its client gone."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._stop_head_timer()
        self._stop_write_timer()

    def data_received(self, data: bytes) -> None:
        """The bytes are where the connection's phase says."""
        self._unset_keepalive_if_required()
        if self._phase is Phase.HEAD:
            self._take_head(data)
        elif self._phase is Phase.BODY:
            self._take_body(data)
        elif self._phase is Phase.LINGER:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.flow.pause_reading()
        else:
            self._held += data
            self.flow.pause_reading()

    def pause_writing(self) -> None:
        """The application waits with more; a client that takes nothing for the idle time is cut off."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """The application may send more."""
        super().resume_writing()
        self._stop_write_timer()

    # Heads

    def _take_head(self, data: bytes) -> None:
        if not self._head_size:
            data = data.lstrip(b"\r\n")
        end = self._end_of_head(data)
        self._head_size += end or len(data)
        if self._head_size > self._limits.header_bytes:
            self.refuse(431, f"The request's head is larger than {self._limits.header_bytes} bytes.")
        elif not end:
            self._head_tail = (self._head_tail + data)[-3:]
            self._start_head_timer()
            self._parse(data)
        else:
            self._head_size, self._head_tail, self._head_is_whole = 0, b"", False
            self._stop_head_timer()
            if not self._parse(data[:end]):
                return
            if self._head_is_whole:
                self._begin(data[end:])
            else:
                self.refuse(400, "The request is malformed: its head is not one of HTTP/1.")

    def _end_of_head(self, data: bytes) -> int:
        """Where the head ends in `data`; 0 when it goes on."""
        tail = len(self._head_tail)
        if tail:
            found = (self._head_tail + data[:3]).find(_END_OF_HEAD)
            if found >= 0:
                return found + 4 - tail
        found = data.find(_END_OF_HEAD)
        return found + 4 if found >= 0 else 0

    def _parse(self, data: bytes) -> bool:
        """Whether `data` can be part of a head; if not, the client has been told."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # No other protocol is spoken here, and a server may ignore the offer (RFC 9110 section 7.8).
        except httptools.HttpParserError as error:
            self.refuse(400, malformed_head(data, error.__context__ or error))
            return False
        return True

    def on_headers_complete(self) -> None:
        """What only the parser knows of the head is noted."""
        self._head_is_whole = True
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["http_version"] = self.parser.get_http_version()
        self._keep_alive = self.scope["http_version"] != "1.0" and self.parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Never: the parser is only given heads."""
        raise ValueError("bytes after the head")

    def on_message_complete(self) -> None:
        """Nothing: where a request ends is known from its head."""

    # Requests

    def _begin(self, rest: bytes) -> None:
        """The request whose head is complete runs; `rest` came after the head."""
        try:
            self._locate()
            self._framing = self._frame()
        except (httptools.HttpParserError, ValueError, AttributeError):
            self.refuse(400, "The request's target, Host or body framing is malformed.")
            return
        if self._framing is not None or self.parser.should_upgrade():
            self.parser = httptools.HttpRequestParser(self)
        self.cycle = self._new_cycle()
        self._phase = Phase.BODY
        if self._framing is None:
            self.end_body(rest)
        elif "roadstead.body" in self.scope["extensions"]:
            self._phase = Phase.HELD
            self._held = rest
            self.flow.pause_reading()
        elif rest:
            self._take_body(rest)
        if self._phase is not Phase.LINGER:
            self._start_asgi_task(self.cycle, self.app)

    def _locate(self) -> None:
        """The scope's path and query are those of the request's target."""
        target = httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        self.scope["raw_path"] = target.path
        self.scope["path"] = unquote(path) if "%" in path else path
        self.scope["query_string"] = target.query or b""

    def _frame(self) -> Framing | None:
        """How the body ends; None without a body. httptools has refused doubled and contradictory lengths.

        Raises ValueError for a coding not spoken here, and unless exactly one Host is named (RFC 9112 section 3.2).
        """
        framing: Framing | None = None
        hosts = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"content-length":
                framing = SizedFraming(int(value)) if int(value) else None
            elif name == b"transfer-encoding":
                if value.strip().lower() != b"chunked":
                    raise ValueError("a transfer coding other than chunked")
                framing = ChunkedFraming()
        if hosts > 1 or (not hosts and self.scope["http_version"] == "1.1"):
            raise ValueError("no Host or several")
        return framing

    def _new_cycle(self) -> LendingCycle:
        cycle = LendingCycle(
            self,
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=self._keep_alive,
            on_response=self.on_response_complete,
        )
        extensions: dict[str, Any] = {"http.response.pathsend": {}, "roadstead.pathsend_range": {}}
        if self._may_lend_body():
            extensions["roadstead.body"] = LentBody(cycle, self.unread)
        self.scope["extensions"] = extensions
        return cycle

    def _may_lend_body(self) -> bool:
        """Whether the body is worth a thread and one can take it over."""
        if self._framing is None or not self.plain or self.scope["method"] not in _LENDING_METHODS:
            return False
        return self._framing.left is None or self._framing.left > SMALL

    def on_response_complete(self) -> None:
        """The connection goes on with its next request, or closes as it must."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if not self.cycle.keep_alive:
            if self.cycle.more_body:
                self._linger()
            else:
                self._close()
        elif self._phase is Phase.ANSWER:
            self._next()
        else:
            self._wait_for_more()

    def _next(self) -> None:
        held, self._held = self._held, b""
        self._phase = Phase.HEAD
        if held:
            self.data_received(held)
        if self._phase is Phase.HEAD:
            self._wait_for_more()
        elif self._phase is not Phase.HELD and not self._held:
            self.flow.resume_reading()

    def _wait_for_more(self) -> None:
        """The client has `limits.keep_alive_seconds` to send the next byte."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self._close)
        self.flow.resume_reading()

    # Bodies

    @property
    def body_is_held(self) -> bool:
        """Whether the body's bytes are still kept as they came."""
        return self._phase is Phase.HELD

    @property
    def unread(self) -> int | None:
        """The bytes of the body that have not arrived; None when that is not known."""
        return self._framing.left if self._framing is not None else 0

    def take_held(self) -> bytes:
        """The bytes of the body that arrived with the head; they are the caller's now."""
        held, self._held = self._held, b""
        return held

    def take_whole(self, most: int) -> bytes | None:
        """The body, taken, if all of it came with the head and it has no more than `most` bytes; None otherwise."""
        # A body with a length is only held when it is large.
        if self._phase is not Phase.HELD or self.unread is not None:
            return None
        # The lines of the chunks have their place too; in tiny chunks a body may pass for larger than it is.
        window = 2 * most + LINE_BYTES
        framing = ChunkedFraming()
        try:
            body, rest = framing.take(self._held[:window])
        except MalformedBody:
            return None
        if not framing.done or len(body) > most:
            return None
        rest, self._held = rest + self._held[window:], b""
        self.end_body(rest)
        return body

    def open_body(self) -> None:
        """The body comes by receive()."""
        if self._phase is Phase.HELD:
            self._phase = Phase.BODY
            if held := self.take_held():
                self._take_body(held)

    def _take_body(self, data: bytes) -> None:
        framing = self._framing
        if framing is None:
            return
        try:
            payload, rest = framing.take(data)
        except MalformedBody as error:
            self.refuse(400, f"The request is malformed: {error}.")
            return
        cycle = self.cycle
        if cycle.response_complete:
            self._wait_for_more()
        elif payload:
            cycle.body += payload
            cycle.message_event.set()
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
        if framing.done:
            self.end_body(rest)

    def end_body(self, rest: bytes) -> None:
        """The body is complete and `rest` came after it."""
        self._framing = None
        self._phase = Phase.ANSWER
        self.cycle.more_body = False
        self.cycle.message_event.set()
        if rest:
            self._held = rest
            self.flow.pause_reading()
        if self.cycle.response_complete:
            self._next()

    # Ends

    def refuse(self, status: int, message: str) -> None:
        """The client has been told so and the connection closes. An answer under way is broken off instead."""
        self.logger.info("Refused a request from %s: %s", self.client, message)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.abort()
        if self.transport.is_closing():
            return
        lines = [STATUS_LINE[status]]
        lines += [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        lines.append(b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n")
        lines.append(b"content-length: %d\r\n\r\n%b" % (len(message) + 1, message.encode("ascii", "replace")))
        self.transport.write(b"".join(lines) + b"\n")
        self._linger()

    def give_up(self) -> None:
        """The connection is broken off."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.abort()

    def _linger(self) -> None:
        """The client has a moment to read the answer.

        Closing with bytes unread resets the connection, and the answer with it (RFC 9112 section 9.6): so the sending
        half closes first, and what still comes is dropped, within bounds.
        """
        self._phase = Phase.LINGER
        self._held = b""
        self._unset_keepalive_if_required()
        self._stop_head_timer()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._head_timer = self.loop.call_later(LINGER_SECONDS, self._close)
        self.flow.resume_reading()

    def _close(self) -> None:
        """The connection closes when what was written has gone; not waiting for a client that takes nothing."""
        if not self.transport.is_closing():
            self.transport.close()
            self._watch_writing()

    # Times

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.idle_seconds, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self._head_size:
            self.refuse(408, f"The request's head did not come within {self._limits.idle_seconds} seconds.")
        else:
            self._close()

    def _watch_writing(self, before: int | None = None) -> None:
        """The connection is broken off once a whole idle time passes without the client taking a byte."""
        self._stop_write_timer()
        size = self.transport.get_write_buffer_size()
        if before is not None and size >= before:
            self.give_up()
        elif size:
            self._write_timer = self.loop.call_later(self._limits.idle_seconds, self._watch_writing, size)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
