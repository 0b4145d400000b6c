"""Which blob store a process works with, as its settings say."""

from __future__ import annotations

from pathlib import Path

from roadstead.blobs.local import LocalStore
from roadstead.blobs.memory import MemoryStore
from roadstead.blobs.store import BlobStore
from roadstead.config import Settings
from roadstead.errors import StartRefused


def open_store(settings: Settings) -> BlobStore:
    """The store of `settings.storage`; whether it works is for its `check` to find out.

    Raises StartRefused when a setting that this kind of store needs is missing.
    """
    storage = settings.storage
    if storage.kind == "memory":
        return MemoryStore()
    if storage.kind == "local":
        return LocalStore(Path(storage.folder).absolute() if storage.folder else settings.folder / "storage")
    if not storage.bucket:
        raise StartRefused("configuration: storage.kind is s3, so storage.bucket must name the bucket")
    # Its client takes memory that a registry on a local disk has no use for.
    from roadstead.blobs.object import ObjectStore

    return ObjectStore(storage)
