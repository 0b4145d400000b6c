"""Replicas of instances in other regions: there are none yet, which lists say.

Terraform lists the replicas of an instance whenever it reads one, so the list is answered before any can be made.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.services.fields import RegistryId
from roadstead.services.operations import Call, PageAnswer, PageRequest, Wire, operation


class DescribeReplicationInstances(PageRequest, frozen=True, kw_only=True):
    """The replicas of which instance."""

    registry_id: RegistryId


class ReplicationRegistry(Wire, frozen=True, kw_only=True):
    """One replica."""

    registry_id: RegistryId
    replication_registry_id: Annotated[str, Meta(description="Id of the replica.")]
    replication_region_id: Annotated[int, Meta(description="Number of the replica's region.")]
    replication_region_name: Annotated[str, Meta(description="Name of the replica's region.")]
    status: Annotated[str, Meta(description="What it does.", examples=["Running"])]
    created_at: Annotated[datetime, Meta(description="When it was created.")]


class ReplicaPage(PageAnswer, frozen=True, kw_only=True):
    """A page of replicas."""

    replication_registries: Annotated[list[ReplicationRegistry], Meta(description="The replicas.")] = msgspec.field(
        default_factory=list
    )


@operation(resource="instance/{registry_id}", changes=False, paging="record")
async def describe_replication_instances(call: Call, request: DescribeReplicationInstances) -> ReplicaPage:
    """List the replicas of an instance; none can be made yet."""
    return ReplicaPage(total_count=0)
