"""What triggers have delivered: the log with its attempts, sending again, and a test of an address beforehand."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, cast

from msgspec import Meta

from roadstead.domain.payloads import Format, Happening, Resource, body, operator_text
from roadstead.domain.receivers import Receiver
from roadstead.errors import Conflict, InvalidInput, NamespaceUnknown, OutboundRefused, TriggerUnknown
from roadstead.metadata import deliveries, delivery_log, namespaces
from roadstead.metadata.deliveries import Attempt, Delivery
from roadstead.metadata.delivery_log import Failed, Wanted
from roadstead.services.context import Context
from roadstead.services.deliveries import ReceiverJob, deliver, hurry, receivers_of, secret_of
from roadstead.services.fields import EndTime, RegistryId, StartTime, moment
from roadstead.services.operations import Call, PageAnswer, PageRequest, Preparation, Wire, operation
from roadstead.services.receivers import Message, post
from roadstead.services.triggering import host, operator_fields
from roadstead.services.triggers import (
    NAMESPACE,
    PayloadFormat,
    SigningSecret,
    TriggerId,
    TriggerNamespace,
    WebhookTarget,
    existing,
    number,
    receivers_asked,
)

# How many deliveries one request sends again; it is asked again for more.
_AT_ONCE = 500
_SAMPLE_DIGEST = "sha256:" + "0" * 64

State = Annotated[
    Literal["pending", "running", "finished", "error", "stopped"],
    Meta(description="`pending`, `running`, `finished`, `error` or `stopped`."),
]
LogId = Annotated[int, Meta(description="Number of the delivery, as the log has it.", ge=1)]


class DescribeWebhookTriggerLog(PageRequest, frozen=True, kw_only=True):
    """Which page of the log of which trigger."""

    registry_id: RegistryId
    namespace: TriggerNamespace
    id: Annotated[TriggerId | None, Meta(description="Only of this trigger.")] = None
    status: Annotated[State | None, Meta(description="Only deliveries of this status.")] = None


class WebhookTriggerLog(Wire, frozen=True, kw_only=True):
    """One delivery."""

    id: LogId
    trigger_id: TriggerId
    event_type: Annotated[str, Meta(description="Kind of the event.")]
    notify_type: Annotated[str, Meta(description="`http`.")] = "http"
    detail: Annotated[str, Meta(description="What is posted.")]
    creation_time: Annotated[datetime, Meta(description="When the event was.")]
    update_time: Annotated[datetime, Meta(description="When its status last changed.")]
    status: State
    repository: Annotated[str, Meta(description="Full name of the repository.")]
    delivery_id: Annotated[str, Meta(description="Id that the receiver sees, the same for each attempt.")]
    attempts: Annotated[int, Meta(description="How often it was tried.")]
    target: Annotated[int, Meta(description="Which of the trigger's targets, from 0.")]
    next_attempt_time: Annotated[
        datetime | None,
        Meta(
            description="When one that is pending is tried next, or one of its repository that must come before it; "
            "null while such a one is on its way, and when it waits no more."
        ),
    ] = None


class WebhookTriggerLogPage(PageAnswer, frozen=True, kw_only=True):
    """A page of the log."""

    logs: Annotated[list[WebhookTriggerLog], Meta(description="The deliveries, newest first.")]


@operation(resource=NAMESPACE, changes=False, paging="page", raises=(NamespaceUnknown, TriggerUnknown))
async def describe_webhook_trigger_log(call: Call, request: DescribeWebhookTriggerLog) -> WebhookTriggerLogPage:
    """List what a trigger, or all triggers of a namespace, have delivered or tried to, newest first."""
    if request.id is not None:
        await existing(call, request.namespace, request.id)
    namespace = await namespaces.get(call.tx, call.here.id, request.namespace) if request.namespace else None
    if request.namespace and namespace is None:
        raise NamespaceUnknown(f"namespace not found: {request.namespace[:60]!r}")
    wanted = Wanted(call.here.id, 0 if namespace is None else namespace.id, request.id, request.status or "")
    which = call.slice(request)
    rows = await delivery_log.page(call.tx, wanted, before=number(which.last), most=which.most, skip=which.skip)
    again = await delivery_log.next_attempts(call.tx, rows, call.now)
    return WebhookTriggerLogPage(
        logs=[_logged(row, again.get(row.id)) for row in rows],
        total_count=await delivery_log.count(call.tx, wanted) if which.counted else None,
        last=which.next([str(row.id) for row in rows]),
    )


def _logged(row: Delivery, again_at: datetime | None) -> WebhookTriggerLog:
    return WebhookTriggerLog(
        id=row.id,
        trigger_id=row.trigger_id,
        event_type=row.event,
        detail=row.body,
        creation_time=row.created_at,
        update_time=row.updated_at,
        status=cast(State, row.state),
        repository=row.repository,
        delivery_id=row.uuid,
        attempts=row.attempts,
        target=row.target,
        next_attempt_time=again_at,
    )


class DescribeDeliveryAttempts(PageRequest, frozen=True, kw_only=True):
    """Which page of the attempts of which delivery."""

    registry_id: RegistryId
    namespace: TriggerNamespace
    id: TriggerId
    log_id: LogId


class Asked(Wire, frozen=True, kw_only=True):
    """One request to a receiver, and what came back."""

    milliseconds: Annotated[int, Meta(description="How long it took.")]
    request: Annotated[str, Meta(description="Address and headers; values that the trigger holds are not shown.")]
    status: Annotated[int | None, Meta(description="Status of the answer; null when there was none.")]
    answer: Annotated[str, Meta(description="Headers of the answer.")]
    answer_body: Annotated[str, Meta(description="How the answer's body begins.")]
    error: Annotated[str, Meta(description="Why there was no answer.")]


class DeliveryAttempt(Asked, frozen=True, kw_only=True):
    """One attempt to deliver: the request to the receiver, and what came back."""

    number: Annotated[int, Meta(description="Which attempt, from 1.")]
    time: Annotated[datetime, Meta(description="When it began.")]


class DeliveryAttempts(PageAnswer, frozen=True, kw_only=True):
    """A page of attempts."""

    attempts: Annotated[list[DeliveryAttempt], Meta(description="The attempts, in order.")]


@operation(resource=NAMESPACE, changes=False, paging="record", raises=(NamespaceUnknown, TriggerUnknown))
async def describe_delivery_attempts(call: Call, request: DescribeDeliveryAttempts) -> DeliveryAttempts:
    """List the attempts of a delivery: request, answer, duration and error of each."""
    await existing(call, request.namespace, request.id)
    found = await _delivery(call, request.id, request.log_id)
    which = call.slice(request)
    rows = await deliveries.attempts(call.tx, found.id, last=number(which.last), most=which.most)
    return DeliveryAttempts(
        attempts=[_attempt(row) for row in rows],
        total_count=found.attempts if which.counted else None,
        last=which.next([str(row.number) for row in rows]),
    )


def _attempt(row: Attempt) -> DeliveryAttempt:
    return DeliveryAttempt(
        number=row.number,
        time=row.at,
        milliseconds=row.milliseconds,
        request=row.request,
        status=row.status,
        answer=row.answer,
        answer_body=row.answer_body,
        error=row.error,
    )


async def _delivery(call: Call, trigger_id: int, log_id: int, *, lock: bool = False) -> Delivery:
    found = await delivery_log.get(call.tx, trigger_id, log_id, lock=lock)
    if found is None:
        raise TriggerUnknown(f"trigger {trigger_id} has no delivery {log_id}")
    return found


class SendAgain(Wire, frozen=True, kw_only=True):
    """Which delivery, or all failed ones whose events were in a span of time."""

    registry_id: RegistryId
    namespace: TriggerNamespace
    id: TriggerId
    log_id: Annotated[LogId | None, Meta(description="Only this delivery, whatever became of it.")] = None
    start_time: StartTime = None
    end_time: EndTime = None


class SentAgain(Wire, frozen=True, kw_only=True):
    """What is sent again."""

    count: Annotated[int, Meta(description="Deliveries that were entered again.")]
    skipped: Annotated[
        int, Meta(description="Failed ones of the span that were not, since their target is the trigger's no more.")
    ] = 0
    more: Annotated[bool, Meta(description="Whether there are more failed ones: ask again.")]


@operation(resource=NAMESPACE, changes=True, raises=(NamespaceUnknown, TriggerUnknown, Conflict))
async def send_again(call: Call, request: SendAgain) -> SentAgain:
    """Send one delivery again, or all that have failed in a span of time, with the ids and bodies that they had.

    One that waits for another attempt has it now, with all that waits for its receiver.
    """
    trigger = await existing(call, request.namespace, request.id)
    if not trigger.enabled:
        raise Conflict(f"trigger {trigger.name!r} is disabled; enable it first")
    if request.log_id is not None:
        found = await _delivery(call, trigger.id, request.log_id)
        if found.state == "pending":
            # Not locked: whoever delivers locks the receiver and the lane first.
            await hurry(call.ctx, call.tx, trigger.id, [found.target], call.now)
            return SentAgain(count=1, more=False)
        found = await _delivery(call, trigger.id, request.log_id, lock=True)
        if found.state in {"pending", "running"}:
            raise Conflict(f"delivery {found.id} is on its way already")
        if found.target >= trigger.target_count:
            raise Conflict(f"trigger {trigger.name!r} has no target {found.target} any more")
        await _enter_again(call, found)
        return SentAgain(count=1, more=False)
    failed = Failed(trigger.id, trigger.target_count, moment(request.start_time), moment(request.end_time))
    rows = await delivery_log.failed(call.tx, failed, _AT_ONCE)
    # Lanes are locked in the order in which events lock them.
    for row in sorted(rows, key=lambda row: (row.target, row.lane)):
        await _enter_again(call, row)
    skipped = await delivery_log.failed_elsewhere(call.tx, failed)
    return SentAgain(count=len(rows), skipped=skipped, more=len(rows) == _AT_ONCE)


async def _enter_again(call: Call, row: Delivery) -> None:
    give_up_at = call.now + timedelta(seconds=call.ctx.settings.triggers.give_up_seconds)
    opened = await deliveries.open_lane(call.tx, row.trigger_id, row.target, row.lane, call.now)
    await deliveries.set_state(call.tx, row.id, "pending", call.now, give_up_at=give_up_at)
    if opened:
        await call.ctx.jobs.enqueue(call.tx, deliver, ReceiverJob(row.trigger_id, row.target), now=call.now)


class TestWebhookTrigger(Wire, frozen=True, kw_only=True):
    """What to test: a trigger that stands, or a target before there is one."""

    registry_id: RegistryId
    namespace: TriggerNamespace
    id: Annotated[TriggerId | None, Meta(description="The trigger whose targets are tested.")] = None
    target: Annotated[WebhookTarget | None, Meta(description="The target to test, without a trigger.")] = None
    format: PayloadFormat = "default"
    secret: SigningSecret = ""


class TestedTarget(Asked, frozen=True, kw_only=True):
    """What came of posting a sample to one target."""

    address: Annotated[str, Meta(description="URL that was posted to.")]
    accepted: Annotated[bool, Meta(description="Whether the receiver has answered with success (2xx).")]


class TestedWebhookTrigger(Wire, frozen=True, kw_only=True):
    """What came of the test."""

    results: Annotated[list[TestedTarget], Meta(description="One entry for each target.")]


@dataclass(frozen=True, slots=True)
class _Test:
    """What is posted, and to whom."""

    receivers: list[Receiver]
    message: Message


async def _post_sample(before: Preparation, request: TestWebhookTrigger) -> TestedWebhookTrigger:
    """The sample has been posted; no transaction waited for the receivers."""
    async with before.reading() as call:
        test = await _test(call, request)
    return TestedWebhookTrigger(results=[await _tested(before.ctx, each, test.message) for each in test.receivers])


async def _test(call: Call, request: TestWebhookTrigger) -> _Test:
    if request.id is not None:
        trigger = await existing(call, request.namespace, request.id)
        receivers = receivers_of(call.ctx, trigger)
        form, secret = cast(Format, trigger.format), secret_of(call.ctx, trigger)
        pattern = trigger.operator_pattern
    elif request.target is not None:
        receivers, pattern = receivers_asked([request.target]), ""
        form, secret = request.format, request.secret.encode()
    else:
        raise InvalidInput("say which trigger is tested by Id, or where to post to by Target")
    sample = _sample(call, request.namespace, operator_text(pattern, operator_fields(call.caller)))
    return _Test(receivers, Message(str(uuid.uuid4()), sample.kind, form, body(sample, form), secret))


@operation(
    resource=NAMESPACE,
    changes=True,
    raises=(NamespaceUnknown, TriggerUnknown, OutboundRefused),
    prepare=_post_sample,
)
async def test_webhook_trigger(call: Call, request: TestWebhookTrigger) -> TestedWebhookTrigger:
    """Post a sample push to the targets and say what they answer; of it only the audit is told."""
    return call.prepared(TestedWebhookTrigger)


async def _tested(ctx: Context, receiver: Receiver, message: Message) -> TestedTarget:
    outcome = await post(ctx, receiver, message)
    return TestedTarget(
        address=receiver.address,
        accepted=outcome.accepted,
        status=outcome.status,
        milliseconds=outcome.milliseconds,
        request=outcome.request,
        answer=outcome.answer,
        answer_body=outcome.answer_body,
        error=outcome.error,
    )


def _sample(call: Call, namespace: str, operator: str) -> Happening:
    """A push that never was."""
    return Happening(
        kind="pushImage",
        event_id=0,
        at=call.now,
        registry_id=call.here.registry_id,
        host=host(call.ctx, call.here.name),
        scheme=call.ctx.settings.network.scheme or "http",
        repository=f"{namespace or 'sample'}/sample",
        public=False,
        created_at=call.now,
        resources=[Resource("sample", _SAMPLE_DIGEST)],
        operator=operator,
    )
