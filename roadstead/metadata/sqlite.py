"""SQLite behind the `Database` interface: inline statements, one writer at a time, shared flushes.

Statements run on the event loop: a point read costs microseconds, a thread hop ten times that. Commits write to
the write-ahead log without waiting for the disk (`synchronous=NORMAL`); a durable transaction then waits for one
`fdatasync` of that log, which all transactions share that committed before it began. That is what
`synchronous=FULL` does inside the commit, but there each commit waits alone and holds the write lock meanwhile.
Checkpoints run in a thread of their own. The reasons and figures are in docs/decisions.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from roadstead.errors import StartRefused, Unavailable
from roadstead.metadata.database import Dialect, Parameters, Plan, Prepared, Row

_LOCK_SECONDS = 30.0
_CHECKPOINT_SECONDS = 1.0
_LARGE_LOG = 64 << 20


class SqliteTx:
    """One transaction on a kept connection; every method returns without suspending."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sa.Connection, driver: sqlite3.Connection) -> None:
        self._connection = connection
        self._driver = driver
        self.callbacks: list[Callable[[], None]] = []

    async def all(self, statement: sa.Executable, parameters: Parameters | None = None) -> Sequence[Row]:
        return self._connection.execute(statement, parameters).all()

    async def one(self, statement: sa.Executable, parameters: Parameters | None = None) -> Row | None:
        return self._connection.execute(statement, parameters).first()

    async def look_up(self, prepared: Prepared, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        cursor, plan = self._execute(prepared, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
        cursor.close()
        if row is None or not plan.results:
            return row
        found = list(row)
        for place, turn in plan.results:
            found[place] = turn(found[place])
        return found

    async def change(self, prepared: Prepared, parameters: Mapping[str, Any]) -> int:
        return self._execute(prepared, parameters)[0].rowcount

    def _execute(self, prepared: Prepared, parameters: Mapping[str, Any]) -> tuple[sqlite3.Cursor, Plan]:
        plan = prepared.plan(self._connection.dialect)
        given = {**plan.fixed, **parameters}
        values = [given[name] if turn is None else turn(given[name]) for name, turn in plan.binds]
        return self._driver.execute(plan.text, values), plan

    async def scalar(self, statement: sa.Executable, parameters: Parameters | None = None) -> Any:
        return self._connection.execute(statement, parameters).scalar()

    async def run(self, statement: sa.Executable, parameters: Parameters | None = None) -> int:
        return self._connection.execute(statement, parameters).rowcount

    async def run_sync(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(self._connection, *arguments)

    def after_commit(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)


class LogFlush:
    """Flushes of the write-ahead log, shared by all who wait."""

    def __init__(self, log: Path, pool: ThreadPoolExecutor) -> None:
        self._log = log
        self._pool = pool
        self._file: int | None = None
        self._running = False
        self._waiting: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        """Everything committed before the call is on the medium."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if not self._running:
            self._running = True
            asyncio.get_running_loop().create_task(self._run())
        await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    if self._file is None:
                        self._file = os.open(self._log, os.O_RDONLY)
                    await loop.run_in_executor(self._pool, os.fdatasync, self._file)
                except Exception as error:  # noqa: BLE001  whoever waits must be told, whatever it was
                    reason = getattr(error, "strerror", None) or error
                    _settle(batch, Unavailable(f"the database could not be flushed: {reason}"))
                else:
                    _settle(batch, None)
        finally:
            self._running = False

    def close(self) -> None:
        """The log's descriptor is given back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _settle(futures: list[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


class SqliteDatabase:
    """A SQLite file, shared with other processes of the same host."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self._engine = sa.create_engine(f"sqlite:///{path}", poolclass=NullPool)
        sa.event.listen(self._engine, "connect", _configure)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Hashes of secrets and private content are in it; its log takes over the file's permissions.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._writer = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._reader = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._reader.exec_driver_sql("PRAGMA query_only=1")
        except (OSError, sa.exc.DBAPIError) as error:
            reason = error.orig if isinstance(error, sa.exc.DBAPIError) else error.strerror
            raise StartRefused(f"cannot open the database {path}: {reason}") from error
        self._writing, self._reading = _driver_of(self._writer), _driver_of(self._reader)
        self._path = path
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="sqlite")
        self._flush = LogFlush(path.with_name(path.name + "-wal"), self._pool)
        self._lane = asyncio.Lock()
        self._watchers: list[Callable[[], None]] = []
        self._checkpoint: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Future[None]] = set()
        self._version: int | None = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqliteTx]:
        yield SqliteTx(self._reader, self._reading)

    @asynccontextmanager
    async def write(self, *, durable: bool = True) -> AsyncIterator[SqliteTx]:
        tx = SqliteTx(self._writer, self._writing)
        async with self._lane:
            await self._begin()
            try:
                yield tx
                self._writing.execute("COMMIT")
            except BaseException:
                # After some errors, a full disk among them, SQLite has ended the transaction itself.
                if self._writing.in_transaction:
                    self._writing.execute("ROLLBACK")
                raise
        self._version = None
        self._plan_checkpoint()
        if durable:
            await self._flush.wait()
        for callback in (*tx.callbacks, *self._watchers):
            callback()

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._watchers.append(callback)
        return partial(self._watchers.remove, callback)

    async def _begin(self) -> None:
        """The write lock is ours; other processes hold it for well under a millisecond at a time."""
        pause, waited = 0.0005, 0.0
        while True:
            try:
                self._writing.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                if waited > _LOCK_SECONDS:
                    raise Unavailable("the database is locked by another process; try again") from error
            nap = pause * random.uniform(0.5, 1.5)  # noqa: S311
            await asyncio.sleep(nap)
            waited += nap
            pause = min(pause * 2, 0.008)

    def _plan_checkpoint(self) -> None:
        if self._checkpoint is None:
            loop = asyncio.get_running_loop()
            self._checkpoint = loop.call_later(_CHECKPOINT_SECONDS, self._start_checkpoint)

    def _start_checkpoint(self) -> None:
        self._checkpoint = None
        future = asyncio.get_running_loop().run_in_executor(self._pool, _run_checkpoint, self._path)
        self._background.add(future)
        future.add_done_callback(self._background.discard)

    def version(self) -> int:
        # Asked once for all requests that the event loop runs in one turn: what they answer to came in before.
        if self._version is None:
            version: int = self._reading.execute("PRAGMA data_version").fetchone()[0]
            self._version = version
            asyncio.get_running_loop().call_soon(self._forget_version)
            return version
        return self._version

    def _forget_version(self) -> None:
        self._version = None

    async def close(self) -> None:
        if self._checkpoint is not None:
            self._checkpoint.cancel()
        if self._background:
            await asyncio.gather(*self._background, return_exceptions=True)
        self._flush.close()
        self._pool.shutdown()
        self._writer.close()
        self._reader.close()
        self._engine.dispose()


def _driver_of(connection: sa.Connection) -> sqlite3.Connection:
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101
    return driver


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=0",
        "wal_autocheckpoint=0",
        "cache_size=-16000",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _run_checkpoint(path: Path) -> None:
    """The log's pages are in the database file, as far as no reader still needs the old ones."""
    with contextlib.closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
        log = path.with_name(path.name + "-wal")
        large = log.exists() and log.stat().st_size > _LARGE_LOG
        # A passive checkpoint blocks nobody; the other kind also lets the log start again from its beginning.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute(f"PRAGMA wal_checkpoint({'RESTART' if large else 'PASSIVE'})")
