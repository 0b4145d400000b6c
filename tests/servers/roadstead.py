"""The product itself as users run it: `python -m roadstead serve` in its own process, on a free port.

A test can stop it, kill it as a power cut would, and start it again on the same data; namespaces are made by its
API, because a registry that has just been started has none of them.
"""

from __future__ import annotations

import base64
import http.client
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from tests.servers.ports import free_port
from tests.servers.process import Process

# All clients of a test run come from one address: its wrong passwords must not make the next test's login wait.
_FOR_TESTS = {"ROADSTEAD_LOGIN_FREE_FAILURES": "100000", "ROADSTEAD_LOG_REQUESTS": "true"}


class InitialCredentials(msgspec.Struct, frozen=True, rename="pascal"):
    """What the first start of a data folder leaves for scripts."""

    account_uin: str
    user_name: str
    password: str
    secret_id: str
    secret_key: str
    registry_user: str
    registry_token: str


class RoadsteadServer:
    """One data folder and the process that serves it."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """Nothing runs yet; `settings` are `ROADSTEAD_*` variables, which win over the tests' own."""
        self.folder = folder
        self.port = free_port()
        self.log = folder.with_name(folder.name + ".log")
        # Without compiled modules each start and command would take seconds longer than it does for a user.
        unwanted = ("ROADSTEAD_", "PYTHONDONTWRITEBYTECODE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self.environment = {**inherited, **_FOR_TESTS, **(settings or {})}
        self._process: Process | None = None

    @property
    def address(self) -> str:
        """HOST:PORT, as references of images begin."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The address as clients of HTTP want it."""
        return f"http://{self.address}"

    @property
    def process(self) -> Process:
        """The running process; only between start and stop."""
        assert self._process is not None, "the server is not running"
        return self._process

    @property
    def credentials(self) -> InitialCredentials:
        """The owner's credentials, written by the first start."""
        written = (self.folder / "initial-credentials.json").read_bytes()
        return msgspec.json.decode(written, type=InitialCredentials)

    def start(self, seconds: float = 30) -> None:
        """The server answers requests; on the same port and data as before, when it ran before."""
        assert self._process is None or not self._process.running, "the server is running already"
        command = [sys.executable, "-m", "roadstead", "serve", "--data", str(self.folder), "--listen", self.address]
        self._process = Process(command, log=self.log, environment=self.environment)
        self._process.wait_until(self._healthy, seconds)

    def stop(self, seconds: float = 30) -> int:
        """The server was asked to end and did; its exit code."""
        return self.process.stop(seconds)

    def kill(self) -> None:
        """The server and its worker processes are gone at once, as in a power cut."""
        self.process.kill()

    def worker(self) -> Process:
        """A process that works jobs off beside the server, with the same settings; who starts it ends it."""
        command = [sys.executable, "-m", "roadstead", "worker", "--data", str(self.folder)]
        return Process(command, log=self.log.with_suffix(".worker.log"), environment=self.environment)

    def command(self, *arguments: str) -> str:
        """What the command line prints for these arguments over the same data. Raises when it fails."""
        command = [sys.executable, "-m", "roadstead", "--data", str(self.folder), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(f"roadstead {' '.join(arguments)} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def create_namespace(self, name: str, *, public: bool = False) -> None:
        """The namespace exists and can be pushed to."""
        registry = self.ask("GET", "/api/v1")["Instance"]["RegistryId"]
        made = {"RegistryId": registry, "NamespaceName": name, "IsPublic": public}
        self.ask("POST", "/api/v1/CreateNamespace", made)

    def ask(self, method: str, path: str, fields: object = None) -> Any:
        """What the API answers to the owner; a tenth of a command's time, which has to import everything."""
        key = f"{self.credentials.secret_id}:{self.credentials.secret_key}"
        headers = {
            "Authorization": "Basic " + base64.b64encode(key.encode()).decode(),
            "Content-Type": "application/json",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, msgspec.json.encode(fields) if fields else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, text.decode()
        return msgspec.json.decode(text)

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def on_postgres(url: str) -> dict[str, str]:
    """The settings that keep metadata in this PostgreSQL database."""
    return {"ROADSTEAD_DATABASE": url}


def on_s3(
    *,
    endpoint: str,
    bucket: str,
    access_key: str,
    secret_key: str,
    delivery: Literal["redirect", "stream"],
    prefix: str = "",
) -> dict[str, str]:
    """The settings that keep blobs under the prefix of this bucket, and how they reach clients."""
    return {
        "ROADSTEAD_STORAGE_KIND": "s3",
        "ROADSTEAD_STORAGE_ENDPOINT": endpoint,
        "ROADSTEAD_STORAGE_BUCKET": bucket,
        "ROADSTEAD_STORAGE_PREFIX": prefix,
        "ROADSTEAD_STORAGE_ACCESS_KEY": access_key,
        "ROADSTEAD_STORAGE_SECRET_KEY": secret_key,
        "ROADSTEAD_STORAGE_DELIVERY": delivery,
    }
