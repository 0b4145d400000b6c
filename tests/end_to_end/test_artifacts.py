"""Things that are no images: files with a type, files attached to an image, and helm charts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.helm import Helm
from tests.clients.interface import ClientFailed, Login
from tests.clients.layouts import MANIFEST, make_image
from tests.clients.oras_sdk import Oras
from tests.clients.skopeo import Skopeo
from tests.end_to_end.conftest import MakeOras
from tests.end_to_end.observations import upload_requests
from tests.servers.roadstead import RoadsteadServer

SBOM = "application/vnd.example.sbom.v1+json"
STRANGER = r"(?i)unauthorized|401|denied|basic credential not found"
NOTES = "application/vnd.example.notes.v1"


def written(path: Path, content: bytes) -> Path:
    """The path, with this content."""
    path.write_bytes(content)
    return path


def test_files_come_back_identical(oras: Oras, private_place: str, tmp_path: Path) -> None:
    files = [written(tmp_path / "notes.txt", b"notes"), written(tmp_path / "empty.txt", b"")]
    reference = f"{private_place}/files:1.0"
    oras.push(reference, files)
    assert oras.pull(reference) == {"notes.txt": b"notes", "empty.txt": b""}
    assert oras.tags(f"{private_place}/files") == ["1.0"]


def test_artifact_type_is_kept(oras: Oras, private_place: str, tmp_path: Path) -> None:
    oras.push(f"{private_place}/files:plain", [written(tmp_path / "notes.txt", b"notes")])
    manifest = oras.manifest(f"{private_place}/files:plain") | {"artifactType": NOTES}
    oras.push_manifest(f"{private_place}/files:typed", manifest)
    assert oras.manifest(f"{private_place}/files:typed") == manifest
    assert oras.pull(f"{private_place}/files:typed") == {"notes.txt": b"notes"}


def test_attached_artifacts_are_discovered(oras: Oras, skopeo: Skopeo, private_place: str, tmp_path: Path) -> None:
    layout = make_image(tmp_path / "layout")
    skopeo.push(layout, f"{private_place}/app:1.0")
    subject = {"mediaType": MANIFEST, "digest": layout.digest, "size": len(layout.blob(layout.digest))}
    assert oras.referrers(f"{private_place}/app", layout.digest) == []
    sbom = oras.attach(f"{private_place}/app:sbom", [written(tmp_path / "sbom.json", b"{}")], subject, SBOM)
    notes = oras.attach(f"{private_place}/app:notes", [written(tmp_path / "notes.txt", b"notes")], subject, NOTES)

    found = {each["digest"]: each["artifactType"] for each in oras.referrers(f"{private_place}/app", layout.digest)}
    assert found == {sbom.digest: SBOM, notes.digest: NOTES}
    [only] = oras.referrers(f"{private_place}/app", layout.digest, SBOM)
    assert oras.pull(f"{private_place}/app@{only['digest']}") == {"sbom.json": b"{}"}


def test_deleted_artifact_is_no_longer_discovered(
    oras: Oras, skopeo: Skopeo, private_place: str, tmp_path: Path
) -> None:
    layout = make_image(tmp_path / "layout")
    skopeo.push(layout, f"{private_place}/app:1.0")
    subject = {"mediaType": MANIFEST, "digest": layout.digest, "size": len(layout.blob(layout.digest))}
    oras.attach(f"{private_place}/app:sbom", [written(tmp_path / "sbom.json", b"{}")], subject, SBOM)
    assert oras.delete_tag(f"{private_place}/app", "sbom")
    assert oras.referrers(f"{private_place}/app", layout.digest) == []
    assert oras.tags(f"{private_place}/app") == ["1.0"]


def test_files_are_not_pushed_with_a_wrong_password(
    make_oras: MakeOras, owner: Login, private_place: str, tmp_path: Path
) -> None:
    stranger = make_oras("basic")
    stranger.login(Login(owner.user, "not-the-token"))
    with pytest.raises(ClientFailed, match=STRANGER):
        stranger.push(f"{private_place}/files:1.0", [written(tmp_path / "notes.txt", b"notes")])


@pytest.mark.parametrize("login_needed", [True, False], ids=["private", "public"])
def test_files_are_pulled_by_the_token_service(
    login_needed: bool,
    make_oras: MakeOras,
    oras: Oras,
    owner: Login,
    private_place: str,
    public_place: str,
    tmp_path: Path,
) -> None:
    reference = f"{private_place if login_needed else public_place}/files:1.0"
    oras.push(reference, [written(tmp_path / "notes.txt", b"notes")])
    reader = make_oras("token")
    if login_needed:
        reader.login(owner)
    assert reader.pull(reference) == {"notes.txt": b"notes"}


def test_chart_comes_back_identical(
    served: RoadsteadServer, helm: Helm, owner: Login, private_place: str, skopeo: Skopeo
) -> None:
    helm.login(owner)
    chart, reference = helm.package("demo", "0.1.0"), f"{private_place}/charts/demo"
    pushed = helm.push(chart, f"{private_place}/charts")
    assert skopeo.tags(reference) == ["0.1.0"]
    assert helm.pull(reference, "0.1.0") == chart.read_bytes()
    assert "version: 0.1.0" in helm.show_chart(reference, "0.1.0").splitlines()

    uploads = upload_requests(served, f"{reference}:0.1.0")
    assert uploads > 0
    assert helm.push(chart, f"{private_place}/charts").digest == pushed.digest
    assert upload_requests(served, f"{reference}:0.1.0") == uploads


def test_newest_matching_version_of_a_chart_is_chosen(helm: Helm, owner: Login, private_place: str) -> None:
    helm.login(owner)
    charts = {version: helm.package("demo", version) for version in ("0.9.0", "0.10.0", "1.0.0")}
    for chart in charts.values():
        helm.push(chart, private_place)
    assert helm.pull(f"{private_place}/demo", "^0.9.0 || ^0.10.0") == charts["0.10.0"].read_bytes()


def test_helm_is_refused_with_a_wrong_password(helm: Helm, owner: Login) -> None:
    with pytest.raises(ClientFailed, match=STRANGER):
        helm.login(Login(owner.user, "not-the-token"))


def test_private_chart_is_not_pulled_without_login(helm: Helm, owner: Login, private_place: str) -> None:
    helm.login(owner)
    helm.push(helm.package("demo", "0.1.0"), private_place)
    helm.logout()
    with pytest.raises(ClientFailed, match=STRANGER):
        helm.pull(f"{private_place}/demo", "0.1.0")


def test_public_chart_is_pulled_but_not_pushed_without_login(helm: Helm, owner: Login, public_place: str) -> None:
    helm.login(owner)
    chart = helm.package("demo", "0.1.0")
    helm.push(chart, public_place)
    helm.logout()
    assert helm.pull(f"{public_place}/demo", "0.1.0") == chart.read_bytes()
    with pytest.raises(ClientFailed, match=STRANGER):
        helm.push(helm.package("demo", "0.2.0"), public_place)
