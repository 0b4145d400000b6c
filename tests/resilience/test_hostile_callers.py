"""Strange addresses, clients that stall, and false credentials: refused, while everybody else is served."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from roadstead.config import Settings
from roadstead.services.secrets import SecretBox
from tests.resilience.hostile import REPOSITORY, SETTINGS, UPLOADS, Client, basic, digest_of
from tests.servers.roadstead import RoadsteadServer

_DEEP = b"[" * 10_000 + b"]" * 10_000

# Addresses


@pytest.mark.parametrize(
    "name",
    [
        *(
            "hostile/..",
            "../hostile/app",
            "hostile/../../etc",
            "hostile/%2e%2e/app",
            "hostile%2F..%2Fapp",
            "hostile//app",
        ),
        *(
            "hostile/a%00b",
            "%00/app",
            "hostile/a%0d%0aX-Evil:1",
            "hostile/a%0aX-Evil:%201",
            "hostile/%ff%fe",
            "hostile/",
        ),
        *("hostile/APP", "hostile/a b".replace(" ", "%20"), "hostile/-app", "hostile/" + "a" * 300, "app", "%25"),
        *("hostile/" + "a/" * 20_000 + "b", "hostile/%e2%80%ae", "hostile/'%20OR%201=1--", "hostile/%22%3E%3Cb%3E"),
    ],
)
def test_a_name_that_is_none_is_refused_everywhere(client: Client, name: str) -> None:
    digest = digest_of(b"x")
    for method, target in (
        ("GET", f"/v2/{name}/manifests/latest"),
        ("PUT", f"/v2/{name}/manifests/latest"),
        ("GET", f"/v2/{name}/tags/list"),
        ("GET", f"/v2/{name}/blobs/{digest}"),
        ("POST", f"/v2/{name}/blobs/uploads/"),
        ("POST", f"{UPLOADS}?mount={digest}&from={name}"),
    ):
        answer = client.ask(method, target)
        assert (answer.status, answer.code in {"NAME_INVALID", "UNSUPPORTED"}) in {(400, True), (404, True)}
    anonymous = client.ask("GET", f"/v2/{name}/manifests/latest", login="")
    assert anonymous.status in {400, 401, 404}


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        ("/v2/_catalog?n=-1", (400, "PAGINATION_NUMBER_INVALID")),
        ("/v2/_catalog?n=1e3", (400, "PAGINATION_NUMBER_INVALID")),
        ("/v2/_catalog?n=" + "9" * 5000, (400, "PAGINATION_NUMBER_INVALID")),
        ("/v2/_catalog?last=%00", (400, "UNSUPPORTED")),
        ("/v2/_catalog?last=%ff%fe", None),
        ("/v2/_catalog?last=" + "z" * 60_000, None),
        ("/v2/_catalog?" + "a=b&" * 5000, (400, "UNSUPPORTED")),
        ("/v2/hostile/app/manifests/" + "t" * 60_000, (404, "MANIFEST_UNKNOWN")),
        ("/v2/hostile/app/manifests/a%0d%0aX-Evil:1", None),
        ("/v2/hostile/app/referrers/x", (400, "DIGEST_INVALID")),
        ("/v2/%0d%0aX-Evil:1", (400, "UNSUPPORTED")),
        ("/v3/", (400, "UNSUPPORTED")),
        ("//", (400, "UNSUPPORTED")),
    ],
)
def test_a_strange_address_is_answered_calmly(client: Client, target: str, refusal: tuple[int, str] | None) -> None:
    answer = client.ask("GET", target)
    if refusal is not None:
        assert answer.refusal == refusal
    else:
        assert answer.status in {200, 400, 404}


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("/v2/", "GET, HEAD"),
        ("/v2/_catalog", "GET"),
        (f"/v2/{REPOSITORY}/tags/list", "GET"),
        (f"/v2/{REPOSITORY}/manifests/latest", "GET, HEAD, PUT, DELETE"),
        (f"/v2/{REPOSITORY}/blobs/{digest_of(b'')}", "GET, HEAD, DELETE"),
        (UPLOADS, "POST"),
        (UPLOADS + "x", "GET, HEAD, PATCH, PUT, DELETE"),
        ("/service/token", "GET, POST"),
    ],
)
@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND", "LINK"])
def test_an_unknown_method_is_told_the_known_ones(client: Client, target: str, allowed: str, method: str) -> None:
    answer = client.ask(method, target)
    assert answer.refusal == (405, "UNSUPPORTED")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "head",
    [
        "FROBNICATE /v2/ HTTP/1.1\nHost: x\n\n",
        "GET /v2/\0 HTTP/1.1\nHost: x\n\n",
        "GET /v2/ HTTP/9.9\nHost: x\n\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\n\n",
        "GET /v2/ HTTP/1.1\nHost: x\nX: " + "y" * 70_000 + "\n\n",
        "PUT /v2/ HTTP/1.1\nHost: x\nContent-Length: -1\n\n",
        "PUT /v2/ HTTP/1.1\nHost: x\nContent-Length: 3\nContent-Length: 40\n\nabcGET /healthz HTTP/1.1\nHost: x\n\n",
        "PUT /v2/ HTTP/1.1\nHost: x\nContent-Length: 3\nTransfer-Encoding: chunked\n\n0\n\nGET /healthz HTTP/1.1\n\n",
        "PUT /v2/ HTTP/1.1\nHost: x\nTransfer-Encoding: gzip\n\nGET /healthz HTTP/1.1\nHost: x\n\n",
    ],
)
def test_what_is_not_http_gets_one_refusal_and_the_connection_ends(client: Client, head: str) -> None:
    with client.open(head) as connection:
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.match(rb"HTTP/1\.1 4(00|31) ", received), received
    assert received.count(b"HTTP/1.1 ") == 1


# Clients that stall


def test_a_stalled_client_is_dropped_and_nobody_waits_for_it(client: Client, session: str) -> None:
    patch = f"PATCH {session} HTTP/1.1\nHost: x\nAuthorization: {client.login}\n"
    put = patch.replace(f"PATCH {session}", f"PUT /v2/{REPOSITORY}/manifests/slow")
    stalled = [
        *(client.open("") for _ in range(10)),
        *(client.open("GET /v2/ HT") for _ in range(10)),
        *(client.open("GET /v2/ HTTP/1.1\nHost: x\n") for _ in range(10)),
        *(client.open(f"{patch}Content-Length: 1000\n\n", bytes(10)) for _ in range(10)),
        *(client.open(f"{patch}Content-Length: 1000000\n\n", bytes(100_000)) for _ in range(10)),
        *(client.open(f"{patch}Transfer-Encoding: chunked\n\n", b"FFFFF\r\n" + bytes(9)) for _ in range(10)),
        *(client.open(f"{put}Content-Length: 1000\n\n", b"{") for _ in range(10)),
    ]
    for _ in range(10):
        assert client.ask("GET", "/v2/").status == 200
    for connection in stalled:
        with connection:
            connection.settimeout(20)
            answer = b"".join(iter(lambda: _received(connection), b""))  # noqa: B023  read out before the next
        assert answer == b"" or re.match(rb"HTTP/1\.1 (400|408) ", answer), answer
    assert client.stands(session) == "0-0"
    assert client.ask("GET", f"/v2/{REPOSITORY}/manifests/slow").status == 404


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""


# Credentials


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Basic",
            "Basic !!!",
            "Basic Og",
            "Bearer",
            "Bearer x",
            "Bearer a.b.c",
            "Bearer ..",
            "Bearer " + "a" * 50_000,
        ),
        *("Digest username=x", "x" * 1000, "Basic \xff\xfe", "Bearer \xff.\xff.\xff", "Negotiate abc"),
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Basic " + base64.b64encode(b"nul\0:password").decode(),
        "Basic " + base64.b64encode(b"u" * 10_000 + b":" + b"p" * 10_000).decode(),
        "Basic " + base64.b64encode(b"x:rs1.").decode(),
        "Basic " + base64.b64encode(b"x:a.b.c").decode(),
        "Bearer " + base64.urlsafe_b64encode(_DEEP).decode().rstrip("=") + ".e30.AA",
        "Bearer " + base64.urlsafe_b64encode(b"[]").decode().rstrip("=") + ".e30.AA",
    ],
)
def test_a_garbled_credential_is_none(stranger: Client, header: str) -> None:
    for target in ("/v2/", f"/v2/{REPOSITORY}/manifests/latest", "/service/token"):
        answer = stranger.ask("GET", target, login=header)
        assert answer.refusal == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="http://')


def _token(client: Client, login: str | None = None) -> str:
    scope = f"repository:{REPOSITORY}:pull,push"
    answer = client.ask("GET", f"/service/token?offline_token=1&scope={scope}", login=login)
    assert answer.status == 200, answer.body
    return str(json.loads(answer.body)["token"])


def _signed(server: RoadsteadServer, claims: dict[str, Any], key: ECKey | None = None, **header: str) -> str:
    """A token signed by the server's own key, or by another under its name."""
    with contextlib.closing(sqlite3.connect(server.folder / "roadstead.db", timeout=10)) as database:
        name, sealed = database.execute("SELECT id, private_key FROM signing_keys WHERE ends_at IS NULL").fetchone()
    own = ECKey.import_key(json.loads(SecretBox.open(Settings(data=str(server.folder))).unseal(sealed)))
    return jwt.encode({"alg": "ES256", "kid": name, **header}, claims, key or own)


