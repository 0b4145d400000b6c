"""A containerd of the tests' own, without its Kubernetes part, with private root, state and socket."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.requirements import needs, needs_root
from tests.servers.process import Process

_CONFIGURATION = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{folder}/socket"
[ttrpc]
  address = "{folder}/socket.ttrpc"
"""


@dataclass(frozen=True)
class Containerd:
    """A running containerd; `address` is what `ctr --address` takes."""

    folder: Path
    address: str
    process: Process

    def stop(self) -> None:
        """The server has ended and its images are removed."""
        self.process.stop(60)
        shutil.rmtree(self.folder)


def start() -> Containerd:
    """A new containerd that answers; under a second."""
    needs_root("containerd")
    containerd, ctr = needs("containerd"), needs("ctr")
    folder = Path(tempfile.mkdtemp(prefix="roadstead-containerd-"))
    configuration = folder / "config.toml"
    configuration.write_text(_CONFIGURATION.format(folder=folder))
    address = f"{folder}/socket"
    process = Process([containerd, "--config", configuration], log=folder / "log")
    probe = [ctr, "--address", address, "version"]
    process.wait_until(lambda: subprocess.run(probe, check=False, capture_output=True).returncode == 0)
    return Containerd(folder, address, process)
