"""Triggers as users have them: made by tccli, fired by what docker and containerd push and pull."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.helm import Helm
from tests.clients.interface import Login
from tests.clients.layouts import make_image
from tests.clients.skopeo import Skopeo
from tests.clients.tccli import Tccli
from tests.end_to_end.conftest import MakeClient
from tests.end_to_end.observations import repository_of
from tests.end_to_end.test_sdk import RawDoor, registry_of, sdk_of
from tests.end_to_end.test_tccli import tccli_of
from tests.servers.receiver import Receiver
from tests.servers.roadstead import RoadsteadServer

NAMESPACE = "closed-team"


@pytest.fixture
def served(sqlite_disk: RoadsteadServer) -> RoadsteadServer:
    """One backend is enough here."""
    return sqlite_disk


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that accepts everything."""
    with Receiver().running() as found:
        yield found


@pytest.fixture
def tccli(served: RoadsteadServer, tmp_path: Path) -> Tccli:
    """tccli of a new user with the owner's key."""
    return tccli_of(served, tmp_path / "home")


def wait_until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.05)


def trigger(receiver: Receiver, name: str, condition: str, *events: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Targets": [{"Address": receiver.url, "Headers": [{"Key": "X-Team", "Values": ["shop"]}]}],
        "EventTypes": list(events),
        "Condition": condition,
        "Enabled": True,
        "Description": "deploys",
    }


def test_a_trigger_from_its_creation_to_its_log_by_tccli(
    served: RoadsteadServer,
    receiver: Receiver,
    tccli: Tccli,
    skopeo: Skopeo,
    private_place: str,
    tmp_path: Path,
) -> None:
    repository = repository_of(f"{private_place}/web")
    folder = repository.partition("/")[2]
    place = {"RegistryId": registry_of(served), "Namespace": NAMESPACE}
    asked = trigger(receiver, "by-hand", f"{folder}:release-*", "pushImage")
    made = tccli.call("tcr", "CreateWebhookTrigger", parameters={**place, "Trigger": asked})["Trigger"]
    assert made.items() >= {**asked, "NamespaceName": NAMESPACE}.items()
    layout = make_image(tmp_path / "layout")
    for tag in ("latest", "release-1"):
        skopeo.push(layout, f"{private_place}/web:{tag}")
    wait_until(lambda: receiver.told, "the receiver hears of the push")
    (told,) = receiver.told
    assert told["type"] == "pushImage" and told["event_data"]["repository"]["repo_full_name"] == repository
    assert told["event_data"]["resources"][0]["digest"] == layout.digest
    listed = tccli.call("tcr", "DescribeWebhookTrigger", parameters={**place, "Limit": 100, "Offset": 1})
    assert made["Id"] in [each["Id"] for each in listed["Triggers"]]
    (logged,) = tccli.call("tcr", "DescribeWebhookTriggerLog", parameters={**place, "Id": made["Id"]})["Logs"]
    assert logged["EventType"] == "pushImage" and logged["Status"] in {"running", "finished"}
    tccli.call(
        "tcr", "ModifyWebhookTrigger", parameters={**place, "Trigger": {**asked, "Id": made["Id"], "Enabled": False}}
    )
    skopeo.push(layout, f"{private_place}/web:release-2")
    tccli.call("tcr", "DeleteWebhookTrigger", parameters={**place, "Id": made["Id"]})
    listed = tccli.call("tcr", "DescribeWebhookTrigger", parameters={**place, "Limit": 100, "Offset": 1})
    assert made["Id"] not in [each["Id"] for each in listed["Triggers"]]
    assert receiver.told == [told]


def test_a_pull_by_a_real_client_is_told_and_counted_once(
    served: RoadsteadServer,
    receiver: Receiver,
    make_client: MakeClient,
    skopeo: Skopeo,
    owner: Login,
    private_place: str,
    tmp_path: Path,
) -> None:
    """docker and containerd ask by HEAD first, and then for the digest that they were told."""
    layout, reference = make_image(tmp_path / "layout"), f"{private_place}/app:1.0"
    skopeo.push(layout, reference)
    door, folder = RawDoor(sdk_of(served)), repository_of(reference).partition("/")[2]
    place = {"RegistryId": registry_of(served), "Namespace": NAMESPACE}
    asked = trigger(receiver, "pulls", folder, "pullImage")
    code, made = door.ask("CreateWebhookTrigger", {**place, "Trigger": asked})
    assert code == "", made
    for number, name in enumerate(("docker", "ctr", "skopeo"), 1):
        client = make_client(name)
        client.login(owner)
        client.pull(reference)
        wait_until(lambda number=number: len(receiver.told) >= number, f"the receiver hears of the pull by {name}")
    assert [each["type"] for each in receiver.told] == ["pullImage"] * 3
    resources = [each["event_data"]["resources"] for each in receiver.told]
    url = f"default.localhost:{served.port}/{repository_of(reference)}:1.0"
    assert resources == [[{"digest": layout.digest, "tag": "1.0", "resource_url": url}]] * 3
    images = {"RegistryId": place["RegistryId"], "NamespaceName": NAMESPACE, "RepositoryName": folder}
    _, shown = door.ask("DescribeImages", images)
    assert [(each["ImageVersion"], each["PullCount"]) for each in shown["ImageInfoList"]] == [("1.0", 3)]
    door.ask("DeleteWebhookTrigger", {**place, "Id": made["Trigger"]["Id"]})


def test_helm_tells_of_a_push_once_and_of_a_pull_once(
    served: RoadsteadServer, receiver: Receiver, helm: Helm, owner: Login, private_place: str
) -> None:
    """Helm 4 gets what it has pushed by digest before it tags it; that is no download."""
    door = RawDoor(sdk_of(served))
    place = {"RegistryId": registry_of(served), "Namespace": NAMESPACE}
    folder = repository_of(f"{private_place}/demo:1").partition("/")[2]
    asked = trigger(receiver, f"charts-{helm.name}", folder, "uploadChart", "downloadChart")
    code, made = door.ask("CreateWebhookTrigger", {**place, "Trigger": asked})
    assert code == "", made
    helm.login(owner)
    helm.push(helm.package("demo", "0.1.0"), private_place)
    helm.download(f"oci://{private_place}/demo", "0.1.0")
    wait_until(lambda: len(receiver.told) >= 2, "the receiver hears of the pull")
    assert [each["type"] for each in receiver.told] == ["uploadChart", "downloadChart"]
    door.ask("DeleteWebhookTrigger", {**place, "Id": made["Trigger"]["Id"]})
