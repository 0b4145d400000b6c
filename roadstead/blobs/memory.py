"""Blobs in a dictionary, gone with the process: for tests."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Sequence

from roadstead.blobs.store import Body, Entry, pieces, valid_key, valid_prefix
from roadstead.domain.reference import Hasher


class MemoryStore:
    """A BlobStore that holds every blob in memory."""

    def __init__(self) -> None:
        """The store is empty."""
        self._blobs: dict[str, bytes] = {}

    async def stat(self, key: str) -> int | None:
        """The size in bytes under `key`, or None."""
        data = self._blobs.get(valid_key(key))
        return None if data is None else len(data)

    async def open(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but without `stop`."""
        for piece in pieces(self._get(valid_key(key))[start:stop]):
            yield piece

    async def put(self, key: str, body: Body, hasher: Hasher, limit: int) -> int:
        """The body's bytes are under `key` and have passed through `hasher`; their number."""
        sink = _Collected(hasher)
        valid_key(key)
        await body.into(sink, limit)
        self._blobs[key] = bytes(sink.data)
        return len(sink.data)

    async def write(self, key: str, data: bytes) -> None:
        """`key` holds `data`."""
        self._blobs[valid_key(key)] = data

    async def assemble(self, parts: Sequence[str], key: str) -> None:
        """`key` holds the parts' bytes in order; the parts are gone."""
        whole = b"".join([self._get(valid_key(part)) for part in parts])
        self._blobs[valid_key(key)] = whole
        for part in parts:
            del self._blobs[part]

    async def delete(self, key: str) -> None:
        """`key` is gone; it need not have existed."""
        self._blobs.pop(valid_key(key), None)

    async def list(self, prefix: str) -> AsyncIterator[Entry]:
        """Every key that starts with `prefix`."""
        valid_prefix(prefix)
        for key, data in list(self._blobs.items()):
            if key.startswith(prefix):
                yield Entry(key, len(data))

    async def place(self, key: str) -> None:
        """Nowhere: the bytes can only be had by `open`."""
        valid_key(key)

    async def check(self) -> None:
        """A dictionary can always be written."""

    async def close(self) -> None:
        """The blobs are gone."""
        self._blobs.clear()

    def _get(self, key: str) -> bytes:
        try:
            return self._blobs[key]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key) from None


class _Collected:
    """The bytes of one body."""

    def __init__(self, hasher: Hasher) -> None:
        self.data = bytearray()
        self._hasher = hasher

    def write(self, data: memoryview, /) -> None:
        """`data` is kept and hashed."""
        self._hasher.update(data)
        self.data += data
