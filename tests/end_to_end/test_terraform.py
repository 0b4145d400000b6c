"""The calls that the Terraform provider for TCR makes for each resource, in its order, with what it relies on.

The provider itself cannot be had here; these sequences are read from its source. It is written in Go: a field that it
looks into and that is null ends it, and so does a number that is a text.
"""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from tests.clients import tcr_contract
from tests.clients.tencentcloud import Sdk
from tests.end_to_end.test_sdk import registry_of, sdk_of
from tests.servers.roadstead import RoadsteadServer

# The provider asks for pages of this size, and takes a shorter one for the last.
PAGE = {"Limit": 200, "Offset": 0}


class Provider:
    """The provider's way to call: each answer is checked against the types that its own client has."""

    def __init__(self, server: RoadsteadServer) -> None:
        self._sdk: Sdk = sdk_of(server).using(region="ap-guangzhou")
        self.instance = registry_of(server)

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """The answer. Raises AssertionError where the Go client would end."""
        place = {"RegistryId": self.instance} if "RegistryId" in tcr_contract.request_fields(action) else {}
        answer: dict[str, Any] = self._sdk.client("tcr").call_json(action, {**place, **parameters})["Response"]
        assert tcr_contract.faults(action, answer) == []
        return answer

    def tag(self, action: str, **parameters: Any) -> dict[str, Any]:
        """The answer of the cloud's tag service."""
        answer: dict[str, Any] = self._sdk.client("tag").call_json(action, parameters)["Response"]
        return answer

    def code(self, action: str, **parameters: Any) -> str:
        """The code by which the call is refused."""
        with pytest.raises(TencentCloudSDKException) as refused:
            self._sdk.client("tcr").call_json(action, {"RegistryId": self.instance, **parameters})
        found: str = refused.value.get_code()
        return found


# What the provider repeats until its time is over, so that no lasting refusal may be one of these.
RETRIED = ("RequestLimitExceeded", "ResourceInUse", "ResourceUnavailable", "ResourceBusy", "InternalError")


@pytest.fixture
def provider(served: RoadsteadServer) -> Provider:
    """The provider with the owner's key."""
    return Provider(served)


def name() -> str:
    return f"tf-{uuid.uuid4().hex[:12]}"


def test_namespace(provider: Provider) -> None:
    team = name()

    def read() -> dict[str, Any] | None:
        listed = provider.call("DescribeNamespaces", NamespaceName=team, **PAGE)["NamespaceList"]
        return next((entry for entry in listed if entry["Name"] == team), None)

    provider.call(
        "CreateNamespace",
        NamespaceName=team,
        IsPublic=True,
        IsAutoScan=True,
        IsPreventVUL=True,
        Severity="medium",
        CVEWhitelistItems=[{"CVEID": "CVE-2026-1"}],
    )
    found = read()
    assert found is not None
    assert (found["Public"], found["AutoScan"], found["PreventVUL"], found["Severity"]) == (
        True,
        True,
        True,
        "medium",
    )
    assert found["CVEWhitelistItems"] == [{"CVEID": "CVE-2026-1"}]
    assert isinstance(found["NamespaceId"], int)
    provider.call(
        "ModifyNamespace", NamespaceName=team, IsPublic=False, IsAutoScan=False, IsPreventVUL=False, Severity="low"
    )
    found = read()
    assert found is not None
    assert (found["Public"], found["AutoScan"], found["PreventVUL"]) == (False, False, False)
    provider.call("DeleteNamespace", NamespaceName=team)
    assert read() is None
    assert provider.code("DeleteNamespace", NamespaceName=team).startswith("ResourceNotFound")


def test_repository(provider: Provider) -> None:
    team = name()
    place = {"NamespaceName": team, "RepositoryName": "web/shop"}
    provider.call("CreateNamespace", NamespaceName=team, IsPublic=False)

    def read() -> dict[str, Any] | None:
        listed = provider.call("DescribeRepositories", **place, **PAGE)["RepositoryList"]
        return next((entry for entry in listed if entry["Name"] == f"{team}/web/shop"), None)

    provider.call("CreateRepository", **place, BriefDescription="one", Description="# One")
    found = read()
    assert found is not None
    assert (found["Namespace"], found["BriefDescription"], found["Description"]) == (team, "one", "# One")
    provider.call("ModifyRepository", **place, BriefDescription="two", Description="")
    found = read()
    assert found is not None and (found["BriefDescription"], found["Description"]) == ("two", "")
    refusal = provider.code("DeleteNamespace", NamespaceName=team)
    assert refusal == "FailedOperation.PreconditionFailed" and not refusal.startswith(RETRIED)
    assert not provider.code("CreateRepository", **place).startswith(RETRIED)
    provider.call("DeleteRepository", **place, ForceDelete=True)
    assert read() is None
    provider.call("DeleteNamespace", NamespaceName=team)


