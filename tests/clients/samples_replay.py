"""tccli's own sample requests, in an order in which each can be done, and what each needs to find there.

Samples are sent as they stand, but for ids, which only the registry gives. An action that is answered and not named
here is asked with its samples all the same; when that does not go, it needs its place in the order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx2

from roadstead.domain.reference import Digest
from roadstead.services.cloud_actions import AREAS
from roadstead.services.table import OPERATIONS
from tests.clients import tcr_contract
from tests.factories.certificates import own_certificate
from tests.factories.charts import chart

_CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": {"team": "shop"}}}).encode()


class Door(Protocol):
    """A client of the API."""

    def ask(self, action: str, parameters: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The code of the refusal, empty when there is none, and the answer's fields."""
        ...


@dataclass
class World:
    """What the samples speak of: an instance, and who pushes to it."""

    door: Door
    # What asks for whatever samples need to find, and is quicker than the door may be.
    helper: Door
    registry: httpx2.Client
    ids: dict[str, Any] = field(default_factory=dict)

    def must(self, action: str, **parameters: Any) -> dict[str, Any]:
        """The answer of a call that samples need to have been made before."""
        code, answer = self.helper.ask(action, {"RegistryId": self.ids["RegistryId"], **parameters})
        assert code == "", (action, code, answer)
        return answer

    def push(self, repository: str, *tags: str) -> None:
        """The repository holds an image with these tags."""
        config = Digest.of(_CONFIG)
        begun = self.registry.post(f"/v2/{repository}/blobs/uploads/")
        assert begun.status_code == 202, begun.text
        stored = self.registry.put(begun.headers["location"], params={"digest": str(config)}, content=_CONFIG)
        assert stored.status_code == 201, stored.text
        kind = "application/vnd.oci.image.manifest.v1+json"
        part = {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": str(config),
            "size": len(_CONFIG),
        }
        for tag in tags:
            # Tags of one manifest may go together: each has its own.
            named = {"annotations": {"tag": tag}, "schemaVersion": 2, "mediaType": kind, "config": part, "layers": []}
            body = json.dumps(named).encode()
            put = self.registry.put(f"/v2/{repository}/manifests/{tag}", content=body, headers={"content-type": kind})
            assert put.status_code == 201, put.text


Before = Callable[[World], None]


@dataclass(frozen=True)
class Step:
    """One sample, what must be there before, what of it only the registry knows, and the refusal it shall meet."""

    action: str
    sample: int = 0
    before: Before | None = None
    changes: Callable[[World], dict[str, Any]] | None = None
    after: Callable[[World, dict[str, Any]], None] | None = None
    code: str = ""


def _namespaces(world: World) -> None:
    for name in ("nginx", "ns1", "multi-arch", "public", "private", "dev", "team-01", "hbd", "develop", "release"):
        world.must("CreateNamespace", NamespaceName=name, IsPublic=False)


def _images(world: World) -> None:
    for repository, tags in {
        "ns1/golang": ["1"],
        "multi-arch/busybox": ["1"],
        "multi-arch/alpine": ["1"],
        "public/golang": ["1", "2"],
        "private/golang": ["1"],
        "dev/nginx": ["1"],
        "hbd/repo1": ["1"],
        "develop/app": ["stg"],
    }.items():
        world.push(repository, *tags)


def _charts(world: World) -> None:
    for namespace, name, version in (("mytest", "mytest", "1.0"), ("chart", "mychart", "0.1.0")):
        # One of them a sample has made before.
        named = {"RegistryId": world.ids["RegistryId"], "NamespaceName": namespace, "IsPublic": False}
        world.helper.ask("CreateNamespace", named)
        uploaded = world.registry.post(f"/api/chartrepo/{namespace}/charts", content=chart(name, version))
        assert uploaded.status_code == 201, uploaded.text


def _no_charts(world: World, _answer: dict[str, Any]) -> None:
    world.must("DeleteHelmChart", NamespaceName="mytest", ChartName="mytest")


