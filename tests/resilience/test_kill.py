"""The registry killed in the middle of pushes: what it acknowledged is whole afterwards, and no byte is left over.

Several clients push at once, with a short time of grace and a busy collector, while the server, one of its serving
processes or its parent alone gets SIGKILL at a random moment. The pushers keep a journal of what they sent and what
was acknowledged; after each restart the registry has to agree with it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.roadstead import RoadsteadServer

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_PUSHERS = 4
_BIG = 3 << 20
_SHARED_REPOSITORY = "crash/shared"
_SETTINGS = {
    "ROADSTEAD_PROCESSES": "2",
    "ROADSTEAD_COLLECTION_GRACE_SECONDS": "3",
    "ROADSTEAD_COLLECTION_MARGIN_SECONDS": "0",
    "ROADSTEAD_COLLECTION_UPLOAD_SECONDS": "5",
    "ROADSTEAD_COLLECTION_INTERVAL_SECONDS": "1",
}
_SHORT = {"ROADSTEAD_COLLECTION_GRACE_SECONDS": "1", "ROADSTEAD_COLLECTION_UPLOAD_SECONDS": "1"}
_LONG = {"ROADSTEAD_COLLECTION_GRACE_SECONDS": "600", "ROADSTEAD_COLLECTION_UPLOAD_SECONDS": "600"}
# What the short times may bring upon a slow client, who then begins again.
_BEGIN_AGAIN = {"BLOB_UPLOAD_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "UNAVAILABLE"}


class Refused(Exception):
    """The registry gave another answer than the one of success."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Client:
    """One connection that logs in with each request; it opens again when it was broken."""

    def __init__(self, server: RoadsteadServer) -> None:
        written = server.credentials
        login = base64.b64encode(f"{written.registry_user}:{written.registry_token}".encode()).decode()
        self._login = {"Authorization": f"Basic {login}"}
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """The answer. Raises OSError or HTTPException when the server goes before it is complete."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | self._login
        try:
            self._connection.request(method, path, body or None, sent)
            answer = self._connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def expect(self, status: int, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """The answer, which has this status. Raises Refused otherwise."""
        answer = self.ask(method, path, body, **headers)
        if answer.status != status:
            raise Refused(f"{method} {path}: {answer.status} {answer.body.decode(errors='replace')}")
        return answer

    def close(self) -> None:
        """The connection is closed."""
        self._connection.close()


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _described(data: bytes, kind: str) -> dict[str, str | int]:
    return {"mediaType": kind, "digest": _digest(data), "size": len(data)}


def _push_blob(client: Client, repository: str, data: bytes, way: int) -> None:
    """The repository holds the data, sent whole, in one request, or in three chunks."""
    digest, uploads = _digest(data), f"/v2/{repository}/blobs/uploads/"
    if way == 0 and client.ask("HEAD", f"/v2/{repository}/blobs/{digest}").status == 200:
        return
    if way == 1:
        client.expect(201, "POST", f"{uploads}?digest={digest}", data)
        return
    location = client.expect(202, "POST", uploads).headers["Location"]
    if way == 2:
        step = len(data) // 3 + 1
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            place = f"{start}-{start + len(piece) - 1}"
            client.expect(202, "PATCH", location, piece, Content_Range=place)
        data = b""
    client.expect(201, "PUT", f"{location}?digest={digest}", data)


@dataclass
class Write:
    """One manifest put under one tag: when it was sent, when its outcome was known, and whether it was accepted."""

    digest: str
    began: float
    ended: float = float("inf")
    acknowledged: bool = False


@dataclass
class Journal:
    """What all pushers did, by repository and tag."""

    writes: dict[tuple[str, str], list[Write]] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, repository: str, tag: str, manifest: bytes) -> Write:
        """The write is known before it is sent."""
        with self.lock:
            write = Write(_digest(manifest), time.monotonic())
            self.writes.setdefault((repository, tag), []).append(write)
            self.manifests[write.digest] = manifest
        return write

    def acknowledged(self) -> int:
        """How many writes were accepted."""
        with self.lock:
            return sum(write.acknowledged for writes in self.writes.values() for write in writes)


class Pusher(threading.Thread):
    """A client that pushes one image after the other until told to stop."""

    def __init__(self, server: RoadsteadServer, journal: Journal, number: int, seed: str) -> None:
        super().__init__(name=f"pusher-{number}", daemon=True)
        self._client = Client(server)
        self._journal = journal
        self._number = number
        self._dice = random.Random(f"{seed}-{number}")
        self.halt = threading.Event()

    def run(self) -> None:
        """Until halted, images are pushed; a broken connection is no reason to end."""
        count = 0
        while not self.halt.is_set():
            count += 1
            try:
                self._push(count)
            except Refused as refusal:
                if not any(code in str(refusal) for code in _BEGIN_AGAIN):
                    self._journal.refusals.append(str(refusal))
            except (OSError, http.client.HTTPException):
                self.halt.wait(0.02)
        self._client.close()

    def _push(self, count: int) -> None:
        shared = self._dice.random() < 0.4
        repository = _SHARED_REPOSITORY if shared else f"crash/own{self._number}"
        tag = self._dice.choice(("latest", "stable")) if shared else self._dice.choice(("latest", f"v{count}"))
        config = json.dumps({"os": "linux", "architecture": "amd64", "salt": self._dice.random()}).encode()
        layers = [self._dice.choice(_SHARED_LAYERS)]
        if self._dice.random() < 0.5:
            layers.append(self._dice.randbytes(self._dice.choice((1, 700, 90_000, _BIG))))
        for data in (config, *layers):
            _push_blob(self._client, repository, data, self._dice.randrange(4))
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _described(config, _CONFIG),
            "layers": [_described(data, _LAYER) for data in layers],
        }
        self._put(repository, tag, json.dumps(manifest).encode())

    def _put(self, repository: str, tag: str, manifest: bytes) -> None:
        write = self._journal.begin(repository, tag, manifest)
        try:
            path = f"/v2/{repository}/manifests/{tag}"
            answer = self._client.expect(201, "PUT", path, manifest, Content_Type=_MANIFEST)
            assert answer.headers["Docker-Content-Digest"] == write.digest
            write.acknowledged = True
        finally:
            write.ended = time.monotonic()


_SHARED_LAYERS = [random.Random(number).randbytes(size) for number, size in enumerate((64, 5000, 200_000))]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RoadsteadServer]:
    """A served folder with one namespace; after a failure its log is shown."""
    server = RoadsteadServer(tmp_path / "data", _SETTINGS)
    server.start()
    server.create_namespace("crash")
    yield server
    if server.process.running:
        server.kill()
    print(server.log.read_text(errors="replace")[-6000:])


def _children(server: RoadsteadServer) -> list[int]:
    parent = server.process.identifier
    return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)


def _kill_all(server: RoadsteadServer, _dice: random.Random) -> None:
    server.kill()


def _kill_child(server: RoadsteadServer, dice: random.Random) -> None:
    """One serving process is killed; pushes go on at the other until the parent has replaced it."""
    before = _children(server)
    assert len(before) == 2
    os.kill(dice.choice(before), signal.SIGKILL)
    _until(lambda: len(set(_children(server)) - set(before)) == 1, "the killed process is replaced")
    _until(lambda: len(_children(server)) == 2, "there are two serving processes")


def _kill_parent(server: RoadsteadServer, _dice: random.Random) -> None:
    """The parent alone is killed; the kernel takes its children with it."""
    children = _children(server)
    os.kill(server.process.identifier, signal.SIGKILL)
    assert server.process.wait() == -signal.SIGKILL
    _until(lambda: not any(_is_alive(child) for child in children), "the children have followed their parent")


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def _check(server: RoadsteadServer, journal: Journal) -> None:
    """Every tag stands for a write that may have been the last, and every image there is pulls completely."""
    client, pulled = Client(server), set[tuple[str, str]]()
    for (repository, tag), writes in journal.writes.items():
        answer = client.ask("GET", f"/v2/{repository}/manifests/{tag}", Accept=_MANIFEST)
        accepted = [write for write in writes if write.acknowledged]
        if answer.status == 404:
            assert not accepted, f"{repository}:{tag} was acknowledged and is gone: {answer.body!r}"
        else:
            assert answer.status == 200, answer.body
            # A write that was accepted ends the life of all that had ended before it began.
            newest = max((write.began for write in accepted), default=0.0)
            possible = {write.digest for write in writes if write.ended >= newest}
            assert _digest(answer.body) in possible, f"{repository}:{tag} went back to an older image"
            _pull(client, repository, _digest(answer.body), journal, pulled)
        for write in accepted:
            _pull(client, repository, write.digest, journal, pulled)
    client.close()


def _pull(client: Client, repository: str, digest: str, journal: Journal, pulled: set[tuple[str, str]]) -> None:
    if (repository, digest) in pulled:
        return
    answer = client.expect(200, "GET", f"/v2/{repository}/manifests/{digest}", Accept=_MANIFEST)
    assert answer.body == journal.manifests[digest]
    assert answer.headers["Docker-Content-Digest"] == digest
    document = json.loads(answer.body)
    for part in (document["config"], *document["layers"]):
        if (repository, part["digest"]) not in pulled:
            blob = client.expect(200, "GET", f"/v2/{repository}/blobs/{part['digest']}").body
            assert (len(blob), _digest(blob)) == (part["size"], part["digest"])
            pulled.add((repository, part["digest"]))
    pulled.add((repository, digest))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _age(server: RoadsteadServer) -> None:
    """Hours have passed: for what a killed process had not finished, and for the claims of killed uploads."""
    for path in _files(server.folder / "storage" / "tmp"):
        os.utime(path, (0, 0))
    with contextlib.closing(sqlite3.connect(server.folder / "roadstead.db", timeout=10)) as database, database:
        database.execute("UPDATE blobs SET collect_at = 1 WHERE state = 'pending'")
        database.execute("UPDATE uploads SET ends_at = 1")
        database.execute("UPDATE repository_blobs SET ends_at = 1 WHERE ends_at IS NOT NULL")


def _known_files(server: RoadsteadServer) -> set[str]:
    """The paths, below `blobs/`, at which the database says that bytes are."""
    with contextlib.closing(sqlite3.connect(server.folder / "roadstead.db", timeout=10)) as database:
        rows = database.execute(
            "SELECT digest, generation FROM blobs WHERE id NOT IN (SELECT blob_id FROM small_blobs)"
        ).fetchall()
    return {f"{digest.partition(':')[2]}.{generation}" for digest, generation in rows}


def _assert_tidy(server: RoadsteadServer) -> None:
    """Only blobs that the database knows are stored, and nothing is broken."""
    storage = server.folder / "storage"
    server.command("storage", "collect")
    assert json.loads(server.command("--json", "storage", "check"))["Findings"] == []
    assert _files(storage / "uploads") == []
    assert _files(storage / "tmp") == []
    known = {name.removesuffix(".0") for name in _known_files(server)}
    assert {path.name for path in _files(storage / "blobs")} == known


def _round(server: RoadsteadServer, journal: Journal, kill: Callable[..., None], seed: str) -> None:
    """Some images were pushed, the kill came in the middle, the server runs again and all that was said is true."""
    dice, before = random.Random(seed), journal.acknowledged()
    pushers = [Pusher(server, journal, number, seed) for number in range(_PUSHERS)]
    for pusher in pushers:
        pusher.start()
    _until(lambda: journal.acknowledged() >= before + _PUSHERS, "some images are pushed")
    time.sleep(dice.uniform(0, 1))
    kill(server, dice)
    for pusher in pushers:
        pusher.halt.set()
    for pusher in pushers:
        pusher.join(40)
        assert not pusher.is_alive()
    if not server.process.running:
        server.start()
    assert journal.refusals == []
    _check(server, journal)


def test_what_was_acknowledged_survives_kills_and_nothing_else_stays(server: RoadsteadServer) -> None:
    seed = os.environ.get("KILL_SEED") or str(random.SystemRandom().randrange(1 << 32))
    print(f"KILL_SEED={seed}")
    journal = Journal()
    for number, kill in enumerate((_kill_all, _kill_child, _kill_all, _kill_parent, _kill_all)):
        _round(server, journal, kill, f"{seed}-{number}")
    server.stop()
    server.environment.update(_SHORT)
    _age(server)
    _assert_tidy(server)
    server.start()
    _check(server, journal)
    for repository in sorted({repository for repository, _ in journal.writes}):
        server.command("repository", "delete", repository, "--yes")
    server.stop()
    _age(server)
    _assert_tidy(server)
    assert _files(server.folder / "storage" / "blobs") == []


def _break_off(server: RoadsteadServer, location: str, start: int, data: bytes) -> socket.socket:
    """A connection that has sent the head and half of a chunk, and keeps the rest."""
    written = server.credentials
    login = base64.b64encode(f"{written.registry_user}:{written.registry_token}".encode()).decode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    head = (
        f"PATCH {location} HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Basic {login}\r\n"
        f"Content-Length: {len(data)}\r\nContent-Range: {start}-{start + len(data) - 1}\r\n\r\n"
    )
    connection.sendall(head.encode() + data[: len(data) // 2])
    return connection


def test_a_chunked_upload_goes_on_after_a_kill(server: RoadsteadServer) -> None:
    server.stop()
    # Neither the session nor the blob, which no image names, may end while the machine is slow.
    server.environment.update(_LONG)
    server.start()
    data = random.Random(7).randbytes(_BIG)
    first, second = 1 << 20, 2 << 20
    client = Client(server)
    location = client.expect(202, "POST", "/v2/crash/resumed/blobs/uploads/").headers["Location"]
    client.expect(202, "PATCH", location, data[:first], Content_Range=f"0-{first - 1}")
    with _break_off(server, location, first, data[first:second]):
        _until(lambda: bool(_files(server.folder / "storage" / "tmp")), "half a chunk has come")
        server.kill()
    client.close()
    server.start()
    status = client.expect(204, "GET", location)
    assert status.headers["Range"] == f"0-{first - 1}"
    location = status.headers["Location"]
    client.expect(202, "PATCH", location, data[first:second], Content_Range=f"{first}-{second - 1}")
    client.expect(201, "PUT", f"{location}?digest={_digest(data)}", data[second:])
    assert client.expect(200, "GET", f"/v2/crash/resumed/blobs/{_digest(data)}").body == data
    client.expect(404, "GET", location)
    client.close()
    server.stop()
    for path in _files(server.folder / "storage" / "tmp"):
        os.utime(path, (0, 0))
    _assert_tidy(server)
    assert len(_files(server.folder / "storage" / "blobs")) == 1
