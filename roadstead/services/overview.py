"""An instance at a glance: what it holds and held, what happened on each of the last days, what is pulled most, its
health.

Days that are over do not change, so a process counts each of them once and keeps the number; today's is counted anew.
What an instance holds takes long to add up where it holds much, so the sum is kept for a while: for a minute, or a
hundred times as long as it took.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from msgspec import Meta

from roadstead.errors import InvalidInput
from roadstead.jobs.backlog import backlogs
from roadstead.metadata import overview, usage
from roadstead.metadata.overview import NamespaceSize, Stock
from roadstead.services.fields import Bytes, FullRepositoryName, LastPullTime, NamespaceName, PullCount, RegistryId
from roadstead.services.operations import Call, Wire, operation

_LONGEST = 90
_SHOWN = 6
_KEPT = 4096
_LATE = timedelta(minutes=5)
_PUSHES = ("pushImage", "uploadChart")
_PULLS = ("pullImage", "downloadChart")
_DELETIONS = ("deleteImage", "deleteChart")


class DescribeOverview(Wire, frozen=True, kw_only=True):
    """Which instance, and over how many days."""

    registry_id: RegistryId
    days: Annotated[int, Meta(description="How many days back, today among them.", ge=1, le=_LONGEST)] = 14


class DayActivity(Wire, frozen=True, kw_only=True):
    """What happened on one day, in UTC."""

    day: Annotated[str, Meta(description="The day, for example `2026-11-24`.")]
    pushes: Annotated[int, Meta(description="Images and charts pushed.")]
    pulls: Annotated[int, Meta(description="Pulls; many alike within a second count once.")]
    deletions: Annotated[int, Meta(description="Images and charts deleted.")]


class DayStorage(Wire, frozen=True, kw_only=True):
    """What it held on one day, in UTC."""

    day: Annotated[str, Meta(description="The day, for example `2026-11-24`.")]
    bytes: Annotated[int, Meta(description="Bytes in the last hour of the day; of today, now.")]


class PulledRepository(Wire, frozen=True, kw_only=True):
    """One of the repositories that are pulled most."""

    name: FullRepositoryName
    pull_count: PullCount
    last_pull_time: LastPullTime


class NamespaceStorage(Wire, frozen=True, kw_only=True):
    """One of the namespaces that hold most."""

    name: NamespaceName
    bytes: Bytes


class HealthCheck(Wire, frozen=True, kw_only=True):
    """Something that should be well, and whether it is."""

    name: Annotated[
        Literal["jobs", "triggers", "entry"],
        Meta(description="`jobs`: work in the background; `triggers`: deliveries; `entry`: the public entry."),
    ]
    well: Annotated[bool, Meta(description="Whether nothing needs attention.")]
    count: Annotated[int, Meta(description="Of jobs: given up; of triggers: failing.")] = 0


class Overview(Wire, frozen=True, kw_only=True):
    """The instance at a glance."""

    namespaces: Annotated[int, Meta(description="Number of namespaces.")]
    repositories: Annotated[int, Meta(description="Number of repositories.")]
    images: Annotated[int, Meta(description="Number of images, tagged or not.")]
    tags: Annotated[int, Meta(description="Number of tags.")]
    stored_bytes: Annotated[int, Meta(description="Bytes that it holds, what is shared counted once.")]
    measured_at: Annotated[datetime, Meta(description="When these were counted.")]
    activity: Annotated[list[DayActivity], Meta(description="The days, oldest first.")]
    storage: Annotated[
        list[DayStorage],
        Meta(description="What it held on those of the days on which it was measured, oldest first and today last."),
    ]
    most_pulled: Annotated[list[PulledRepository], Meta(description="What is pulled most.")]
    largest: Annotated[list[NamespaceStorage], Meta(description="The namespaces that hold most.")]
    health: Annotated[list[HealthCheck], Meta(description="What should be well.")]


@dataclass(frozen=True, slots=True)
class _Measured:
    stock: Stock
    largest: Sequence[NamespaceSize]
    at: datetime
    until: datetime


class OverviewMemory:
    """What this process has counted and need not count again."""

    def __init__(self) -> None:
        self._measured: OrderedDict[int, _Measured] = OrderedDict()
        self._days: OrderedDict[tuple[int, str], DayActivity] = OrderedDict()

    async def measured(self, call: Call) -> _Measured:
        """What the instance holds, counted not long ago."""
        found = self._measured.get(call.here.id)
        if found is None or not found.at <= call.now < found.until:
            began = time.monotonic()
            stock = await overview.stock(call.tx, call.here.id)
            largest = await overview.largest_namespaces(call.tx, call.here.id, _SHOWN)
            kept = timedelta(seconds=max(5.0 if stock.images < 1000 else 60.0, 100 * (time.monotonic() - began)))
            found = self._measured[call.here.id] = _Measured(stock, largest, call.now, call.now + kept)
            _bound(self._measured)
        return found

    async def day(self, call: Call, day: datetime) -> DayActivity:
        """What happened on that day."""
        name, after = day.date().isoformat(), day + timedelta(days=1)
        found = self._days.get((call.here.id, name))
        if found is None:
            first = await overview.first_event_at(call.tx, call.here.id, day)
            end = await overview.first_event_at(call.tx, call.here.id, after)
            found = _told(name, await overview.happened(call.tx, call.here.id, first, end))
            # What was committed late has come by then.
            if after + _LATE < call.now:
                self._days[call.here.id, name] = found
                _bound(self._days)
        return found


def _bound(kept: OrderedDict[Any, Any]) -> None:
    if len(kept) > _KEPT:
        kept.popitem(last=False)


def _told(day: str, kinds: dict[str, int]) -> DayActivity:
    def total(names: Sequence[str]) -> int:
        return sum(kinds.get(name, 0) for name in names)

    return DayActivity(day=day, pushes=total(_PUSHES), pulls=total(_PULLS), deletions=total(_DELETIONS))


@operation(resource="instance/{registry_id}", changes=False, raises=(InvalidInput,))
async def describe_overview(call: Call, request: DescribeOverview) -> Overview:
    """Show an instance at a glance: what it holds, each day's pushes and pulls, what is pulled most, its health."""
    if not 1 <= request.days <= _LONGEST:
        raise InvalidInput(f"Days is from 1 to {_LONGEST}, not {request.days}")
    today = call.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    memory = call.ctx.overviews
    measured = await memory.measured(call)
    held = measured.stock
    popular = await overview.most_pulled(call.tx, call.here.id, _SHOWN)
    return Overview(
        namespaces=held.namespaces,
        repositories=held.repositories,
        images=held.images,
        tags=held.tags,
        stored_bytes=held.size,
        measured_at=measured.at,
        activity=[await memory.day(call, today - timedelta(days=back)) for back in reversed(range(request.days))],
        storage=await _storage(call, today - timedelta(days=request.days - 1), held),
        most_pulled=[
            PulledRepository(name=each.name, pull_count=each.pulls, last_pull_time=each.pulled_at) for each in popular
        ],
        largest=[NamespaceStorage(name=each.name, bytes=each.size) for each in measured.largest],
        health=await _health(call),
    )


async def _storage(call: Call, first: datetime, held: Stock) -> list[DayStorage]:
    """The days since `first` that were measured, and today with what is held now."""
    today = call.now.astimezone(UTC).date().isoformat()
    days = await usage.days(call.tx, call.here.id, first.date().isoformat())
    before = [DayStorage(day=each.day, bytes=each.size) for each in days if each.day < today]
    return [*before, DayStorage(day=today, bytes=held.size)]


async def _health(call: Call) -> list[HealthCheck]:
    queues = await backlogs(
        call.tx, sorted({call.ctx.jobs.get(name).queue for name in call.ctx.jobs.names}), call.now
    )
    failed = sum(each.failed for each in queues)
    late = any(each.due_since is not None and call.now - each.due_since > _LATE for each in queues)
    failing = await overview.failing_triggers(call.tx, call.here.id)
    return [
        HealthCheck(name="jobs", well=not failed and not late, count=failed),
        HealthCheck(name="triggers", well=not failing, count=failing),
        HealthCheck(name="entry", well=call.here.public_entry in {"Opened", "Closed"}),
    ]
