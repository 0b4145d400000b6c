"""From an event to deliveries: which triggers want it, found and entered in the event's own transaction.

An instance's enabled triggers are compiled once and remembered with its revision, which every change of a trigger
grows. So an event costs one prepared look-up of that number, and nothing more where no trigger wants it.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from roadstead.domain.identity import Caller
from roadstead.domain.patterns import Condition
from roadstead.domain.payloads import KINDS, Format, Happening, Resource, body, operator_text
from roadstead.metadata import deliveries, instances, namespaces, repositories, triggers
from roadstead.metadata.database import Tx
from roadstead.metadata.deliveries import Delivery
from roadstead.metadata.triggers import Trigger
from roadstead.services.deliveries import ReceiverJob, deliver

if TYPE_CHECKING:
    from roadstead.services.context import Context

_KINDS = frozenset(KINDS)
_INSTANCES = 1024


@dataclass(frozen=True, slots=True)
class Compiled:
    """An enabled trigger, ready to be asked."""

    row: Trigger
    events: frozenset[str]
    condition: Condition

    @classmethod
    def of(cls, row: Trigger) -> Compiled:
        """The trigger, compiled."""
        return cls(row, frozenset(row.events.split(",")), Condition.parse(row.condition))

    def wanted(self, kind: str, repository: str, resources: Sequence[Resource]) -> Sequence[Resource]:
        """Those of the resources that it wants to hear of; none when it does not want the event."""
        namespace, _, name = repository.partition("/")
        if kind not in self.events or self.row.namespace not in {"", namespace}:
            return ()
        if not self.condition.repository.matches(name):
            return ()
        tag = self.condition.tag
        return [each for each in resources if tag.everything or (each.tag and tag.matches(each.tag))]


@dataclass(frozen=True, slots=True)
class Known:
    """The enabled triggers of an instance as of a revision, and where the instance is reached."""

    revision: int
    triggers: Sequence[Compiled]
    host: str


class TriggerMemory:
    """The triggers that this process has compiled, by instance."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, Known] = OrderedDict()

    def get(self, instance_id: int, revision: int) -> Known | None:
        """What is known of the instance, if it is as of that revision."""
        found = self._known.get(instance_id)
        return found if found is not None and found.revision == revision else None

    def keep(self, instance_id: int, known: Known) -> None:
        """That is known of the instance until it changes, or others need its place."""
        self._known[instance_id] = known
        self._known.move_to_end(instance_id)
        if len(self._known) > _INSTANCES:
            self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Told:
    """An event as triggers see it."""

    instance_id: int
    registry_id: str
    event_id: int
    kind: str
    # The full name of the repository, or of the chart.
    repository: str
    resources: Sequence[Resource]
    caller: Caller
    at: datetime


async def follow(ctx: Context, tx: Tx, told: Sequence[Told]) -> None:
    """The deliveries that the events ask for, and the jobs that make them, exist if the transaction commits."""
    known: dict[int, Known | None] = {}
    entering: list[Delivery] = []
    for each in told:
        if each.kind in _KINDS and each.resources:
            if each.instance_id not in known:
                known[each.instance_id] = await _known(ctx, tx, each.instance_id)
            entering += await _asked_for(ctx, tx, each, known[each.instance_id])
    # In the order in which all lock lanes (`metadata/triggers.py`); within a lane in the order of the events.
    for delivery in sorted(entering, key=lambda each: (each.trigger_id, each.target, each.lane)):
        if await deliveries.enter(tx, delivery):
            receiver = ReceiverJob(delivery.trigger_id, delivery.target)
            await ctx.jobs.enqueue(tx, deliver, receiver, now=delivery.created_at)


async def _asked_for(ctx: Context, tx: Tx, told: Told, known: Known | None) -> list[Delivery]:
    if known is None or not known.triggers:
        return []
    matched = [
        (each.row, wanted)
        for each in known.triggers
        if (wanted := each.wanted(told.kind, told.repository, told.resources))
    ]
    if not matched:
        return []
    happening = await _happening(ctx, tx, told, known.host)
    return [each for row, wanted in matched for each in _deliveries(ctx, told, row, happening, wanted)]


async def _known(ctx: Context, tx: Tx, instance_id: int) -> Known | None:
    revision = await triggers.revision(tx, instance_id)
    if revision is None:
        return None
    found = ctx.triggers.get(instance_id, revision)
    if found is None:
        rows = await triggers.enabled_ones(tx, instance_id)
        row = await instances.by_id(tx, instance_id)
        found = Known(revision, [Compiled.of(each) for each in rows], "" if row is None else host(ctx, row.name))
        ctx.triggers.keep(instance_id, found)
    return found


def host(ctx: Context, instance: str) -> str:
    """Where clients reach the instance of that name, with the port unless a proxy or the usual port is meant."""
    name = f"{instance}.{ctx.settings.base_domain.strip('.')}"
    port = ctx.settings.address[1]
    return name if port in {80, 443} or ctx.settings.network.scheme else f"{name}:{port}"


async def _happening(ctx: Context, tx: Tx, told: Told, where: str) -> Happening:
    repository = await repositories.get(tx, told.instance_id, told.repository)
    if repository is not None:
        public, created_at = repository.public, repository.created_at
    else:
        namespace = await namespaces.get(tx, told.instance_id, told.repository.partition("/")[0])
        public, created_at = namespace is not None and namespace.public, None
    return Happening(
        kind=told.kind,
        event_id=told.event_id,
        at=told.at,
        registry_id=told.registry_id,
        host=where,
        scheme=ctx.settings.network.scheme or "http",
        repository=told.repository,
        public=public,
        created_at=created_at,
        resources=told.resources,
        operator=told.caller.name,
    )


def _deliveries(
    ctx: Context, told: Told, row: Trigger, happening: Happening, wanted: Sequence[Resource]
) -> list[Delivery]:
    operator = operator_text(row.operator_pattern, operator_fields(told.caller))
    form = cast(Format, row.format)
    text = body(replace(happening, resources=wanted, operator=operator), form).decode()
    return [
        Delivery(
            id=0,
            instance_id=told.instance_id,
            trigger_id=row.id,
            namespace_id=row.namespace_id or 0,
            target=target,
            lane=told.repository,
            event_id=told.event_id,
            event=told.kind,
            uuid=str(uuid.uuid4()),
            state="pending",
            attempts=0,
            give_up_at=told.at + timedelta(seconds=ctx.settings.triggers.give_up_seconds),
            format=form,
            body=text,
            created_at=told.at,
            updated_at=told.at,
        )
        for target in range(row.target_count)
    ]


def operator_fields(caller: Caller) -> dict[str, str]:
    """What a pattern for the operator may name."""
    return {
        "uin": caller.name,
        "owner_uin": caller.owner_uin,
        "credential": caller.credential_id,
        "address": caller.origin.address,
        "door": str(caller.origin.door),
        "request_id": caller.origin.request_id,
    }