def _segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_only_tokens_of_this_registry_hold(client: Client, stranger: Client) -> None:
    good = _token(client)
    claims, (head, payload, signature) = _claims(good), good.split(".")
    more = {**claims, "access": [{"type": "repository", "name": "hostile/other", "actions": ["pull", "push"]}]}
    server, key = client.server, ECKey.generate_key("P-256")
    forged = {
        "another key": _signed(server, claims, key),
        "an unknown key": _signed(server, claims, key, kid="unknown"),
        "no algorithm": f"{_segment({'alg': 'none'})}.{payload}.",
        "no algorithm, known key": f"{_segment({**_claims('.' + head), 'alg': 'none'})}.{payload}.",
        "another algorithm": f"{_segment({**_claims('.' + head), 'alg': 'HS256'})}.{payload}.{signature}",
        "other claims": f"{head}.{_segment(more)}.{signature}",
        "another registry": _signed(server, {**claims, "iss": "tcr-other", "aud": "tcr-other"}),
        "ended": _signed(server, {**claims, "exp": int(time.time()) - 60}),
        "not begun": _signed(server, {**claims, "nbf": int(time.time()) + 600}),
        "another kind": _signed(server, {**claims, "kind": "refresh"}),
    }
    target = f"/v2/{REPOSITORY}/manifests/nothing"
    assert stranger.ask("GET", target, login=f"Bearer {_signed(server, claims)}").refusal == (404, "MANIFEST_UNKNOWN")
    for number, (what, token) in enumerate(forged.items()):
        guesser = Client(server, f"127.0.2.{number + 1}")
        assert guesser.ask("GET", target, login=f"Bearer {token}").refusal == (401, "UNAUTHORIZED"), what
        assert guesser.ask("GET", target, login=basic(what, token)).refusal == (401, "UNAUTHORIZED"), what


