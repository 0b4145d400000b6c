"""Replicas: none, for each instance that there is."""

from __future__ import annotations

import pytest

from roadstead.errors import InstanceUnknown
from roadstead.services.context import Context
from roadstead.services.operations import run
from roadstead.services.replicas import describe_replication_instances
from tests.factories.accounts import owner_caller
from tests.factories.calls import call


async def test_an_instance_has_no_replicas(ctx: Context) -> None:
    answer = await call(ctx, describe_replication_instances)
    assert (answer.total_count, answer.replication_registries, answer.last) == (0, [], "")


async def test_an_unknown_instance_has_not_even_none(ctx: Context) -> None:
    request = describe_replication_instances.request(registry_id="tcr-nobody00")
    with pytest.raises(InstanceUnknown):
        await run(ctx, await owner_caller(ctx), describe_replication_instances, request)
