"""How a command reaches the operations: the owner, in this process, over the same table as every other door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import typer

from roadstead.config import load
from roadstead.errors import InstanceUnknown, StartRefused
from roadstead.metadata import instances
from roadstead.services.context import Context
from roadstead.services.operations import Operation, Wire

Answer = TypeVar("Answer", bound=Wire)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Options:
    """What every command is told."""

    data: str | None
    config: Path | None
    instance: str | None
    as_json: bool


@asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Context]:
    """The registry's parts, without serving; raises StartRefused when the data folder was never started."""
    from roadstead.app import open_context

    settings = load(options.config, options={"data": options.data})
    if not settings.database and not (settings.folder / "roadstead.db").exists():
        raise StartRefused(
            f"there is no registry in {settings.folder}; name its folder with --data, or start one: roadstead serve"
        )
    async with open_context(settings) as ctx:
        yield ctx


class Session:
    """One command's way to call operations on one instance."""

    def __init__(self, ctx: Context, caller: Any, instance: instances.Instance) -> None:
        self.ctx = ctx
        self.instance = instance
        self._caller = caller

    async def call(self, op: Operation[Any, Answer], **fields: Any) -> Answer:
        """The operation's answer; the request's RegistryId, if it has one, is the chosen instance."""
        from roadstead.services.operations import run

        if "registry_id" in op.request.__struct_fields__:
            fields.setdefault("registry_id", self.instance.registry_id)
        return await run(self.ctx, self._caller, op, op.request(**fields))

    async def every(self, op: Operation[Any, Answer], listed: str, **fields: Any) -> list[Any]:
        """All entries of a list operation, page after page."""
        found: list[Any] = []
        last = ""
        while True:
            answer: Any = await self.call(op, last=last, **fields)
            found += getattr(answer, listed)
            if not answer.last:
                return found
            last = answer.last


def work(context: typer.Context, body: Callable[[Session], Awaitable[Result]]) -> Result:
    """The result of `body`, given a session on the chosen instance as the owner."""
    options: Options = context.obj

    async def all_of_it() -> Result:
        from roadstead.services.accounts import local_owner

        async with opened(options) as ctx:
            caller = await local_owner(ctx)
            name = options.instance or ctx.settings.default_instance
            async with ctx.database.read() as tx:
                instance = await instances.get(tx, name=name)
            if instance is None:
                raise InstanceUnknown(f"there is no instance {name!r}")
            return await body(Session(ctx, caller, instance))

    return asyncio.run(all_of_it())
