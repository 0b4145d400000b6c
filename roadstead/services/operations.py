"""The table of management operations: declared once, served by every door.

An operation is a typed function in a service. Its declaration carries its name, its request and answer, whether
it changes anything, and the resource that permission is asked for; the doors, the command line, the reference
page and the permission tests read the same declaration. `run` is the one place where an operation's permission is
asked, its transaction is opened and its audit entry is written. What takes long (hashing a password, asking another
host) an operation does before, in its preparation, so that it holds no transaction meanwhile.

Lists are paged by key: `Last` of one answer is asked with for the next page. Clients of the cloud's API page by
Offset instead, which costs more the deeper they go; both come together in `Slice`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from roadstead.domain.identity import Caller
from roadstead.domain.policy import Decision
from roadstead.domain.reach import Reach
from roadstead.errors import AccessDenied, AppError, InstanceUnknown, InvalidInput, LoginNeeded
from roadstead.metadata import audit, instances
from roadstead.metadata.database import Tx
from roadstead.services.context import Context
from roadstead.services.events import Place, audit_entry
from roadstead.services.instances import not_running
from roadstead.services.policies import decide, reach_of, refusal
from roadstead.services.refusals import decision_text


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A request or an answer as it stands on the wire, in the API's own spelling."""


class Done(Wire, frozen=True, kw_only=True):
    """The operation has done what it says; there is nothing more to tell."""


class NextRequest(Wire, frozen=True, kw_only=True):
    """Which page of a list that is read from page to page."""

    limit: Annotated[int | None, Meta(description="Most entries of the page; more than the server gives is cut.")] = (
        None
    )
    last: Annotated[str, Meta(description="`Last` of the page before; empty for the first one.")] = ""


class NextAnswer(Wire, frozen=True, kw_only=True):
    """A page of a list that is read from page to page; it may hold little or nothing before the last one."""

    last: Annotated[str, Meta(description="What the next page is asked with; empty when all has been looked at.")] = (
        ""
    )


class PageRequest(NextRequest, frozen=True, kw_only=True):
    """Which page of a list."""

    offset: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(description="Entries to skip instead of Last; slower the deeper it goes."),
    ] = None


class PageAnswer(Wire, frozen=True, kw_only=True):
    """A page of a list."""

    total_count: Annotated[
        int | None, Meta(description="Entries of the whole list; null on pages asked for by Last.")
    ] = None
    last: Annotated[str, Meta(description="What the next page is asked with; empty when there is none.")] = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which entries of a list a request wants: up to `most` after the key `last`, or after `skip` entries."""

    last: str
    most: int
    skip: int
    # Whether the answer says how many entries the whole list has.
    counted: bool

    def next(self, keys: Sequence[str]) -> str:
        """What the next page is asked with, given the keys of this one; empty when this was the last."""
        return keys[-1] if keys and len(keys) == self.most else ""


Request = TypeVar("Request", bound=Wire)
Answer = TypeVar("Answer", bound=Wire)
Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class Call:
    """What an operation works with: who asks, in which transaction, at which instance and time."""

    ctx: Context
    tx: Tx
    caller: Caller
    now: datetime
    instance: instances.Instance | None = None
    # The region that the request means, where the deployment has several; empty: any.
    region: str = ""
    _prepared: object = None
    _difference: list[str] = field(default_factory=list)

    def prepared(self, kind: type[Prepared]) -> Prepared:
        """What the operation's preparation has made."""
        if not isinstance(self._prepared, kind):
            raise TypeError(f"the operation has prepared {type(self._prepared).__name__}, not {kind.__name__}")
        return self._prepared

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

    def may(self, action: str, path: str) -> Decision:
        """Whether the caller may do something else than the operation itself, for example see an entry of a list."""
        return decide(self.caller, action, self.instance, path, now=self.now)

    def reach(self, action: str) -> Reach:
        """What of the instance, or of all when the request names none, the caller may do the action on."""
        return reach_of(self.caller, action, self.instance, now=self.now)

    def require(self, action: str, path: str) -> None:
        """Returns when the caller may do that too; raises AccessDenied."""
        decision = self.may(action, path)
        if not decision.allowed:
            raise refusal(self.caller, action, path, decision)

    def changed(self, before: Wire | None, after: Wire | None) -> None:
        """The audit entry shows what stood before and after the change."""
        self._difference[:] = [_json(before), _json(after)]

    @property
    def difference(self) -> Sequence[str]:
        """What stood before and after, as `changed` was told; empty texts when it was not."""
        return self._difference or ("", "")

    def slice(self, request: PageRequest) -> Slice:
        """Which entries the request wants, within the setting `limits.page`."""
        most = page_size(self.ctx, request.limit)
        return Slice(request.last, most, request.offset or 0, counted=not request.last)


@dataclass(frozen=True, slots=True)
class Preparation:
    """An operation that is permitted and whose transaction is not open yet."""

    ctx: Context
    caller: Caller
    now: datetime
    instance: instances.Instance | None = None
    region: str = ""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Call]:
        """The call over a transaction that only reads, and ends with the block."""
        async with self.ctx.database.read() as tx:
            yield self.call(tx)

    def call(self, tx: Tx, prepared: object = None) -> Call:
        """The same over that transaction, with what was prepared."""
        return Call(self.ctx, tx, self.caller, self.now, self.instance, self.region, prepared)


def _json(value: Wire | None) -> str:
    return "" if value is None else msgspec.json.encode(_masked(value)).decode()


