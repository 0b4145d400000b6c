"""Containerd through its own command line: what Kubernetes nodes do when they fetch an image.

It keeps manifests, configs and layers as they came, and unpacks them; it has no login of its own, so every command
carries the user and password.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.clients.interface import Login, Output, Pulled, Pushed, run
from tests.clients.layouts import DOCKER_LIST, INDEX, Layout, native_architecture
from tests.requirements import needs
from tests.servers.containerd import Containerd


class Ctr:
    """ctr in a containerd namespace of its own; the server is shared with other tests."""

    name = "ctr"

    def __init__(
        self,
        folder: Path,
        containerd: Containerd,
        program: Path | None = None,
        transport: Sequence[str] = ("--plain-http",),
    ) -> None:
        """The namespace is empty and no login is known; `transport` are options by which registries are reached."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._program = program or needs("ctr")
        self._transport = transport
        self._address = containerd.address
        self._login: list[str] = []

    def login(self, login: Login) -> None:
        self._login = ["--user", f"{login.user}:{login.password}"]

    def push(self, layout: Layout, reference: str) -> Pushed:
        return self._import_and_push(layout, reference)

    def push_index(self, layout: Layout, reference: str) -> Pushed:
        return self._import_and_push(layout, reference, "--all-platforms")

    def pull(self, reference: str) -> Pulled:
        self._forget()
        self._ctr("images", "pull", *self._transport, "--snapshotter", "native", *self._login, reference)
        digest = self._digest(reference)
        manifest = json.loads(self._content(digest))
        if manifest.get("mediaType") in {INDEX, DOCKER_LIST}:
            digest = next(
                each["digest"]
                for each in manifest["manifests"]
                if each["platform"]["architecture"] == native_architecture()
            )
            manifest = json.loads(self._content(digest))
        config = manifest["config"]["digest"]
        return Pulled(digest, config, tuple(json.loads(self._content(config))["rootfs"]["diff_ids"]))

    def close(self) -> None:
        self._forget()
        shutil.rmtree(self._folder)

    def _import_and_push(self, layout: Layout, reference: str, *options: str) -> Pushed:
        archive = self._folder / "image.tar"
        layout.oci_archive(archive, reference)
        self._ctr("images", "import", "--no-unpack", *options, archive)
        archive.unlink()
        output = self._ctr("images", "push", *self._transport, *self._login, reference)
        return Pushed(self._digest(reference), output.all)

    def _digest(self, reference: str) -> str:
        listed = self._ctr("images", "ls", f"name=={reference}").result
        return next(word for word in listed.split() if word.startswith("sha256:"))

    def _content(self, digest: str) -> str:
        return self._ctr("content", "get", digest).result

    def _forget(self) -> None:
        names = self._ctr("images", "ls", "--quiet").result.split()
        if names:
            self._ctr("images", "rm", "--sync", *names)

    def _ctr(self, *arguments: str | Path) -> Output:
        # Each client is a namespace: containerd shows, and removes, content per namespace.
        scope = ["--address", self._address, "--namespace", self._folder.name]
        return run([self._program, *scope, *arguments], environment=os.environ, folder=self._folder)
