"""How a command reaches the operations: in this process over the data folder, or over another server's API.

Either way it is the same operation with the same request and answer; a command need not know which it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import msgspec
import typer

from roadstead.cli.options import Options
from roadstead.cli.profile import chosen
from roadstead.cli.served import known
from roadstead.config import Settings, load
from roadstead.domain.identity import Caller
from roadstead.errors import (
    AccessDenied,
    AccountUnknown,
    InstanceUnknown,
    InvalidInput,
    OperationUnknown,
    StartRefused,
)
from roadstead.services.context import Context
from roadstead.services.event_log import LoggedEvent
from roadstead.services.operations import AnyOperation, Operation, Wire

Answer = TypeVar("Answer", bound=Wire)
Result = TypeVar("Result")

_POLL_SECONDS = 0.1

__all__ = ["Options", "Session", "Way", "open_session", "opened", "work"]


@asynccontextmanager
async def opened(options: Options) -> AsyncIterator[Context]:
    """The registry's parts, without serving; raises StartRefused when the data folder was never started."""
    from roadstead.app import open_context

    async with open_context(configured(options)) as ctx:
        yield ctx


def configured(options: Options) -> Settings:
    """The settings of the registry on this machine; raises StartRefused when its data folder was never started."""
    if options.server is not None:
        raise InvalidInput("this command works on the stored bytes themselves: run it where the server runs")
    settings = load(options.config, options={"data": options.data})
    if not settings.database and not (settings.folder / "roadstead.db").exists():
        raise StartRefused(
            f"there is no registry in {settings.folder}; name its folder with --data, start one: roadstead serve, "
            "or log in to a server: roadstead login URL"
        )
    return known(settings)


class Way(Protocol):
    """One way to the operations."""

    async def run(self, op: Operation[Any, Answer], request: Wire) -> Answer:
        """The operation's answer; raises the condition that it met."""
        ...

    async def send(self, name: str, tree: dict[str, Any]) -> bytes:
        """The JSON that the operation of that name answers, which this release may not know."""
        ...

    async def registry_id(self, name: str | None) -> str:
        """The id of the instance of that name, of the default one without; raises InstanceUnknown."""
        ...

    async def of_user(self, uin: int) -> Way:
        """The operations in that user's name, for what belongs to whoever makes it; raises where that cannot be."""
        ...

    def working(self, queue: str) -> AbstractAsyncContextManager[None]:
        """Jobs of the queue are worked off as long as the block lasts, here or by the server."""
        ...

    def events(self, wanted: dict[str, str], last: str) -> AsyncIterator[LoggedEvent]:
        """Events as they happen, for ever: those after the id `last` if it is given. `wanted` is as on the wire."""
        ...

    def host(self, domain: str) -> str:
        """Where an instance of that domain is reached, with the port if it is known to be needed."""
        ...

    async def login_host(self, registry_id: str) -> str:
        """By which host clients log in to the instance, as far as it is known; else HOST:PORT."""
        ...


