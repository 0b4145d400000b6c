"""The event log for people and scripts: listed by pages, followed as it grows, and cut at its old end.

Whoever may do `tcr:DescribeEvents` on a repository sees its events. A page looks at a bounded number of events, so
one that is narrowed to something rare may hold little or nothing before the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roadstead.domain.identity import Caller
from roadstead.domain.reach import Reach
from roadstead.errors import InstanceUnknown, InvalidInput
from roadstead.jobs.queue import NoArguments, job
from roadstead.metadata import event_log, instances
from roadstead.metadata.event_log import LogRow
from roadstead.metadata.instances import Instance
from roadstead.services.context import Context
from roadstead.services.doers import DoneBy, named
from roadstead.services.events import Event
from roadstead.services.fields import RegistryId
from roadstead.services.operations import Call, NextAnswer, NextRequest, operation, page_size
from roadstead.services.policies import reach_of

ACTION = "tcr:DescribeEvents"

_WINDOW = 1000
_STEP = 500
# How long a right that was taken away may still show events.
_RECHECK_SECONDS = 5.0


class DescribeEvents(NextRequest, frozen=True, kw_only=True):
    """Which events of an instance; whatever is left out may be anything."""

    registry_id: RegistryId
    namespace_name: Annotated[str, Meta(description="Only of this namespace.")] = ""
    repository: Annotated[str, Meta(description="Only of this repository, NAMESPACE/REPOSITORY.")] = ""
    kinds: Annotated[list[str], Meta(description="Only of these kinds, for example `pushImage`.")] = msgspec.field(
        default_factory=list
    )
    order: Annotated[Literal["newest", "oldest"], Meta(description="Which come first.")] = "newest"


class LoggedEvent(DoneBy, frozen=True, kw_only=True):
    """Something that happened."""

    id: Annotated[int, Meta(description="Id of the event; later events have higher ones.")]
    time: Annotated[datetime, Meta(description="When it happened.")]
    kind: Annotated[str, Meta(description="For example `pushImage`, `pullImage`, `deleteImage`.")]
    namespace_name: Annotated[str, Meta(description="In which namespace.")]
    repository: Annotated[str, Meta(description="To which repository, with its namespace; empty for a namespace.")]
    tags: Annotated[list[str], Meta(description="To which tags, or versions of a chart.")]
    digest: Annotated[str, Meta(description="To which manifest; empty where none is meant.")]
    data: Annotated[str, Meta(description="All that the event says, as JSON.")]


class EventPage(NextAnswer, frozen=True, kw_only=True):
    """A page of the event log; `Last` asks for the next one, and is empty when all has been looked at."""

    events: Annotated[list[LoggedEvent], Meta(description="The events.")]


class _Data(msgspec.Struct, frozen=True):
    namespace: str = ""
    repository: str = ""
    digest: str = ""
    tag: str = ""
    tags: list[str] = []
    version: str = ""
    versions: list[str] = []

    @property
    def told(self) -> list[str]:
        """The tags, or the versions of the chart."""
        one = self.tag or self.version
        return [one] if one else self.tags or self.versions


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to see of the events of an instance; raises InvalidInput for kinds that there are not."""

    namespace: str = ""
    repository: str = ""
    kinds: Sequence[str] = ()

    def __post_init__(self) -> None:
        known = sorted(each.kind for each in Event.__subclasses__())
        unknown = next((kind for kind in self.kinds if kind not in known), None)
        if unknown is not None:
            raise InvalidInput(f"{unknown[:40]!r} is no kind of event; known are {', '.join(known)}")

    def of(self, rows: Sequence[LogRow], registry_id: str, reach: Reach) -> list[LoggedEvent]:
        """Those of the rows that are wanted and may be seen."""
        found = []
        for row in rows:
            if self.kinds and row.kind not in self.kinds:
                continue
            data = msgspec.json.decode(row.data, type=_Data)
            path = f"repository/{registry_id}/{data.repository or data.namespace}"
            if self._means(data) and reach.sees(path):
                found.append(_logged(row, data))
        return found

    def _means(self, data: _Data) -> bool:
        return self.namespace in {"", data.namespace} and self.repository in {"", data.repository}


