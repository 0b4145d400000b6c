"""What registry operators do with skopeo and plain requests: list, inspect, convert, copy, delete."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from tests.clients.interface import ClientFailed
from tests.clients.layouts import DOCKER_MANIFEST, make_image, make_index
from tests.clients.skopeo import Skopeo
from tests.end_to_end.observations import repository_of

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def test_tags_are_listed(skopeo: Skopeo, private_place: str, tmp_path: Path) -> None:
    layout = make_image(tmp_path / "layout")
    for tag in ("2.0", "1.0", "latest"):
        skopeo.push(layout, f"{private_place}/app:{tag}")
    assert skopeo.tags(f"{private_place}/app") == ["1.0", "2.0", "latest"]


def test_image_is_inspected(skopeo: Skopeo, private_place: str, tmp_path: Path) -> None:
    layout = make_image(tmp_path / "layout")
    skopeo.push(layout, f"{private_place}/app:1.0")
    found = skopeo.inspect(f"{private_place}/app:1.0")
    layers = json.loads(layout.blob(layout.digest))["layers"]
    assert found["Digest"] == layout.digest
    assert found["RepoTags"] == ["1.0"]
    assert found["Layers"] == [each["digest"] for each in layers]
    assert found["Labels"] == {"made-by": "tests"}


def test_docker_schema_2_is_kept_as_it_is(skopeo: Skopeo, private_place: str, tmp_path: Path) -> None:
    layout = make_image(tmp_path / "layout")
    pushed = skopeo.push_converted(layout, f"{private_place}/app:1.0", "v2s2")
    pulled = skopeo.pull(f"{private_place}/app:1.0")
    assert json.loads(skopeo.raw(f"{private_place}/app:1.0"))["mediaType"] == DOCKER_MANIFEST
    assert (pulled.manifest, pulled.diffs) == (pushed.digest, layout.image.diffs)


def test_docker_schema_1_is_refused_clearly_to_skopeo(skopeo: Skopeo, private_place: str, tmp_path: Path) -> None:
    with pytest.raises(ClientFailed, match=r"(?i)schema ?(version )?1"):
        skopeo.push_converted(make_image(tmp_path / "layout"), f"{private_place}/app:1.0", "v2s1")


def test_docker_schema_1_is_refused_clearly(http: httpx2.Client, private_place: str) -> None:
    repository = repository_of(f"{private_place}/app")
    manifest = {"schemaVersion": 1, "name": repository, "tag": "1.0", "architecture": "amd64", "fsLayers": []}
    answer = http.put(
        f"/v2/{repository}/manifests/1.0", content=json.dumps(manifest), headers={"Content-Type": SCHEMA1}
    )
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["code"] == "MANIFEST_INVALID"
    assert "schema 1" in error["message"].lower()


def test_index_is_copied_whole_to_another_repository(skopeo: Skopeo, private_place: str, tmp_path: Path) -> None:
    layout = make_index(tmp_path / "layout")
    skopeo.push_index(layout, f"{private_place}/first:1.0")
    skopeo.copy(f"{private_place}/first:1.0", f"{private_place}/second:1.0")
    everything = {layout.digest, *(each.manifest for each in layout.images)}
    assert skopeo.pull_index(f"{private_place}/second:1.0") == everything


def test_delete_takes_every_tag_of_the_image_and_no_other(skopeo: Skopeo, private_place: str, tmp_path: Path) -> None:
    going, staying = make_image(tmp_path / "going"), make_image(tmp_path / "staying")
    for tag in ("1.0", "1.0.0"):
        skopeo.push(going, f"{private_place}/app:{tag}")
    skopeo.push(staying, f"{private_place}/app:2.0")
    skopeo.delete(f"{private_place}/app:1.0")
    assert skopeo.tags(f"{private_place}/app") == ["2.0"]
    with pytest.raises(ClientFailed, match="manifest unknown"):
        skopeo.raw(f"{private_place}/app@{going.digest}")
    assert skopeo.pull(f"{private_place}/app:2.0").manifest == staying.digest


def test_deleted_image_can_be_pushed_again(skopeo: Skopeo, private_place: str, tmp_path: Path) -> None:
    layout, reference = make_image(tmp_path / "layout"), f"{private_place}/app:1.0"
    skopeo.push(layout, reference)
    skopeo.delete(reference)
    skopeo.push(layout, reference)
    assert skopeo.pull(reference).manifest == layout.digest
