"""What the tests look at besides the clients' own answers: the registry's, and its log of requests."""

from __future__ import annotations

import re

import httpx2

from tests.clients.layouts import DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST
from tests.servers.roadstead import RoadsteadServer

MANIFEST_TYPES = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST))


def repository_of(reference: str) -> str:
    """NAMESPACE/REPOSITORY of HOST:PORT/NAMESPACE/REPOSITORY, with or without a tag."""
    _, _, path = reference.partition("/")
    return path.partition(":")[0]


def registry_digest(http: httpx2.Client, reference: str) -> str:
    """The digest that the registry gives for a tag."""
    tag = reference.rpartition(":")[2]
    answer = http.head(f"/v2/{repository_of(reference)}/manifests/{tag}", headers={"Accept": MANIFEST_TYPES})
    assert answer.status_code == 200
    return answer.headers["Docker-Content-Digest"]


def upload_requests(served: RoadsteadServer, reference: str) -> int:
    """How many uploads of blobs into the repository of a reference clients have asked for so far."""
    return _requests(served, "POST", reference, "uploads/")


def download_requests(served: RoadsteadServer, reference: str) -> int:
    """How many blobs of the repository of a reference clients have asked for so far."""
    return _requests(served, "GET", reference, "sha256:")


def _requests(served: RoadsteadServer, method: str, reference: str, what: str) -> int:
    asked = re.compile(rf"{method}.*/v2/{re.escape(repository_of(reference))}/blobs/{what}")
    return len(asked.findall(served.log.read_text()))
