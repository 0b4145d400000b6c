"""SQLite's own matters: shared flushes, other processes on the file, and a lane that survives whatever goes wrong."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

import roadstead.metadata.sqlite as module
from roadstead.config import Settings
from roadstead.errors import Unavailable
from roadstead.metadata.database import connect
from roadstead.metadata.sqlite import SqliteDatabase
from tests.contracts.database import count, put

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """A SQLite database with its schema."""
    database = await connect(Settings(data=str(tmp_path)))
    assert isinstance(database, SqliteDatabase)
    yield database
    await database.close()


async def test_nobody_else_on_the_machine_can_read_what_is_in_it(database: SqliteDatabase, tmp_path: Path) -> None:
    async with database.write() as tx:
        await put(tx, "secret")
    made = sorted(tmp_path.glob("roadstead.db*"))
    assert len(made) == 3, "the database, its log, and the log's index"
    assert [path.stat().st_mode & 0o077 for path in made] == [0, 0, 0]


class Disk:
    """The flushes of this process: counted, and held back or made to fail when a test says so."""

    def __init__(self, flush: Callable[[int], None]) -> None:
        self._flush = flush
        self.files: list[str] = []
        self.began = threading.Semaphore(0)
        self.ready = threading.Event()
        self.ready.set()
        self.error: OSError | None = None

    def fdatasync(self, descriptor: int) -> None:
        self.files.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        self.began.release()
        self.ready.wait(30)
        if self.error is not None:
            raise self.error
        self._flush(descriptor)


@pytest.fixture
def disk(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Flushes from now on."""
    disk = Disk(os.fdatasync)
    monkeypatch.setattr(os, "fdatasync", disk.fdatasync)
    yield disk
    disk.ready.set()


async def write(database: SqliteDatabase, subject: str, *, durable: bool = True) -> None:
    async with database.write(durable=durable) as tx:
        await put(tx, subject)


async def begun(disk: Disk) -> None:
    assert await asyncio.to_thread(disk.began.acquire, True, 20)


class TestFlushes:
    async def test_a_durable_block_flushes_the_log_before_it_ends(self, database: SqliteDatabase, disk: Disk) -> None:
        disk.ready.clear()
        told: list[str] = []

        async def told_after() -> None:
            async with database.write() as tx:
                tx.after_commit(lambda: told.append("durable"))
                await put(tx, "a")

        task = asyncio.create_task(told_after())
        await begun(disk)
        await asyncio.sleep(0.01)
        assert not task.done() and not told
        disk.ready.set()
        await task
        assert told == ["durable"]
        assert disk.files == ["roadstead.db-wal"]

    async def test_a_block_that_need_not_be_durable_does_not_flush(
        self, database: SqliteDatabase, disk: Disk
    ) -> None:
        await write(database, "a", durable=False)
        assert disk.files == []

    async def test_a_reader_does_not_flush(self, database: SqliteDatabase, disk: Disk) -> None:
        async with database.read() as tx:
            await count(tx, "a")
        assert disk.files == []

    async def test_all_that_commit_while_a_flush_runs_share_the_next_one(
        self, database: SqliteDatabase, disk: Disk
    ) -> None:
        disk.ready.clear()
        first = asyncio.create_task(write(database, "first"))
        await begun(disk)
        others = [asyncio.create_task(write(database, f"other {number}")) for number in range(30)]
        async with database.read() as tx:
            while await count(tx, "other 29") is None:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert not any(task.done() for task in (first, *others))
        disk.ready.set()
        await asyncio.gather(first, *others)
        assert len(disk.files) == 2

    async def test_the_lane_is_free_while_a_flush_runs(self, database: SqliteDatabase, disk: Disk) -> None:
        disk.ready.clear()
        first = asyncio.create_task(write(database, "first"))
        await begun(disk)
        async with asyncio.timeout(20):
            await write(database, "second", durable=False)
        assert not first.done()
        disk.ready.set()
        await first

    async def test_a_flush_that_fails_is_told_to_each_who_waited_and_to_nobody_later(
        self, database: SqliteDatabase, disk: Disk
    ) -> None:
        told: list[str] = []
        disk.error = OSError(5, "Input/output error")
        with pytest.raises(Unavailable, match="could not be flushed: Input/output error"):
            async with database.write() as tx:
                tx.after_commit(lambda: told.append("never"))
                await put(tx, "a")
        disk.error = None
        await write(database, "b")
        assert told == []

    async def test_one_who_stops_waiting_does_not_stop_the_others(self, database: SqliteDatabase, disk: Disk) -> None:
        disk.ready.clear()
        tasks = [asyncio.create_task(write(database, name)) for name in ("a", "b")]
        await begun(disk)
        tasks[0].cancel()
        await asyncio.sleep(0.01)
        disk.ready.set()
        await asyncio.wait(tasks)
        assert tasks[0].cancelled()
        await tasks[1]
        async with database.read() as tx:
            assert (await count(tx, "a"), await count(tx, "b")) == (1, 1)