def _token(world: World) -> None:
    world.ids["TokenId"] = world.must("CreateInstanceToken", TokenType="longterm", Desc="x")["TokenId"]


def _cidrs(*cidrs: str) -> Before:
    def before(world: World) -> None:
        for cidr in cidrs:
            world.must("CreateSecurityPolicy", CidrBlock=cidr, Description="")

    return before


def _accounts(world: World) -> None:
    rights = [{"Resource": "ns1", "Actions": ["tcr:PullRepository"]}]
    for name in ("service-account2", "robot", "account_test"):
        world.must("CreateServiceAccount", Name=name, Duration=1, Permissions=rights)


def _vpcs(world: World) -> None:
    """There are the samples' networks, and a link at the address that they name; no interface is touched."""
    networks = {
        "vpc-74ffq7ov": ("10.201.0.0/16", "subnet-kpmi5ji6", "10.201.1.0/24"),
        "vpc-9iazgkcl": ("192.168.23.0/24", "subnet-linked", "192.168.23.69/32"),
    }
    for vpc, (cidr, subnet, part) in networks.items():
        asked = {"VpcId": vpc, "SubnetId": subnet, "CidrBlock": part, "Interface": "eth-none"}
        for action, fields in (("CreateVpc", {"VpcId": vpc, "CidrBlocks": [cidr]}), ("CreateSubnet", asked)):
            code, answer = world.helper.ask(action, fields)
            assert code == "", (action, code, answer)
    world.must("ManageInternalEndpoint", Operation="Create", VpcId="vpc-9iazgkcl", SubnetId="subnet-linked")


def _certificate(world: World) -> None:
    made = own_certificate("test.com")
    pair = {
        "CertificatePublicKey": made.chain.decode(),
        "CertificatePrivateKey": made.key.decode(),
    }
    code, answer = world.helper.ask("UploadCertificate", pair)
    assert code == "", (code, answer)
    world.ids["CertificateId"] = answer["CertificateId"]


def _linked(world: World) -> dict[str, Any]:
    return {"InstanceId": world.ids["RegistryId"]}


def _linked_ones(world: World) -> dict[str, Any]:
    (sample,) = tcr_contract.samples("DescribeInternalEndpointDnsStatus")[0]["VpcSet"]
    return {"VpcSet": [{**sample, "InstanceId": world.ids["RegistryId"]}]}


def _prepaid(world: World) -> None:
    world.must("RenewInstance", Flag=1, RegistryChargePrepaid={"Period": 1, "RenewFlag": 0})


def _created(world: World, answer: dict[str, Any]) -> None:
    world.ids["CreatedId"] = answer["RegistryId"]


def _made_one(world: World) -> dict[str, Any]:
    return {"RegistryId": world.ids["CreatedId"]}


def _triggered(world: World, answer: dict[str, Any]) -> None:
    world.ids["TriggerId"] = answer["Trigger"]["Id"]


def _the_trigger(world: World) -> dict[str, Any]:
    sample = tcr_contract.samples("ModifyWebhookTrigger")[0]["Trigger"]
    return {"Trigger": {**sample, "Id": world.ids["TriggerId"]}}


def _the_triggers_id(world: World) -> dict[str, Any]:
    return {"Namespace": "ns1", "Id": world.ids["TriggerId"]}


def _empty_nginx(world: World) -> None:
    world.must("DeleteRepository", NamespaceName="dev", RepositoryName="nginx")
    world.must("CreateRepository", NamespaceName="dev", RepositoryName="nginx")


