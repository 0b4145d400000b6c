"""Servers that many tests share: each starts at a worker's first need and ends with the session."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import argon2
import pytest
from hypothesis import Phase, settings

from roadstead.config import Settings
from roadstead.metadata.database import connect
from tests.servers import containerd, dockerd, postgres, roadstead, seaweed
from tests.statements import share_compiled

share_compiled()

# Explaining a failure traces every line of many more runs: it takes minutes here and hides the failure itself.
settings.register_profile("roadstead", settings(phases=[phase for phase in Phase if phase is not Phase.explain]))
settings.load_profile("roadstead")


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder that is removed with all its blobs at the end, unlike pytest's own, of which some runs are kept."""
    with tempfile.TemporaryDirectory(prefix="roadstead-tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL server of this worker."""
    server = postgres.start()
    yield server
    server.stop()


@pytest.fixture
def bare_postgres_url(postgres_server: postgres.PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped after the test."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: postgres.PostgresServer, session_folder: Path) -> str:
    """A PostgreSQL database with the schema, to be copied: making the schema takes longer than most tests."""
    url = postgres_server.create_database()
    _migrate(Settings(data=str(session_folder), database=url))
    return url


@pytest.fixture
def postgres_url(postgres_server: postgres.PostgresServer, postgres_template: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with the schema and nothing in it, dropped after the test."""
    url = postgres_server.create_database(postgres_template)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def migrated_file(session_folder: Path) -> Path:
    """A SQLite file with the schema, to be copied."""
    folder = session_folder / "migrated"
    _migrate(Settings(data=str(folder)))
    return folder / "roadstead.db"


def _migrate(settings: Settings) -> None:
    async def migrate() -> None:
        await (await connect(settings)).close()

    # In a thread, for an asynchronous fixture may be what asks for it first, in the loop of its test.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate())).result()


@pytest.fixture(scope="session")
def s3_server(session_folder: Path) -> Iterator[seaweed.S3Server]:
    """An S3 server of this worker."""
    server = seaweed.start(session_folder / "seaweed")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def served_bucket(s3_server: seaweed.S3Server) -> str:
    """The bucket that all served products share, each with a prefix of its own."""
    return s3_server.create_bucket("served")


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[dockerd.DockerEngine]:
    """A docker engine of this worker."""
    engine = dockerd.start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def containerd_server() -> Iterator[containerd.Containerd]:
    """A containerd of this worker."""
    server = containerd.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_disk(session_folder: Path) -> Iterator[roadstead.RoadsteadServer]:
    """The product as a fresh start makes it: SQLite, and blobs on disk."""
    yield from _serve(session_folder / "sqlite-disk", {})


@pytest.fixture(scope="session")
def postgres_s3(
    session_folder: Path, postgres_server: postgres.PostgresServer, s3_server: seaweed.S3Server, served_bucket: str
) -> Iterator[roadstead.RoadsteadServer]:
    """The product over PostgreSQL and S3, with pulls redirected to presigned URLs."""
    stores = roadstead.on_postgres(postgres_server.create_database()) | _on(s3_server, served_bucket, "redirect")
    yield from _serve(session_folder / "postgres-s3", stores)


@pytest.fixture(scope="session")
def sqlite_s3_stream(
    session_folder: Path, s3_server: seaweed.S3Server, served_bucket: str
) -> Iterator[roadstead.RoadsteadServer]:
    """The product over SQLite and S3, with pulls passed through."""
    yield from _serve(session_folder / "sqlite-s3-stream", _on(s3_server, served_bucket, "stream"))


def _on(s3: seaweed.S3Server, bucket: str, delivery: Literal["redirect", "stream"]) -> dict[str, str]:
    return roadstead.on_s3(
        endpoint=s3.endpoint,
        bucket=bucket,
        prefix=f"by-{delivery}",
        access_key=s3.access_key,
        secret_key=s3.secret_key,
        delivery=delivery,
    )


def _serve(folder: Path, settings: dict[str, str]) -> Iterator[roadstead.RoadsteadServer]:
    # Receivers of tests are on this host.
    server = roadstead.RoadsteadServer(folder, {"ROADSTEAD_OUTBOUND_ALLOW": "127.0.0.1/32", **settings})
    server.start()
    yield server
    assert server.stop() == 0, server.log.read_text()


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Passwords of this process are hashed quickly: what is meant to be slow would be most of the tests' time."""
    quick = functools.partial(argon2.PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("roadstead.services.secrets.PasswordHasher", quick)
        yield
