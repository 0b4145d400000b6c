"""A client for hostile tests: it sends what others would not, and asserts of each answer what holds for all.

No answer is a fault of the server, each has a request id, and a refusal has the form and a code of the specification.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from roadstead.domain.reference import Digest
from tests.servers.roadstead import RoadsteadServer

REPOSITORY = "hostile/app"
UPLOADS = f"/v2/{REPOSITORY}/blobs/uploads/"
BLOB_LIMIT = 2_000_000
UPLOAD_LIMIT = 20
SETTINGS = {
    "ROADSTEAD_PROCESSES": "2",
    "ROADSTEAD_LIMITS_IDLE_SECONDS": "3",
    "ROADSTEAD_LIMITS_UPLOADS": str(UPLOAD_LIMIT),
    "ROADSTEAD_LIMITS_BLOB_BYTES": str(BLOB_LIMIT),
    "ROADSTEAD_LOGIN_FREE_FAILURES": "10",
}
# Distribution-spec "Error Codes", and the one that its page limit needs.
_CODES = {
    *("BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"),
    *("MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED"),
    *("DENIED", "UNSUPPORTED", "TOOMANYREQUESTS", "PAGINATION_NUMBER_INVALID"),
}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str:
        """The error's code."""
        return str(json.loads(self.body)["errors"][0]["code"])

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code."""
        return self.status, self.code


class Client:
    """Each request on a connection of its own, so that all processes get some; each answer is looked at."""

    def __init__(self, server: RoadsteadServer, source: str = "127.0.0.1") -> None:
        self.server = server
        self._source = source
        written = server.credentials
        self.uin, self.password = written.registry_user, written.registry_token
        self.login = basic(self.uin, self.password)

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | Iterator[bytes] | None = None,
        *,
        login: str | None = None,
        **more: str,
    ) -> Answer:
        """The answer; `login` is the Authorization header, the owner's when left out, none when empty."""
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        authorization = self.login if login is None else login
        if authorization:
            headers["Authorization"] = authorization
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.port, timeout=30, source_address=(self._source, 0)
        )
        with contextlib.closing(connection):
            connection.request(method, target, body, headers, encode_chunked=isinstance(body, Iterator))
            return _read(connection.getresponse(), method)

    def begin(self) -> str:
        """The address of a new upload session."""
        answer = self.ask("POST", UPLOADS)
        assert answer.status == 202, answer.body
        return answer.headers["Location"]

    def stands(self, session: str) -> str:
        """The Range that the session tells."""
        answer = self.ask("GET", session)
        assert answer.status == 204
        return answer.headers["Range"]

    def open(self, head: str, body: bytes = b"") -> socket.socket:
        """A connection on which this was sent; lines of the head end with a line feed here."""
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=30)
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + body)
        return connection


def _read(response: http.client.HTTPResponse, method: str) -> Answer:
    """The answer, which keeps what every answer promises."""
    answer = Answer(response.status, response.headers, response.read())
    assert answer.status < 500, answer.body
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["X-Request-Id"])
    assert "X-Evil" not in answer.headers
    if answer.status >= 400 and method != "HEAD":
        assert answer.headers["Content-Type"] == "application/json"
        document = json.loads(answer.body)
        assert list(document) == ["errors"]
        assert [set(error) for error in document["errors"]] == [{"code", "message", "detail"}]
        assert answer.code in _CODES
        assert document["errors"][0]["detail"]["request_id"] == answer.headers["X-Request-Id"]
    return answer


def raw(connection: socket.socket, method: str = "PUT") -> Answer:
    """The answer on a connection that was opened by hand."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return _read(response, method)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def digest_of(data: bytes) -> str:
    return str(Digest.of(data))
