"""Buildah: the same store as podman's, but other commands and another way through the library."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.clients.containers_tools import ContainersTool
from tests.clients.interface import Login, Pulled, Pushed
from tests.clients.layouts import Layout
from tests.requirements import needs


class Buildah:
    """Buildah with a store of its own."""

    name = "buildah"

    def __init__(self, folder: Path, registry: str) -> None:
        """The store is empty and nobody is logged in."""
        self._folder = folder
        self._tool = ContainersTool(needs("buildah"), folder, registry)

    def login(self, login: Login) -> None:
        self._tool.login(login.user, login.password)

    def push(self, layout: Layout, reference: str) -> Pushed:
        self._tool("pull", "--quiet", layout.oci_of(layout.image))
        image, digest = layout.image.config.removeprefix("sha256:"), self._folder / "digest"
        output = self._tool("push", "--tls-verify=false", "--digestfile", digest, image, f"docker://{reference}")
        return Pushed(digest.read_text(), output.all)

    def push_index(self, layout: Layout, reference: str) -> Pushed:
        self._tool("manifest", "create", "several")
        for image in layout.images:
            self._tool("manifest", "add", "several", layout.oci_of(image))
        digest = self._folder / "digest"
        target = f"docker://{reference}"
        output = self._tool(
            "manifest", "push", "--all", "--tls-verify=false", "--digestfile", digest, "several", target
        )
        self._tool("manifest", "rm", "several")
        return Pushed(digest.read_text(), output.all)

    def pull(self, reference: str) -> Pulled:
        self._tool("rmi", "--all", "--force")
        self._tool("pull", "--tls-verify=false", reference)
        found = json.loads(self._tool("inspect", "--type", "image", reference).result)
        diffs = tuple(found["OCIv1"]["rootfs"]["diff_ids"])
        return Pulled(found["FromImageDigest"], f"sha256:{found['FromImageID']}", diffs)

    def close(self) -> None:
        shutil.rmtree(self._folder)
