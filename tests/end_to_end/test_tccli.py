"""tccli as its users run it: configured, asked for each of its own samples, and told in its way what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.clients.samples_replay import World, replay, steps
from tests.clients.tccli import Tccli, TccliError
from tests.end_to_end.test_sdk import RawDoor, own_server, registry_of, sdk_of
from tests.servers.roadstead import RoadsteadServer

__all__ = ["own_server"]

_CODE = re.compile(r"code:(\S+)")


def tccli_of(server: RoadsteadServer, home: Path) -> Tccli:
    home.mkdir()
    made = server.credentials
    return Tccli(home, server.url, made.secret_id, made.secret_key)


@pytest.fixture
def tccli(sqlite_disk: RoadsteadServer, tmp_path: Path) -> Iterator[Tccli]:
    """tccli of a new user with the owner's key."""
    yield tccli_of(sqlite_disk, tmp_path / "home")


def test_the_endpoint_can_be_configured_once(sqlite_disk: RoadsteadServer, tccli: Tccli) -> None:
    tccli.run("configure", "set", "tcr.endpoint", sqlite_disk.url)
    listed = tccli.run(
        "tcr", "DescribeNamespaces", "--RegistryId", registry_of(sqlite_disk), "--filter", "NamespaceList[0].Name"
    )
    assert listed.strip().strip('"')


def test_options_are_understood_as_they_are_typed(sqlite_disk: RoadsteadServer, tccli: Tccli) -> None:
    place = ("--RegistryId", registry_of(sqlite_disk), "--NamespaceName", "typed-by-hand")
    tccli.call("tcr", "CreateNamespace", *place, "--IsPublic", "True")
    (found,) = tccli.call("tcr", "DescribeNamespaces", *place, "--Offset", "1", "--Limit", "20")["NamespaceList"]
    assert (found["Name"], found["Public"]) == ("typed-by-hand", True)
    tccli.call("tcr", "DeleteNamespace", *place)


def test_the_audit_is_searched_as_the_cloud_describes_it(sqlite_disk: RoadsteadServer, tccli: Tccli) -> None:
    place = ("--RegistryId", registry_of(sqlite_disk), "--NamespaceName", "looked-up")
    tccli.call("tcr", "CreateNamespace", *place, "--IsPublic", "False")
    tccli.call("tcr", "DeleteNamespace", *place)
    asked = ("--StartTime", "1553056487", "--EndTime", "4102444800", "--MaxResults", "1", "--Mode", "standard")
    named = ("--LookupAttributes.0.AttributeKey", "EventName", "--LookupAttributes.0.AttributeValue")
    found = tccli.call("cloudaudit", "LookUpEvents", *asked, *named, "CreateNamespace", "--cli-unfold-argument")
    (event,) = found["Events"]
    assert (event["EventName"], event["EventSource"]) == ("CreateNamespace", "tcr")
    assert event["SourceIPAddress"] == "127.0.0.1" and event["RequestID"] and event["EventTime"].isdigit()
    assert json.loads(event["CloudAuditEvent"])["requestParameters"]["NamespaceName"] == "looked-up"
    first = tccli.call("cloudaudit", "LookUpEvents", *asked)
    more = tccli.call("cloudaudit", "LookUpEvents", *asked, "--NextToken", first["NextToken"])
    assert not first["ListOver"] and int(more["Events"][0]["EventId"]) < int(first["Events"][0]["EventId"])


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("CreateGCJob", "UnsupportedOperation"),
        ("DescribeUserQuotaPersonal", "UnsupportedOperation"),
        ("DescribeExternalEndpointStatus", "ResourceNotFound"),
    ],
)
def test_a_refusal_is_told_with_its_code_and_request(tccli: Tccli, action: str, code: str) -> None:
    given = () if action.endswith("Personal") else ("--RegistryId", "tcr-nobody0")
    with pytest.raises(TccliError, match=rf"exit 255: .*code:{code} message:.* requestId:[0-9a-f-]{{36}}"):
        tccli.call("tcr", action, *given)


@dataclass(frozen=True)
class CommandDoor:
    """tccli as a client that samples are replayed by; what is not offered yet is not worth a process each."""

    tccli: Tccli

    def ask(self, action: str, parameters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The code of the refusal, empty when there is none, and the answer's fields."""
        try:
            return "", self.tccli.call("tcr", action, parameters=parameters)
        except TccliError as refused:
            found = _CODE.search(str(refused))
            assert found is not None, refused
            return found[1], {}


def test_every_sample_of_what_is_offered_is_done(own_server: RoadsteadServer, tmp_path: Path) -> None:
    made = own_server.credentials
    wrong: list[str] = []
    with (
        httpx2.Client(base_url=own_server.url, auth=(made.registry_user, made.registry_token)) as registry,
        tccli_of(own_server, tmp_path / "home").imported() as tccli,
    ):
        door = CommandDoor(tccli)
        world = World(door, RawDoor(sdk_of(own_server)), registry, {"RegistryId": registry_of(own_server)})
        for step in steps():
            if step.code != "UnsupportedOperation":
                code, answer = replay(world, step)
                assert bool(code) != bool(answer.get("RequestId"))
                if code != step.code:
                    wrong.append(f"{step.action} {step.sample}: {code or 'done'} instead of {step.code or 'done'}")
    assert not wrong, "\n".join(wrong)
