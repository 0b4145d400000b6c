"""The event stream and the counts of pulls over two serving processes, and what a kill leaves of them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.postgres import PostgresServer
from tests.servers.roadstead import RoadsteadServer, on_postgres

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_PATIENCE = 30


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RoadsteadServer]:
    """Two serving processes over each database."""
    settings = {"ROADSTEAD_PROCESSES": "2"}
    if request.param == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        settings |= on_postgres(postgres.create_database())
    server = RoadsteadServer(tmp_path / "data", settings)
    server.start()
    yield server
    if server.process.running:
        server.stop()


def ask(
    server: RoadsteadServer, method: str, path: str, body: bytes = b"", kind: str = _MANIFEST
) -> tuple[int, bytes]:
    """Status and body, over a new connection, which may be any process's."""
    made = server.credentials
    user, secret = made.registry_user, made.registry_token
    if path.startswith("/api/"):
        user, secret, kind = made.secret_id, made.secret_key, "application/json"
    login = base64.b64encode(f"{user}:{secret}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_PATIENCE)
    try:
        connection.request(method, path, body or None, {"Authorization": f"Basic {login}", "Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def push(server: RoadsteadServer, tag: str) -> None:
    """An image of its own has the tag; raises OSError when the server is gone."""
    content = b"{}"
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert ask(server, "POST", f"/v2/library/web/blobs/uploads/?digest={digest}", content)[0] in {201, 202}
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest, "size": len(content)}
    body = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": [], "annotations": {"t": tag}}
    status, told = ask(server, "PUT", f"/v2/library/web/manifests/{tag}", json.dumps(body).encode())
    assert status == 201, told


def call(server: RoadsteadServer, action: str, **fields: Any) -> dict[str, Any]:
    _, root = ask(server, "GET", "/api/v1")
    fields = {"RegistryId": json.loads(root)["Instance"]["RegistryId"], **fields}
    status, body = ask(server, "POST", f"/api/v1/{action}", json.dumps(fields).encode())
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


def tags_of(server: RoadsteadServer, kind: str) -> list[str]:
    """The tags of all events of the kind, oldest first."""
    page = call(server, "DescribeEvents", Kinds=[kind], Order="oldest")
    return [tag for event in page["Events"] for tag in event["Tags"]]


def test_a_script_follows_what_two_processes_do_over_a_restart(server: RoadsteadServer, tmp_path: Path) -> None:
    made = server.credentials
    environment = {
        **server.environment,
        "ROADSTEAD_CLIENT_SECRET": made.secret_key,
        "HOME": str(tmp_path),
        "PYTHONUNBUFFERED": "1",
    }
    words = ["events", "--follow", "--after", "0", "--kind", "pushImage", "--json"]
    command = [sys.executable, "-m", "roadstead", "--server", server.url, "--key", made.secret_id, *words]
    wanted = [f"v{number}" for number in range(12)]
    for tag in wanted[:4]:
        push(server, tag)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        found = [json.loads(following.stdout.readline())["Tags"][0] for _ in range(4)]
        for tag in wanted[4:8]:
            push(server, tag)
        server.kill()
        server.start()
        for tag in wanted[8:]:
            push(server, tag)
        found += [json.loads(following.stdout.readline())["Tags"][0] for _ in range(8)]
        following.terminate()
    assert found == wanted
    assert server.stop() == 0


def test_an_open_stream_does_not_hold_up_the_end(server: RoadsteadServer) -> None:
    made = server.credentials
    login = base64.b64encode(f"{made.secret_id}:{made.secret_key}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_PATIENCE)
    connection.request("GET", "/api/v1/events", headers={"Authorization": f"Basic {login}"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("transfer-encoding")) == (200, "chunked")
    assert server.stop() == 0
    assert answer.read().replace(b": nothing new\n\n", b"") == b""
    connection.close()


def test_a_kill_loses_no_event_of_a_push(server: RoadsteadServer) -> None:
    """Nor does it invent one: each event is of a push that was begun."""
    begun: list[str] = []
    acknowledged: list[str] = []
    for turn in range(3):
        deadline = time.monotonic() + random.uniform(0.3, 1.0)
        while time.monotonic() < deadline:
            begun.append(f"t{turn}-{len(begun)}")
            push(server, begun[-1])
            acknowledged.append(begun[-1])
        server.kill()
        server.start()
    told = tags_of(server, "pushImage")
    assert set(acknowledged) <= set(told) <= set(begun)
    assert len(told) == len(set(told))


def test_pulls_through_two_processes_are_all_counted(server: RoadsteadServer) -> None:
    push(server, "v1")
    for _ in range(15):
        assert ask(server, "GET", "/v2/library/web/manifests/v1")[0] == 200
    assert server.stop() == 0
    server.start()
    (image,) = call(server, "DescribeImages", NamespaceName="library", RepositoryName="web")["ImageInfoList"]
    assert image["PullCount"] == 15
    events = call(server, "DescribeEvents", Kinds=["pullImage"])["Events"]
    assert sum(json.loads(event["Data"])["pulls"] for event in events) == 15