class Local:
    """The operations in this process, as the owner: whoever can read the data folder is that."""

    def __init__(self, ctx: Context, caller: Caller) -> None:
        self._ctx = ctx
        self._caller = caller

    async def run(self, op: Operation[Any, Answer], request: Wire) -> Answer:
        from roadstead.services.operations import run

        return await run(self._ctx, self._caller, op, request)

    async def send(self, name: str, tree: dict[str, Any]) -> bytes:
        from roadstead.services.requests import named, request_of
        from roadstead.services.table import OPERATIONS

        op = named(OPERATIONS, name)
        return msgspec.json.encode(await self.run(op, request_of(op, tree, lax=True)))

    async def registry_id(self, name: str | None) -> str:
        from roadstead.metadata import instances

        name = name or self._ctx.settings.default_instance
        async with self._ctx.database.read() as tx:
            found = await instances.get(tx, name=name) or await instances.get(tx, registry_id=name)
        if found is None:
            raise InstanceUnknown(f"there is no instance {name!r}")
        return found.registry_id

    async def of_user(self, uin: int) -> Way:
        """Whoever can read the data folder may act for anybody in it."""
        from roadstead.metadata import accounts

        async with self._ctx.database.read() as tx:
            account = await accounts.get(tx, uin=str(uin))
        if account is None:
            raise AccountUnknown(f"there is no user {uin}")
        return Local(self._ctx, replace(self._caller, account_id=account.id, uin=account.uin))

    @asynccontextmanager
    async def working(self, queue: str) -> AsyncIterator[None]:
        from roadstead.app import QUEUES
        from roadstead.jobs.worker import Worker

        ctx, limits = self._ctx, {queue: QUEUES[queue]}
        worker = Worker(ctx.database, ctx.jobs, ctx, ctx.clock, limits, _POLL_SECONDS)
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await running

    async def events(self, wanted: dict[str, str], last: str) -> AsyncIterator[LoggedEvent]:
        from roadstead.services.event_log import Wanted, follow, place, watched

        async def identify() -> Caller:
            return self._caller

        instance = await watched(self._ctx, wanted["RegistryId"])
        kinds = [kind for kind in wanted["Kind"].split(",") if kind]
        narrowed = Wanted(wanted["NamespaceName"], wanted["Repository"], kinds)
        async for batch in follow(self._ctx, instance, narrowed, place(last), identify):
            for event in batch:
                yield event

    def host(self, domain: str) -> str:
        port = self._ctx.settings.address[1]
        return domain if port in {80, 443} or self._ctx.settings.network.scheme else f"{domain}:{port}"

    async def login_host(self, registry_id: str) -> str:
        from roadstead.metadata import instances

        async with self._ctx.database.read() as tx:
            found = await instances.get(tx, registry_id=registry_id)
        settings = self._ctx.settings
        base = settings.base_domain.strip(".")
        # On a machine of one's own the default instance needs no name of its own.
        plain = found is None or (base == "localhost" and found.name == settings.default_instance)
        return self.host(base if found is None or plain else f"{found.name}.{base}")


