"""A second instance, made over the API's own commands, used by podman at its own host name."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from tests.clients.interface import ClientFailed, Login, Pulled
from tests.clients.layouts import make_image
from tests.clients.podman import Podman
from tests.requirements import needs
from tests.servers.roadstead import RoadsteadServer

# Podman asks the system for the address of a name that ends in .localhost, and not every system knows it. What is in
# /etc/hosts is seen by this one process only.
_WITH_HOSTS = """#!/bin/sh
exec unshare --mount sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' {hosts} {podman} "$@"
"""


class PodmanWithHosts(Podman):
    """Podman for which a host name means this machine."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        super().__init__(folder, f"{host}:{port}")
        hosts, program = folder / "hosts", folder / "podman"
        hosts.write_text(f"127.0.0.1 localhost {host}\n")
        program.write_text(_WITH_HOSTS.format(hosts=hosts, podman=needs("podman")))
        program.chmod(0o755)
        self._tool.program = str(program)


@pytest.fixture
def may_mount(tmp_path: Path) -> None:
    """This process may give a child another /etc/hosts."""
    (tmp_path / "hosts").touch()
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "--bind", tmp_path / "hosts", "/etc/hosts"], capture_output=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip("a name for podman alone needs a mount namespace")


@pytest.fixture
def instance(served: RoadsteadServer) -> Iterator[str]:
    """The name of an instance that was just made; it is deleted afterwards, if the test has not."""
    name = f"it-{uuid.uuid4().hex[:8]}"
    served.command("instance", "create", name)
    yield name
    if name in served.command("instance", "list"):
        served.command("instance", "delete", name, "--yes")


def credential(server: RoadsteadServer, instance: str) -> Login:
    """A credential of the owner for the instance."""
    printed = server.command("credential", "create", "--instance", instance, "--json")
    made = msgspec.json.decode(printed, type=dict[str, object])
    return Login(str(made["Username"]), str(made["Token"]))


@pytest.mark.usefixtures("may_mount")
def test_podman_pushes_and_pulls_at_the_name_of_the_instance(
    served: RoadsteadServer, instance: str, owner: Login, tmp_path: Path
) -> None:
    host = f"{instance}.localhost"
    served.command("namespace", "create", "team", "--instance", instance)
    layout, reference = make_image(tmp_path / "layout"), f"{host}:{served.port}/team/app:1.0"
    podman = PodmanWithHosts(tmp_path / "podman", host, served.port)
    try:
        # The credential of the default instance opens nothing here.
        with pytest.raises(ClientFailed, match=r"(?i)unauthorized|invalid username/password"):
            podman.login(owner)
        login = credential(served, instance)
        podman.login(login)
        pushed = podman.push(layout, reference)
        pulled = podman.pull(reference)
        assert pulled == Pulled(pushed.digest, layout.image.config, layout.image.diffs)
    finally:
        podman.close()
    with httpx2.Client(base_url=served.url) as http:
        there = {"headers": {"Host": f"{host}:{served.port}"}, "auth": (login.user, login.password)}
        assert http.get("/v2/team/app/tags/list", **there).json()["tags"] == ["1.0"]
        # Neither the image nor the credential is known at the default instance.
        assert http.get("/v2/team/app/tags/list", auth=(owner.user, owner.password)).status_code == 404
        assert http.get("/v2/", auth=(login.user, login.password)).status_code == 401
        told = served.command("instance", "delete", instance, "--yes")
        assert "1 repository, 1 image (1 tag), 1 credential, " in told
        assert http.get("/v2/team/app/tags/list", **there).status_code in {401, 404}


def test_an_instance_comes_and_goes_beside_a_running_server(served: RoadsteadServer) -> None:
    """Jobs entered by a command are worked off by whoever is first, the command or the server."""
    name = f"it-{uuid.uuid4().hex[:8]}"
    served.command("instance", "create", name)
    assert name in served.command("instance", "list")
    served.command("instance", "delete", name, "--yes")
    assert name not in served.command("instance", "list")
