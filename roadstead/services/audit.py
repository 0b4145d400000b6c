"""The audit: who has changed what, and who was refused what, from where and why; searched, explained, forgotten.

Entries are written by `operations.run` and `events.record` in the transaction of the change itself; refused attempts
come through `refusals`. Pages are newest first. A page costs the same however many entries there are: it looks at a
bounded number of them, so a search for something rare may meet pages that hold little or nothing before the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roadstead.domain.network import Entry
from roadstead.errors import InvalidInput, NotFound
from roadstead.jobs.queue import NoArguments, job
from roadstead.metadata import audit, instances
from roadstead.metadata.audit import AuditEntry, Search
from roadstead.services.context import Context
from roadstead.services.doers import Attempt, named
from roadstead.services.fields import EndTime, StartTime, moment
from roadstead.services.lookups import CloudEvent, EventResource, LookupAttribute, searched
from roadstead.services.operations import Call, NextAnswer, NextRequest, Wire, operation, page_size

_STEP = 500
_EXPLAINED = 100
_BEGINNING = "A `*` at its end: all that begins so."


class LookUpEvents(NextRequest, frozen=True, kw_only=True):
    """What is looked for in the audit; whatever is left out may be anything."""

    registry_id: Annotated[str | None, Meta(description="Only entries of that instance.")] = None
    start_time: StartTime = None
    end_time: EndTime = None
    user: Annotated[str, Meta(description="Number of the account.")] = ""
    action: Annotated[str, Meta(description=f"For example `tcr:CreateNamespace`. {_BEGINNING}")] = ""
    resource: Annotated[str, Meta(description=f"For example `repository/tcr-ab12cd34/prod/*`. {_BEGINNING}")] = ""
    outcome: Annotated[Literal["", "done", "refused"], Meta(description="`done` or `refused`.")] = ""
    request_id: Annotated[str, Meta(description="Entries of that request.")] = ""
    door: Annotated[str, Meta(description="`registry`, `token`, `actions`, `api`, `command` or `worker`.")] = ""
    address: Annotated[str, Meta(description=f"Where requests came from. {_BEGINNING}")] = ""
    lookup_attributes: Annotated[
        list[LookupAttribute], Meta(description="Conditions as clients of the cloud write them.", max_length=10)
    ] = msgspec.field(default_factory=list)
    max_results: Annotated[int | None, Meta(description="`Limit` as clients of the cloud write it.")] = None
    next_token: Annotated[str, Meta(description="`NextToken` of the page before, which is `Last` too.")] = ""
    mode: Annotated[
        Literal["", "standard", "quick"], Meta(description="Without effect: there is one way to search.")
    ] = ""


class AuditedEvent(CloudEvent, frozen=True, kw_only=True):
    """One entry of the audit. Texts of JSON are empty where there is nothing to tell."""

    id: Annotated[int, Meta(description="Id of the entry.")]
    request_id: Annotated[str, Meta(description="Id of the request.")]
    outcome: Annotated[str, Meta(description="`done` or `refused`.")]
    data: Annotated[str, Meta(description="The request, as JSON.")]
    before: Annotated[str, Meta(description="What stood before a change, as JSON.")]
    after: Annotated[str, Meta(description="What stands after a change, as JSON.")]
    decision: Annotated[str, Meta(description="How the gates decided, as JSON.")]


class AuditPage(NextAnswer, frozen=True, kw_only=True):
    """A page of the audit, newest first; `Last` asks for the next one, and is empty when all has been looked at."""

    events: Annotated[list[AuditedEvent], Meta(description="Entries of the audit.")]
    next_token: Annotated[str, Meta(description="`Last` as clients of the cloud read it.")] = ""
    list_over: Annotated[bool, Meta(description="Whether all has been looked at.")] = True
    total_count: Annotated[int, Meta(description="Number of the entries of this page.")] = 0


class ExplainRequest(Wire, frozen=True, kw_only=True):
    """Which request: the id that its answer carried in X-Request-Id."""

    request_id: Annotated[str, Meta(description="Id of the request.")]


class Refusal(Attempt, frozen=True, kw_only=True):
    """Why an attempt was refused, and what would let it pass."""

    gate: Annotated[str, Meta(description="`credential`, `network`, `policy` or `limit`.")]
    reason: Annotated[str, Meta(description="Why the gate said no.")]
    policy: Annotated[str, Meta(description="The policy that decided; empty when none did.")]
    statement: Annotated[int | None, Meta(description="The deciding statement's place in it, from 0.")]
    message: Annotated[str, Meta(description="What the client was told.")]
    remedy: Annotated[str, Meta(description="What would let it pass.")]
    more: Annotated[int, Meta(description="Attempts like it in the same second that have no entry of their own.")]


class Explanation(Wire, frozen=True, kw_only=True):
    """What the audit knows of one request."""

    request_id: Annotated[str, Meta(description="Id of the request.")]
    refusals: Annotated[list[Refusal], Meta(description="What was refused, and why.")]
    events: Annotated[list[AuditedEvent], Meta(description="Entries of the audit.")]


class _Decision(msgspec.Struct, frozen=True):
    gate: str = ""
    action: str = ""
    resource: str = ""
    reason: str = ""
    policy: str = ""
    statement: int | None = None
    message: str = ""
    entry: str = ""
    remedy: str = ""
    more: int = 0


@operation(resource="audit/{registry_id}", changes=False, service="cloudaudit")
async def look_up_events(call: Call, request: LookUpEvents) -> AuditPage:
    """Search the audit, newest first, by time, user, action, resource, outcome, request, door and address."""
    wanted = msgspec.structs.replace(request, **searched(request.lookup_attributes))
    found = await audit.search(
        call.tx,
        Search(
            since=moment(wanted.start_time),
            until=moment(wanted.end_time),
            instance_id=None if call.instance is None else call.instance.id,
            operator=wanted.user,
            action=wanted.action,
            resource=wanted.resource,
            outcome=wanted.outcome,
            request_id=wanted.request_id,
            door=wanted.door,
            address=wanted.address,
        ),
        _place(wanted.last or wanted.next_token),
        page_size(call.ctx, wanted.max_results if wanted.limit is None else wanted.limit),
    )
    events = await _events(call, found.entries)
    last = str(found.last) if found.last else ""
    return AuditPage(events=events, last=last, next_token=last, list_over=not last, total_count=len(events))


@operation(resource="audit/*", changes=False, service="cloudaudit", raises=(NotFound,))
async def explain_request(call: Call, request: ExplainRequest) -> Explanation:
    """Tell how the gates decided on a request, by its id: which refused, why, and what would let it pass."""
    found = await audit.search(call.tx, Search(request_id=request.request_id.rstrip("*") or "-"), 0, _EXPLAINED)
    if not found.entries:
        raise NotFound(
            f"the audit has nothing of a request {request.request_id[:40]!r}: it holds changes and refused attempts, "
            f"a second after they came and for {call.ctx.settings.audit.days} days"
        )
    names = await _registry_ids(call, [entry for _, entry in found.entries])
    refused = [entry for _, entry in found.entries if entry.outcome == "refused"]
    return Explanation(
        request_id=request.request_id,
        refusals=await named(call.tx, [_refusal(entry, names) for entry in refused]),
        events=await _events(call, found.entries),
    )


async def _events(call: Call, entries: Sequence[tuple[int, AuditEntry]]) -> list[AuditedEvent]:
    names = await _registry_ids(call, [entry for _, entry in entries])
    events = await named(call.tx, [_event(number, entry, names) for number, entry in entries])
    return [_for_the_cloud(event, entry) for event, (_, entry) in zip(events, entries, strict=True)]


def _for_the_cloud(event: AuditedEvent, entry: AuditEntry) -> AuditedEvent:
    """The event, with what clients of the cloud read of it."""
    service, _, name = event.action.rpartition(":")
    kind, _, _ = event.resource.partition("/")
    whole = {
        "userIdentity": {"principalId": event.user, "userName": event.user_name},
        "eventSource": service,
        "eventName": name,
        "eventTime": event.time,
        "sourceIPAddress": event.address,
        "requestID": event.request_id,
        "resource": event.resource,
        "requestParameters": msgspec.Raw(event.data.encode()) if event.data else None,
    }
    return msgspec.structs.replace(
        event,
        event_id=str(event.id),
        username=event.user_name,
        event_time=str(int(entry.occurred_at.timestamp())),
        event_name=name,
        event_source=service,
        request_number=event.request_id,
        source=event.address,
        resources=EventResource(resource_type=kind, resource_name=event.resource),
        cloud_audit_event=msgspec.json.encode(whole).decode(),
    )


def _place(last: str) -> int:
    if not last:
        return 0
    if not (last.isascii() and last.isdigit() and 0 < int(last[:20]) < 1 << 63):
        raise InvalidInput(f"Last is not what a page before has answered: {last[:40]!r}")
    return int(last)


async def _registry_ids(call: Call, entries: list[AuditEntry]) -> dict[int | None, str]:
    """The public ids of the instances that the entries are of; an instance that is gone has none."""
    numbers = sorted({entry.instance_id for entry in entries if entry.instance_id is not None})
    found = await instances.registry_ids(call.tx, numbers)
    return {None: "", **dict(found.items())}


def _event(number: int, entry: AuditEntry, names: dict[int | None, str]) -> AuditedEvent:
    return AuditedEvent(
        id=number,
        time=_time(entry),
        user=entry.operator,
        address=entry.address,
        door=entry.door,
        request_id=entry.request_id,
        registry_id=names.get(entry.instance_id, ""),
        action=entry.action,
        resource=entry.resource,
        outcome=entry.outcome,
        data=entry.data,
        before=entry.before,
        after=entry.after,
        decision=entry.decision,
    )


def _time(entry: AuditEntry) -> str:
    return entry.occurred_at.isoformat(timespec="milliseconds")


def _refusal(entry: AuditEntry, names: dict[int | None, str]) -> Refusal:
    said = msgspec.json.decode(entry.decision or "{}", type=_Decision)
    return Refusal(
        time=_time(entry),
        user=entry.operator,
        address=entry.address,
        door=entry.door,
        registry_id=names.get(entry.instance_id, ""),
        gate=said.gate,
        action=said.action or entry.action,
        resource=said.resource or entry.resource,
        reason=said.reason or said.message,
        policy=said.policy,
        statement=said.statement,
        message=said.message,
        remedy=_remedy(entry, said),
        more=said.more,
    )


def _remedy(entry: AuditEntry, said: _Decision) -> str:
    """What would let the attempt pass, for whoever may decide that it should."""
    if said.gate == "network":
        admitting = said.remedy or f"roadstead network open && roadstead network allow {entry.address}"
        if said.entry in {Entry.LOOPBACK, Entry.PRIVATE}:
            return f"Admit it: {admitting}."
        return (
            f"Admit the address: {admitting}. Behind a reverse proxy, name the proxy in the setting network.proxies."
        )
    if said.gate == "credential":
        return (
            "Log in with an access credential, key or password that is enabled and belongs to an enabled account; "
            "make a new one if the secret is lost."
        )
    if said.gate == "limit":
        return (
            "Wait as long as the answer said, and find out who keeps trying: roadstead audit list --outcome refused."
        )
    if said.policy and said.statement is not None:
        return (
            f"Statement {said.statement + 1} of the policy {said.policy} decides against it: change that statement, "
            f"or detach the policy from account {entry.operator} and its groups. No other statement can outweigh it."
        )
    return (
        f"Attach a policy that allows {said.action or entry.action} on {said.resource or entry.resource} to account "
        f"{entry.operator} or to one of its groups."
    )


@job(queue="collection", attempts=3)
async def forget_audit(ctx: Context, arguments: NoArguments) -> None:
    """Entries of the audit that are older than the setting `audit.days` are gone."""
    if not ctx.settings.audit.days:
        return
    before = ctx.clock() - timedelta(days=ctx.settings.audit.days)
    removed = _STEP
    while removed == _STEP:
        async with ctx.database.write(durable=False) as tx:
            removed = await audit.forget(tx, before, _STEP)