Paging = Literal["page", "record"]


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
    # A list shows what the caller may see of it, instead of being refused: its body asks for each entry.
    filtered: bool
    # How the cloud's API counts Offset for this list.
    paging: Paging | None
    # The conditions beyond those that every operation knows.
    raises: tuple[type[AppError], ...]
    # Whose action it is in policies: `tcr`, or `cam` for what gives rights, so that no policy on the registry does.
    service: str
    # Whether it may change an instance that is not running.
    always: bool = False
    # What is done before the transaction opens; the body gets its outcome by `Call.prepared`.
    prepare: Callable[[Preparation, Request], Awaitable[object]] | None = None

    @property
    def action(self) -> str:
        """The permission that it needs."""
        return f"{self.service}:{self.name}"

    def resource_of(self, request: Request) -> str:
        """The resource that this request is about."""
        fields = {name: getattr(request, name) or "*" for name in request.__struct_fields__}
        return self.resource.format(**fields)


def operation(
    *,
    resource: str,
    changes: bool,
    filtered: bool = False,
    paging: Paging | None = None,
    raises: tuple[type[AppError], ...] = (),
    service: str = "tcr",
    always: bool = False,
    # Of the same request: if this were said in types, operations without it would have none.
    prepare: Callable[[Preparation, Any], Awaitable[object]] | None = None,
) -> Callable[[Callable[[Call, Request], Awaitable[Answer]]], Operation[Request, Answer]]:
    """The decorated function is an operation named after itself (`create_namespace` is CreateNamespace).

    `resource` is the path of the CAM resource with the request's fields in braces, for example
    `repository/{registry_id}/{namespace_name}`. A `filtered` list is refused only to those who are not logged in;
    `paging` says how the cloud's API counts Offset, `raises` which conditions its description names. Changes
    of an instance that is not running are refused, except by operations that may be done `always`. What takes long is
    done in `prepare`, after permission was given and before the transaction opens.
    """

    def declare(body: Callable[[Call, Request], Awaitable[Answer]]) -> Operation[Request, Answer]:
        hints = get_type_hints(body)
        name = "".join(part.capitalize() for part in body.__name__.split("_"))
        summary = (inspect.getdoc(body) or "").partition("\n")[0]
        return Operation(
            name,
            summary,
            hints["request"],
            hints["return"],
            body,
            resource,
            changes,
            filtered,
            paging,
            raises,
            service,
            always,
            prepare,
        )

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


async def run(
    ctx: Context, caller: Caller, op: Operation[Request, Answer], request: Request, *, region: str = ""
) -> Answer:
    """The operation's answer, after permission was given; changes and their audit entry are durable.

    With a `region`, instances of other regions are not found.
    Raises the refusal, which is audited too, or whatever condition the operation meets, with nothing changed.
    """
    async with ctx.database.read() as tx:
        instance = await _instance(tx, request, region)
    now = ctx.clock()
    try:
        _permit(caller, op, request, instance, now)
        if instance is not None and op.changes and not (op.always or instance.running):
            raise not_running(instance)
        before = Preparation(ctx, caller, now, instance, region)
        prepared = None if op.prepare is None else await op.prepare(before, request)
        opened = ctx.database.write() if op.changes else ctx.database.read()
        async with opened as tx:
            call = before.call(tx, prepared)
            answer = await op.body(call, request)
            if op.changes:
                earlier, later = call.difference
                entry = _entry(now, caller, op, request, instance, "done")
                await audit.add_entry(tx, replace(entry, before=earlier, after=later))
    except AccessDenied as refused:
        entry = _entry(now, caller, op, request, instance, "refused")
        ctx.refusals.add(replace(entry, decision=decision_text(refused)))
        refused.audited = True
        raise
    return answer


async def _instance(tx: Tx, request: Wire, region: str) -> instances.Instance | None:
    registry_id = getattr(request, "registry_id", None)
    if registry_id is None:
        return None
    found = await instances.get(tx, registry_id=registry_id)
    if found is None or (region and found.region != region):
        where = f" in region {region}" if region else ""
        raise InstanceUnknown(f"there is no instance {registry_id[:40]!r}{where}")
    return found


def _permit(
    caller: Caller,
    op: Operation[Request, Answer],
    request: Request,
    instance: instances.Instance | None,
    now: datetime,
) -> None:
    if caller.anonymous:
        raise LoginNeeded(f"credential: log in to do {op.action}", detail={"gate": "credential"})
    if op.filtered:
        return
    path = op.resource_of(request)
    decision = decide(caller, op.action, instance, path, now=now)
    if not decision.allowed:
        raise refusal(caller, op.action, path, decision)


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
        data=_told(request),
        now=now,
        instance_id=instance.id if instance is not None else None,
        outcome=outcome,
    )


def _told(request: Wire) -> str:
    """The request as the audit has it: without passwords and the like."""
    return _json(request)


def _masked(value: Any) -> Any:
    """The value without secrets, wherever in it they are."""
    if isinstance(value, msgspec.Struct):
        hidden = _secret_fields(type(value))
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        told = {name: _hidden(each) if name in hidden else _masked(each) for name, each in fields.items()}
        return msgspec.structs.replace(value, **told)
    return [_masked(each) for each in value] if isinstance(value, list) else value


def _hidden(value: Any) -> Any:
    if isinstance(value, list):
        return ["***" for _ in value]
    return "***" if value else value


@cache
def _secret_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields whose description is marked with `extra={"secret": True}`."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(name for name, hint in hints.items() if _is_secret(hint))


def _is_secret(hint: Any) -> bool:
    """Whether the type, or what stands beside null in it, is marked."""
    if get_origin(hint) in {Union, UnionType}:
        return any(_is_secret(each) for each in get_args(hint))
    return any(isinstance(meta, Meta) and (meta.extra or {}).get("secret") for meta in get_args(hint)[1:])


def page_size(ctx: Context, limit: int | None) -> int:
    """How many entries a page has: what was asked for, within the setting `limits.page`."""
    most = ctx.settings.limits.page
    return most if limit is None else max(0, min(limit, most))
