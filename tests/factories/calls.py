"""Management operations asked by the owner on this machine, at the default instance."""

from __future__ import annotations

from typing import Any

from roadstead.services.accounts import local_owner
from roadstead.services.context import Context
from roadstead.services.operations import AnyOperation, run
from tests.factories.accounts import registry_id


async def call(ctx: Context, op: AnyOperation, **fields: Any) -> Any:
    """The operation's answer. Raises what it raises."""
    return await run(ctx, await local_owner(ctx), op, op.request(registry_id=await registry_id(ctx), **fields))
