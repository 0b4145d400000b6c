"""Podman: images go through its local store, so a push repacks the layers and a pull unpacks them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.clients.containers_tools import ContainersTool
from tests.clients.interface import Login, Pulled, Pushed
from tests.clients.layouts import Layout
from tests.requirements import needs


class Podman:
    """Podman with a store of its own."""

    name = "podman"

    def __init__(self, folder: Path, registry: str) -> None:
        """The store is empty and nobody is logged in."""
        self._folder = folder
        self._tool = ContainersTool(needs("podman"), folder, registry)

    def login(self, login: Login) -> None:
        self._tool.login(login.user, login.password)

    def push(self, layout: Layout, reference: str) -> Pushed:
        self._tool("pull", "--quiet", layout.oci_of(layout.image))
        self._tool("tag", layout.image.config.removeprefix("sha256:"), reference)
        digest = self._folder / "digest"
        output = self._tool("push", "--tls-verify=false", "--digestfile", digest, reference)
        return Pushed(digest.read_text(), output.all)

    def push_index(self, layout: Layout, reference: str) -> Pushed:
        self._tool("manifest", "create", reference)
        for image in layout.images:
            self._tool("manifest", "add", reference, layout.oci_of(image))
        digest = self._folder / "digest"
        target = f"docker://{reference}"
        output = self._tool(
            "manifest", "push", "--all", "--tls-verify=false", "--digestfile", digest, reference, target
        )
        self._tool("manifest", "rm", reference)
        return Pushed(digest.read_text(), output.all)

    def pull(self, reference: str) -> Pulled:
        self._tool("rmi", "--all", "--force")
        self._tool("pull", "--tls-verify=false", reference)
        [found] = json.loads(self._tool("image", "inspect", reference).result)
        return Pulled(found["Digest"], f"sha256:{found['Id']}", tuple(found["RootFS"]["Layers"]))

    def close(self) -> None:
        shutil.rmtree(self._folder)
