"""The actions of the cloud's registry service by area: which of them are answered, and what brings the others.

The cloud's API has 96 actions for enterprise instances and 31 for its personal edition, which has namespaces without
instances. What is in the operation table is answered; the others say UnsupportedOperation with the feature that they
come with, so that a client can tell a missing feature from a mistyped name.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from roadstead.errors import AppError, OperationUnknown, OperationUnsupported
from roadstead.services.operations import AnyOperation
from roadstead.services.table import OPERATIONS

# The services that are offered, as they stand in the scope of a signature, with their API versions.
VERSIONS = {
    "tcr": "2019-09-24",
    "cam": "2019-01-16",
    "cloudaudit": "2019-03-19",
    "sts": "2018-08-13",
    "tag": "2018-08-13",
}


@dataclass(frozen=True, slots=True)
class Area:
    """Actions that belong together, and the feature that brings those which are not answered yet."""

    name: str
    feature: str
    actions: tuple[str, ...]


AREAS = (
    Area(
        "Instances",
        "the life cycle of instances",
        (
            "CheckInstance",
            "CheckInstanceName",
            "CreateInstance",
            "DeleteInstance",
            "DescribeInstances",
            "DescribeInstanceStatus",
            "DescribeRegions",
            "ModifyInstance",
            "ModifyInstanceStorage",
            "RenewInstance",
        ),
    ),
    Area(
        "Namespaces",
        "namespaces",
        (
            "CreateNamespace",
            "DeleteNamespace",
            "ModifyNamespace",
            "DescribeNamespaces",
            "DescribeInstanceAllNamespaces",
        ),
    ),
    Area(
        "Repositories",
        "repositories",
        ("CreateRepository", "DeleteRepository", "ModifyRepository", "DescribeRepositories"),
    ),
    Area(
        "Images and tags",
        "images",
        ("DeleteImage", "DeleteRepositoryTags", "DescribeImages", "DescribeImageManifests", "DuplicateImage"),
    ),
    Area("Helm charts", "Helm chart repositories", ("DescribeChartDownloadInfo", "DownloadHelmChart")),
    Area(
        "Access credentials",
        "access credentials",
        ("CreateInstanceToken", "DeleteInstanceToken", "DescribeInstanceToken", "ModifyInstanceToken"),
    ),
    Area(
        "Public network access",
        "network access control",
        (
            "ManageExternalEndpoint",
            "DescribeExternalEndpointStatus",
            "CreateSecurityPolicy",
            "CreateMultipleSecurityPolicy",
            "DeleteSecurityPolicy",
            "DeleteMultipleSecurityPolicy",
            "ModifySecurityPolicy",
            "DescribeSecurityPolicies",
        ),
    ),
    Area(
        "Private network access and DNS",
        "private network access",
        (
            "ManageInternalEndpoint",
            "DescribeInternalEndpoints",
            "CreateInternalEndpointDns",
            "DeleteInternalEndpointDns",
            "DescribeInternalEndpointDnsStatus",
        ),
    ),
    Area(
        "Synchronization rules",
        "instance synchronization",
        (
            "ManageReplication",
            "ModifyReplication",
            "DeleteReplicationRule",
            "DescribeReplicationPolicies",
            "DescribeReplicationExecutions",
            "DescribeReplicationTasks",
        ),
    ),
    Area(
        "Replica instances",
        "replicas of instances",
        (
            "CreateReplicationInstance",
            "DeleteReplicationInstance",
            "DescribeReplicationInstances",
            "DescribeReplicationInstanceCreateTasks",
            "DescribeReplicationInstanceSyncStatus",
        ),
    ),
    Area(
        "Triggers",
        "triggers",
        (
            "CreateWebhookTrigger",
            "ModifyWebhookTrigger",
            "DeleteWebhookTrigger",
            "DescribeWebhookTrigger",
            "DescribeWebhookTriggerLog",
        ),
    ),
    Area(
        "Tag retention",
        "tag retention",
        (
            "CreateTagRetentionRule",
            "ModifyTagRetentionRule",
            "DeleteTagRetentionRule",
            "DescribeTagRetentionRules",
            "CreateTagRetentionExecution",
            "DescribeTagRetentionExecution",
            "DescribeTagRetentionExecutionTask",
        ),
    ),
    Area(
        "Immutable tags",
        "immutable tags",
        (
            "CreateImmutableTagRules",
            "ModifyImmutableTagRules",
            "DeleteImmutableTagRules",
            "DescribeImmutableTagRules",
        ),
    ),
    Area(
        "Image signatures", "image signatures", ("CreateSignature", "CreateSignaturePolicy", "DeleteSignaturePolicy")
    ),
    Area("Collection", "collection on demand", ("CreateGCJob", "DescribeGCJobs", "TerminateGCJob")),
    Area(
        "Service accounts",
        "service accounts",
        (
            "CreateServiceAccount",
            "ModifyServiceAccount",
            "ModifyServiceAccountPassword",
            "DeleteServiceAccount",
            "DescribeServiceAccounts",
        ),
    ),
    Area(
        "Custom domains",
        "custom domains",
        (
            "CreateInstanceCustomizedDomain",
            "DeleteInstanceCustomizedDomain",
            "DescribeInstanceCustomizedDomain",
        ),
    ),
    Area(
        "Image acceleration",
        "image acceleration",
        ("CreateImageAccelerationService", "DeleteImageAccelerateService", "DescribeImageAccelerateService"),
    ),
    Area(
        "AI models and skills",
        "models and skills",
        (
            "ListAIModels",
            "ListAIModelVersions",
            "DescribeAIModelVersionDetail",
            "DeleteAIModel",
            "ListSkills",
            "ListSkillVersions",
            "DescribeSkillDetail",
            "DescribeSkillDownloadInfo",
            "DeleteSkill",
        ),
    ),
)

# Each action of the personal edition with the one that does the same in an instance; empty where none does.
PERSONAL = {
    "BatchDeleteImagePersonal": "DeleteRepositoryTags",
    "BatchDeleteRepositoryPersonal": "DeleteRepository",
    "CreateApplicationTriggerPersonal": "CreateWebhookTrigger",
    "CreateNamespacePersonal": "CreateNamespace",
    "CreateRepositoryPersonal": "CreateRepository",
    "CreateUserPersonal": "CreateInstanceToken",
    "DeleteApplicationTriggerPersonal": "DeleteWebhookTrigger",
    "DeleteImageLifecycleGlobalPersonal": "DeleteTagRetentionRule",
    "DeleteImagePersonal": "DeleteImage",
    "DeleteNamespacePersonal": "DeleteNamespace",
    "DeleteRepositoryPersonal": "DeleteRepository",
    "DescribeApplicationTriggerLogPersonal": "DescribeWebhookTriggerLog",
    "DescribeApplicationTriggerPersonal": "DescribeWebhookTrigger",
    "DescribeFavorRepositoryPersonal": "DescribeRepositories",
    "DescribeImageFilterPersonal": "DescribeImages",
    "DescribeImageLifecycleGlobalPersonal": "DescribeTagRetentionRules",
    "DescribeImageLifecyclePersonal": "DescribeTagRetentionRules",
    "DescribeImagePersonal": "DescribeImages",
    "DescribeNamespacePersonal": "DescribeNamespaces",
    "DescribeRepositoryFilterPersonal": "DescribeRepositories",
    "DescribeRepositoryOwnerPersonal": "DescribeRepositories",
    "DescribeRepositoryPersonal": "DescribeRepositories",
    "DescribeUserQuotaPersonal": "",
    "DuplicateImagePersonal": "DuplicateImage",
    "ManageImageLifecycleGlobalPersonal": "CreateTagRetentionRule",
    "ModifyApplicationTriggerPersonal": "ModifyWebhookTrigger",
    "ModifyRepositoryAccessPersonal": "ModifyNamespace",
    "ModifyRepositoryInfoPersonal": "ModifyRepository",
    "ModifyUserPasswordPersonal": "CreateInstanceToken",
    "ValidateNamespaceExistPersonal": "DescribeNamespaces",
    "ValidateRepositoryExistPersonal": "DescribeRepositories",
}


def find(service: str, action: str) -> AnyOperation:
    """The operation of that name; raises OperationUnsupported or OperationUnknown."""
    found = OPERATIONS.get(action)
    if found is not None and found.service == service:
        return found
    raise _absent(service, action)


def service_of(action: str, version: str) -> str:
    """The service that has the action, for requests that do not name it: older signatures cover no service."""
    found = OPERATIONS.get(action)
    if found is not None:
        return found.service
    return next((service for service, known in VERSIONS.items() if known == version), "tcr")


def _absent(service: str, action: str) -> AppError:
    if service == "tcr":
        for area in AREAS:
            if action in area.actions:
                return OperationUnsupported(f"{action} is not offered yet: it comes with {area.feature}")
        if action in PERSONAL:
            hint = f"; in an instance {PERSONAL[action]} does it" if PERSONAL[action] else ""
            return OperationUnsupported(f"{action} belongs to the personal edition, which this is not{hint}")
    offered = [name for name, each in OPERATIONS.items() if each.service == service]
    near = difflib.get_close_matches(action, offered, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return OperationUnknown(f"the service {service} has no action {action[:80]!r}{hint}")
