"""The two servers: started on loopback with a folder of their own, filled, and stopped."""

from __future__ import annotations

import base64
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from benchmarks.client import Answer, Connection, head_of
from tests.servers.ports import free_port
from tests.servers.process import Process

# A token lives five minutes; the rows take seconds.
_TOKEN_SECONDS = 120
_READY_SECONDS = 60

_SOURCES = Path(__file__).parent.parent
# The names under which the first start has written credentials down.
_LOGINS = {"Registry": ("RegistryUser", "RegistryToken"), "Secret": ("SecretId", "SecretKey")}

REPOSITORY = "library/bench"
MANY_TAGS = "library/many"

_PEER_SETTINGS = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: {folder}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:{port}
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""


class Server(ABC):
    """One registry and the folder that holds everything of it."""

    name: str
    _health: str

    def __init__(self, folder: Path) -> None:
        """Nothing runs yet."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_port()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def processes(self) -> list[int]:
        """The ids of its processes."""
        assert self._process is not None, "the server is not running"
        return _family(self._process.identifier)

    def start(self) -> float:
        """It answers; the seconds that took."""
        began = time.perf_counter()
        self._process = self._launch()
        self._process.wait_until(self._answers, _READY_SECONDS)
        return time.perf_counter() - began

    def stop(self) -> None:
        """It has ended."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def restart(self) -> float:
        """It has ended and answers again; the seconds that the start took."""
        self.stop()
        return self.start()

    def forget(self, digests: list[str]) -> None:
        """The bytes of these blobs, which nothing names and nobody will ask for, no longer fill the disk."""
        for digest in digests:
            path = self._blob_path(digest)
            if path is not None:
                path.unlink()

    @abstractmethod
    def _launch(self) -> Process:
        """The running process."""

    @abstractmethod
    def authorization(self, *, basic: bool = False) -> list[str]:
        """The header lines by which a request may do everything here."""

    @abstractmethod
    def _blob_path(self, digest: str) -> Path | None:
        """The file of a blob, if it has one."""

    @abstractmethod
    def add_tags(self, repository: str, tag: str, names: list[str]) -> None:
        """The names are tags of the repository and stand for what `tag` stands for. It does not run meanwhile."""

    def headers(self) -> bytes:
        """The same lines as `authorization`, ready for a request."""
        return b"".join(line.encode() + b"\r\n" for line in self.authorization())

    def _answers(self) -> bool:
        # Asked once in 2 ms, so that a start-up time is good to a few milliseconds.
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                    probe.sendall(head_of("GET", self._health, b"", "Connection: close"))
                    if Answer(probe.recv(4096)).status == 200:
                        return True
            except (OSError, ValueError):
                if self._process is None or not self._process.running:
                    return False
            time.sleep(0.002)
        return False


