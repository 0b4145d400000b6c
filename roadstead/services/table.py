"""Every management operation, by name."""

from __future__ import annotations

from roadstead.services import credentials, namespaces, networks, repositories, tags
from roadstead.services.operations import AnyOperation, table

OPERATIONS: dict[str, AnyOperation] = table(
    (
        namespaces.create_namespace,
        namespaces.modify_namespace,
        namespaces.delete_namespace,
        namespaces.describe_namespaces,
        namespaces.describe_instance_all_namespaces,
        repositories.create_repository,
        repositories.modify_repository,
        repositories.delete_repository,
        repositories.describe_repositories,
        tags.describe_images,
        tags.delete_image,
        credentials.create_instance_token,
        credentials.describe_instance_token,
        credentials.modify_instance_token,
        credentials.delete_instance_token,
        networks.manage_external_endpoint,
        networks.describe_external_endpoint_status,
        networks.create_security_policy,
        networks.delete_security_policy,
        networks.describe_security_policies,
    )
)
