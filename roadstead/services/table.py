"""Every management operation, by name."""

from __future__ import annotations

from roadstead.services import audit, credentials, images, namespaces, networks, repositories
from roadstead.services.operations import AnyOperation, table

OPERATIONS: dict[str, AnyOperation] = table(
    (
        namespaces.create_namespace,
        namespaces.modify_namespace,
        namespaces.delete_namespace,
        namespaces.describe_namespaces,
        repositories.create_repository,
        repositories.modify_repository,
        repositories.delete_repository,
        repositories.describe_repositories,
        images.describe_images,
        images.delete_image,
        credentials.create_instance_token,
        credentials.describe_instance_token,
        credentials.modify_instance_token,
        credentials.delete_instance_token,
        networks.manage_external_endpoint,
        networks.describe_external_endpoint_status,
        networks.create_security_policy,
        networks.delete_security_policy,
        networks.describe_security_policies,
        audit.look_up_events,
        audit.explain_request,
    )
)
