"""How far the event log can be read without missing anything, told to all streams of one process.

One poller per process looks for new ids while there are streams: after each commit of the process, and several
times a second for those of others. On SQLite ids become visible in their order. On PostgreSQL a transaction may
commit an id before another commits a lower one; so wherever an id is missing, nothing beyond it is told until
every transaction has ended that ran when the gap was first seen. By then the missing id is there, or its
transaction was rolled back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from roadstead.domain.counts import counted
from roadstead.errors import TooManyRequests
from roadstead.metadata import event_log
from roadstead.metadata.database import Database, Tx

_POLL_SECONDS = 0.25
# Many commits in a row are looked at together.
_PAUSE_SECONDS = 0.02
_STEP = 1000
_AGAIN_SECONDS = 10

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class Horizon:
    """The id up to which every event is visible or never will be."""

    def __init__(self) -> None:
        # None until it is known for the first time.
        self.settled: int | None = None
        # Up to which id all is settled once the transactions before that number have ended.
        self._pending: tuple[int, int] | None = None

    async def advance(self, tx: Tx) -> None:
        """The horizon is as far as it can be; call it again to get past a gap."""
        if tx.dialect == "sqlite":
            self.settled = max(self.settled or 0, await event_log.newest(tx))
            return
        if self._pending is not None:
            upto, number = self._pending
            if await event_log.oldest_running(tx) >= number:
                self.settled, self._pending = max(self.settled or 0, upto), None
        if self.settled is None:
            await self._wait(tx, await event_log.newest(tx))
        else:
            await self._walk(tx, self.settled)

    async def _wait(self, tx: Tx, upto: int) -> None:
        # The number is asked for after the ids: whoever took a lower id has a lower number by now.
        if self._pending is None:
            self._pending = (upto, await event_log.next_transaction(tx))

    async def _walk(self, tx: Tx, settled: int) -> None:
        """The horizon is before the first id that is missing."""
        ids = await event_log.ids_after(tx, settled, _STEP)
        for found in ids:
            if found != settled + 1:
                await self._wait(tx, ids[-1])
                break
            settled = found
        self.settled = settled


class EventFeed:
    """The streams of one process and what they wait for."""

    def __init__(self, database: Database, most: int) -> None:
        self._database = database
        self._most = most
        self._streams = 0
        self._closed = False
        self._horizon = Horizon()
        self._woken = asyncio.Event()
        self._moved = asyncio.Condition()
        self._poller: asyncio.Task[None] | None = None

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._streams

    @property
    def closed(self) -> bool:
        """Whether the process is about to end and streams shall too."""
        return self._closed

    def close(self) -> None:
        """Every stream ends; whoever waits is woken soon."""
        self._closed = True
        self._woken.set()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[int]:
        """A stream has its place as long as the block lasts; the id that it begins after. Raises TooManyRequests."""
        if self._streams >= self._most:
            raise TooManyRequests(
                f"limit: this process has {counted(self._most, 'event stream')} open "
                "(setting events.streams); try again later",
                retry_after=_AGAIN_SECONDS,
            )
        self._streams += 1
        if self._poller is None:
            self._horizon = Horizon()
            self._poller = asyncio.create_task(self._poll())
        try:
            yield await self.beyond(-1, None)
        finally:
            self._streams -= 1
            if not self._streams and self._poller is not None:
                poller, self._poller = self._poller, None
                poller.cancel()
                with suppress(asyncio.CancelledError):
                    await poller

    async def beyond(self, last: int, seconds: float | None) -> int:
        """The horizon, as soon as it is beyond the id `last`, the time has passed, or the feed is closed."""
        async with self._moved:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._moved.wait_for(lambda: self._closed or self._settled() > last)
        return max(self._settled(), 0)

    def _settled(self) -> int:
        return -1 if self._horizon.settled is None else self._horizon.settled

    async def _poll(self) -> None:
        unwatch = self._database.watch(self._woken.set)
        try:
            while True:
                self._woken.clear()
                await self._look()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), _POLL_SECONDS)
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            unwatch()

    async def _look(self) -> None:
        before = self._settled()
        try:
            async with self._database.read() as tx:
                await self._horizon.advance(tx)
        except Exception:  # noqa: BLE001  the database may be away for a while; streams wait
            _log.exception("the event log cannot be read; it is tried again")
        if self._closed or self._settled() != before:
            async with self._moved:
                self._moved.notify_all()