_ORDER = (
    Step("CheckInstance"),
    Step("CheckInstanceName"),
    Step("CreateInstance", after=_created),
    Step("DescribeInstances", changes=lambda world: {"Registryids": [world.ids["RegistryId"]]}),
    Step("DescribeInstanceStatus", changes=lambda world: {"RegistryIds": [world.ids["RegistryId"]]}),
    Step("DescribeRegions"),
    Step("ModifyInstance", 0),
    Step("ModifyInstance", 1),
    Step("ModifyInstanceStorage", code="UnsupportedOperation"),
    Step("RenewInstance", before=_prepaid),
    Step("CreateNamespace"),
    Step("ModifyNamespace", before=_namespaces),
    Step("DescribeNamespaces"),
    Step("DescribeInstanceAllNamespaces"),
    Step("CreateRepository"),
    Step("ModifyRepository", before=_images),
    Step("DescribeRepositories"),
    Step("DescribeImages", before=lambda world: world.push("team-01/nginx", "1", "2")),
    Step("DescribeImageManifests"),
    Step("DuplicateImage"),
    Step("DeleteImage"),
    Step("DeleteRepositoryTags"),
    Step("DescribeChartDownloadInfo", before=_charts),
    Step("DownloadHelmChart", after=_no_charts),
    Step("CreateInstanceToken", 0),
    Step("CreateInstanceToken", 1),
    Step("DescribeInstanceToken"),
    Step("ModifyInstanceToken", 0, before=_token),
    Step("ModifyInstanceToken", 1),
    Step("ModifyInstanceToken", 2),
    Step("DeleteInstanceToken"),
    Step("ManageExternalEndpoint"),
    Step("DescribeExternalEndpointStatus"),
    Step("CreateSecurityPolicy"),
    Step("CreateMultipleSecurityPolicy"),
    Step("ModifySecurityPolicy"),
    Step("DescribeSecurityPolicies", before=_cidrs("0.0.0.0/20", "127.0.0.1/24")),
    Step("DeleteSecurityPolicy"),
    Step("DeleteMultipleSecurityPolicy"),
    Step("ManageInternalEndpoint", before=_vpcs),
    Step("DescribeInternalEndpoints"),
    Step("CreateInternalEndpointDns", changes=_linked),
    Step("DescribeInternalEndpointDnsStatus", changes=_linked_ones),
    Step("DeleteInternalEndpointDns", changes=_linked),
    Step("CreateInstanceCustomizedDomain", before=_certificate),
    Step("DescribeInstanceCustomizedDomain"),
    Step("DeleteInstanceCustomizedDomain"),
    Step("CreateWebhookTrigger", after=_triggered),
    Step("ModifyWebhookTrigger", changes=_the_trigger),
    Step("DescribeWebhookTrigger"),
    Step("DescribeWebhookTriggerLog", changes=_the_triggers_id),
    Step("DeleteWebhookTrigger", changes=_the_triggers_id),
    Step("CreateServiceAccount", 0),
    Step("CreateServiceAccount", 1),
    Step("DescribeServiceAccounts", before=_accounts),
    Step("ModifyServiceAccount"),
    Step("ModifyServiceAccountPassword", 0),
    Step("ModifyServiceAccountPassword", 1),
    Step("DeleteServiceAccount"),
    Step("DeleteRepository", 0, code="FailedOperation.PreconditionFailed"),
    Step("DeleteRepository", 1),
    Step("DeleteRepository", 2, before=_empty_nginx),
    Step("DeleteNamespace"),
    Step("DeleteInstance", changes=_made_one),
)


def steps() -> Iterator[Step]:
    """Every sample of every enterprise action, in order; those without a place in it come last."""
    placed = {step.action for step in _ORDER}
    for step in _ORDER:
        yield step if step.action in OPERATIONS else Step(step.action, step.sample, code="UnsupportedOperation")
    for action in (action for area in AREAS for action in area.actions if action not in placed):
        code = "" if action in OPERATIONS else "UnsupportedOperation"
        for place in range(len(tcr_contract.samples(action))):
            yield Step(action, place, code=code)


def replay(world: World, step: Step) -> tuple[str, dict[str, Any]]:
    """What the sample was answered."""
    if step.before is not None:
        step.before(world)
    parameters = tcr_contract.samples(step.action)[step.sample]
    known = {name: value for name, value in world.ids.items() if name in parameters}
    code, answer = world.door.ask(
        step.action, {**parameters, **known, **(step.changes(world) if step.changes else {})}
    )
    if code == "" and step.after is not None:
        step.after(world, answer)
    return code, answer
