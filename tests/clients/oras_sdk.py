"""ORAS by its Python library: files as artifacts with a type, and artifacts attached to others."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import quote

import oras.oci  # type: ignore[import-untyped]
import oras.provider  # type: ignore[import-untyped]
import oras.utils  # type: ignore[import-untyped]
import pytest

from tests.clients.interface import ClientFailed, Login, Pushed
from tests.clients.layouts import MANIFEST


class _Impatient(oras.provider.Registry):  # type: ignore[misc]
    """The library's client without its repetitions."""

    do_request = oras.provider.Registry.do_request.__wrapped__


class Oras:
    """The library's client for one registry.

    `token` follows the registry's pointer to its token service, `basic` sends user and password with every request.
    By `token` it can only read: it asks for one token, for its first request's scope, and keeps that to the end.
    The library meets most failures by minutes of waiting and repeating; here the first of them is the answer.
    """

    name = "oras"

    def __init__(self, folder: Path, registry: str, authentication: Literal["basic", "token"] = "token") -> None:
        """Nobody is logged in."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._registry = registry
        self._oras: Any = _Impatient(hostname=registry, insecure=True, auth_backend=authentication)

    def login(self, login: Login) -> None:
        """The login is kept; the library does not ask the registry about it."""
        with pytest.MonkeyPatch.context() as patch:
            # The library would first try to hand the login to a docker engine of this machine.
            patch.setattr(oras.utils, "get_docker_client", _no_engine)
            self._oras.login(
                login.user,
                login.password,
                tls_verify=False,
                hostname=self._registry,
                config_path=str(self._folder / "config.json"),
            )

    def push(self, reference: str, files: Sequence[Path], config_type: str | None = None) -> Pushed:
        """The files are layers of an artifact at the reference; its config has the type, if one is given."""
        return self._push(reference, files, config_type)

    def attach(self, reference: str, files: Sequence[Path], subject: dict[str, Any], config_type: str) -> Pushed:
        """The files are an artifact at the reference that names the subject."""
        return self._push(reference, files, config_type, subject=oras.oci.Subject(**subject))

    def push_manifest(self, reference: str, manifest: dict[str, Any]) -> Pushed:
        """The manifest is at the reference; what it names has been pushed before."""
        answer = self._oras.upload_manifest(manifest, self._oras.get_container(reference))
        return self._pushed(answer)

    def pull(self, reference: str) -> dict[str, bytes]:
        """Name and content of each file of an artifact."""
        folder = self._folder / "pulled"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        files = self._oras.pull(target=reference, outdir=str(folder))
        return {Path(each).name: Path(each).read_bytes() for each in files}

    def manifest(self, reference: str) -> dict[str, Any]:
        """The manifest at the reference."""
        return dict(self._oras.get_manifest(reference, [MANIFEST]))

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository, over as many pages as it takes."""
        return list(self._oras.get_tags(repository))

    def delete_tag(self, repository: str, tag: str) -> bool:
        """Whether the registry deleted what the tag names."""
        return bool(self._oras.delete_tag(repository, tag))

    def referrers(self, repository: str, digest: str, artifact_type: str | None = None) -> list[dict[str, Any]]:
        """The descriptors of what names this digest as its subject."""
        container = self._oras.get_container(f"{repository}:any")
        query = f"?artifactType={quote(artifact_type)}" if artifact_type else ""
        url = f"http://{self._registry}/v2/{container.api_prefix}/referrers/{digest}{query}"
        answer = self._oras.do_request(url)
        if answer.status_code != 200:
            raise ClientFailed(f"GET {url}: {answer.status_code} {answer.text}")
        return list(answer.json()["manifests"])

    def close(self) -> None:
        """The client's connections are closed and its files removed."""
        self._oras.session.close()
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder)

    def _push(self, reference: str, files: Sequence[Path], config_type: str | None, **more: Any) -> Pushed:
        config = self._folder / "artifact-config.json"
        config.write_text("{}")
        try:
            answer = self._oras.push(
                target=reference,
                files=[str(each) for each in files],
                disable_path_validation=True,
                manifest_config=f"{config}:{config_type}" if config_type else None,
                quiet=True,
                **more,
            )
        except ValueError as error:
            raise ClientFailed(str(error)) from error
        return self._pushed(answer)

    def _pushed(self, answer: Any) -> Pushed:
        if answer.status_code != 201:
            raise ClientFailed(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}")
        return Pushed(answer.headers["Docker-Content-Digest"], answer.text)


def _no_engine(**_options: object) -> NoReturn:
    raise OSError("the tests lend the library no docker engine")
