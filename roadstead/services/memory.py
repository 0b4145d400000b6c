"""What a process remembers: what never changes (manifests, small blobs, hashes of bytes received), and admissions.

Losing any of it costs time and nothing else. Admissions hold as long as nothing at all was committed since.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from roadstead.domain.reference import Hasher

_CONTENT_BYTES = 32 << 20
_HASHES = 1024
_ADMISSIONS = 8192
# What depends on the time alone (the end of a credential, a condition of a policy) may be seen so much later.
_ADMISSION_TIME = timedelta(seconds=1)

Admission = TypeVar("Admission")


class Recent:
    """Bytes of manifests and small blobs lately read, and running hashes of upload sessions lately written to."""

    def __init__(self) -> None:
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._content_bytes = 0
        self._hashes: OrderedDict[tuple[str, int], Hasher] = OrderedDict()

    def content(self, digest: str) -> bytes | None:
        """The bytes of that digest, if remembered. The caller has checked that the repository still holds them."""
        body = self._contents.get(digest)
        if body is not None:
            self._contents.move_to_end(digest)
        return body

    def keep_content(self, digest: str, body: bytes) -> None:
        """The bytes are remembered until newer ones need their place."""
        if digest in self._contents or len(body) > _CONTENT_BYTES // 8:
            return
        self._contents[digest] = body
        self._content_bytes += len(body)
        while self._content_bytes > _CONTENT_BYTES:
            _, old = self._contents.popitem(last=False)
            self._content_bytes -= len(old)

    def take_hash(self, upload_id: str, size: int) -> Hasher | None:
        """The running hash of the session's first `size` bytes, handed over to the caller."""
        return self._hashes.pop((upload_id, size), None)

    def keep_hash(self, upload_id: str, size: int, hasher: Hasher) -> None:
        """The running hash is remembered for the session's next chunk."""
        self._hashes[upload_id, size] = hasher
        if len(self._hashes) > _HASHES:
            self._hashes.popitem(last=False)


class Admissions(Generic[Admission]):
    """Who was let in to what, as of one version of the database.

    Between two commits a request that looks like one before it would read the same rows and be decided the same
    way. When many read and few write, that saves most of a request's work.
    """

    def __init__(self) -> None:
        self._version: int | None = None
        self._known: dict[Hashable, tuple[datetime, Admission]] = {}

    def get(self, version: int | None, key: Hashable, now: datetime) -> Admission | None:
        """What was decided under the same version, a second ago at most."""
        if version is None or version != self._version:
            return None
        found = self._known.get(key)
        return found[1] if found is not None and found[0] > now else None

    def keep(self, version: int | None, key: Hashable, now: datetime, admission: Admission) -> None:
        """What was decided from rows read after `version` was asked for is remembered for it."""
        if version is None:
            return
        if version != self._version or len(self._known) >= _ADMISSIONS:
            self._known.clear()
            self._version = version
        self._known[key] = (now + _ADMISSION_TIME, admission)
