"""What every end-to-end test starts from: a served product, its own namespace, clients that store nothing yet."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx2
import pytest

from tests.clients.buildah import Buildah
from tests.clients.ctr import Ctr
from tests.clients.docker import Docker
from tests.clients.helm import Helm
from tests.clients.interface import ImageClient, Login
from tests.clients.oras_sdk import Oras
from tests.clients.podman import Podman
from tests.clients.skopeo import Skopeo
from tests.servers.roadstead import RoadsteadServer

BACKENDS = ("sqlite_disk", "postgres_s3")
IMAGE_CLIENTS = ("podman", "buildah", "skopeo", "docker", "ctr")

PRIVATE, PUBLIC = "closed-team", "open-team"

CreateNamespace = Callable[[RoadsteadServer, bool], str]
MakeOras = Callable[[Literal["basic", "token"]], Oras]
MakeClient = Callable[[str], ImageClient]


@pytest.fixture(params=BACKENDS)
def served(request: pytest.FixtureRequest) -> Iterator[RoadsteadServer]:
    """The running product, over each pair of database and blob store; a failing test shows its log of the time."""
    server: RoadsteadServer = request.getfixturevalue(request.param)
    before = server.log.stat().st_size
    yield server
    with server.log.open(errors="replace") as log:
        log.seek(before)
        print(log.read())


@pytest.fixture(scope="session")
def shared_namespace() -> CreateNamespace:
    """One private and one public namespace of each server, made when first asked for: that takes a second."""
    return functools.cache(_create_namespace)


@pytest.fixture
def private_place(served: RoadsteadServer, shared_namespace: CreateNamespace) -> str:
    """HOST:PORT/NAMESPACE/FOLDER in a private namespace, with no repository in the folder yet."""
    return f"{shared_namespace(served, False)}/test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def public_place(served: RoadsteadServer, shared_namespace: CreateNamespace) -> str:
    """HOST:PORT/NAMESPACE/FOLDER in a public namespace, with no repository in the folder yet."""
    return f"{shared_namespace(served, True)}/test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def owner(served: RoadsteadServer) -> Login:
    """The login that may do everything."""
    return Login(served.credentials.registry_user, served.credentials.registry_token)


@pytest.fixture
def http(served: RoadsteadServer, owner: Login) -> Iterator[httpx2.Client]:
    """Plain requests in the owner's name, for what no client shows."""
    with httpx2.Client(base_url=served.url, auth=(owner.user, owner.password)) as client:
        yield client


@pytest.fixture
def make_client(request: pytest.FixtureRequest, served: RoadsteadServer, tmp_path: Path) -> Iterator[MakeClient]:
    """Image clients by name, each call a new one that knows no login and stores nothing."""
    made: list[ImageClient] = []

    def make(name: str) -> ImageClient:
        folder = tmp_path / f"{name}-{uuid.uuid4().hex[:8]}"
        made.append(_image_client(request, name, folder, served.address))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(params=IMAGE_CLIENTS)
def client(request: pytest.FixtureRequest, make_client: MakeClient) -> ImageClient:
    """Each image client, not logged in."""
    return make_client(request.param)


@pytest.fixture
def skopeo(served: RoadsteadServer, owner: Login, tmp_path: Path) -> Iterator[Skopeo]:
    """Skopeo, logged in as the owner."""
    client = Skopeo(tmp_path / "skopeo", served.address)
    client.login(owner)
    yield client
    client.close()


@pytest.fixture
def make_oras(served: RoadsteadServer, tmp_path: Path) -> Iterator[MakeOras]:
    """Clients of the ORAS library by their way to authenticate, `basic` or `token`, each not logged in."""
    made: list[Oras] = []

    def make(authentication: Literal["basic", "token"]) -> Oras:
        made.append(Oras(tmp_path / f"oras-{uuid.uuid4().hex[:8]}", served.address, authentication))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def oras(make_oras: MakeOras, owner: Login) -> Oras:
    """The ORAS library, logged in as the owner."""
    client = make_oras("basic")
    client.login(owner)
    return client


@pytest.fixture(params=[4, 3], ids=["helm4", "helm3"])
def helm(request: pytest.FixtureRequest, served: RoadsteadServer, tmp_path: Path) -> Iterator[Helm]:
    """Each version of helm, not logged in."""
    client = Helm(request.param, tmp_path / "helm", served.address)
    yield client
    client.close()


def _create_namespace(served: RoadsteadServer, public: bool) -> str:
    name = PUBLIC if public else PRIVATE
    served.create_namespace(name, public=public)
    return f"{served.address}/{name}"


def _image_client(request: pytest.FixtureRequest, name: str, folder: Path, registry: str) -> ImageClient:
    match name:
        case "podman":
            return Podman(folder, registry)
        case "buildah":
            return Buildah(folder, registry)
        case "skopeo":
            return Skopeo(folder, registry)
        case "docker":
            return Docker(folder, registry, request.getfixturevalue("docker_engine"))
        case "ctr":
            return Ctr(folder, request.getfixturevalue("containerd_server"))
    raise ValueError(name)