def test_token(provider: Provider) -> None:
    def read(token: str) -> dict[str, Any] | None:
        listed = provider.call("DescribeInstanceToken", **PAGE)["Tokens"]
        return next((entry for entry in listed if entry["Id"] == token), None)

    made = provider.call("CreateInstanceToken", TokenType="longterm", Desc="by terraform")
    token = made["TokenId"]
    assert made["Username"] and made["Token"] and made["ExpTime"] > 10**12
    provider.call("ModifyInstanceToken", TokenId=token, Enable=False)
    found = read(token)
    assert found is not None
    assert (found["Enabled"], found["Desc"], found["RegistryId"]) == (False, "by terraform", provider.instance)
    assert found["CreatedAt"].endswith("+08:00")
    provider.call("ModifyInstanceToken", TokenId=token, Enable=True)
    found = read(token)
    assert found is not None and found["Enabled"] is True
    provider.call("DeleteInstanceToken", TokenId=token)
    assert read(token) is None


def test_public_entry_of_an_instance(provider: Provider) -> None:
    def status() -> str:
        found: str = provider.call("DescribeExternalEndpointStatus")["Status"]
        return found

    def policies() -> dict[str, dict[str, Any]]:
        listed = provider.call("DescribeSecurityPolicies")["SecurityPolicySet"]
        return {entry["CidrBlock"]: entry for entry in listed}

    def entry(cidr: str, description: str = "") -> dict[str, Any]:
        return {"PolicyIndex": 0, "PolicyVersion": "", "CidrBlock": cidr, "Description": description}

    assert status() == "Closed"
    provider.call("ManageExternalEndpoint", Operation="Create")
    assert status() in {"Opening", "Opened"}
    wanted = [entry("192.168.1.1/24", "office"), entry("10.0.0.1")]
    provider.call("CreateMultipleSecurityPolicy", SecurityGroupPolicySet=wanted)
    found = policies()
    # What comes back is what was written, or each plan would show a change.
    assert set(found) == {"192.168.1.1/24", "10.0.0.1"}
    assert found["192.168.1.1/24"]["Description"] == "office"
    assert all(isinstance(each["PolicyIndex"], int) and each["PolicyVersion"] for each in found.values())
    provider.call("DeleteMultipleSecurityPolicy", SecurityGroupPolicySet=[entry("192.168.1.1/24", "office")])
    provider.call("CreateMultipleSecurityPolicy", SecurityGroupPolicySet=[entry("172.16.0.0/12")])
    assert set(policies()) == {"10.0.0.1", "172.16.0.0/12"}
    provider.call("DeleteMultipleSecurityPolicy", SecurityGroupPolicySet=[entry(cidr) for cidr in policies()])
    assert policies() == {}
    provider.call("ManageExternalEndpoint", Operation="Delete")
    assert status() in {"Deleting", "Closed"}


@pytest.mark.parametrize(
    "action", ["DescribeNamespaces", "DescribeRepositories", "DescribeInstanceToken", "DescribeSecurityPolicies"]
)
def test_what_is_gone_is_told_by_the_code_that_the_provider_knows(provider: Provider, action: str) -> None:
    assert provider.code(action, RegistryId="tcr-gone0000") == "ResourceNotFound"


