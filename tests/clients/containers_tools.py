"""The settings that podman, buildah and skopeo share, as files of one private folder.

The three are built on the same libraries and read the same files. Everything they would keep for the whole machine
or user (storage, locks, logins, temporary files) is moved into the folder, and plain http is allowed to one registry.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.clients.interface import Output, run

# Without limits of its own podman asks for more open files than a restricted machine grants; runc is the runtime
# that works with every arrangement of control groups.
_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
static_dir = "{folder}/static"
tmp_dir = "{folder}/engine"
volume_path = "{folder}/volumes"
"""
_REGISTRIES = """\
[[registry]]
location = "{registry}"
insecure = {insecure}
"""
_STORAGE = """\
[storage]
driver = "vfs"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


class ContainersTool:
    """One program of the family with its private folder."""

    def __init__(self, program: str, folder: Path, registry: str, *, insecure: bool = True) -> None:
        """The settings are written; nobody is logged in."""
        self.program = program
        self.folder = folder
        self.registry = registry
        for name in ("temporary", "runtime"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "containers.conf").write_text(_CONTAINERS.format(folder=folder))
        (folder / "registries.conf").write_text(_REGISTRIES.format(registry=registry, insecure=str(insecure).lower()))
        (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
        (folder / "auth.json").write_text(json.dumps({}))
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "runtime"),
            "TMPDIR": str(folder / "temporary"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(folder / "registries.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
        }

    def __call__(self, *arguments: str | Path, stdin: str = "") -> Output:
        """What the program printed for these arguments. Raises ClientFailed when it fails."""
        return run([self.program, *arguments], environment=self.environment, folder=self.folder, stdin=stdin)

    def login(self, user: str, password: str) -> None:
        """The login is checked by the registry and kept. Raises ClientFailed when it is refused."""
        self("login", "--tls-verify=false", "--username", user, "--password-stdin", self.registry, stdin=password)
