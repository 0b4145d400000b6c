"""The index of each chart repository, ready to be sent: kept in memory and caught up by what has changed since.

The first request for an index reads its lines, each later one the notes of changes since (see `metadata/charts.py`),
which are usually none. So the index is right in every process without one telling another, nothing is built for a
request that finds it unchanged, and after a push one line is read. Memory is bounded: the index that was asked for
longest ago makes room.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from roadstead.domain.chart_index import ChartIndex, key
from roadstead.domain.versions import of_tag
from roadstead.metadata import charts
from roadstead.metadata.charts import IndexState
from roadstead.metadata.database import Database, Tx

_MEMORY = 256 << 20
_LINES = 1000
_PARTIAL = 8
# The document of a folder in which no chart ever was; helm wants some time in it.
_NEVER = "1970-01-01T00:00:00Z"
# Below this, joining and compressing takes less time than handing it to a thread.
_SMALL = 256 << 10


@dataclass(frozen=True, slots=True)
class Document:
    """An index to be sent."""

    etag: str
    plain: bytes
    packed: bytes


@dataclass(slots=True)
class _Kept:
    """One index in memory, as of a revision; -1: nothing is known yet."""

    revision: int = -1
    index: ChartIndex = field(default_factory=lambda: ChartIndex(_NEVER))
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    plain: bytes = b""
    packed: bytes = b""
    etag: str = ""
    # The documents of those who may see only some charts, by the names of these.
    partial: OrderedDict[tuple[str, ...], Document] = field(default_factory=OrderedDict)

    def told(self, state: IndexState) -> None:
        self.revision = state.revision
        self.index.generated = state.changed_at.isoformat().replace("+00:00", "Z")
        self.plain = self.packed = b""
        self.etag = ""
        self.partial.clear()

    def render(self) -> None:
        """Document, gzip and entity tag are those of the lines."""
        self.plain, self.packed = self.index.plain(), self.index.gzipped()
        self.etag = f"{self.revision}-{zlib.crc32(self.plain):08x}"


class ChartIndexes:
    """The indexes that this process has sent lately."""

    def __init__(self, memory: int = _MEMORY) -> None:
        self._memory = memory
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    async def get(
        self, database: Database, instance_id: int, folder: str, shown: Callable[[str], bool] | None
    ) -> Document:
        """The folder's index as it stands, or those charts of it alone that may be shown to who asks."""
        async with database.read() as tx:
            state = await charts.index_state(tx, instance_id, folder)
        if state is None:
            kept = _Kept()
            kept.render()
            return Document(kept.etag, kept.plain, kept.packed)
        kept = self._kept.setdefault(state.id, _Kept())
        self._kept.move_to_end(state.id)
        async with kept.lock:
            if kept.revision < state.revision:
                async with database.read() as tx:
                    await _catch_up(tx, kept, state)
                self._make_room()
            if shown is not None:
                names = kept.index.names()
                seen = tuple(name for name in names if shown(name))
                if len(seen) < len(names):
                    return await _partial(kept, seen)
            if not kept.etag:
                await _rendered(kept)
            return Document(kept.etag, kept.plain, kept.packed)

    def _make_room(self) -> None:
        while len(self._kept) > 1 and sum(each.index.size for each in self._kept.values()) > self._memory:
            self._kept.popitem(last=False)


async def _partial(kept: _Kept, names: tuple[str, ...]) -> Document:
    """The document of these charts alone."""
    found = kept.partial.get(names)
    if found is None:
        plain, packed = await asyncio.to_thread(kept.index.only, frozenset(names).__contains__)
        found = kept.partial[names] = Document(f"{kept.revision}-{zlib.crc32(plain):08x}", plain, packed)
        if len(kept.partial) > _PARTIAL:
            kept.partial.popitem(last=False)
    return found


async def _rendered(kept: _Kept) -> None:
    if kept.index.size < _SMALL:
        kept.render()
    else:
        await asyncio.to_thread(kept.render)


async def _catch_up(tx: Tx, kept: _Kept, state: IndexState) -> None:
    """The index in memory says what the database says, which may be newer than `state`.

    What is newer is noted under a later revision, so the next request reads it again, to the same effect.
    """
    changes = await charts.changes(tx, state.id, kept.revision)
    if kept.revision < 0 or not changes or changes[0][0] != kept.revision + 1:
        await _read_all(tx, kept, state)
        return
    by_chart: dict[str, set[str]] = {}
    for _, name, tag in changes:
        by_chart.setdefault(name, set()).add(tag)
    for name, tags in by_chart.items():
        await _read_changed(tx, kept.index, state.id, name, tags)
    kept.told(state)


async def _read_all(tx: Tx, kept: _Kept, state: IndexState) -> None:
    index, last, full = ChartIndex(), ("", ""), True
    while full:
        lines = await charts.index_lines(tx, state.id, last, _LINES)
        for each in lines:
            index.put(key(each.name, each.precedence), each.line)
        last, full = (lines[-1].name, lines[-1].tag) if lines else last, len(lines) == _LINES
        await asyncio.sleep(0)
    kept.index = index
    kept.told(state)


async def _read_changed(tx: Tx, index: ChartIndex, index_id: int, name: str, tags: set[str]) -> None:
    whole = "" in tags
    lines = await charts.changed_lines(tx, index_id, name, () if whole else tags)
    if whole:
        index.remove_chart(name)
    for tag in tags - {each.tag for each in lines} - {""}:
        version = of_tag(tag)
        if version is not None:
            index.remove(key(name, version.order))
    for each in lines:
        index.put(key(each.name, each.precedence), each.line)
