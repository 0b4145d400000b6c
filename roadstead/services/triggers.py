"""Triggers: what happens to images and charts is posted to addresses of the user's choice (mission 11).

The fields are the cloud's; `Format`, `Secret`, `OperatorPattern` and `FailingSince` are ours, and a request that does
not know them leaves what they say as it is. Targets and secret are kept encrypted, since headers often hold
passwords; the audit shows neither. An empty namespace means repositories of any.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta

from roadstead.domain.patterns import Condition
from roadstead.domain.payloads import KINDS, Format, check_operator
from roadstead.domain.receivers import Receiver, check_receivers, check_trigger_name
from roadstead.errors import (
    AlreadyExists,
    InvalidInput,
    LimitReached,
    NamespaceUnknown,
    OutboundRefused,
    ParameterMissing,
    RuleInvalid,
    TriggerUnknown,
)
from roadstead.metadata import namespaces, triggers
from roadstead.metadata.triggers import Trigger, Wanted
from roadstead.services.deliveries import hurry, receivers_of
from roadstead.services.fields import RegistryId
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation
from roadstead.services.receivers import check_address

NAMESPACE = "repository/{registry_id}/{namespace}"
_LISTED = "tcr:DescribeWebhookTrigger"

TriggerNamespace = Annotated[str, Meta(description="Name of the namespace; empty for triggers of any.")]
TriggerId = Annotated[int, Meta(description="Number of the trigger.", ge=1)]
Product = Annotated[
    str, Meta(description="Product that a hidden trigger belongs to; empty for ordinary ones.", max_length=40)
]
PreheatRegion = Annotated[str, Meta(description="Region, for triggers of preheating.", max_length=40)]
PayloadFormat = Annotated[
    Literal["default", "cloudevents"],
    Meta(description="What is posted: the documented JSON, or a CloudEvent 1.0 in structured form."),
]
SigningSecret = Annotated[
    str,
    Meta(
        description="Secret that posts are signed with; empty: they are not signed. It is never shown.",
        max_length=200,
        extra={"secret": True},
        extra_json_schema={"format": "password"},
    ),
]


class Header(Wire, frozen=True, kw_only=True):
    """A header of each request."""

    key: Annotated[str, Meta(description="Name of the header.")]
    values: Annotated[list[str], Meta(description="Its values.", extra={"secret": True})]


class WebhookTarget(Wire, frozen=True, kw_only=True):
    """Where to post to."""

    address: Annotated[str, Meta(description="URL that is posted to.", examples=["https://deploy.example.com/push"])]
    headers: Annotated[list[Header], Meta(description="Headers that go with each request.")] = msgspec.field(
        default_factory=list
    )


class WebhookTrigger(Wire, frozen=True, kw_only=True):
    """A trigger."""

    name: Annotated[
        str,
        Meta(description="1 to 64 lower-case letters, digits and `.` `_` `-`, a letter or digit first."),
    ]
    targets: Annotated[list[WebhookTarget], Meta(description="Where to post to, 1 to 10 addresses.")]
    event_types: Annotated[list[str], Meta(description=f"What it is about: any of {', '.join(KINDS)}.")]
    condition: Annotated[
        str,
        Meta(
            description="`REPOSITORY[:TAG]`, each a pattern; empty and `.*` mean all.", examples=["shop/*:release-*"]
        ),
    ]
    enabled: Annotated[bool, Meta(description="Whether it posts.")]
    id: Annotated[int | None, Meta(description="Number of the trigger; names the one to modify.")] = None
    description: Annotated[str, Meta(description="What it is for, up to 1,000 characters.", max_length=1000)] = ""
    namespace_id: Annotated[int | None, Meta(description="Id of the namespace; 0 for any.")] = None
    namespace_name: Annotated[str | None, Meta(description="Name of the namespace; empty for any.")] = None
    product: Product = ""
    preheat_region: PreheatRegion = ""
    format: PayloadFormat | None = None
    secret: SigningSecret | None = None
    operator_pattern: Annotated[
        str | None,
        Meta(description="Who did it, for example `{uin} from {address}`; empty: the number of the account."),
    ] = None
    signed: Annotated[bool | None, Meta(description="Whether posts are signed.")] = None
    failing_since: Annotated[
        datetime | None, Meta(description="Since when nothing has got through, once a delivery was given up.")
    ] = None


class CreateWebhookTrigger(Wire, frozen=True, kw_only=True):
    """A new trigger."""

    registry_id: RegistryId
    trigger: WebhookTrigger
    namespace: TriggerNamespace
    product: Product = ""
    preheat_region: PreheatRegion = ""


class CreatedWebhookTrigger(Wire, frozen=True, kw_only=True):
    """The trigger as it stands."""

    trigger: WebhookTrigger


class ModifyWebhookTrigger(Wire, frozen=True, kw_only=True):
    """What the trigger of Trigger.Id shall be instead."""

    registry_id: RegistryId
    trigger: WebhookTrigger
    namespace: TriggerNamespace
    product: Product = ""
    preheat_region: PreheatRegion = ""


class TriggerOnly(Wire, frozen=True, kw_only=True):
    """Which trigger."""

    registry_id: RegistryId
    namespace: TriggerNamespace
    id: TriggerId


class DescribeWebhookTrigger(PageRequest, frozen=True, kw_only=True):
    """Which page of which triggers."""

    registry_id: RegistryId
    namespace: Annotated[str | None, Meta(description="Only triggers of this namespace.")] = None
    search: Annotated[str, Meta(description="Only names that contain this.")] = ""


class WebhookTriggerPage(PageAnswer, frozen=True, kw_only=True):
    """A page of triggers."""

    triggers: Annotated[list[WebhookTrigger], Meta(description="The triggers, oldest first.")]


@operation(
    resource=NAMESPACE,
    changes=True,
    raises=(NamespaceUnknown, RuleInvalid, AlreadyExists, LimitReached, OutboundRefused),
)
async def create_webhook_trigger(call: Call, request: CreateWebhookTrigger) -> CreatedWebhookTrigger:
    """Create a trigger: what it is about is posted to its addresses from now on."""
    namespace_id = await _namespace_id(call, request.namespace)
    most = call.ctx.settings.triggers.most
    if await triggers.count_all(call.tx, call.here.id) >= most:
        raise LimitReached(f"instance {call.here.name!r} has {most} triggers, as many as may be")
    product = request.product or request.trigger.product
    region = request.preheat_region or request.trigger.preheat_region
    row = _row(call, request.trigger, _blank(call, namespace_id, request.namespace, product, region))
    trigger_id = await triggers.add(call.tx, row)
    if trigger_id is None:
        raise _taken(row.name)
    shown = info(call, replace(row, id=trigger_id))
    call.changed(None, shown)
    return CreatedWebhookTrigger(trigger=shown)


@operation(
    resource=NAMESPACE,
    changes=True,
    raises=(NamespaceUnknown, TriggerUnknown, RuleInvalid, AlreadyExists, OutboundRefused),
)
async def modify_webhook_trigger(call: Call, request: ModifyWebhookTrigger) -> Done:
    """Replace a trigger; what waits is tried with what it is then, at once, or stopped when it is disabled."""
    if request.trigger.id is None:
        raise ParameterMissing("the field Trigger.Id is missing")
    found = await existing(call, request.namespace, request.trigger.id)
    row = _row(call, request.trigger, found)
    if await triggers.name_taken(call.tx, call.here.id, found.namespace_id, row.name, but=found.id):
        raise _taken(row.name)
    if not await triggers.modify(call.tx, row):
        raise _unknown(request.namespace, row.id)
    await hurry(call.ctx, call.tx, row.id, range(max(found.target_count, row.target_count)), call.now)
    call.changed(info(call, found), info(call, row))
    return Done()


@operation(resource=NAMESPACE, changes=True, raises=(NamespaceUnknown, TriggerUnknown))
async def delete_webhook_trigger(call: Call, request: TriggerOnly) -> Done:
    """Delete a trigger with its log; what it has not delivered yet is not delivered."""
    found = await existing(call, request.namespace, request.id)
    await triggers.remove(call.tx, found)
    call.changed(info(call, found), None)
    return Done()


@operation(
    resource="repository/{registry_id}/{namespace}/*",
    changes=False,
    filtered=True,
    paging="page",
    raises=(NamespaceUnknown, InvalidInput),
)
async def describe_webhook_trigger(call: Call, request: DescribeWebhookTrigger) -> WebhookTriggerPage:
    """List triggers, of one namespace or all, those whose names contain a text if one is given."""
    reach, head = call.reach(_LISTED), f"repository/{call.here.registry_id}/"
    namespace_id = None
    if request.namespace:
        namespace_id = await _namespace_id(call, request.namespace)
        if not reach.sees_into(head + request.namespace):
            raise _no_namespace(call, request.namespace)
    wanted = Wanted(
        call.here.id, namespace_id, request.search, reach.first_levels(head), general=reach.sees(f"{head}*")
    )
    which = call.slice(request)
    rows = await triggers.page(call.tx, wanted, last=number(which.last), most=which.most, skip=which.skip)
    return WebhookTriggerPage(
        triggers=[info(call, row) for row in rows if not row.namespace or reach.sees_into(head + row.namespace)],
        total_count=await triggers.count(call.tx, wanted) if which.counted else None,
        last=which.next([str(row.id) for row in rows]),
    )


async def existing(call: Call, namespace: str, trigger_id: int) -> Trigger:
    """The trigger of that number in the namespace; raises NamespaceUnknown or TriggerUnknown."""
    namespace_id = await _namespace_id(call, namespace)
    found = await triggers.get(call.tx, trigger_id)
    if found is None or (found.instance_id, found.namespace_id) != (call.here.id, namespace_id):
        raise _unknown(namespace, trigger_id)
    return found


def _unknown(namespace: str, trigger_id: int) -> TriggerUnknown:
    where = f"namespace {namespace[:60]!r}" if namespace else "any namespace"
    return TriggerUnknown(f"trigger {trigger_id} not found among those for {where}")


async def _namespace_id(call: Call, name: str) -> int | None:
    if not name:
        return None
    found = await namespaces.get(call.tx, call.here.id, name)
    if found is None:
        raise _no_namespace(call, name)
    return found.id


def _no_namespace(call: Call, name: str) -> NamespaceUnknown:
    return NamespaceUnknown(f"namespace not found: there is no {name[:60]!r} in instance {call.here.name!r}")


def _taken(name: str) -> AlreadyExists:
    return AlreadyExists(f"a trigger named {name} already exists in the namespace")


def number(last: str) -> int:
    """The number that a page of numbered entries ends at; raises InvalidInput."""
    if last and not (last.isascii() and last.isdigit() and len(last) < 19):
        raise InvalidInput(f"no page ends at {last[:60]!r}; give Last as an answer gave it")
    return int(last or 0)


def _blank(call: Call, namespace_id: int | None, namespace: str, product: str, region: str) -> Trigger:
    """A trigger of which nothing is said yet."""
    return Trigger(
        id=0,
        instance_id=call.here.id,
        namespace_id=namespace_id,
        name="",
        description="",
        enabled=True,
        events="",
        condition="",
        targets=b"",
        target_count=0,
        format="default",
        secret=None,
        operator_pattern="",
        product=product,
        preheat_region=region,
        failing_since=None,
        created_at=call.now,
        updated_at=call.now,
        namespace=namespace,
    )


def _row(call: Call, asked: WebhookTrigger, before: Trigger) -> Trigger:
    """The trigger as it was asked for, checked; what was not said stays as it was before."""
    check_trigger_name(asked.name)
    Condition.parse(asked.condition)
    receivers = receivers_asked(asked.targets)
    pattern = before.operator_pattern if asked.operator_pattern is None else asked.operator_pattern
    check_operator(pattern)
    secret = before.secret
    if asked.secret is not None:
        secret = call.ctx.secrets.seal(asked.secret.encode()) if asked.secret else None
    return replace(
        before,
        name=asked.name,
        description=asked.description,
        enabled=asked.enabled,
        events=",".join(_events(asked.event_types)),
        condition=asked.condition,
        targets=call.ctx.secrets.seal(msgspec.json.encode(receivers)),
        target_count=len(receivers),
        format=asked.format or before.format,
        secret=secret,
        operator_pattern=pattern,
        failing_since=None,
        updated_at=call.now,
    )


def receivers_asked(targets: list[WebhookTarget]) -> list[Receiver]:
    """The receivers of a request, checked; raises RuleInvalid or OutboundRefused."""
    found = [
        Receiver(
            address=target.address, headers=tuple((header.key, tuple(header.values)) for header in target.headers)
        )
        for target in targets
    ]
    check_receivers(found)
    for receiver in found:
        check_address(receiver.address)
    return found


def _events(kinds: list[str]) -> list[str]:
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        said = f"{unknown[0][:40]!r} is none" if unknown else "non zero value required"
        raise RuleInvalid(f"EventTypes: {said}; known are {', '.join(KINDS)}")
    return list(dict.fromkeys(kinds))


def info(call: Call, row: Trigger) -> WebhookTrigger:
    """The trigger as answers show it."""
    targets = [
        WebhookTarget(
            address=receiver.address,
            headers=[Header(key=name, values=list(values)) for name, values in receiver.headers],
        )
        for receiver in receivers_of(call.ctx, row)
    ]
    return WebhookTrigger(
        id=row.id,
        name=row.name,
        description=row.description,
        enabled=row.enabled,
        event_types=row.events.split(","),
        condition=row.condition,
        targets=targets,
        namespace_id=row.namespace_id or 0,
        namespace_name=row.namespace,
        product=row.product,
        preheat_region=row.preheat_region,
        format=cast(Format, row.format),
        operator_pattern=row.operator_pattern,
        signed=row.secret is not None,
        failing_since=row.failing_since,
    )
