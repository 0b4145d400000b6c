"""The registry killed among pushes that a trigger tells of: each push that was acknowledged is told, and no other.

Clients push at once while the server, one of its processes or all of them, and a worker beside it get SIGKILL; the
receiver refuses every third request. `KILL_PUSHES` sets how many pushes there are (1000 for the full run, a hundred
of them at once).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.resilience.test_kill import Client, Refused, _digest, _kill_all, _kill_child, _until
from tests.servers.process import Process
from tests.servers.receiver import Receiver
from tests.servers.roadstead import RoadsteadServer

# The full name of a repository, and the tag.
Pushed = tuple[str, str]
Kill = Callable[[RoadsteadServer, random.Random], None]

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = b'{"os":"linux","architecture":"amd64"}'
_PUSHES = int(os.environ.get("KILL_PUSHES", "120"))
_PUSHERS = max(6, _PUSHES // 10)
_REPOSITORIES = 20
# For how long, in seconds, a worker takes a job, and a lane: that for an attempt and ten more.
_TAKEN_FOR = {
    "UPDATE jobs SET run_at = 1 WHERE state = 'running' AND run_at < ?": 30,
    "UPDATE trigger_lanes SET next_at = 1 WHERE holder IS NOT NULL AND next_at < ?": 12,
}
_SETTINGS = {
    "ROADSTEAD_PROCESSES": "2",
    "ROADSTEAD_OUTBOUND_ALLOW": "127.0.0.1/32",
    "ROADSTEAD_TRIGGERS_RETRY_SECONDS": "1",
    "ROADSTEAD_TRIGGERS_LONGEST_PAUSE_SECONDS": "2",
    "ROADSTEAD_TRIGGERS_ATTEMPT_SECONDS": "2",
}


class Refusing(Receiver):
    """Refuses every third request, and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        # By delivery: its bodies, accepted or not, and whether one was accepted.
        self.bodies: dict[str, set[bytes]] = {}
        self.accepted: set[str] = set()

    def take(self, delivery: str, body: bytes) -> int:
        """The status that the request is answered with."""
        with self.lock:
            self.asked += 1
            self.bodies.setdefault(delivery, set()).add(body)
            if self.asked % 3 == 0:
                return 500
            self.accepted.add(delivery)
            return 200

    def heard(self) -> list[Any]:
        """What each accepted delivery said."""
        with self.lock:
            return [json.loads(next(iter(self.bodies[delivery]))) for delivery in self.accepted]


@pytest.fixture
def receiver() -> Iterator[Refusing]:
    """The running receiver."""
    with Refusing().running() as found:
        yield found


@pytest.fixture
def server(tmp_path: Path, receiver: Refusing) -> Iterator[RoadsteadServer]:
    """A served folder whose trigger tells the receiver of each push."""
    server = RoadsteadServer(tmp_path / "data", _SETTINGS)
    server.start()
    server.create_namespace("crash")
    server.command("trigger", "create", "deploy", "--namespace", "crash", "--url", receiver.url)
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
    """A client that pushes its share of the tags once each; what it does not know the outcome of it leaves so."""

    def __init__(self, server: RoadsteadServer, tags: range, dice: random.Random) -> None:
        super().__init__(daemon=True)
        self._client = Client(server)
        self._tags = tags
        self._dice = dice
        self.sent: dict[Pushed, str] = {}
        self.acknowledged: set[Pushed] = set()
        self.refusals: list[str] = []

    def run(self) -> None:
        """Each tag was pushed once, whatever came of it."""
        for number in self._tags:
            pushed = f"crash/r{self._dice.randrange(_REPOSITORIES)}", f"t{number}"
            manifest = _manifest(number)
            self.sent[pushed] = _digest(manifest)
            try:
                self._push(pushed, manifest)
                self.acknowledged.add(pushed)
            except Refused as refusal:
                self.refusals.append(str(refusal))
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
        self._client.close()

    def _push(self, pushed: Pushed, manifest: bytes) -> None:
        """Nobody has had the push as long as nobody listens: then it is tried again."""
        end = time.monotonic() + 60
        while True:
            try:
                path = f"/v2/{pushed[0]}/manifests/{pushed[1]}"
                self._client.expect(201, "PUT", path, manifest, Content_Type=_MANIFEST)
                return
            except ConnectionRefusedError:
                assert time.monotonic() < end, "the server has not come back"
                time.sleep(0.05)


