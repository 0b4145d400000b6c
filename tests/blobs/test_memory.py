"""The store for tests keeps the contract."""

from __future__ import annotations

import pytest

from roadstead.blobs.memory import MemoryStore
from tests.contracts.blob_store import BlobStoreContract


class TestMemoryStore(BlobStoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