class TestTheLane:
    async def test_a_commit_that_fails_leaves_nothing_and_the_lane_goes_on(self, database: SqliteDatabase) -> None:
        with pytest.raises(sqlite3.IntegrityError):
            async with database.write() as tx:
                await put(tx, "a")
                # Checked only at the end, so that the commit itself fails, as it does on a full disk.
                await tx.run(sa.text("PRAGMA defer_foreign_keys=ON"))
                await tx.run(sa.text("INSERT INTO manifest_blobs (manifest_id, blob_id) VALUES (7, 7)"))
        await write(database, "b")
        async with database.read() as tx:
            assert (await count(tx, "a"), await count(tx, "b")) == (None, 1)

    async def test_a_statement_after_which_sqlite_itself_rolls_back_keeps_its_reason(
        self, database: SqliteDatabase
    ) -> None:
        await write(database, "there")
        with pytest.raises(sa.exc.IntegrityError):
            async with database.write() as tx:
                await put(tx, "a")
                await tx.run(
                    sa.text(
                        "INSERT OR ROLLBACK INTO login_failures (subject, failures, last_at) VALUES ('there', 1, 1)"
                    )
                )
        await write(database, "b")
        async with database.read() as tx:
            assert (await count(tx, "a"), await count(tx, "b")) == (None, 1)

    async def test_a_full_disk_is_an_error_and_no_end(self, database: SqliteDatabase) -> None:
        async with database.write() as tx:
            pages = await tx.scalar(sa.text("PRAGMA page_count"))
            await tx.scalar(sa.text(f"PRAGMA max_page_count={pages}"))
        with pytest.raises(sa.exc.OperationalError, match="full"):
            async with database.write() as tx:
                for number in range(2000):
                    await put(tx, f"{'x' * 100}{number}")
        async with database.write() as tx:
            await tx.scalar(sa.text("PRAGMA max_page_count=1000000"))
            await put(tx, "b")
        async with database.read() as tx:
            assert (await count(tx, "x" * 100 + "0"), await count(tx, "b")) == (None, 1)

    async def test_a_reader_cannot_write(self, database: SqliteDatabase) -> None:
        with pytest.raises(sa.exc.OperationalError, match="readonly"):
            async with database.read() as tx:
                await put(tx, "a")


class TestOtherProcesses:
    async def test_two_processes_write_to_one_file(self, database: SqliteDatabase, tmp_path: Path) -> None:
        async with database.write() as tx:
            await put(tx, "shared", 0)
        command = [sys.executable, "-m", "tests.metadata.writer_process", str(tmp_path / "roadstead.db"), "60"]
        others = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]  # noqa: ASYNC220
        try:
            written = 0
            while any(other.poll() is None for other in others):
                async with database.write(durable=False) as tx:
                    found = await count(tx, "shared")
                    assert found is not None
                    await tx.run(sa.text("UPDATE login_failures SET failures = :n"), {"n": found + 1})
                written += 1
                await asyncio.sleep(0.005)
        finally:
            codes = [other.wait(30) for other in others]
        assert codes == [0, 0]
        async with database.read() as tx:
            assert await count(tx, "shared") == 120 + written

    async def test_a_lock_that_another_process_keeps_is_told_and_then_forgotten(
        self, database: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_LOCK_SECONDS", 0.02)
        other = sqlite3.connect(tmp_path / "roadstead.db", isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match="locked by another process"):
                await write(database, "a")
            other.execute("ROLLBACK")
        finally:
            other.close()
        await write(database, "b")

    async def test_what_another_process_wrote_is_seen_at_once(self, database: SqliteDatabase, tmp_path: Path) -> None:
        other = SqliteDatabase(tmp_path / "roadstead.db")
        try:
            async with database.read() as tx:
                assert await count(tx, "a") is None
                await write(other, "a", durable=False)
                assert await count(tx, "a") == 1
        finally:
            await other.close()


class TestTheLog:
    async def test_a_checkpoint_moves_the_log_into_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_CHECKPOINT_SECONDS", 0.01)
        database = await connect(Settings(data=str(tmp_path)))
        try:
            before = (tmp_path / "roadstead.db").stat().st_size
            async with database.write() as tx:
                for number in range(3000):
                    await put(tx, f"{'x' * 100}{number}")
            async with asyncio.timeout(20):
                while (tmp_path / "roadstead.db").stat().st_size == before:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        finally:
            await database.close()

    @pytest.mark.parametrize("large", [1, 64 << 20])
    async def test_the_log_does_not_grow_with_every_write(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int
    ) -> None:
        monkeypatch.setattr(module, "_CHECKPOINT_SECONDS", 0.01)
        monkeypatch.setattr(module, "_LARGE_LOG", large)
        database = await connect(Settings(data=str(tmp_path)))
        assert isinstance(database, SqliteDatabase)
        log = tmp_path / "roadstead.db-wal"
        # The schema was made through it, in one transaction; it keeps that length when it begins anew.
        schema = log.stat().st_size
        try:
            for number in range(60):
                async with database.write(durable=False) as tx:
                    for row in range(50):
                        await put(tx, f"{'x' * 100} {number} {row}")
                async with asyncio.timeout(20):
                    while database._checkpoint is not None or database._background:  # noqa: ASYNC110
                        await asyncio.sleep(0.002)
            grown = log.stat().st_size
        finally:
            await database.close()
        # Sixty transactions of some 20 KiB each; a log that begins anew holds a few of them.
        assert grown < schema + 200_000

    async def test_closing_leaves_one_file_that_holds_everything(self, tmp_path: Path) -> None:
        database = await connect(Settings(data=str(tmp_path)))
        async with database.write() as tx:
            await put(tx, "a")
        await database.close()
        assert [path.name for path in tmp_path.iterdir()] == ["roadstead.db"]
        again = await connect(Settings(data=str(tmp_path)))
        async with again.read() as tx:
            assert await count(tx, "a") == 1
        await again.close()
