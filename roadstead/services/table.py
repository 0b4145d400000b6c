"""Every management operation, by name."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from roadstead.services import (
    audit,
    credentials,
    deletions,
    deployments,
    namespaces,
    networks,
    quotas,
    registries,
    repositories,
    tags,
)
from roadstead.services.operations import AnyOperation, Operation, table

# Whose declarations the table holds, in the order of the reference.
SERVICES: tuple[ModuleType, ...] = (
    deployments,
    registries,
    deletions,
    quotas,
    namespaces,
    repositories,
    tags,
    credentials,
    networks,
    audit,
)


def _declared() -> Iterator[AnyOperation]:
    for service in SERVICES:
        for entry in vars(service).values():
            if isinstance(entry, Operation) and entry.body.__module__ == service.__name__:
                yield entry


OPERATIONS: dict[str, AnyOperation] = table(_declared())
