"""What a process remembers of things that never change: manifests by digest, and hashes of bytes already received.

Losing any of it costs time and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict

from roadstead.domain.reference import Hasher

_MANIFEST_BYTES = 32 << 20
_HASHES = 1024


class Recent:
    """Bodies of manifests lately read and running hashes of upload sessions lately written to."""

    def __init__(self) -> None:
        self._manifests: OrderedDict[str, bytes] = OrderedDict()
        self._manifest_bytes = 0
        self._hashes: OrderedDict[tuple[str, int], Hasher] = OrderedDict()

    def manifest(self, digest: str) -> bytes | None:
        """The manifest's bytes, if remembered. The caller has checked that the repository still holds it."""
        body = self._manifests.get(digest)
        if body is not None:
            self._manifests.move_to_end(digest)
        return body

    def keep_manifest(self, digest: str, body: bytes) -> None:
        """The bytes are remembered until newer ones need their place."""
        if digest in self._manifests or len(body) > _MANIFEST_BYTES // 8:
            return
        self._manifests[digest] = body
        self._manifest_bytes += len(body)
        while self._manifest_bytes > _MANIFEST_BYTES:
            _, old = self._manifests.popitem(last=False)
            self._manifest_bytes -= len(old)

    def take_hash(self, upload_id: str, size: int) -> Hasher | None:
        """The running hash of the session's first `size` bytes, handed over to the caller."""
        return self._hashes.pop((upload_id, size), None)

    def keep_hash(self, upload_id: str, size: int, hasher: Hasher) -> None:
        """The running hash is remembered for the session's next chunk."""
        self._hashes[upload_id, size] = hasher
        if len(self._hashes) > _HASHES:
            self._hashes.popitem(last=False)
