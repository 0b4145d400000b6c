"""The registry killed among pushes that a trigger tells of: each push that was acknowledged is told, and no other.

Clients push at once while the server, one of its processes or all of them get SIGKILL; the receiver refuses every
third request. `KILL_PUSHES` sets how many pushes there are (1000 for the full run).
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.resilience.test_kill import Client, Refused, _digest, _kill_all, _kill_child, _until
from tests.servers.roadstead import RoadsteadServer

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = b'{"os":"linux","architecture":"amd64"}'
_PUSHES = int(os.environ.get("KILL_PUSHES", "120"))
_PUSHERS = 6
_REPOSITORIES = 20
_SETTINGS = {
    "ROADSTEAD_PROCESSES": "2",
    "ROADSTEAD_OUTBOUND_ALLOW": "127.0.0.1/32",
    "ROADSTEAD_TRIGGERS_RETRY_SECONDS": "1",
    "ROADSTEAD_TRIGGERS_LONGEST_PAUSE_SECONDS": "2",
    "ROADSTEAD_TRIGGERS_ATTEMPT_SECONDS": "5",
}


class Receiver(ThreadingHTTPServer):
    """Refuses every third request, and keeps what it has accepted."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.asked = 0
        # Digest by full name and tag, from each body that was accepted; and those bodies by the delivery's id.
        self.told: dict[tuple[str, str], str] = {}
        self.bodies: dict[str, set[bytes]] = {}

    def take(self, delivery: str, body: bytes) -> int:
        """The status that the request is answered with."""
        with self.lock:
            self.asked += 1
            self.bodies.setdefault(delivery, set()).add(body)
            if self.asked % 3 == 0:
                return 500
            event = json.loads(body)["event_data"]
            (resource,) = event["resources"]
            self.told[event["repository"]["repo_full_name"], resource["tag"]] = resource["digest"]
            return 200


class Handler(BaseHTTPRequestHandler):
    """One request to the receiver."""

    server: Receiver

    def do_POST(self) -> None:
        """Answered as the receiver decides."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.server.take(self.headers["x-roadstead-delivery"], body))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The running receiver."""
    found = Receiver()
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join(10)


@pytest.fixture
def server(tmp_path: Path, receiver: Receiver) -> Iterator[RoadsteadServer]:
    """A served folder whose trigger tells the receiver of each push."""
    server = RoadsteadServer(tmp_path / "data", _SETTINGS)
    server.start()
    server.create_namespace("crash")
    url = f"http://127.0.0.1:{receiver.server_address[1]}/"
    server.command("trigger", "create", "deploy", "--namespace", "crash", "--url", url)
    client = Client(server)
    for number in range(_REPOSITORIES):
        path = f"/v2/crash/r{number}/blobs/uploads/?digest={_digest(_CONFIG)}"
        client.expect(201, "POST", path, _CONFIG)
    client.close()
    yield server
    if server.process.running:
        server.kill()
    print(server.log.read_text(errors="replace")[-6000:])


class Pusher(threading.Thread):
    """A client that pushes its share of the tags; what it does not know the outcome of it leaves so."""

    def __init__(self, server: RoadsteadServer, tags: list[int], dice: random.Random) -> None:
        super().__init__(daemon=True)
        self._client = Client(server)
        self._tags = tags
        self._dice = dice
        self.sent: dict[tuple[str, str], str] = {}
        self.acknowledged: set[tuple[str, str]] = set()
        self.refusals: list[str] = []

    def run(self) -> None:
        """Each tag was pushed once, whatever came of it."""
        for number in self._tags:
            repository, tag = f"crash/r{self._dice.randrange(_REPOSITORIES)}", f"t{number}"
            config = {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": _digest(_CONFIG),
                "size": len(_CONFIG),
            }
            manifest = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": _MANIFEST,
                    "config": config,
                    "layers": [],
                    "annotations": {"n": str(number)},
                }
            ).encode()
            self.sent[repository, tag] = "sha256:" + hashlib.sha256(manifest).hexdigest()
            try:
                self._client.expect(201, "PUT", f"/v2/{repository}/manifests/{tag}", manifest, Content_Type=_MANIFEST)
                self.acknowledged.add((repository, tag))
            except Refused as refusal:
                self.refusals.append(str(refusal))
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
        self._client.close()


def _so_many_are_known(pushers: list[Pusher], target: float) -> bool:
    return sum(len(pusher.acknowledged) for pusher in pushers) >= target


def test_each_acknowledged_push_is_told_and_none_is_invented(server: RoadsteadServer, receiver: Receiver) -> None:
    seed = os.environ.get("KILL_SEED") or str(random.SystemRandom().randrange(1 << 32))
    print(f"KILL_SEED={seed}")
    dice = random.Random(seed)
    pushers: list[Pusher] = []
    rounds = (_kill_child, _kill_all, _kill_all)
    for number, kill in enumerate(rounds):
        share = range(number, _PUSHES, len(rounds))
        some = [
            Pusher(server, list(share)[which::_PUSHERS], random.Random(f"{seed}-{number}-{which}"))
            for which in range(_PUSHERS)
        ]
        for pusher in some:
            pusher.start()
        target = len(share) * dice.uniform(0.3, 0.8)
        _until(partial(_so_many_are_known, some, target), "some are pushed")
        kill(server, dice)
        for pusher in some:
            pusher.join(60)
            assert not pusher.is_alive()
        pushers += some
        if not server.process.running:
            server.start()
    sent = {key: digest for pusher in pushers for key, digest in pusher.sent.items()}
    acknowledged = {key for pusher in pushers for key in pusher.acknowledged}
    assert [refusal for pusher in pushers for refusal in pusher.refusals] == []
    assert len(acknowledged) > len(rounds)
    _until(lambda: acknowledged <= receiver.told.keys(), "each acknowledged push is told")
    assert receiver.told.items() <= sent.items(), "something was told that was never pushed, or wrongly"
    assert all(len(bodies) == 1 for bodies in receiver.bodies.values()), "a delivery's body has changed"
    print(f"{len(acknowledged)} of {len(sent)} pushes acknowledged, {receiver.asked} requests")
