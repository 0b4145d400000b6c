"""The interfaces of the byte stores: what a store promises, and how a request body reaches it.

A store is content-addressed and dumb: it knows keys and bytes, never names, permissions or references. What a
key means is known by `metadata/`. Every store passes the same suite, `tests/contracts/blob_store.py`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from roadstead.domain.reference import Digest, Hasher

CHUNK = 1 << 20

_SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_PREFIX = re.compile(rf"(?:{_SEGMENT}/)*(?:{_SEGMENT})?")


class Sink(Protocol):
    """Takes the bytes of one body, in order. It may block and is called from one thread at a time."""

    def write(self, data: memoryview, /) -> None:
        """Takes `data`, which the caller may overwrite after the call."""
        ...


class Body(Protocol):
    """The body of one request, not yet read."""

    @property
    def length(self) -> int | None:
        """The bytes announced by Content-Length; None when the body is chunked."""
        ...

    async def at_once(self, most: int) -> bytes | None:
        """The whole body, if it has no more than `most` bytes and is simple to get; otherwise `into` still gives all.

        Raises ConnectionError when the client goes first.
        """
        ...

    async def into(self, sink: Sink, limit: int) -> int:
        """Every byte of the body has gone into `sink`, off the event loop; returns how many.

        Raises BlobTooLarge when more than `limit` bytes come and ConnectionError when the client goes first.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """The blob is this file, whole; a server may send it without reading it into Python."""

    path: Path


@dataclass(frozen=True, slots=True)
class Redirect:
    """The blob can be fetched at this URL without credentials until the URL ends."""

    url: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored key and the size of its bytes."""

    key: str
    size: int


class BlobStore(Protocol):
    """Bytes under keys. Keys are relative paths of `a-z A-Z 0-9 . _ -` and `/`; no part begins with a dot.

    Every method raises ValueError for any other key, which only a mistake in this program can bring about.
    """

    async def stat(self, key: str) -> int | None:
        """The size in bytes under `key`, or None."""
        ...

    def open(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but without `stop`, in pieces of up to about 1 MiB.

        Raises FileNotFoundError at the first piece when there is no such key.
        """
        ...

    async def put(self, key: str, body: Body, hasher: Hasher, limit: int) -> int:
        """The body's bytes are under `key`, flushed to the medium, and have passed through `hasher`; their number.

        Whole or not at all: when the body breaks off, nothing stays. The *name* is only sure to outlive a power
        failure after `assemble`. Raises what `Body.into` raises.
        """
        ...

    async def write(self, key: str, data: bytes) -> None:
        """`key` holds `data`, a few bytes, durably, whole or not at all; an existing `key` is replaced at once."""
        ...

    async def assemble(self, parts: Sequence[str], key: str) -> None:
        """`key` holds the parts' bytes in order, durably, whole or not at all; the parts are gone.

        An existing `key` is replaced in one step. Raises FileNotFoundError when a part is missing.
        """
        ...

    async def delete(self, key: str) -> None:
        """`key` is gone; it need not have existed."""
        ...

    def list(self, prefix: str) -> AsyncIterator[Entry]:
        """Every key that starts with `prefix`, in no particular order."""
        ...

    async def place(self, key: str) -> LocalFile | Redirect | None:
        """Where the bytes can be had without passing through `open`, when that is possible and configured."""
        ...

    async def check(self) -> None:
        """The store can be read and written. Raises StartRefused with the reason otherwise."""
        ...

    async def close(self) -> None:
        """Threads and connections of the store are gone; it is not used again."""
        ...


def valid_key(key: str) -> str:
    """`key`, if it is one; raises ValueError otherwise, so that no key leads out of a store's folder."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is not a key of a blob store")
    return key


def valid_prefix(prefix: str) -> str:
    """`prefix`, if a key can begin so; raises ValueError otherwise."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"{prefix!r} cannot begin a key of a blob store")
    return prefix


def blob_key(digest: Digest, generation: int) -> str:
    """Where a blob's bytes are kept.

    Each time bytes are stored for a digest that has none, they get a generation of their own, so that a collector
    never removes bytes that a later upload has written.
    """
    suffix = f".{generation}" if generation else ""
    return f"blobs/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}{suffix}"


def pieces(data: bytes, size: int = CHUNK) -> Iterator[bytes]:
    """`data` in pieces of at most `size` bytes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