class Remote:
    """The operations of another server, as the account whose API key is used."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def run(self, op: Operation[Any, Answer], request: Wire) -> Answer:
        answer = await self._client.call(op.name, msgspec.json.encode(request))
        try:
            return msgspec.json.decode(answer, type=op.answer)
        except msgspec.DecodeError as error:
            raise InvalidInput(
                f"the answer to {op.name} is not understood: the server is of another release"
            ) from error

    async def send(self, name: str, tree: dict[str, Any]) -> bytes:
        from roadstead.services.requests import named, request_of
        from roadstead.services.table import OPERATIONS

        body = msgspec.json.encode(tree)
        try:
            # Read here first: only the declaration knows which texts are numbers.
            op = named(OPERATIONS, name)
            request_of(op, tree, lax=True)
            body = msgspec.json.encode(typed(op, tree))
        except OperationUnknown:
            pass  # the server may be newer than this command
        answer: bytes = await self._client.call(name, body)
        return answer

    async def registry_id(self, name: str | None) -> str:
        if name is not None:
            return await self._named(name)
        found: str = (await self._client.root()).instance["RegistryId"]
        return found

    async def of_user(self, uin: int) -> Way:
        raise InvalidInput(
            "over the API users make what is theirs with their own keys; run this where the server runs"
        )

    async def _named(self, name: str) -> str:
        from roadstead.services.fields import Filter
        from roadstead.services.registries import describe_instances

        if name.startswith("tcr-"):
            return name
        asked = describe_instances.request(filters=[Filter(name="RegistryName", values=[name])])
        rows = (await self.run(describe_instances, asked)).registries
        if not rows:
            raise InstanceUnknown(f"there is no instance {name!r}, or none that you may see")
        return rows[0].registry_id

    def working(self, queue: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def events(self, wanted: dict[str, str], last: str) -> AsyncIterator[LoggedEvent]:
        async for data in self._client.events(wanted, last):
            yield msgspec.json.decode(data, type=LoggedEvent)

    def host(self, domain: str) -> str:
        return domain

    async def login_host(self, registry_id: str) -> str:
        from roadstead.services.registries import describe_instances

        if (await self._client.root()).instance["RegistryId"] == registry_id:
            return str(self._client.host)
        try:
            rows = (
                await self.run(describe_instances, describe_instances.request(registryids=[registry_id]))
            ).registries
        except AccessDenied:
            rows = []
        return rows[0].public_domain if rows else "HOST:PORT"


def typed(op: AnyOperation, tree: dict[str, Any]) -> dict[str, Any]:
    """The request with the types of its declaration, and only the fields that were given."""
    from roadstead.services.requests import request_of

    whole: dict[str, Any] = msgspec.to_builtins(request_of(op, tree, lax=True))
    return {name: value for name, value in whole.items() if name in tree}


class Session:
    """One command's way to call operations on one instance."""

    def __init__(self, way: Way, instance: str | None) -> None:
        self._way = way
        self._name = instance
        self._registry_id = ""

    async def registry_id(self) -> str:
        """The id of the instance that the command works on, looked up once."""
        if not self._registry_id:
            self._registry_id = await self._way.registry_id(self._name)
        return self._registry_id

    async def call(self, op: Operation[Any, Answer], **fields: Any) -> Answer:
        """The operation's answer; the request's RegistryId, if it has one, is the chosen instance."""
        if "registry_id" in op.request.__struct_fields__ and "registry_id" not in fields:
            fields["registry_id"] = await self.registry_id()
        return await self._way.run(op, op.request(**fields))

    def working(self, queue: str) -> AbstractAsyncContextManager[None]:
        """Jobs of the queue are worked off as long as the block lasts, by this process or the server."""
        return self._way.working(queue)

    async def events(self, *, namespace: str, repository: str, kinds: str, last: str) -> AsyncIterator[LoggedEvent]:
        """Events of the chosen instance as they happen, for ever; kinds are parted by commas."""
        wanted = {
            "RegistryId": await self.registry_id(),
            "NamespaceName": namespace,
            "Repository": repository,
            "Kind": kinds,
        }
        async for event in self._way.events(wanted, last):
            yield event

    def host(self, domain: str) -> str:
        """Where an instance of that domain is reached."""
        return self._way.host(domain)

    async def login_host(self) -> str:
        """By which host clients log in to the chosen instance, as far as it is known; else HOST:PORT."""
        return await self._way.login_host(await self.registry_id())

    async def send(self, name: str, tree: dict[str, Any]) -> bytes:
        """The JSON that the operation of that name answers to a request as it stands on the wire."""
        from roadstead.services.table import OPERATIONS

        op = OPERATIONS.get(name)
        if op is not None and "registry_id" in op.request.__struct_fields__ and "RegistryId" not in tree:
            tree = {"RegistryId": await self.registry_id(), **tree}
        return await self._way.send(name, tree)

    async def of_user(self, uin: int) -> Session:
        """A session in that user's name, for what belongs to whoever makes it."""
        return Session(await self._way.of_user(uin), self._name)

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


@asynccontextmanager
async def open_session(options: Options) -> AsyncIterator[Session]:
    """A session on the chosen instance, of the server that the command goes to or of the data folder."""
    profile = chosen(options)
    if profile is not None:
        from roadstead.clients.api import open_api

        async with open_api(profile.server, profile.secret_id, profile.secret_key, token=profile.token) as client:
            yield Session(Remote(client), options.instance)
    else:
        from roadstead.services.accounts import local_owner

        async with opened(options) as ctx:
            yield Session(Local(ctx, await local_owner(ctx)), options.instance)


def work(context: typer.Context, body: Callable[[Session], Awaitable[Result]]) -> Result:
    """The result of `body`, given a session on the chosen instance."""
    options: Options = context.obj

    async def all_of_it() -> Result:
        async with open_session(options) as session:
            return await body(session)

    return asyncio.run(all_of_it())
