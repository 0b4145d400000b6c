"""The registry behind a real nginx as the guide sets it up: named, unnamed, with forged headers, passing bytes on.

Clients elsewhere are made by the PROXY protocol towards nginx, see `tests/servers/nginx.py`.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.interface import run
from tests.clients.layouts import make_image
from tests.factories.certificates import Files, certificate_files
from tests.requirements import needs
from tests.servers import nginx
from tests.servers.ports import free_port
from tests.servers.roadstead import RoadsteadServer

# One worker has the servers.
pytestmark = pytest.mark.xdist_group("proxies")

OFFICE, STRANGER = "203.0.113.9", "198.51.100.7"


@dataclass(frozen=True)
class Place:
    """The registry, its proxy, and what clients of the proxy trust."""

    server: RoadsteadServer
    proxy: nginx.Nginx
    tls: int
    files: Files

    @property
    def basic(self) -> str:
        made = self.server.credentials
        return "Basic " + base64.b64encode(f"{made.registry_user}:{made.registry_token}".encode()).decode()


@pytest.fixture(scope="module")
def place(session_folder: Path) -> Iterator[Place]:
    """A registry that names nginx's addresses and admits the office."""
    folder = session_folder / "proxies"
    folder.mkdir()
    files = certificate_files(folder, "localhost")
    tls = free_port()
    settings = {
        "ROADSTEAD_NETWORK_PROXIES": "127.0.0.2",
        "ROADSTEAD_NETWORK_PROXY_PROTOCOL": "127.0.0.3",
        "ROADSTEAD_TLS_LISTEN": f"127.0.0.1:{tls}",
        "ROADSTEAD_TLS_SELF_SIGNED": "yes",
    }
    server = RoadsteadServer(folder / "data", settings)
    server.start()
    registry = server.ask("GET", "/api/v1")["Instance"]["RegistryId"]
    server.ask("POST", "/api/v1/ManageExternalEndpoint", {"RegistryId": registry, "Operation": "Create"})
    server.ask("POST", "/api/v1/CreateSecurityPolicy", {"RegistryId": registry, "CidrBlock": OFFICE})
    proxy = nginx.start(folder / "nginx", plain=server.port, tls=tls, certificate=files.chain, key=files.key)
    yield Place(server, proxy, tls, files)
    proxy.stop()
    server.stop()


@dataclass(frozen=True)
class Answer:
    """A status, the headers, and the body as JSON."""

    status: int
    headers: http.client.HTTPMessage
    body: Any

    @property
    def refusal(self) -> dict[str, str]:
        (error,) = self.body["errors"]
        return {"code": error["code"], **error["detail"]}


def ask(place: Place, port: int, client: str, path: str = "/v2/", **headers: str) -> Answer:
    """The answer to a client of nginx elsewhere."""
    trust = ssl.create_default_context(cafile=str(place.files.authority))
    trust.load_verify_locations(str(place.server.folder / "tls" / "authority.pem"))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        family = "TCP6" if ":" in client else "TCP4"
        target = "::1" if ":" in client else "127.0.0.1"
        plain.sendall(f"PROXY {family} {client} {target} 4711 443\r\n".encode())
        with trust.wrap_socket(plain, server_hostname="localhost") as secure:
            connection = http.client.HTTPConnection("localhost", port)
            connection.sock = secure
            sent = {"Authorization": place.basic} | {name.replace("_", "-"): text for name, text in headers.items()}
            connection.request("GET", path, headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, json.loads(answer.read()))


FORGED: list[dict[str, str]] = [
    {},
    {"X_Forwarded_For": OFFICE},
    {"X_Forwarded_For": "127.0.0.1"},
    {"X_Forwarded_For": f"127.0.0.1, {OFFICE}, 127.0.0.2"},
    {"X_Forwarded_For": "nonsense"},
    {"Forwarded": f"for={OFFICE};proto=https", "X_Real_IP": "127.0.0.1"},
]


@pytest.mark.parametrize("headers", FORGED)
def test_a_named_proxy_lets_in_whom_it_names_whatever_they_say_themselves(
    place: Place, headers: dict[str, str]
) -> None:
    assert ask(place, place.proxy.named, OFFICE, **headers).status == 200
    for client in (STRANGER, "2001:db8::7"):
        answer = ask(place, place.proxy.named, client, **headers)
        assert answer.status == 403
        assert answer.refusal["gate"] == "network"
        assert (answer.refusal["entry"], answer.refusal["address"]) == ("public", client)


@pytest.mark.parametrize("headers", FORGED)
def test_bytes_passed_on_tell_the_client_too(place: Place, headers: dict[str, str]) -> None:
    assert ask(place, place.proxy.stream, OFFICE, **headers).status == 200
    answer = ask(place, place.proxy.stream, STRANGER, **headers)
    assert (answer.status, answer.refusal["address"]) == (403, STRANGER)


@pytest.mark.parametrize("client", [OFFICE, STRANGER, "127.0.0.1"])
def test_an_unnamed_proxy_on_this_host_lets_in_nobody(place: Place, client: str) -> None:
    answer = ask(place, place.proxy.unnamed, client)
    assert (answer.status, answer.refusal["reason"]) == (403, "unnamed proxy")


def test_clients_of_this_host_come_in_by_every_way(place: Place) -> None:
    for port in (place.proxy.named, place.proxy.stream):
        assert ask(place, port, "127.0.0.1").status == 200


@pytest.mark.parametrize("way", ["named", "stream"])
def test_where_tokens_are_had_is_told_as_the_client_came(place: Place, way: str) -> None:
    port = getattr(place.proxy, way)
    answer = ask(place, port, OFFICE, Authorization="")
    assert answer.status == 401
    realm = re.match(r'Bearer realm="([^"]*)"', answer.headers["WWW-Authenticate"])
    assert realm is not None and realm[1] == f"https://localhost:{port}/service/token"
    granted = ask(place, port, OFFICE, "/service/token?service=x&scope=repository:library/app:pull")
    assert granted.status == 200 and granted.body["token"]


def skopeo(place: Place, folder: Path, *arguments: str) -> None:
    """skopeo has done it, trusting nobody but nginx's authority and the registry's."""
    made = place.server.credentials
    trusted = folder / "trusted"
    trusted.mkdir(exist_ok=True)
    authorities = [place.files.authority, place.server.folder / "tls" / "authority.pem"]
    (trusted / "ca.crt").write_bytes(b"".join(each.read_bytes() for each in authorities))
    side = "--dest" if arguments[-1].startswith("docker://") else "--src"
    options = [f"{side}-cert-dir={trusted}", f"{side}-creds={made.registry_user}:{made.registry_token}"]
    run([needs("skopeo"), "copy", *options, *arguments], environment=os.environ, folder=folder)


@pytest.mark.parametrize("by", ["nginx", "itself"])
def test_images_go_by_https_ended_by_nginx_or_by_the_registry(place: Place, tmp_path: Path, by: str) -> None:
    layout = make_image(tmp_path / "layout")
    port = place.proxy.direct if by == "nginx" else place.tls
    reference = f"docker://localhost:{port}/library/{by}:1"
    skopeo(place, tmp_path, layout.oci, reference)
    skopeo(place, tmp_path, reference, f"dir:{tmp_path}/back")
    assert (tmp_path / "back" / "manifest.json").read_bytes() == layout.blob(layout.digest)
