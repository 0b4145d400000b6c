"""The S3 server of the tests of this folder: one for a test process, started by the first test that asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import seaweed

pytest.register_assert_rewrite("tests.contracts.blob_store")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweed.S3Server]:
    """A real S3 server."""
    server = seaweed.start(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3_bucket(s3_server: seaweed.S3Server) -> str:
    """The name of a bucket in it."""
    return s3_server.create_bucket("blobs")