def _family(process: int) -> list[int]:
    """The process and everything that it has started."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process] + [member for child in children for member in _family(int(child))]


class Roadstead(Server):
    """Ours, with the settings that a fresh start has, or with others; of the sources here, or of other ones."""

    _health = "/healthz"

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        *,
        name: str = "roadstead",
        sources: Path = _SOURCES,
    ) -> None:
        super().__init__(folder)
        self.name = name
        unwanted = ("ROADSTEAD_", "PYTHON")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self._environment = {**inherited, **(settings or {})}
        # Python takes the package from the folder that it is started in.
        self._sources = sources
        self._token: tuple[float, str] = (0.0, "")

    def _launch(self) -> Process:
        return self._run("serve", "--listen", f"127.0.0.1:{self.port}")

    def worker(self) -> Process:
        """A process that works jobs off apart from the server, which runs or has run."""
        return self._run("worker")

    def _run(self, command: str, *options: str) -> Process:
        parts = [sys.executable, "-m", "roadstead", command, "--data", str(self.folder / "data"), *options]
        return Process(parts, log=self.folder / "log", environment=self._environment, folder=self._sources)

    def call(self, action: str, **fields: Any) -> Any:
        """The answer of the operation to the owner; `RegistryId` is that of the default instance."""
        with Connection(self.port) as connection:
            asked = connection.ask(head_of("GET", "/api/v1/", b""))
            registry = json.loads(connection.read(asked))["Instance"]["RegistryId"]
            body = json.dumps({"RegistryId": registry, **fields}).encode()
            more = ("Content-Type: application/json", f"Content-Length: {len(body)}", self._basic("Secret"))
            answer = connection.ask(head_of("POST", f"/api/v1/{action}", b"", *more), [body])
            answer.expect(200)
            return json.loads(connection.read(answer))

    def _basic(self, kind: Literal["Registry", "Secret"]) -> str:
        written = json.loads((self.folder / "data" / "initial-credentials.json").read_text())
        user, password = _LOGINS[kind]
        pair = f"{written[user]}:{written[password]}"
        return f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}"

    def authorization(self, *, basic: bool = False) -> list[str]:
        """A token of the token service, the same for some minutes; or the credential itself."""
        plain = self._basic("Registry")
        if basic:
            return [plain]
        since, token = self._token
        if time.monotonic() - since > _TOKEN_SECONDS:
            token = self._fetch_token(plain)
            self._token = (time.monotonic(), token)
        return [f"Authorization: Bearer {token}"]

    def _fetch_token(self, plain: str) -> str:
        scopes = [("scope", f"repository:{name}:pull,push") for name in (REPOSITORY, MANY_TAGS)]
        with Connection(self.port) as connection:
            answer = connection.ask(head_of("GET", f"/service/token?{urlencode(scopes)}", b"", plain))
            answer.expect(200)
            token: str = json.loads(connection.read(answer))["token"]
        return token

    def _blob_path(self, digest: str) -> Path | None:
        algorithm, _, encoded = digest.partition(":")
        folder = self.folder / "data" / "storage" / "blobs" / algorithm / encoded[:2]
        # Its generation follows the digest in the name.
        return next(folder.glob(f"{encoded}*"), None)

    def add_tags(self, repository: str, tag: str, names: list[str]) -> None:
        copy = """
            INSERT INTO tags (repository_id, name, manifest_id, pushed_at)
            SELECT t.repository_id, ?, t.manifest_id, t.pushed_at
            FROM tags t JOIN repositories r ON r.id = t.repository_id WHERE r.name = ? AND t.name = ?
        """
        with closing(sqlite3.connect(self.folder / "data" / "roadstead.db")) as database, database:
            database.executemany(copy, [(name, repository, tag) for name in names])


class DockerRegistry(Server):
    """Debian's docker-registry with the settings of its package, less authentication."""

    name = "docker-registry"
    _health = "/v2/"

    def _launch(self) -> Process:
        settings = self.folder / "config.yml"
        settings.write_text(_PEER_SETTINGS.format(folder=self.folder / "data", port=self.port))
        return Process(["docker-registry", "serve", str(settings)], log=self.folder / "log")

    def authorization(self, *, basic: bool = False) -> list[str]:
        """Nothing: it asks nobody."""
        return []

    @property
    def _root(self) -> Path:
        return self.folder / "data" / "docker" / "registry" / "v2"

    def _blob_path(self, digest: str) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self._root / "blobs" / algorithm / encoded[:2] / encoded / "data"

    def add_tags(self, repository: str, tag: str, names: list[str]) -> None:
        """It keeps a folder for each tag, and of a listing reads only the names: so one folder serves them all."""
        tags = self._root / "repositories" / repository / "_manifests" / "tags"
        for name in names:
            (tags / name).symlink_to(tag)


def version_of_peer() -> str:
    """What the other server calls itself."""
    return subprocess.run(["docker-registry", "--version"], capture_output=True, text=True, check=True).stdout.strip()
