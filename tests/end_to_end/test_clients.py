"""Docker, podman, buildah, skopeo and containerd against the served product, over each database and blob store."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from tests.clients.interface import ClientFailed, ImageClient, Login, Pulled
from tests.clients.layouts import LARGE, Layout, make_image, make_index
from tests.clients.skopeo import Skopeo
from tests.end_to_end.conftest import MakeClient
from tests.end_to_end.observations import download_requests, registry_digest, repository_of, upload_requests
from tests.servers.roadstead import RoadsteadServer

REFUSED = r"(?i)unauthorized|authorization failed|denied|incorrect username or password|invalid username/password"


def assert_same(client: ImageClient, reference: str, layout: Layout) -> None:
    """The client fetches the very image of the layout."""
    pulled = client.pull(reference)
    assert pulled.config == layout.image.config
    assert pulled.diffs == layout.image.diffs


def test_pushed_image_comes_back_identical(
    served: RoadsteadServer,
    client: ImageClient,
    owner: Login,
    private_place: str,
    http: httpx2.Client,
    tmp_path: Path,
) -> None:
    layout, reference = make_image(tmp_path / "layout", LARGE), f"{private_place}/app:1.0"
    client.login(owner)
    pushed = client.push(layout, reference)
    assert pushed.digest == registry_digest(http, reference)
    downloads = download_requests(served, reference)
    pulled = client.pull(reference)
    assert pulled == Pulled(pushed.digest, layout.image.config, layout.image.diffs)
    assert download_requests(served, reference) > downloads + len(layout.image.diffs)


def test_second_push_sends_no_layer(
    served: RoadsteadServer, client: ImageClient, owner: Login, private_place: str, tmp_path: Path
) -> None:
    layout, reference = make_image(tmp_path / "layout"), f"{private_place}/app:1.0"
    client.login(owner)
    first = client.push(layout, reference)
    uploads = upload_requests(served, reference)
    assert uploads > len(layout.image.diffs)
    assert client.push(layout, reference).digest == first.digest
    assert upload_requests(served, reference) == uploads


def test_each_client_reads_what_another_wrote(
    client: ImageClient, owner: Login, private_place: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    layout, reference = make_image(tmp_path / "layout"), f"{private_place}/deep/er/app:1.0"
    pushed = skopeo.push(layout, reference)
    assert pushed.digest == layout.digest
    client.login(owner)
    assert_same(client, reference, layout)
    assert_same(client, f"{reference.rpartition(':')[0]}@{pushed.digest}", layout)


def test_index_of_two_architectures(
    client: ImageClient, owner: Login, private_place: str, skopeo: Skopeo, http: httpx2.Client, tmp_path: Path
) -> None:
    layout, reference = make_index(tmp_path / "layout"), f"{private_place}/app:1.0"
    client.login(owner)
    pushed = client.push_index(layout, reference)
    assert pushed.digest == registry_digest(http, reference)
    members = json.loads(skopeo.raw(reference))["manifests"]
    assert {each["platform"]["architecture"] for each in members} == {each.architecture for each in layout.images}
    assert skopeo.pull_index(reference) == {pushed.digest, *(each["digest"] for each in members)}
    assert_same(client, reference, layout)


@pytest.mark.parametrize("wrong", ["password", "user"])
def test_wrong_login_is_refused_clearly(
    wrong: str, client: ImageClient, owner: Login, private_place: str, tmp_path: Path
) -> None:
    bad = Login(owner.user, "not-the-token") if wrong == "password" else Login("nobody", owner.password)
    with pytest.raises(ClientFailed, match=REFUSED):
        client.login(bad)
        # containerd has no login: what is wrong shows with the first transfer.
        client.push(make_image(tmp_path / "layout"), f"{private_place}/app:1.0")


def test_public_image_is_pulled_without_login(
    client: ImageClient, public_place: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    layout, reference = make_image(tmp_path / "layout"), f"{public_place}/app:1.0"
    skopeo.push(layout, reference)
    assert_same(client, reference, layout)


def test_private_image_is_not_pulled_without_login(
    client: ImageClient, private_place: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    reference = f"{private_place}/app:1.0"
    skopeo.push(make_image(tmp_path / "layout"), reference)
    with pytest.raises(ClientFailed, match=REFUSED):
        client.pull(reference)


def test_nothing_is_pushed_without_login(
    client: ImageClient, public_place: str, skopeo: Skopeo, http: httpx2.Client, tmp_path: Path
) -> None:
    layout, reference = make_image(tmp_path / "layout"), f"{public_place}/app:1.0"
    with pytest.raises(ClientFailed, match=REFUSED):
        client.push(layout, reference)
    assert http.get(f"/v2/{repository_of(reference)}/tags/list").status_code == 404


def test_missing_tag_is_said_to_be_missing(
    client: ImageClient, owner: Login, private_place: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    skopeo.push(make_image(tmp_path / "layout"), f"{private_place}/app:1.0")
    client.login(owner)
    with pytest.raises(ClientFailed, match=r"(?i)manifest unknown|not found"):
        client.pull(f"{private_place}/app:2.0")


def test_missing_namespace_is_said_to_be_missing(
    served: RoadsteadServer, client: ImageClient, owner: Login, tmp_path: Path
) -> None:
    client.login(owner)
    with pytest.raises(ClientFailed, match=r"(?i)namespace"):
        client.push(make_image(tmp_path / "layout"), f"{served.address}/no-such-namespace/app:1.0")


def test_docker_mounts_layers_of_another_repository(
    make_client: MakeClient, owner: Login, private_place: str, skopeo: Skopeo, tmp_path: Path
) -> None:
    docker, layout = make_client("docker"), make_image(tmp_path / "layout")
    docker.login(owner)
    docker.push(layout, f"{private_place}/first:1.0")
    pushed = docker.push(layout, f"{private_place}/second:1.0")
    assert pushed.output.count("Mounted from") == len(layout.image.diffs)
    assert_same(docker, f"{private_place}/second:1.0", layout)


@pytest.mark.parametrize("served", ["sqlite_s3_stream"], indirect=True)
def test_image_in_s3_passes_through_the_server(
    make_client: MakeClient, owner: Login, private_place: str, http: httpx2.Client, tmp_path: Path
) -> None:
    podman, layout = make_client("podman"), make_image(tmp_path / "layout", LARGE)
    reference = f"{private_place}/app:1.0"
    podman.login(owner)
    podman.push(layout, reference)
    assert_same(podman, reference, layout)
    answer = http.get(f"/v2/{repository_of(reference)}/blobs/{layout.image.config}")
    assert (answer.status_code, answer.content) == (200, layout.blob(layout.image.config))


@pytest.mark.parametrize("served", ["postgres_s3"], indirect=True)
def test_image_in_s3_is_fetched_from_s3(
    skopeo: Skopeo, private_place: str, http: httpx2.Client, tmp_path: Path
) -> None:
    layout, reference = make_image(tmp_path / "layout"), f"{private_place}/app:1.0"
    skopeo.push(layout, reference)
    layer = json.loads(layout.blob(layout.image.manifest))["layers"][1]["digest"]
    answer = http.get(f"/v2/{repository_of(reference)}/blobs/{layer}")
    assert answer.status_code == 307
    # A presigned URL carries its own permission; ours would make S3 refuse it.
    assert httpx2.get(answer.headers["Location"]).content == layout.blob(layer)