def _logged(row: LogRow, data: _Data) -> LoggedEvent:
    return LoggedEvent(
        id=row.id,
        time=row.occurred_at,
        kind=row.kind,
        namespace_name=data.namespace,
        repository=data.repository,
        tags=data.told,
        digest=data.digest,
        user=row.operator,
        data=row.data,
    )


@operation(resource="repository/{registry_id}/*", changes=False, filtered=True, raises=(InvalidInput,))
async def describe_events(call: Call, request: DescribeEvents) -> EventPage:
    """List what has happened, newest or oldest first, of a namespace, a repository and kinds if they are given."""
    last, most = place(request.last), page_size(call.ctx, request.limit)
    if request.order == "newest":
        rows = await event_log.before(call.tx, call.here.id, last, _WINDOW)
    else:
        newest = await event_log.newest(call.tx)
        rows = await event_log.after(call.tx, call.here.id, last or 0, newest, _WINDOW)
    wanted = Wanted(request.namespace_name, request.repository, request.kinds)
    found = wanted.of(rows, call.here.registry_id, call.reach(ACTION))
    shown = await named(call.tx, found[:most])
    if len(found) > most:
        return EventPage(events=shown, last=str(shown[-1].id if shown else request.last))
    return EventPage(events=shown, last=str(rows[-1].id) if len(rows) == _WINDOW else "")


def place(last: str) -> int | None:
    """The id that a page or a stream goes on from; None for an empty text. Raises InvalidInput."""
    if not last:
        return None
    if not (last.isascii() and last.isdigit() and int(last[:20]) < 1 << 63):
        raise InvalidInput(f"an event's id is a number, not {last[:40]!r}")
    return int(last)


async def watched(ctx: Context, registry_id: str) -> Instance:
    """The instance whose events are to be followed; raises InstanceUnknown."""
    async with ctx.database.read() as tx:
        found = await instances.get(tx, registry_id=registry_id)
    if found is None:
        raise InstanceUnknown(f"there is no instance {registry_id[:40]!r}")
    return found


async def follow(
    ctx: Context,
    instance: Instance,
    wanted: Wanted,
    last: int | None,
    identify: Callable[[], Awaitable[Caller]],
    pause: float = _RECHECK_SECONDS,
) -> AsyncIterator[list[LoggedEvent]]:
    """The events after the id `last` (None: from now on), each once and in their order, as they come.

    An empty list comes each `pause` seconds in which nothing happened. Who asks is identified anew as often, before
    more is shown; raises what `identify` raises. It ends when the feed is closed.
    """
    loop = asyncio.get_running_loop()
    async with ctx.feed.opened() as begun:
        settled = begun
        last = settled if last is None else await _known(ctx, last)
        caller, checked = await identify(), loop.time()
        while not ctx.feed.closed:
            if settled <= last:
                settled = await ctx.feed.beyond(last, pause)
            if loop.time() - checked >= pause:
                caller, checked = await identify(), loop.time()
            async with ctx.database.read() as tx:
                rows = await event_log.after(tx, instance.id, last, settled, _STEP)
                reach = reach_of(caller, ACTION, instance, now=ctx.clock())
                batch = await named(tx, wanted.of(rows, instance.registry_id, reach))
            last = rows[-1].id if len(rows) == _STEP else max(last, settled)
            yield batch


async def _known(ctx: Context, last: int) -> int:
    """The id, or the newest one if it is of a log that was longer: from another database, or before a restoration."""
    async with ctx.database.read() as tx:
        return min(last, await event_log.newest(tx))


@job(queue="collection", attempts=3)
async def forget_events(ctx: Context, arguments: NoArguments) -> None:
    """Events that are older than the setting `events.days` are gone from the log."""
    if not ctx.settings.events.days:
        return
    before = ctx.clock() - timedelta(days=ctx.settings.events.days)
    removed = _STEP
    while removed == _STEP:
        async with ctx.database.write(durable=False) as tx:
            removed = await event_log.forget(tx, before, _STEP)
