"""A byte store in front of which one call waits, so that a test can let other things happen meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Literal, TypeVar

from roadstead.blobs.store import BlobStore, Body, Entry, LocalFile, Redirect
from roadstead.domain.reference import Hasher

T = TypeVar("T")
# "assemble" is whatever gives a blob its place.
Call = Literal["open", "list", "put", "assemble", "delete"]


class HeldStore:
    """The same bytes as `store`; every `call` stops before its work, or after it, until `release`."""

    def __init__(self, store: BlobStore, call: Call, *, after: bool = False) -> None:
        self._store = store
        self._call = call
        self._after = after
        self._released = asyncio.Event()
        self.held = asyncio.Event()

    def release(self) -> None:
        """What waits goes on, and nothing waits any more."""
        self._released.set()

    async def _pass(self, call: Call, work: Callable[[], Awaitable[T]]) -> T:
        if call != self._call:
            return await work()
        if self._after:
            answer = await work()
            await self._wait()
            return answer
        await self._wait()
        return await work()

    async def _wait(self) -> None:
        self.held.set()
        await self._released.wait()

    async def stat(self, key: str) -> int | None:
        """As the store itself."""
        return await self._store.stat(key)

    async def open(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """As the store itself, perhaps later."""
        if self._call == "open":
            await self._wait()
        async for piece in self._store.open(key, start, stop):
            yield piece

    async def put(self, key: str, body: Body, hasher: Hasher, limit: int) -> int:
        """As the store itself, perhaps later."""
        return await self._pass("put", lambda: self._store.put(key, body, hasher, limit))

    async def write(self, key: str, data: bytes) -> None:
        """As the store itself, perhaps later."""
        call: Call = "assemble" if key.startswith("blobs/") else "put"
        await self._pass(call, lambda: self._store.write(key, data))

    async def assemble(self, parts: Sequence[str], key: str) -> None:
        """As the store itself, perhaps later."""
        await self._pass("assemble", lambda: self._store.assemble(parts, key))

    async def delete(self, key: str) -> None:
        """As the store itself, perhaps later."""
        await self._pass("delete", lambda: self._store.delete(key))

    async def list(self, prefix: str) -> AsyncIterator[Entry]:
        """What the store holds at the call, perhaps told later."""
        found = [entry async for entry in self._store.list(prefix)]
        if self._call == "list":
            await self._wait()
        for entry in found:
            yield entry

    async def place(self, key: str) -> LocalFile | Redirect | None:
        """As the store itself."""
        return await self._store.place(key)

    async def check(self) -> None:
        """As the store itself."""
        await self._store.check()

    async def close(self) -> None:
        """Nothing: the store itself is closed by whoever opened it."""


async def until_held(store: HeldStore, task: asyncio.Task[T]) -> bool:
    """Whether the task waits at the store now; False when it ended without."""
    waiting = asyncio.create_task(store.held.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return not task.done()


async def begin(store: HeldStore, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """The work, which waits at the store now."""
    task = asyncio.ensure_future(work)
    assert await until_held(store, task), "it did not get that far"
    return task


async def go_on(store: HeldStore, task: asyncio.Task[T]) -> T:
    """What the work comes to when it may go on."""
    store.release()
    return await task


async def kill(task: asyncio.Task[Any]) -> None:
    """The work never goes on."""
    task.cancel()
    await asyncio.wait({task})
