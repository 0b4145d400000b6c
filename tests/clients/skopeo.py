"""Skopeo: copies between registries and folders without a store, byte for byte unless asked to convert."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.clients.containers_tools import ContainersTool
from tests.clients.interface import Login, Pulled, Pushed
from tests.clients.layouts import Layout, digest_of
from tests.requirements import needs


class Skopeo:
    """Skopeo with logins of its own."""

    name = "skopeo"

    def __init__(self, folder: Path, registry: str) -> None:
        """Nobody is logged in."""
        self._folder = folder
        self._tool = ContainersTool(needs("skopeo"), folder, registry)

    def login(self, login: Login) -> None:
        self._tool.login(login.user, login.password)

    def push(self, layout: Layout, reference: str) -> Pushed:
        return self._copy(layout, reference)

    def push_index(self, layout: Layout, reference: str) -> Pushed:
        return self._copy(layout, reference, "--all")

    def push_converted(self, layout: Layout, reference: str, form: str) -> Pushed:
        """The image is at the reference in another form: `v2s2` or `v2s1` for docker's manifests."""
        return self._copy(layout, reference, "--format", form)

    def pull(self, reference: str) -> Pulled:
        folder = self._fetch(reference)
        manifest = (folder / "manifest.json").read_bytes()
        if "manifests" in json.loads(manifest):
            raise AssertionError(f"skopeo stored an index, not an image, for {reference}")
        config = json.loads(manifest)["config"]["digest"]
        described = json.loads((folder / config.removeprefix("sha256:")).read_bytes())
        return Pulled(digest_of(manifest), config, tuple(described["rootfs"]["diff_ids"]))

    def pull_index(self, reference: str) -> set[str]:
        """The digests of the index and of each image in it, all fetched whole."""
        folder = self._fetch(reference, "--all")
        manifests = [folder / "manifest.json", *folder.glob("*.manifest.json")]
        return {digest_of(each.read_bytes()) for each in manifests}

    def inspect(self, reference: str) -> dict[str, Any]:
        """What skopeo tells about an image: digest, tags of the repository, layers, labels."""
        found = self._tool("inspect", "--tls-verify=false", f"docker://{reference}").result
        return dict(json.loads(found))

    def raw(self, reference: str) -> bytes:
        """The manifest or index at the reference as the registry has it."""
        return self._tool("inspect", "--raw", "--tls-verify=false", f"docker://{reference}").result.encode()

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository."""
        found = self._tool("list-tags", "--tls-verify=false", f"docker://{repository}").result
        return list(json.loads(found)["Tags"])

    def delete(self, reference: str) -> None:
        """The image is deleted by its digest, and with it every tag on it."""
        self._tool("delete", "--tls-verify=false", f"docker://{reference}")

    def copy(self, source: str, target: str) -> None:
        """What is at one reference is at the other too, with every architecture."""
        plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
        self._tool("copy", "--all", *plain, f"docker://{source}", f"docker://{target}")

    def close(self) -> None:
        shutil.rmtree(self._folder)

    def _copy(self, layout: Layout, reference: str, *options: str) -> Pushed:
        digest = self._folder / "digest"
        fixed = ("--dest-tls-verify=false", "--digestfile", digest)
        output = self._tool("copy", *options, *fixed, layout.oci, f"docker://{reference}")
        return Pushed(digest.read_text(), output.all)

    def _fetch(self, reference: str, *options: str) -> Path:
        folder = self._folder / "pulled"
        shutil.rmtree(folder, ignore_errors=True)
        self._tool("copy", *options, "--src-tls-verify=false", f"docker://{reference}", f"dir:{folder}")
        return folder
