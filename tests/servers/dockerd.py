"""A docker engine of the tests' own: private root and socket, no network, no firewall rules."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.requirements import needs, needs_root
from tests.servers.process import Process


@dataclass(frozen=True)
class DockerEngine:
    """A running dockerd; `host` is what DOCKER_HOST and `docker --host` take."""

    folder: Path
    host: str
    process: Process

    def stop(self) -> None:
        """The engine has ended and its images are removed."""
        self.process.stop(60)
        shutil.rmtree(self.folder)


def start(inside: Sequence[str | Path] = ()) -> DockerEngine:
    """A new engine that answers; about two seconds. Every registry on 127.0.0.0/8 may speak plain http to it.

    `inside` is what a command begins with to run on another host.
    """
    needs_root("dockerd")
    dockerd = needs("dockerd")
    folder = Path(tempfile.mkdtemp(prefix="roadstead-docker-"))
    configuration = folder / "daemon.json"
    configuration.write_text(json.dumps({"features": {"buildkit": False}}))
    socket = folder / "socket"
    command = [
        *inside,
        dockerd,
        f"--config-file={configuration}",
        f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'pid'}",
        f"--host=unix://{socket}",
        "--iptables=false",
        "--ip6tables=false",
        "--bridge=none",
        "--storage-driver=vfs",
        "--shutdown-timeout=5",
        # It retries failed transfers of blobs by itself; the tests want to see a server's first answer.
        "--max-download-attempts=1",
    ]
    process = Process(command, log=folder / "log")
    process.wait_until(lambda: "API listen on" in (folder / "log").read_text(errors="replace"))
    return DockerEngine(folder, f"unix://{socket}", process)
