"""What clients are expected to ask for next, known to all processes of a data folder.

docker and containerd ask for a tag by HEAD and then for the digest that they were told, each over whichever
connection is free, so that another process may serve the second request. Processes share what they expect in a file
of the data folder that they map into memory: it is never read or written as a file, and what was in it when the
server was stopped has run out a minute later. Without a lock: an entry that two processes write at once is broken,
which its checksum tells, and the pull is then told without its tag. Nodes with data folders of their own share
nothing.
"""

from __future__ import annotations

import mmap
import os
import struct
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

# Account, credential and address.
Client = tuple[str, str, str]

# Another layout needs another name.
_FILE = "expected-pulls"
# Who and what, and until when, in microseconds; the length of the tag, and the tag; the sum of all that.
_KEY = struct.Struct("<16sq")
_ENTRY = struct.Struct("<16sqB128s")
_SUM = struct.Struct("<I")
_SIZE = _ENTRY.size + _SUM.size
# The entries at which a key may stand; of those the one that runs out first gives way.
_PLACES = 4
_BUCKETS = 4096
_MEMBER = 255
_TAG_LENGTH = 128


class ExpectedPulls:
    """The pulls that are expected, shared with other processes as long as the folder lets them."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _FILE
        self._memory: mmap.mmap | None = None

    def add(self, client: Client, repository_id: int, digest: str, tag: str | None, until: datetime) -> None:
        """A pull of the digest by that client is expected until then: of the tag, or as an index's member (None)."""
        if tag is not None and len(tag) > _TAG_LENGTH:
            return
        memory, key = self._open(), _key(client, repository_id, digest)
        entry = _ENTRY.pack(key, _micros(until), _MEMBER if tag is None else len(tag), (tag or "").encode())
        place = _place(memory, key)
        memory[place : place + _SIZE] = entry + _SUM.pack(crc32(entry))

    def find(self, client: Client, repository_id: int, digest: str, now: datetime) -> str | None:
        """The tag that is pulled by that digest, None for an index's member; empty when nothing is expected."""
        memory, key = self._open(), _key(client, repository_id, digest)
        for place in _places(key):
            if memory[place : place + len(key)] != key:
                continue
            entry = memory[place : place + _SIZE]
            _, until, length, tag = _ENTRY.unpack_from(entry)
            if until > _micros(now) and _SUM.unpack_from(entry, _ENTRY.size)[0] == crc32(entry[: _ENTRY.size]):
                return None if length == _MEMBER else str(tag[:length], "ascii")
        return ""

    def _open(self) -> mmap.mmap:
        if self._memory is None:
            self._memory = _mapped(self._file)
        return self._memory


def _mapped(file: Path) -> mmap.mmap:
    """The file's bytes, shared; this process's own when there can be no such file."""
    size = _PLACES * _BUCKETS * _SIZE
    try:
        opened = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # A page that the disk has no room for would end the process when it is written.
            os.posix_fallocate(opened, 0, size)
            return mmap.mmap(opened, size)
        finally:
            os.close(opened)
    except OSError:
        return mmap.mmap(-1, size)


def _key(client: Client, repository_id: int, digest: str) -> bytes:
    return blake2b("\n".join((*client, str(repository_id), digest)).encode(), digest_size=16).digest()


def _places(key: bytes) -> range:
    first = int.from_bytes(key[:4], "little") % _BUCKETS * _PLACES * _SIZE
    return range(first, first + _PLACES * _SIZE, _SIZE)


def _place(memory: mmap.mmap, key: bytes) -> int:
    """Where the key stands, or else what runs out first among those whose place it may take."""
    best, soonest = 0, None
    for place in _places(key):
        found, until = _KEY.unpack_from(memory, place)
        if found == key:
            return place
        if soonest is None or until < soonest:
            best, soonest = place, until
    return best


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
