"""A sub-account that may pull one repository does exactly that with the clients that people have."""

from __future__ import annotations

import asyncio
import functools
import json
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from roadstead.app import open_context
from roadstead.config import Settings, Storage
from tests.clients.helm import Helm
from tests.clients.interface import ClientFailed, ImageClient, Login
from tests.clients.layouts import make_image
from tests.clients.skopeo import Skopeo
from tests.end_to_end.conftest import PRIVATE
from tests.end_to_end.observations import repository_of
from tests.factories.accounts import add_sub_account
from tests.servers.roadstead import RoadsteadServer

# containerd tells only the status.
REFUSED = r"(?i)denied|403|forbidden"


def add_user(served: RoadsteadServer, name: str) -> Login:
    """A new user of the served registry with a credential."""

    async def add() -> Login:
        database = served.environment.get("ROADSTEAD_DATABASE", "")
        settings = Settings(data=str(served.folder), database=database, storage=Storage(kind="memory"))
        async with open_context(settings) as ctx:
            login = await add_sub_account(ctx, name)
            return Login(login.username, login.password)

    return asyncio.run(add())


def make_reader(served: RoadsteadServer, repositories: str) -> Login:
    """A user that may read these repositories, by the commands of the guide."""
    name = f"reader-{uuid.uuid4().hex[:8]}"
    login = add_user(served, name)
    served.command("policy", "create", name, "--template", "read-repository", "--on", repositories)
    served.command("policy", "attach", name, "--user", name)
    return login


@pytest.fixture(scope="session")
def shared_reader() -> Callable[[RoadsteadServer, str], Login]:
    """One reader of each server, made when first asked for: its commands take seconds."""
    return functools.cache(make_reader)


@pytest.fixture
def reader(served: RoadsteadServer, shared_reader: Callable[[RoadsteadServer, str], Login]) -> Login:
    """A user that may read the repository `app` of each test's place."""
    return shared_reader(served, f"{PRIVATE}/test-*/app")


def test_a_reader_pulls_its_repository_and_nothing_else(
    client: ImageClient, reader: Login, skopeo: Skopeo, private_place: str, tmp_path: Path
) -> None:
    layout = make_image(tmp_path / "layout")
    for name in ("app", "app-2", "other"):
        skopeo.push(layout, f"{private_place}/{name}:1.0")
    client.login(reader)
    assert client.pull(f"{private_place}/app:1.0").diffs == layout.image.diffs
    for name in ("app-2", "other"):
        with pytest.raises(ClientFailed, match=REFUSED):
            client.pull(f"{private_place}/{name}:1.0")
    for name in ("app", "new"):
        with pytest.raises(ClientFailed, match=REFUSED):
            client.push(make_image(tmp_path / name), f"{private_place}/{name}:2.0")


def test_what_is_taken_back_is_gone_at_once(
    served: RoadsteadServer, skopeo: Skopeo, private_place: str, tmp_path: Path
) -> None:
    skopeo.push(make_image(tmp_path / "layout"), f"{private_place}/app:1.0")
    repository = repository_of(f"{private_place}/app")
    reader = make_reader(served, repository)
    with httpx2.Client(base_url=served.url, auth=(reader.user, reader.password)) as http:
        assert http.get(f"/v2/{repository}/manifests/1.0").status_code == 200
        listed = http.get("/v2/_catalog").json()["repositories"]
        assert [name for name in listed if name.startswith(f"{PRIVATE}/")] == [repository]
        refused = http.put(f"/v2/{repository}/manifests/2.0", content="{}")
        assert refused.status_code == 403
        [error] = refused.json()["errors"]
        assert (error["detail"]["gate"], error["detail"]["action"]) == ("policy", "tcr:PushRepository")
        [policy] = json.loads(served.command("policy", "of", "--user", reader.user, "--json"))
        served.command("policy", "detach", policy["PolicyName"], "--user", reader.user)
        assert http.get(f"/v2/{repository}/manifests/1.0").status_code == 403


def test_charts_follow_the_same_policies(helm: Helm, reader: Login, owner: Login, private_place: str) -> None:
    helm.login(owner)
    charts = {name: helm.package(name, "0.1.0") for name in ("app", "other")}
    for chart in charts.values():
        helm.push(chart, private_place)
    helm.logout()
    helm.login(reader)
    assert helm.pull(f"{private_place}/app", "0.1.0") == charts["app"].read_bytes()
    with pytest.raises(ClientFailed, match=REFUSED):
        helm.pull(f"{private_place}/other", "0.1.0")
    with pytest.raises(ClientFailed, match=REFUSED):
        helm.push(helm.package("app", "0.2.0"), private_place)
