"""The cloud's Python SDK as its users have it: its ways to sign, the samples in order, and answers that it parses."""

from __future__ import annotations

import json
import time
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from roadstead.services.cloud_actions import AREAS, PERSONAL
from roadstead.services.table import OPERATIONS
from tests.clients import tcr_contract
from tests.clients.samples_replay import World, replay, steps
from tests.clients.tencentcloud import Sdk
from tests.servers.roadstead import RoadsteadServer


def sdk_of(server: RoadsteadServer) -> Sdk:
    made = server.credentials
    return Sdk(server.address, made.secret_id, made.secret_key)


def registry_of(server: RoadsteadServer) -> str:
    """The id of the default instance."""
    found: str = httpx2.get(f"{server.url}/api/v1/").json()["Instance"]["RegistryId"]
    return found


@pytest.fixture
def sdk(served: RoadsteadServer) -> Sdk:
    """The SDK with the owner's key."""
    return sdk_of(served)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RoadsteadServer]:
    """A server of this test's own: what it does is not only done to its own namespace."""
    server = RoadsteadServer(tmp_path / "data")
    server.start()
    yield server
    assert server.stop() == 0, server.log.read_text()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"method": "GET"},
        {"unsigned_payload": True},
        {"sign_method": "HmacSHA1"},
        {"sign_method": "HmacSHA1", "method": "GET"},
        {"sign_method": "HmacSHA256"},
        {"sign_method": "HmacSHA256", "method": "GET"},
        {"region": ""},
    ],
    ids=str,
)
def test_every_way_to_sign_is_understood(served: RoadsteadServer, sdk: Sdk, changes: dict[str, Any]) -> None:
    answer = sdk.using(**changes).call("DescribeNamespaces", {"RegistryId": registry_of(served), "Limit": 1})
    assert len(answer.NamespaceList) == 1
    assert answer.RequestId


def test_an_endpoint_with_a_scheme_is_understood(served: RoadsteadServer, sdk: Sdk) -> None:
    odd = sdk.using(endpoint=served.url)
    assert odd.call("DescribeNamespaces", {"RegistryId": registry_of(served)}).NamespaceList


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret_key": "wrong"}, "AuthFailure.SignatureFailure"),
        ({"secret_id": "AKIDnobody"}, "AuthFailure.SecretIdNotFound"),
        ({"token": "none"}, "AuthFailure.TokenFailure"),
        ({"sign_method": "HmacSHA1", "secret_key": "wrong"}, "AuthFailure.SignatureFailure"),
    ],
)
def test_a_refusal_is_an_exception_of_the_sdk(
    served: RoadsteadServer, sdk: Sdk, changes: dict[str, str], code: str
) -> None:
    with pytest.raises(TencentCloudSDKException) as refused:
        sdk.using(**changes).call("DescribeNamespaces", {"RegistryId": registry_of(served)})
    assert refused.value.get_code() == code
    assert refused.value.get_message()
    assert len(refused.value.get_request_id()) == 36


@pytest.mark.parametrize("action", sorted(PERSONAL))
def test_the_personal_edition_is_told_apart(sqlite_disk: RoadsteadServer, action: str) -> None:
    code, _ = RawDoor(sdk_of(sqlite_disk)).ask(action, {})
    assert code == "UnsupportedOperation"


