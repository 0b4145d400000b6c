"""Helm with charts as OCI artifacts: `helm push` and `helm pull` with `oci://`, in two major versions."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tests.clients.interface import Login, Output, Pushed, run
from tests.requirements import missing
from tests.system.helm import VERSIONS

_DIGEST = re.compile(r"Digest: (sha256:[0-9a-f]{64})")


class Helm:
    """One major version of helm with logins and caches of its own."""

    def __init__(self, major: int, folder: Path, registry: str) -> None:
        """Nobody is logged in."""
        program = VERSIONS[major].path
        if not program.exists():
            missing(f"helm {VERSIONS[major].version} is not here; `python -m tests.system.helm` fetches it")
        folder.mkdir(parents=True, exist_ok=True)
        self.name = f"helm{major}"
        self._program = program
        self._folder = folder
        self._registry = registry
        # Version 3 names plain http for a login as it names an untrusted certificate.
        self._plain_login = "--plain-http" if major >= 4 else "--insecure"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
        self._environment = {
            **inherited,
            "HOME": str(folder),
            "DOCKER_CONFIG": str(folder / "docker"),
            "HELM_REGISTRY_CONFIG": str(folder / "registry.json"),
            "HELM_CACHE_HOME": str(folder / "cache"),
            "HELM_CONFIG_HOME": str(folder / "config"),
            "HELM_DATA_HOME": str(folder / "data"),
        }

    def login(self, login: Login) -> None:
        """The login is checked by the registry and kept. Raises ClientFailed when it is refused."""
        options = ("--username", login.user, "--password-stdin", self._plain_login)
        self._helm("registry", "login", self._registry, *options, stdin=login.password)

    def logout(self) -> None:
        """The login is forgotten."""
        self._helm("registry", "logout", self._registry)

    def package(self, name: str, version: str) -> Path:
        """The archive of a new chart with helm's own example files."""
        self._helm("create", name)
        self._helm("package", name, "--version", version)
        return self._folder / f"{name}-{version}.tgz"

    def push(self, chart: Path, namespace: str) -> Pushed:
        """The chart is at `NAMESPACE/its name:its version` of the registry."""
        output = self._helm("push", chart, f"oci://{namespace}", "--plain-http")
        found = _DIGEST.search(output.all)
        assert found, output.all
        return Pushed(found[1], output.all)

    def pull(self, reference: str, version: str) -> bytes:
        """The archive of a chart as the registry sends it."""
        folder = self._folder / "pulled"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._helm("pull", f"oci://{reference}", "--version", version, "--plain-http", "--destination", folder)
        [archive] = folder.glob("*.tgz")
        return archive.read_bytes()

    def show_chart(self, reference: str, version: str) -> str:
        """The chart's own description."""
        return self._helm("show", "chart", f"oci://{reference}", "--version", version, "--plain-http").result

    def close(self) -> None:
        """What helm stored is removed."""
        shutil.rmtree(self._folder)

    def _helm(self, *arguments: str | Path, stdin: str = "") -> Output:
        command = [self._program, *arguments]
        return run(command, environment=self._environment, folder=self._folder, stdin=stdin)
