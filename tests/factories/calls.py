"""Management operations asked by the owner on this machine, at the default instance."""

from __future__ import annotations

from typing import Any

from roadstead.domain.identity import Caller
from roadstead.services.accounts import local_owner
from roadstead.services.context import Context
from roadstead.services.operations import AnyOperation, run
from tests.factories.accounts import registry_id


async def call(ctx: Context, op: AnyOperation, **fields: Any) -> Any:
    """The operation's answer to the owner. Raises what it raises."""
    return await call_as(ctx, await local_owner(ctx), op, **fields)


async def call_as(ctx: Context, caller: Caller, op: AnyOperation, **fields: Any) -> Any:
    """The operation's answer to that caller. Raises what it raises."""
    if "registry_id" in op.request.__struct_fields__:
        fields["registry_id"] = await registry_id(ctx)
    return await run(ctx, caller, op, op.request(**fields))
