"""Deliveries of triggers, as jobs: each makes what is due for one receiver.

Deliveries about one repository form a lane and are made in order; several lanes of a receiver at once, up to the
setting `triggers.concurrency` over all processes. How a failure is met depends on what came back:

- No answer, or that of a proxy whose receiver is away: the receiver is paused, longer each time, and its lanes wait,
  since nothing else would get through. Others are not slowed: a paused receiver costs one job now and then.
- An answer that is no success: the delivery is tried again with growing pauses, and its lane waits for it. After a
  few attempts it steps aside into a lane of its own, so that a message which the receiver does not like cannot hold
  up what comes after it (`docs/decisions/0017-deliveries.md`).
- After `triggers.give_up_seconds` a delivery that fails is an error, its trigger marked until one gets through.

A lane stands if and only if something waits in it, and as long as one stands a job for its receiver is entered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from roadstead.domain.receivers import Receiver
from roadstead.jobs.queue import NoArguments, job
from roadstead.metadata import deliveries, delivery_log, triggers
from roadstead.metadata.database import Tx
from roadstead.metadata.deliveries import Attempt, Delivery, Target
from roadstead.metadata.triggers import Trigger
from roadstead.services.context import Context
from roadstead.services.receivers import Message, Outcome, post
from roadstead.services.secrets import random_id

# Attempts that the receiver answers and refuses before a delivery steps aside.
_PATIENCE = 5
# How long a job goes on, and how many deliveries of a lane it makes before others have their turn.
_RUN = timedelta(seconds=20)
_TURN = 20
# A holder's lane counts as let go so long after its request must have ended.
_MARGIN = timedelta(seconds=10)
_SOON = timedelta(seconds=1)
_OVERDUE = timedelta(minutes=1)
_STEP = 500


class ReceiverJob(msgspec.Struct, frozen=True):
    """Which receiver: a trigger's target."""

    trigger_id: int
    target: int


@dataclass(frozen=True, slots=True)
class _Held:
    """A lane that this job holds, and what is to be made first."""

    lane: str
    holder: str
    trigger: Trigger
    receiver: Receiver
    secret: bytes
    delivery: Delivery


@job(queue="triggers", attempts=100, backoff=timedelta(seconds=5))
async def deliver(ctx: Context, arguments: ReceiverJob) -> None:
    """What was due for the receiver has been tried, and a job is entered for what waits on."""
    run = _Run(ctx, arguments)
    async with asyncio.TaskGroup() as group:
        group.create_task(run.work(group))
    await run.hand_on()


@job(queue="triggers", attempts=3)
async def wake_receivers(ctx: Context, arguments: NoArguments) -> None:
    """A job is entered for each receiver whose deliveries nobody has made for a minute, whatever the cause."""
    now = ctx.clock()
    async with ctx.database.read() as tx:
        late = await deliveries.overdue(tx, now - _OVERDUE, _STEP)
    if late:
        async with ctx.database.write() as tx:
            for trigger_id, target in late:
                await ctx.jobs.enqueue(tx, deliver, ReceiverJob(trigger_id, target), now=now)


@job(queue="collection", attempts=3)
async def forget_deliveries(ctx: Context, arguments: NoArguments) -> None:
    """Deliveries older than `triggers.keep_days`, and those of triggers that are gone, are out of the log."""
    before = ctx.clock() - timedelta(days=ctx.settings.triggers.keep_days)
    removed = 1
    while removed:
        async with ctx.database.write(durable=False) as tx:
            removed = await delivery_log.forget(tx, before, _STEP) + await delivery_log.forget_gone(tx, _STEP)


async def hurry(ctx: Context, tx: Tx, trigger_id: int, targets: Iterable[int], now: datetime) -> None:
    """What waits for these receivers of the trigger is tried now, or stopped when they are not called any more."""
    for place in targets:
        if await deliveries.hurry(tx, trigger_id, place, now, _STEP):
            await ctx.jobs.enqueue(tx, deliver, ReceiverJob(trigger_id, place), now=now)


def pause(ctx: Context, attempts: int) -> timedelta:
    """How long to wait after so many failures."""
    rules = ctx.settings.triggers
    return timedelta(seconds=min(rules.retry_seconds * 2 ** min(attempts - 1, 20), rules.longest_pause_seconds))