def test_a_token_for_another_audience_does_not_hold(client: Client, stranger: Client) -> None:
    token = _signed(client.server, {**_claims(_token(client)), "aud": "tcr-other"})
    assert stranger.ask("GET", "/v2/", login=f"Bearer {token}").refusal == (401, "UNAUTHORIZED")


def test_a_disabled_credential_and_its_tokens_end_at_once(client: Client) -> None:
    made = json.loads(client.server.command("--json", "credential", "create"))
    basic_login = basic(made["Username"], made["Token"])
    bearer = f"Bearer {_token(client, basic_login)}"
    target = f"/v2/{REPOSITORY}/manifests/nothing"
    for command, refusal in (
        ("", (404, "MANIFEST_UNKNOWN")),
        ("disable", (401, "UNAUTHORIZED")),
        ("enable", (404, "MANIFEST_UNKNOWN")),
    ):
        if command:
            client.server.command("credential", command, made["TokenId"])
        for login in (basic_login, bearer, basic_login, bearer):
            assert client.ask("GET", target, login=login).refusal == refusal
    client.server.command("credential", "delete", made["TokenId"], "--yes")
    assert client.ask("GET", target, login=bearer).refusal == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.7", "::1", "garbage", "1" * 5000, "192.0.2.7, 127.0.0.1"])
def test_a_forwarded_address_from_an_unnamed_proxy_is_refused(client: Client, address: str) -> None:
    for target in ("/v2/", "/service/token", f"/v2/{REPOSITORY}/tags/list"):
        assert client.ask("GET", target, X_Forwarded_For=address).refusal == (403, "DENIED")


def test_who_guesses_waits_and_who_was_logged_in_goes_on(tmp_path: Path) -> None:
    server = RoadsteadServer(tmp_path / "data", SETTINGS)
    server.start()
    try:
        client, guesser = Client(server), Client(server, "127.0.3.1")
        assert client.ask("GET", "/v2/").status == 200
        time.sleep(1.5)  # after at most a second every process knows whom another has let in
        outcomes = [guesser.ask("GET", "/v2/", login=basic(client.uin, "guess"))]
        while outcomes[-1].status == 401 and len(outcomes) < 60:
            outcomes.append(guesser.ask("GET", "/v2/", login=basic(client.uin, f"guess {len(outcomes)}")))
        assert len(outcomes) > 10
        assert outcomes[-1].refusal == (429, "TOOMANYREQUESTS")
        assert 0 < int(outcomes[-1].headers["Retry-After"]) <= 300
        assert {Client(server).ask("GET", "/v2/").status for _ in range(20)} == {200}
        assert client.ask("GET", "/v2/", login=f"Bearer {_token(client)}").status == 200
    finally:
        server.kill()
        print(server.log.read_text(errors="replace")[-6000:])
