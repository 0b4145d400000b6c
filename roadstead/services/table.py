"""Every management operation, by name."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from roadstead.services import (
    access_keys,
    attachments,
    audit,
    certificates,
    chart_contents,
    chart_downloads,
    charts,
    copies,
    credentials,
    deletions,
    deployments,
    domains,
    event_log,
    federation,
    groups,
    jobs,
    links,
    manifests,
    markdown,
    namespaces,
    networks,
    overview,
    patterns,
    policy_documents,
    quotas,
    rates,
    registries,
    replicas,
    repositories,
    resource_tags,
    service_accounts,
    simulation,
    tags,
    trigger_log,
    triggers,
    users,
    vpcs,
)
from roadstead.services.operations import AnyOperation, Operation, table

# Whose declarations the table holds, in the order of the reference.
SERVICES: tuple[ModuleType, ...] = (
    deployments,
    registries,
    replicas,
    deletions,
    quotas,
    overview,
    rates,
    namespaces,
    repositories,
    tags,
    manifests,
    markdown,
    copies,
    charts,
    chart_contents,
    chart_downloads,
    resource_tags,
    triggers,
    patterns,
    trigger_log,
    credentials,
    service_accounts,
    networks,
    certificates,
    domains,
    vpcs,
    links,
    users,
    access_keys,
    federation,
    policy_documents,
    attachments,
    groups,
    simulation,
    audit,
    event_log,
    jobs,
)


def _declared() -> Iterator[AnyOperation]:
    for service in SERVICES:
        for entry in vars(service).values():
            if isinstance(entry, Operation) and entry.body.__module__ == service.__name__:
                yield entry


OPERATIONS: dict[str, AnyOperation] = table(_declared())
