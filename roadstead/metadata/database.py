"""One database behind one interface: SQLite driven inline, PostgreSQL by asyncpg, the same statements on both.

A lookup through a thread costs ten times the lookup itself, so on SQLite statements run on the event loop through
kept connections, and only commits, which wait for the disk, go to a thread. Writers queue in one lane; those that
wait while another is at work share its commit, so sixty-four pushes at once need few disk flushes. An operation
that leaves `write()` without an exception is committed, durably unless it asked otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import sqlalchemy as sa

from roadstead.config import Settings

Dialect = Literal["sqlite", "postgresql"]
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Row = sa.Row[*tuple[Any, ...]]


class Tx(Protocol):
    """One transaction. Each statement of a `read()` sees what was committed when it began."""

    @property
    def dialect(self) -> Dialect: ...

    async def all(self, statement: sa.Executable, parameters: Parameters | None = None) -> Sequence[Row]:
        """All rows."""
        ...

    async def one(self, statement: sa.Executable, parameters: Parameters | None = None) -> Row | None:
        """The first row, or None."""
        ...

    async def scalar(self, statement: sa.Executable, parameters: Parameters | None = None) -> Any:
        """The first column of the first row, or None."""
        ...

    async def run(self, statement: sa.Executable, parameters: Parameters | None = None) -> int:
        """The number of rows that the statement changed."""
        ...

    async def run_sync(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of `function(connection, *arguments)` on the transaction's own connection."""
        ...

    def after_commit(self, callback: Callable[[], None]) -> None:
        """`callback()` runs in this process once the transaction is durable, and never if it is not."""
        ...


class Database(Protocol):
    """Transactions over one database."""

    @property
    def dialect(self) -> Dialect: ...

    def read(self) -> AbstractAsyncContextManager[Tx]:
        """A transaction for reading; it takes no lock that a writer waits for."""
        ...

    def write(self, *, durable: bool = True) -> AbstractAsyncContextManager[Tx]:
        """A transaction for changes: all of it holds after the block, or, on any exception, nothing.

        With `durable=False` a power failure (not a crash of the process) may lose it.
        """
        ...

    async def close(self) -> None:
        """Every connection is closed."""
        ...


def insert(tx: Tx, table: sa.Table) -> Any:
    """An INSERT of the transaction's dialect, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if tx.dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as construct

        return construct(table)
    from sqlalchemy.dialects.postgresql import insert as postgresql_construct

    return postgresql_construct(table)


async def connect(settings: Settings) -> Database:
    """The database that the settings name, its schema brought up to date.

    Raises StartRefused with one line when it cannot be reached, or when a newer release has written it.
    """
    from roadstead.metadata.migrations import upgrade

    database: Database
    if settings.database:
        from roadstead.metadata.postgresql import PostgresqlDatabase

        database = PostgresqlDatabase(settings.database)
    else:
        from roadstead.metadata.sqlite import SqliteDatabase

        database = SqliteDatabase(settings.folder / "roadstead.db")
    try:
        await upgrade(database)
    except BaseException:
        await database.close()
        raise
    return database