def test_instance(provider: Provider) -> None:
    def read(instance: str) -> dict[str, Any] | None:
        listed = provider.call("DescribeInstances", Registryids=[instance])["Registries"]
        return next((entry for entry in listed if entry["RegistryId"] == instance), None)

    def reached(instance: str, field: str, value: str | None) -> dict[str, Any] | None:
        """The instance once its field has the value; None: once it is gone."""
        for _ in range(600):
            found = read(instance)
            if (found is None and value is None) or (found is not None and found[field] == value):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{field} is not {value}: {read(instance)}")

    tags = {"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "shop"}]}
    made = provider.call("CreateInstance", RegistryName=name(), RegistryType="basic", TagSpecification=tags)
    instance = made["RegistryId"]
    found = reached(instance, "Status", "Running")
    assert found is not None
    # The provider looks into these without asking whether they are there.
    assert (found["RegistryType"], found["PayMod"], found["TagSpecification"]) == ("basic", 0, tags)
    assert found["PublicDomain"] and found["InternalEndpoint"] is not None
    assert provider.call("DescribeExternalEndpointStatus", RegistryId=instance)["Status"] == "Closed"
    assert provider.call("DescribeSecurityPolicies", RegistryId=instance)["SecurityPolicySet"] == []
    assert provider.call("DescribeReplicationInstances", RegistryId=instance)["ReplicationRegistries"] == []
    provider.call("ModifyInstance", RegistryId=instance, RegistryType="standard")
    assert reached(instance, "RegistryType", "standard") is not None
    provider.call("ModifyInstance", RegistryId=instance, DeletionProtection=True)
    refusal = provider.code("DeleteInstance", RegistryId=instance, DeleteBucket=True)
    assert not refusal.startswith(RETRIED)
    provider.call("ModifyInstance", RegistryId=instance, DeletionProtection=False)
    provider.call("CreateNamespace", RegistryId=instance, NamespaceName="team", IsPublic=False)
    for entry in provider.call("DescribeNamespaces", RegistryId=instance, **PAGE)["NamespaceList"]:
        provider.call("DeleteNamespace", RegistryId=instance, NamespaceName=entry["Name"])
    provider.call("DeleteInstance", RegistryId=instance, DeleteBucket=True, DryRun=False)
    assert reached(instance, "Status", None) is None


def test_service_account(provider: Provider) -> None:
    account, team = name(), name()
    provider.call("CreateNamespace", NamespaceName=team, IsPublic=False)
    rights = [{"Resource": team, "Actions": ["tcr:PushRepository", "tcr:PullRepository"]}]

    def read() -> dict[str, Any] | None:
        wanted = [{"Name": "ServiceAccountName", "Values": [f"tcr${account}"]}]
        listed = provider.call("DescribeServiceAccounts", Filters=wanted, EmbedPermission=True, **PAGE)
        found: list[dict[str, Any]] = listed["ServiceAccounts"]
        return next((entry for entry in found if entry["Name"] == f"tcr${account}"), None)

    made = provider.call("CreateServiceAccount", Name=account, Permissions=rights, Description="ci", Duration=10)
    assert (made["Name"], len(made["Password"])) == (f"tcr${account}", 32)
    chosen = provider.call("ModifyServiceAccountPassword", Name=account, Random=False, Password="Password123")
    assert chosen["Password"] == "Password123"
    found = read()
    assert found is not None
    assert (found["Description"], found["Disable"], found["Permissions"]) == ("ci", False, rights)
    assert found["ExpiresAt"] == made["ExpiresAt"] > 10**12
    provider.call("ModifyServiceAccount", Name=f"tcr${account}", Description="cd", Disable=True, Permissions=rights)
    found = read()
    assert found is not None and (found["Description"], found["Disable"]) == ("cd", True)
    provider.call("DeleteServiceAccount", Name=account)
    assert read() is None
    provider.call("DeleteNamespace", NamespaceName=team)


def test_tags_of_a_resource_by_the_tag_service(provider: Provider) -> None:
    """As the provider does on every read of a resource with tags: rule 7 of its sources."""
    team = name()
    provider.call("CreateNamespace", NamespaceName=team, IsPublic=False)
    paths = (f"{provider.instance}", f"{provider.instance}/{team}")
    for prefix, path in zip(("instance", "repository"), paths, strict=True):

        def read(prefix: str = prefix, path: str = path) -> dict[str, str]:
            answer = provider.tag(
                "DescribeResourceTagsByResourceIds",
                ServiceType="tcr",
                ResourcePrefix=prefix,
                ResourceIds=[path],
                ResourceRegion="ap-guangzhou",
                Limit=50,
                Offset=0,
            )
            assert answer["TotalCount"] == len(answer["Tags"])
            return {each["TagKey"]: each["TagValue"] for each in answer["Tags"] if each["ResourceId"] == path}

        full = f"qcs::tcr:ap-guangzhou:uin/:{prefix}/{path}"
        before = read()
        both = [{"TagKey": "made-by", "TagValue": "terraform"}, {"TagKey": "stage", "TagValue": "test"}]
        provider.tag("ModifyResourceTags", Resource=full, ReplaceTags=both)
        assert read() == {**before, "made-by": "terraform", "stage": "test"}
        provider.tag(
            "ModifyResourceTags",
            Resource=full,
            ReplaceTags=[{"TagKey": "stage", "TagValue": "live"}],
            DeleteTags=[{"TagKey": "made-by"}],
        )
        assert read() == {**before, "stage": "live"}
        provider.tag("ModifyResourceTags", Resource=full, DeleteTags=[{"TagKey": "stage"}])
        assert read() == before
    provider.call("DeleteNamespace", NamespaceName=team)
