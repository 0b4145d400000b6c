"""The table of management operations: declared once, served by every door.

An operation is a typed function in a service. Its declaration carries its name, its request and answer, whether
it changes anything, and the resource that permission is asked for; the doors, the command line, the reference
page and the permission tests read the same declaration. `run` is the one place where an operation's permission is
asked, its transaction is opened and its audit entry is written.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec

from roadstead.domain.identity import Caller
from roadstead.errors import AccessDenied, AppError, InstanceUnknown, InvalidInput, NotAuthenticated
from roadstead.metadata import audit, instances
from roadstead.metadata.database import Tx
from roadstead.services.context import Context
from roadstead.services.events import Place, audit_entry
from roadstead.services.policies import decide


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A request or an answer as it stands on the wire, in the API's own spelling."""


class Done(Wire, frozen=True, kw_only=True):
    """The operation has done what it says; there is nothing more to tell."""


Request = TypeVar("Request", bound=Wire)
Answer = TypeVar("Answer", bound=Wire)


@dataclass(frozen=True, slots=True)
class Call:
    """What an operation works with: who asks, in which transaction, at which instance and time."""

    ctx: Context
    tx: Tx
    caller: Caller
    now: datetime
    instance: instances.Instance | None = None

    @property
    def here(self) -> instances.Instance:
        """The instance that the request names."""
        if self.instance is None:
            raise InvalidInput("RegistryId is missing: say which instance is meant")
        return self.instance

    @property
    def place(self) -> Place:
        """The instance as events know it."""
        return Place(self.here.id, self.here.registry_id)


@dataclass(frozen=True, slots=True)
class Operation(Generic[Request, Answer]):
    """One declared operation."""

    name: str
    summary: str
    request: type[Request]
    answer: type[Answer]
    body: Callable[[Call, Request], Awaitable[Answer]]
    resource: str
    changes: bool

    @property
    def action(self) -> str:
        """The permission that it needs."""
        return f"tcr:{self.name}"

    def resource_of(self, request: Request) -> str:
        """The resource that this request is about."""
        fields = {name: getattr(request, name) or "*" for name in request.__struct_fields__}
        return self.resource.format(**fields)


def operation(
    *, resource: str, changes: bool
) -> Callable[[Callable[[Call, Request], Awaitable[Answer]]], Operation[Request, Answer]]:
    """The decorated function is an operation named after itself (`create_namespace` is CreateNamespace).

    `resource` is the path of the CAM resource with the request's fields in braces, for example
    `repository/{registry_id}/{namespace_name}`.
    """

    def declare(body: Callable[[Call, Request], Awaitable[Answer]]) -> Operation[Request, Answer]:
        hints = get_type_hints(body)
        name = "".join(part.capitalize() for part in body.__name__.split("_"))
        summary = (inspect.getdoc(body) or "").partition("\n")[0]
        return Operation(name, summary, hints["request"], hints["return"], body, resource, changes)

    return declare


AnyOperation = Operation[Any, Any]


def table(operations: Iterable[AnyOperation]) -> dict[str, AnyOperation]:
    """The operations by name; raises ValueError when two share one."""
    found: dict[str, AnyOperation] = {}
    for entry in operations:
        if entry.name in found:
            raise ValueError(f"two operations are named {entry.name}")
        found[entry.name] = entry
    return found


async def run(ctx: Context, caller: Caller, op: Operation[Request, Answer], request: Request) -> Answer:
    """The operation's answer, after permission was given; changes and their audit entry are durable.

    Raises the refusal, which is audited too, or whatever condition the operation meets, with nothing changed.
    """
    async with ctx.database.read() as tx:
        instance = await _instance(tx, request)
    try:
        _permit(caller, op, request, instance)
    except AccessDenied as refusal:
        await _audit_refusal(ctx, caller, op, request, instance, refusal)
        raise
    opened = ctx.database.write() if op.changes else ctx.database.read()
    async with opened as tx:
        call = Call(ctx, tx, caller, ctx.clock(), instance)
        answer = await op.body(call, request)
        if op.changes:
            entry = _entry(call.now, caller, op, request, instance, "done")
            await audit.add_entry(tx, entry)
    return answer


async def _instance(tx: Tx, request: Wire) -> instances.Instance | None:
    registry_id = getattr(request, "registry_id", None)
    if registry_id is None:
        return None
    found = await instances.get(tx, registry_id=registry_id)
    if found is None:
        raise InstanceUnknown(f"there is no instance {registry_id!r}")
    return found


def _permit(
    caller: Caller, op: Operation[Request, Answer], request: Request, instance: instances.Instance | None
) -> None:
    if caller.anonymous:
        raise NotAuthenticated(f"credential: log in to do {op.action}", detail={"gate": "credential"})
    decision = decide(caller, op.action, instance, public=False)
    if decision.allowed:
        return
    resource = op.resource_of(request)
    raise AccessDenied(
        f"policy: account {caller.uin} may not do {op.action} on {resource}: {decision.reason}",
        detail={"gate": decision.gate, "action": op.action, "resource": resource, "reason": decision.reason},
    )


async def _audit_refusal(
    ctx: Context,
    caller: Caller,
    op: Operation[Request, Answer],
    request: Request,
    instance: instances.Instance | None,
    refusal: AppError,
) -> None:
    async with ctx.database.write(durable=False) as tx:
        await audit.add_entry(tx, _entry(ctx.clock(), caller, op, request, instance, "refused"))


def _entry(
    now: datetime,
    caller: Caller,
    op: Operation[Request, Answer],
    request: Request,
    instance: instances.Instance | None,
    outcome: str,
) -> audit.AuditEntry:
    return audit_entry(
        caller,
        action=op.action,
        resource=op.resource_of(request),
        data=msgspec.json.encode(request).decode(),
        now=now,
        instance_id=instance.id if instance is not None else None,
        outcome=outcome,
    )


def page_size(ctx: Context, limit: int | None) -> int:
    """How many entries a page has: what was asked for, within the setting `limits.page`."""
    most = ctx.settings.limits.page
    return most if limit is None else max(0, min(limit, most))
