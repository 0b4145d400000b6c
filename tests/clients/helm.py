"""Helm with charts as OCI artifacts: `helm push` and `helm pull` with `oci://`, in two major versions."""

from __future__ import annotations

import os
import re
import shutil
import uuid
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

    def add_repository(self, name: str, url: str, login: Login | None = None) -> None:
        """The chart repository is known under that name, and its index is here. Raises ClientFailed."""
        credentials = () if login is None else ("--username", login.user, "--password", login.password)
        self.run("repo", "add", name, url, *credentials)

    def search(self, text: str) -> list[tuple[str, str]]:
        """Name and version of each chart that the known repositories have for the text, pre-releases too."""
        self.run("repo", "update")
        lines = self.run("search", "repo", text, "--versions", "--devel").splitlines()[1:]
        return [(words[0], words[1]) for words in map(str.split, lines) if len(words) > 1]

    def download(self, chart: str, version: str, *options: str | Path) -> Path:
        """The archive of a chart, from a known repository or an `oci://` address."""
        folder = self._folder / f"downloaded-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        plain = ("--plain-http",) if chart.startswith("oci:") else ()
        self.run("pull", chart, "--version", version, *plain, "--destination", folder, *options)
        [archive] = folder.glob("*.tgz")
        return archive

    def run(self, *arguments: str | Path) -> str:
        """What helm prints as its result. Raises ClientFailed."""
        return self._helm(*arguments).result

    @property
    def folder(self) -> Path:
        """Where helm works."""
        return self._folder

    def close(self) -> None:
        """What helm stored is removed."""
        shutil.rmtree(self._folder)

    def _helm(self, *arguments: str | Path, stdin: str = "") -> Output:
        command = [self._program, *arguments]
        return run(command, environment=self._environment, folder=self._folder, stdin=stdin)
