"""When API keys were last used: noted in memory, written beside requests, so that no request waits for it."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from roadstead.metadata import keys
from roadstead.metadata.database import Database

_STAMP_EVERY = timedelta(minutes=1)
_REMEMBERED = 4096


class KeyUses:
    """When each API key was last used, as one process knows it; a row is written at most once a minute."""

    def __init__(self) -> None:
        self._noted: OrderedDict[str, datetime] = OrderedDict()
        self._unwritten: OrderedDict[str, datetime] = OrderedDict()

    def note(self, secret_id: str, now: datetime) -> None:
        """The key was used; this will be written down when the last time is a minute old."""
        noted = self._noted.get(secret_id)
        if noted is not None and now - noted < _STAMP_EVERY:
            return
        for table in (self._noted, self._unwritten):
            table[secret_id] = now
            table.move_to_end(secret_id)
            while len(table) > _REMEMBERED:
                table.popitem(last=False)

    async def write_down(self, database: Database) -> None:
        """The keys' rows say when they were used last; called each second."""
        if not self._unwritten:
            return
        # In order, so that two processes do not wait for each other.
        uses = sorted(self._unwritten.items())
        async with database.write(durable=False) as tx:
            for secret_id, at in uses:
                await keys.stamp_use(tx, secret_id, at)
        for secret_id, at in uses:
            if self._unwritten.get(secret_id) == at:
                del self._unwritten[secret_id]