def _manifest(number: int) -> bytes:
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": _digest(_CONFIG)}
    document = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": {**config, "size": len(_CONFIG)}, "layers": []}
    return json.dumps({**document, "annotations": {"n": str(number)}}).encode()


def _are_pushed(pushers: list[Pusher], target: float) -> bool:
    return sum(len(pusher.sent) for pusher in pushers) >= target


def _kill(server: RoadsteadServer, worker: Process, kill: Kill, dice: random.Random) -> float:
    """Worker and server were killed, in any order; when."""
    if first := dice.random() < 0.5:
        worker.kill()
    kill(server, dice)
    if not first:
        worker.kill()
    return time.time()


def test_each_acknowledged_push_is_told_and_none_is_invented(server: RoadsteadServer, receiver: Refusing) -> None:
    seed = os.environ.get("KILL_SEED") or str(random.SystemRandom().randrange(1 << 32))
    print(f"KILL_SEED={seed}")
    dice, worker = random.Random(seed), server.worker()
    shares = [range(which, _PUSHES, _PUSHERS) for which in range(_PUSHERS)]
    pushers = [Pusher(server, share, random.Random(f"{seed}-{share.start}")) for share in shares]
    for pusher in pushers:
        pusher.start()
    try:
        for number, kill in enumerate((_kill_child, _kill_all, _kill_all)):
            target = _PUSHES * (0.1 + number * 0.3 + dice.uniform(0, 0.2))
            _until(partial(_are_pushed, pushers, target), "some are pushed")
            killed_at = _kill(server, worker, kill, dice)
            if not server.process.running:
                server.start()
            worker = server.worker()
        for pusher in pushers:
            pusher.join(60)
            assert not pusher.is_alive()
        if _PUSHES < 1000:
            _age(server, killed_at)
        _check(receiver, pushers)
    finally:
        worker.kill()


def _age(server: RoadsteadServer, killed_at: float) -> None:
    """What those killed by then had taken counts as let go at once; the living have taken theirs for longer."""
    with contextlib.closing(sqlite3.connect(server.folder / "roadstead.db", timeout=10)) as database, database:
        for let_go, seconds in _TAKEN_FOR.items():
            database.execute(let_go, (int((killed_at + seconds) * 1_000_000),))


def _check(receiver: Refusing, pushers: list[Pusher]) -> None:
    sent = {pushed: digest for pusher in pushers for pushed, digest in pusher.sent.items()}
    acknowledged = {pushed for pusher in pushers for pushed in pusher.acknowledged}
    assert [refusal for pusher in pushers for refusal in pusher.refusals] == []
    assert len(acknowledged) > _PUSHES // 2
    _until(lambda: acknowledged <= set(map(_pushed, receiver.heard())), "each acknowledged push is told")
    told = receiver.heard()
    for said in told:
        _assert_right(said, sent)
    assert len(set(map(_pushed, told))) == len(told), "a push was told by two deliveries"
    assert all(len(bodies) == 1 for bodies in receiver.bodies.values()), "a delivery's body has changed"
    print(f"{len(acknowledged)} of {len(sent)} pushes acknowledged, {len(told)} told, {receiver.asked} requests")


def _pushed(said: Any) -> Pushed:
    return said["event_data"]["repository"]["repo_full_name"], said["event_data"]["resources"][0]["tag"]


def _assert_right(said: Any, sent: dict[Pushed, str]) -> None:
    """The body is that of a push which was sent, whether or not its sender has learned that it was accepted."""
    repository, tag = _pushed(said)
    assert (repository, tag) in sent, "what was told was never pushed"
    assert said["type"] == "pushImage" and said["operator"] and abs(said["occur_at"] - time.time()) < 3600
    (resource,) = said["event_data"]["resources"]
    assert resource["digest"] == sent[repository, tag]
    assert resource["resource_url"].endswith(f"/{repository}:{tag}")
    known = {"name": repository.removeprefix("crash/"), "namespace": "crash", "repo_type": "private"}
    assert {name: said["event_data"]["repository"][name] for name in known} == known
