"""Helm itself, both its ways: what is pushed by one is found, pulled, verified and installed by the other."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.clients.helm import Helm
from tests.clients.interface import ClientFailed, Login
from tests.factories.charts import chart
from tests.requirements import missing
from tests.servers.roadstead import RoadsteadServer

# Each way over one database and store, with one version of helm.
BOTH = pytest.mark.parametrize(("served", "helm"), [("sqlite_disk", 4), ("postgres_s3", 3)], indirect=True)
SIGNER = "Chart Maker"


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Path]:
    """A folder with the key rings `secret.gpg` and `public.gpg` of somebody who signs charts."""
    program = shutil.which("gpg")
    if program is None:
        missing("gpg is not here; `make setup` installs it")
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg = [program, "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    made = ("--quick-gen-key", f"{SIGNER} <charts@example.org>", "rsa2048", "sign", "never")
    subprocess.run([*gpg, *made], check=True, capture_output=True)
    subprocess.run([*gpg, "--output", str(home / "secret.gpg"), "--export-secret-keys"], check=True)
    subprocess.run([*gpg, "--output", str(home / "public.gpg"), "--export"], check=True)
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=False)


def paths(place: str) -> tuple[str, str]:
    """Of HOST/FOLDER: the paths of the chart repository and of its API."""
    folder = place.partition("/")[2]
    return f"/chartrepo/{folder}", f"/api/chartrepo/{folder}/charts"


@BOTH
def test_helm_by_both_ways(
    served: RoadsteadServer, helm: Helm, owner: Login, http: httpx2.Client, private_place: str, keys: Path
) -> None:
    repository, api = paths(private_place)
    helm.login(owner)
    first, second = helm.package("demo", "0.9.0"), helm.package("demo", "0.10.0+b1")
    signing = ("--sign", "--key", SIGNER, "--keyring", keys / "secret.gpg")
    helm.run("package", "demo", "--version", "1.0.0-rc.1", *signing)
    signed = helm.folder / "demo-1.0.0-rc.1.tgz"

    with first.open("rb") as archive:
        assert http.post(api, files={"chart": archive}).status_code == 201
    helm.push(second, private_place)
    helm.push(signed, private_place)  # its provenance file lies beside it
    other = helm.package("demo", "2.0.0")
    Path(f"{other}.prov").write_bytes(Path(f"{signed}.prov").read_bytes())
    # Older helm tells the reason of a refused push to those who ask for all.
    with pytest.raises(
        ClientFailed, match=r"does not vouch for demo-2\.0\.0\.tgz .* but for demo-1\.0\.0-rc\.1\.tgz"
    ):
        helm.run("push", other, f"oci://{private_place}", "--plain-http", "--debug")
    helm.add_repository("here", f"{served.url}{repository}", owner)
    assert helm.search("here/") == [("here/demo", version) for version in ("1.0.0-rc.1", "0.10.0+b1", "0.9.0")]

    for archive_, version in ((first, "0.9.0"), (second, "0.10.0+b1")):
        for name in ("here/demo", f"oci://{private_place}/demo"):
            assert helm.download(name, version).read_bytes() == archive_.read_bytes()
    for name in ("here/demo", f"oci://{private_place}/demo"):
        verified = helm.download(name, "1.0.0-rc.1", "--verify", "--keyring", keys / "public.gpg")
        assert verified.read_bytes() == signed.read_bytes()
    assert "version: 0.10.0+b1" in helm.run("show", "chart", "here/demo")
    assert "# Source: demo/templates/service.yaml" in helm.run("template", "here/demo")
    oci = (f"oci://{private_place}/demo", "--version", "0.9.0", "--plain-http")
    assert "# Source: demo/templates/service.yaml" in helm.run("template", "x", *oci)

    assert http.delete(f"{api}/demo/0.9.0").status_code == 200
    with pytest.raises(ClientFailed):
        helm.download(f"oci://{private_place}/demo", "0.9.0")
    tag = f"/v2/{private_place.partition('/')[2]}/demo/manifests/0.10.0_b1"
    assert http.delete(tag).status_code == 202
    assert helm.search("here/") == [("here/demo", "1.0.0-rc.1")]


@BOTH
def test_dependencies_are_downloaded_from_a_public_namespace(
    served: RoadsteadServer, helm: Helm, owner: Login, public_place: str
) -> None:
    helm.login(owner)
    helm.push(helm.package("demo", "0.1.0"), public_place)
    helm.logout()
    helm.add_repository("open", f"{served.url}{paths(public_place)[0]}")
    helm.run("create", "parent")
    described = helm.folder / "parent" / "Chart.yaml"
    needed = f"dependencies:\n- name: demo\n  version: ^0.1\n  repository: {served.url}{paths(public_place)[0]}\n"
    described.write_text(described.read_text() + needed)
    helm.run("dependency", "update", "parent")
    assert (helm.folder / "parent" / "charts" / "demo-0.1.0.tgz").exists()
    assert "# Source: parent/charts/demo/templates/service.yaml" in helm.run("template", "parent")


@BOTH
def test_the_push_plugin_as_it_is_on_the_wire(
    served: RoadsteadServer, helm: Helm, owner: Login, http: httpx2.Client, private_place: str
) -> None:
    """helm-push 0.10.4 byte for byte: chunked, without a length, `?force` without a value; errors are its JSON."""
    archive = helm.package("demo", "0.3.0").read_bytes()
    repository, api = paths(private_place)
    assert http.get(f"{repository}/index.yaml").status_code == 200
    body = (
        b'--5f5f5f5f\r\nContent-Disposition: form-data; name="chart"; filename="/tmp/helm-push-1/demo-0.3.0.tgz"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
    ) + archive
    body += b"\r\n--5f5f5f5f--\r\n"
    login = base64.b64encode(f"{owner.user}:{owner.password}".encode()).decode()
    head = (
        f"POST {api}?force HTTP/1.1\r\nHost: {served.address}\r\nUser-Agent: Go-http-client/1.1\r\n"
        f"Transfer-Encoding: chunked\r\nAuthorization: Basic {login}\r\n"
        "Content-Type: multipart/form-data; boundary=5f5f5f5f\r\nAccept-Encoding: gzip\r\n\r\n"
    ).encode()
    chunks = [body[start : start + 4096] for start in range(0, len(body), 4096)]
    sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    host, _, port = served.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head + sent)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 201 ") and answer.endswith(b'{"saved":true}'), answer
    changed = {"chart": chart("demo", "0.3.0", description="changed")}
    refused = http.post(api, files=changed)
    assert (refused.status_code, list(refused.json())) == (409, ["error"])
    file = f"{repository}/charts/demo-0.3.0.tgz"
    assert http.get(file, follow_redirects=True).content == archive


@BOTH
def test_chart_repositories_ask_for_a_login(
    served: RoadsteadServer, helm: Helm, owner: Login, private_place: str
) -> None:
    url = f"{served.url}{paths(private_place)[0]}"
    with pytest.raises(ClientFailed, match="401"):
        helm.add_repository("closed", url)
    with pytest.raises(ClientFailed, match="401"):
        helm.add_repository("closed", url, Login(owner.user, "wrong"))
    helm.add_repository("closed", url, owner)
    assert helm.search("closed/") == []


def test_many_push_and_delete_at_once(served: RoadsteadServer, http: httpx2.Client, private_place: str) -> None:
    """Every process serves the same index in the end, and nobody waits for another in a circle."""
    repository, api = paths(private_place)

    def work(number: int) -> None:
        with httpx2.Client(base_url=served.url, auth=http.auth) as client:
            for version in ("1.0.0", "1.1.0"):
                for name in ("shared", f"own-{number}"):
                    archive = chart(name, f"{version}-{number}" if name == "shared" else version)
                    pushed = client.post(api, files={"chart": archive})
                    assert pushed.status_code == 201, pushed.text
            gone = (f"{api}/own-{number}/1.0.0", f"{api}/shared/1.0.0-{number}", f"{api}/own-{number}")
            for path in gone[: 3 if number % 2 else 2]:
                deleted = client.delete(path)
                assert deleted.status_code == 200, deleted.text

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    expected = {"shared": [f"1.1.0-{number}" for number in reversed(range(8))]}
    expected |= {f"own-{number}": ["1.1.0"] for number in range(0, 8, 2)}
    seen = set()
    for _ in range(6):  # from whichever process answers
        with httpx2.Client(base_url=served.url, auth=http.auth) as client:
            seen.add(client.get(f"{repository}/index.yaml").content)
    [document] = seen
    entries = json.loads(document)["entries"]
    assert {name: [each["version"] for each in versions] for name, versions in entries.items()} == expected
