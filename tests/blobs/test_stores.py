"""The settings choose the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.blobs.local import LocalStore
from roadstead.blobs.memory import MemoryStore
from roadstead.blobs.object import ObjectStore
from roadstead.blobs.store import LocalFile
from roadstead.blobs.stores import open_store
from roadstead.config import Settings, Storage
from roadstead.errors import StartRefused
from tests.contracts.blob_store import put


async def test_the_local_store_is_below_the_data_folder_by_itself(tmp_path: Path) -> None:
    store = open_store(Settings(data=str(tmp_path)))
    assert isinstance(store, LocalStore)
    await put(store, "blobs/a", b"x")
    assert await store.place("blobs/a") == LocalFile(tmp_path / "storage" / "blobs" / "a")
    await store.close()


async def test_the_local_store_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store(Settings(data="data", storage=Storage(folder="disk")))
    await put(store, "blobs/a", b"x")
    assert await store.place("blobs/a") == LocalFile(tmp_path / "disk" / "blobs" / "a")
    await store.close()


async def test_memory_and_s3_are_chosen_by_kind() -> None:
    assert isinstance(open_store(Settings(storage=Storage(kind="memory"))), MemoryStore)
    store = open_store(Settings(storage=Storage(kind="s3", bucket="layers")))
    assert isinstance(store, ObjectStore)
    await store.close()


def test_s3_needs_a_bucket() -> None:
    with pytest.raises(StartRefused, match=r"storage\.bucket"):
        open_store(Settings(storage=Storage(kind="s3")))
