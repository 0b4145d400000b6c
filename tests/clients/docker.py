"""Docker: the command line in front of a real engine, which does the transfers and stores layers unpacked."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from tests.clients.interface import Login, Output, Pulled, Pushed, run
from tests.clients.layouts import Image, Layout
from tests.requirements import needs
from tests.servers.dockerd import DockerEngine

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Docker:
    """The docker command line with logins of its own; the engine and its store are shared with other tests."""

    name = "docker"

    def __init__(self, folder: Path, registry: str, engine: DockerEngine) -> None:
        """Nobody is logged in."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._registry = registry
        self._program = needs("docker")
        self._stored: set[str] = set()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
        self._environment = {
            **inherited,
            "HOME": str(folder),
            "DOCKER_CONFIG": str(folder),
            "DOCKER_HOST": engine.host,
        }

    def login(self, login: Login) -> None:
        self._docker("login", "--username", login.user, "--password-stdin", self._registry, stdin=login.password)

    def push(self, layout: Layout, reference: str) -> Pushed:
        return self._push(layout, layout.image, reference)

    def push_index(self, layout: Layout, reference: str) -> Pushed:
        members = [f"{reference}-{image.architecture}" for image in layout.images]
        for image, member in zip(layout.images, members, strict=True):
            self._push(layout, image, member)
        self._docker("manifest", "create", "--insecure", reference, *members)
        output = self._docker("manifest", "push", "--insecure", "--purge", reference)
        return Pushed(_last_digest(output.result), output.all)

    def pull(self, reference: str) -> Pulled:
        self._forget()
        self._stored.add(reference)
        output = self._docker("pull", reference)
        [found] = json.loads(self._docker("image", "inspect", reference).result)
        return Pulled(_last_digest(output.result), found["Id"], tuple(found["RootFS"]["Layers"]))

    def close(self) -> None:
        self._forget()
        shutil.rmtree(self._folder)

    def _push(self, layout: Layout, image: Image, reference: str) -> Pushed:
        archive = self._folder / "image.tar"
        layout.docker_archive(archive, image, reference)
        self._stored.add(reference)
        self._docker("load", "--quiet", "--input", archive)
        archive.unlink()
        output = self._docker("push", reference)
        return Pushed(_last_digest(output.result), output.all)

    def _forget(self) -> None:
        if self._stored:
            self._docker("image", "rm", "--force", *sorted(self._stored))
            self._stored.clear()

    def _docker(self, *arguments: str | Path, stdin: str = "") -> Output:
        command = [self._program, *arguments]
        return run(command, environment=self._environment, folder=self._folder, stdin=stdin)


def _last_digest(text: str) -> str:
    return str(_DIGEST.findall(text)[-1])