class _Run:
    """One job at work: several lanes of one receiver at once."""

    def __init__(self, ctx: Context, receiver: ReceiverJob) -> None:
        self._ctx = ctx
        self._trigger_id = receiver.trigger_id
        self._target = receiver.target
        self._ends_at = ctx.clock() + _RUN
        self._busy = 1
        self._took = False

    async def work(self, group: asyncio.TaskGroup) -> None:
        """Lane after lane was taken and worked on, by this task and by others that it starts, until none is due."""
        while (held := await self._take()) is not None:
            self._took = True
            if self._busy < self._ctx.settings.triggers.concurrency:
                self._busy += 1
                group.create_task(self.work(group))
            await self._go_along(held)
        self._busy -= 1

    async def hand_on(self) -> None:
        """A job is entered for when the receiver is to be looked at again, if anything waits for it."""
        async with self._ctx.database.write(durable=False) as tx:
            due_at = await deliveries.next_due(tx, self._trigger_id, self._target)
            if due_at is None:
                return
            receiver = await deliveries.target(tx, self._trigger_id, self._target)
            now = self._ctx.clock()
            # Where others hold as many lanes as may be, they go on; there is no hurry.
            at = max(due_at, now if self._took else now + _SOON)
            if receiver is not None and receiver.paused_until is not None:
                at = max(at, receiver.paused_until)
            await self._ctx.jobs.enqueue(
                tx,
                deliver,
                ReceiverJob(self._trigger_id, self._target),
                now=now,
                delay=(at - now).total_seconds(),
                unique_key=f"deliver:{self._trigger_id}:{self._target}:{at.timestamp():.6f}",
            )

    async def _take(self) -> _Held | None:
        now = self._ctx.clock()
        if now >= self._ends_at:
            return None
        async with self._ctx.database.write(durable=False) as tx:
            receiver = await deliveries.target(tx, self._trigger_id, self._target)
            if receiver is not None and receiver.paused_until is not None and receiver.paused_until > now:
                return None
            trigger = await triggers.get(tx, self._trigger_id)
            if receiver is None or trigger is None or not trigger.enabled:
                await self._stop(tx, now)
                return None
            return await self._take_lane(tx, trigger, now)

    async def _take_lane(self, tx: Tx, trigger: Trigger, now: datetime) -> _Held | None:
        holder = random_id(16)
        lane = await deliveries.take_lane(
            tx,
            self._trigger_id,
            self._target,
            most=self._ctx.settings.triggers.concurrency,
            holder=holder,
            now=now,
            until=self._until(now),
        )
        if lane is None:
            return None
        delivery = await deliveries.first(tx, self._trigger_id, self._target, lane)
        if delivery is None:
            await deliveries.end_lane(tx, self._trigger_id, self._target, lane)
            return None
        await deliveries.set_state(tx, delivery.id, "running", now)
        receiver = receivers_of(self._ctx, trigger)[self._target]
        return _Held(lane, holder, trigger, receiver, secret_of(self._ctx, trigger), delivery)

    async def _stop(self, tx: Tx, now: datetime) -> None:
        """Some of what waits for a receiver that is not called any more is stopped; the rest at the next turn."""
        lane = await deliveries.take_lane(
            tx, self._trigger_id, self._target, most=_STEP, holder="", now=now, until=now
        )
        if lane is None:
            return
        self._took = True
        if not await deliveries.stop_lane(tx, self._trigger_id, self._target, lane, now, _STEP):
            await deliveries.end_lane(tx, self._trigger_id, self._target, lane)

    def _until(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._ctx.settings.triggers.attempt_seconds) + _MARGIN

    async def _go_along(self, held: _Held) -> None:
        """Deliveries of the lane were made, one after the other, until one failed, none was left, or others wait."""
        for turn in range(1, _TURN + 1):
            delivery = held.delivery
            content = delivery.body.encode()
            message = Message(delivery.uuid, delivery.event, delivery.format, content, held.secret)
            outcome = await post(self._ctx, held.receiver, message)
            following = await self._settle(held, outcome, last=turn == _TURN)
            if following is None:
                return
            held = replace(held, delivery=following)

    async def _settle(self, held: _Held, outcome: Outcome, *, last: bool) -> Delivery | None:
        """What came of the attempt is recorded; the lane's next delivery if this job goes on with it."""
        async with self._ctx.database.write(durable=False) as tx:
            now = self._ctx.clock()
            # Locked before the lane, as whoever takes one does (`metadata/triggers.py`).
            await self._tell_receiver(tx, held, outcome, now)
            if not outcome.accepted and now >= held.delivery.give_up_at:
                await triggers.lock(tx, held.trigger.id)
            if not await deliveries.hold(tx, self._trigger_id, self._target, held.lane, held.holder):
                return None
            await self._record(tx, held.delivery, outcome, now)
            again_at = await self._outcome(tx, held, outcome, now)
            following = None
            if again_at is None:
                following = await deliveries.first(tx, self._trigger_id, self._target, held.lane)
                if following is None:
                    await deliveries.end_lane(tx, self._trigger_id, self._target, held.lane)
                    return None
            if following is None or last:
                await self._keep(tx, held, None, again_at or now)
                return None
            await self._keep(tx, held, held.holder, self._until(now))
            await deliveries.set_state(tx, following.id, "running", now)
            return following

    async def _keep(self, tx: Tx, held: _Held, holder: str | None, next_at: datetime) -> None:
        await deliveries.keep_lane(tx, self._trigger_id, self._target, held.lane, holder, next_at)

    async def _record(self, tx: Tx, delivery: Delivery, outcome: Outcome, now: datetime) -> None:
        attempt = Attempt(
            delivery_id=delivery.id,
            number=delivery.attempts + 1,
            at=now - timedelta(milliseconds=outcome.milliseconds),
            milliseconds=outcome.milliseconds,
            request=outcome.request,
            status=outcome.status,
            answer=outcome.answer,
            answer_body=outcome.answer_body,
            error=outcome.error,
        )
        await deliveries.add_attempt(tx, attempt)

    async def _outcome(self, tx: Tx, held: _Held, outcome: Outcome, now: datetime) -> datetime | None:
        """The delivery is finished, given up or to be tried again; when, if its lane waits for it."""
        delivery, attempts = held.delivery, held.delivery.attempts + 1
        if outcome.accepted:
            await deliveries.set_state(tx, delivery.id, "finished", now, attempts=attempts)
            return None
        if now >= delivery.give_up_at:
            await deliveries.set_state(tx, delivery.id, "error", now, attempts=attempts)
            await triggers.mark(tx, held.trigger.id, delivery.created_at)
            return None
        await deliveries.set_state(tx, delivery.id, "pending", now, attempts=attempts)
        again_at = now + pause(self._ctx, attempts)
        if not outcome.silent and attempts >= _PATIENCE and deliveries.can_step_aside(delivery):
            await deliveries.step_aside(tx, delivery, again_at)
            return None
        return again_at

    async def _tell_receiver(self, tx: Tx, held: _Held, outcome: Outcome, now: datetime) -> None:
        """How the receiver answers is known; it is paused when it does not."""
        if outcome.silent:
            known = await deliveries.target(tx, self._trigger_id, self._target)
            # Requests that were under way together count as one silence.
            if known is not None and (known.paused_until is None or known.paused_until <= now):
                silences = known.silences + 1
                until = now + pause(self._ctx, silences)
                await deliveries.set_target(
                    tx, self._trigger_id, self._target, Target(silences, until, known.failing_since or now)
                )
            return
        await deliveries.forgive(tx, self._trigger_id, self._target)
        if outcome.accepted:
            await triggers.unmark(tx, held.trigger.id)


def receivers_of(ctx: Context, trigger: Trigger) -> list[Receiver]:
    """The trigger's targets as they were written."""
    return msgspec.json.decode(ctx.secrets.unseal(trigger.targets), type=list[Receiver])


def secret_of(ctx: Context, trigger: Trigger) -> bytes:
    """What its deliveries are signed with; empty when they are not."""
    return b"" if trigger.secret is None else ctx.secrets.unseal(trigger.secret)
