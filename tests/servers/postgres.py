"""A PostgreSQL server of the tests' own, fast rather than durable, with a fresh database for whoever asks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.requirements import needs
from tests.servers.ports import free_port
from tests.servers.process import Process

_UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_MOST_CONNECTIONS = "300"


@dataclass(frozen=True)
class PostgresServer:
    """A running server; it trusts every connection from this machine."""

    folder: Path
    port: int
    process: Process
    _numbers: count[int]

    def url(self, database: str) -> str:
        """The address of one database as the product's settings want it."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "") -> str:
        """The URL of a new database: empty, or a copy of the one of that URL, to which nobody is connected."""
        name = f"test_{next(self._numbers)}"
        self._run("createdb", *(["--template", template.rpartition("/")[2]] if template else []), name)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """The database is gone, and connections still open to it are closed."""
        self._run("dropdb", "--force", url.rpartition("/")[2])

    def stop(self) -> None:
        """The server has ended and its folder is removed."""
        # SIGTERM would wait until every client has gone; SIGINT closes their connections.
        self.process.stop(by=signal.SIGINT)
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        connection = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        subprocess.run([needs(program), *connection, *arguments], check=True, cwd=self.folder)


def start() -> PostgresServer:
    """A new server that answers; about a second. Without root it runs as the present user, else as `postgres`."""
    postgres, ready = needs("postgres"), needs("pg_isready")
    user = "postgres" if os.geteuid() == 0 else None
    # Not below pytest's own temporary folder: that is closed to other users, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="roadstead-postgres-"))
    if user is not None:
        shutil.chown(folder, user, user)
    cluster, port = folder / "cluster", free_port()
    _initialise(cluster, user)
    options = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "max_connections": _MOST_CONNECTIONS,
        **_UNSAFE_BUT_FAST,
    }
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    process = Process([postgres, "-D", cluster, *settings], log=folder / "log", folder=folder, user=user)
    probe = [ready, "-q", "-h", "127.0.0.1", "-p", str(port)]
    process.wait_until(lambda: subprocess.run(probe, check=False).returncode == 0)
    return PostgresServer(folder, port, process, count(1))


def _initialise(cluster: Path, user: str | None) -> None:
    options = ("--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
    subprocess.run(
        [needs("initdb"), f"--pgdata={cluster}", *options],
        check=True,
        cwd=cluster.parent,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        stdout=subprocess.DEVNULL,
    )