@dataclass(frozen=True)
class RawDoor:
    """The SDK, asked for answers as they came, in which a missing field and a null one differ."""

    sdk: Sdk

    def ask(self, action: str, parameters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The code of the refusal, empty when there is none, and the answer's fields."""
        try:
            answer = self.sdk.client("tcr").call_json(action, parameters)
        except TencentCloudSDKException as refused:
            return refused.get_code(), {}
        return "", answer["Response"]


def parsed(action: str, answer: dict[str, Any]) -> Any:
    """The answer in the SDK's model of it."""
    model = getattr(import_module("tencentcloud.tcr.v20190924.models"), f"{action}Response")()
    with warnings.catch_warnings():
        # Fields that the model does not know are ours; the SDK says so by a warning that it hides itself.
        warnings.simplefilter("ignore")
        model._deserialize(answer)
    return model


def test_every_sample_is_answered_as_documented(own_server: RoadsteadServer) -> None:
    made = own_server.credentials
    wrong: list[str] = []
    with httpx2.Client(base_url=own_server.url, auth=(made.registry_user, made.registry_token)) as registry:
        door = RawDoor(sdk_of(own_server))
        world = World(door, door, registry, {"RegistryId": registry_of(own_server)})
        for step in steps():
            code, answer = replay(world, step)
            name = f"{step.action} {step.sample}"
            if code != step.code:
                wrong.append(f"{name}: {code or 'done'} instead of {step.code or 'done'}")
            elif not code:
                wrong += [f"{name}: {fault}" for fault in tcr_contract.faults(step.action, answer)]
                assert parsed(step.action, answer).RequestId == answer["RequestId"]
    assert not wrong, "\n".join(wrong)


def test_the_replay_covers_every_action() -> None:
    asked = [(step.action, step.sample) for step in steps()]
    enterprise = [action for area in AREAS for action in area.actions]
    expected = [(action, place) for action in enterprise for place in range(len(tcr_contract.samples(action)))]
    assert sorted(asked) == sorted(expected)


@pytest.mark.parametrize("action", [action for area in AREAS for action in area.actions if action in OPERATIONS])
def test_every_documented_parameter_is_known(action: str) -> None:
    known = {found.encode_name for found in msgspec.structs.fields(OPERATIONS[action].request)}
    assert tcr_contract.request_fields(action) <= known


def test_a_client_with_a_wrong_clock_is_told_the_servers_time(
    served: RoadsteadServer, sdk: Sdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tencentcloud.common.abstract_client.time.time", lambda now=time.time: now() - 301)
    with pytest.raises(TencentCloudSDKException) as refused:
        sdk.call("DescribeNamespaces", {"RegistryId": registry_of(served)})
    assert refused.value.get_code() == "AuthFailure.SignatureExpire"
    assert "UTC" in refused.value.get_message()


def test_a_user_with_a_policy_by_the_access_management_service(served: RoadsteadServer, sdk: Sdk) -> None:
    """A user is made, given one namespace and a key; the key lists only that; then all of it is removed."""
    name, team = f"u{uuid.uuid4().hex[:10]}", f"team-{uuid.uuid4().hex[:10]}"
    registry = registry_of(served)
    sdk.call("CreateNamespace", {"RegistryId": registry, "NamespaceName": team, "IsPublic": False})
    user = sdk.call("AddUser", {"Name": name, "Remark": "", "ConsoleLogin": 0, "UseApi": 0}, service="cam")
    statement = {
        "effect": "allow",
        "action": ["tcr:Describe*"],
        "resource": [f"qcs::tcr:::repository/{registry}/{team}/*"],
    }
    policy = sdk.call(
        "CreatePolicy",
        {"PolicyName": name, "PolicyDocument": json.dumps({"version": "2.0", "statement": [statement]})},
        service="cam",
    )
    sdk.call("AttachUserPolicy", {"PolicyId": policy.PolicyId, "AttachUin": user.Uin}, service="cam")
    key = sdk.call("CreateAccessKey", {"TargetUin": user.Uin}, service="cam").AccessKey
    own = sdk.using(secret_id=key.AccessKeyId, secret_key=key.SecretAccessKey)
    listed = own.call("DescribeNamespaces", {"RegistryId": registry})
    assert ([each.Name for each in listed.NamespaceList], listed.TotalCount) == ([team], 1)
    assert [each.RegistryId for each in own.call("DescribeInstances").Registries] == [registry]
    with pytest.raises(TencentCloudSDKException) as refused:
        own.call("DeleteNamespace", {"RegistryId": registry, "NamespaceName": team})
    assert refused.value.get_code().startswith("UnauthorizedOperation")
    sdk.call("DeleteUser", {"Name": name, "Force": 1}, service="cam")
    with pytest.raises(TencentCloudSDKException) as gone:
        own.call("DescribeNamespaces", {"RegistryId": registry})
    assert gone.value.get_code().startswith("AuthFailure")
    sdk.call("DeletePolicy", {"PolicyId": [policy.PolicyId]}, service="cam")
    sdk.call("DeleteNamespace", {"RegistryId": registry, "NamespaceName": team})
