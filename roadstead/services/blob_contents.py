"""Where the bytes of a blob are: of small ones in a row of the database, of all others under their key in the store.

Small ones that an earlier release has stored lie in the store too. What was read of small ones is remembered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from roadstead.blobs.store import BlobStore, LocalFile, Redirect, blob_key
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import BlobUnknown
from roadstead.metadata import layers
from roadstead.metadata.access import StoredBlob, Target
from roadstead.metadata.layers import SMALL
from roadstead.services.access import Asker, admit_pull
from roadstead.services.context import Context


@dataclass(frozen=True, slots=True)
class BlobContent:
    """A stored blob of a region, whose bytes have not been looked for yet."""

    ctx: Context
    region: str
    blob: StoredBlob

    @property
    def _store(self) -> BlobStore:
        return self.ctx.store(self.region)

    @property
    def _key(self) -> str:
        return blob_key(self.blob.digest, self.blob.generation)

    async def in_row(self) -> bytes | None:
        """All bytes of a small blob that has them in a row; None when they lie in the store, or are gone."""
        if self.blob.size > SMALL:
            return None
        digest = str(self.blob.digest)
        known = self.ctx.recent.content(digest)
        if known is None:
            async with self.ctx.database.read() as tx:
                known = await layers.small_content(tx, self.blob.id)
            if known is not None:
                self.ctx.recent.keep_content(digest, known)
        return known

    async def place(self) -> LocalFile | Redirect | None:
        """Where a client can be sent, or its answer be read from, when the bytes lie in the store."""
        return await self._store.place(self._key)

    def stored(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but without `stop` in the store; raises FileNotFoundError when read there."""
        return self._store.open(self._key, start, stop)

    async def read(self) -> bytes:
        """All bytes; raises FileNotFoundError when they are gone."""
        small = await self.in_row()
        if small is not None:
            return small
        return b"".join([piece async for piece in self.stored()])


async def find(ctx: Context, asker: Asker, name: RepositoryName, digest: Digest) -> BlobContent:
    """The repository's blob and where its bytes are; raises BlobUnknown."""
    admitted = await admit_pull(ctx, asker, name, Target.BLOB, str(digest))
    blob = admitted.found
    if not isinstance(blob, StoredBlob):
        raise BlobUnknown(f"repository {name} has no blob {digest}", detail={"digest": str(digest)})
    return BlobContent(ctx, admitted.instance.row.region, blob)
