"""One database behind one interface: SQLite driven inline, PostgreSQL by asyncpg, the same statements on both.

A look-up through a thread costs ten times the look-up itself, so on SQLite statements run on the event loop through
kept connections, and only flushes to the disk go to a thread. Writers queue in one lane; those that have committed
while a flush was running share the next one, so sixty-four pushes at once need few of them. An operation that leaves
`write()` without an exception is committed, durably unless it asked otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import sqlalchemy as sa

from roadstead.config import Settings

Dialect = Literal["sqlite", "postgresql"]
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Row = sa.Row[*tuple[Any, ...]]


class Prepared:
    """A statement that is run so often that building it anew would cost more than running it.

    `build` makes it for a dialect, once; its parameters are all named and none is a list.
    """

    def __init__(self, build: Callable[[Dialect], Any]) -> None:
        self._build = build
        self._statements: dict[str, Any] = {}
        self._plans: dict[str, Plan] = {}

    def statement(self, dialect: Dialect) -> Any:
        """The statement for the dialect."""
        if dialect not in self._statements:
            self._statements[dialect] = self._build(dialect)
        return self._statements[dialect]

    def plan(self, dialect: sa.Dialect) -> Plan:
        """The statement's text for the dialect's driver, and what its values pass through on both ways."""
        plan = self._plans.get(dialect.name)
        if plan is None:
            plan = self._plans[dialect.name] = self._compile(dialect)
        return plan

    def _compile(self, dialect: sa.Dialect) -> Plan:
        statement = self.statement("sqlite" if dialect.name == "sqlite" else "postgresql")
        compiled: Any = statement.compile(dialect=dialect)
        names = tuple(compiled.positiontup)
        binds = [compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names]
        columns = statement.selected_columns if isinstance(statement, sa.Select) else statement.exported_columns
        results = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        # Values that the statement itself carries (a state, a zero) stand in it from the start.
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return Plan(
            text=str(compiled),
            fixed=fixed,
            binds=tuple(zip(names, binds, strict=True)),
            results=tuple((place, turn) for place, turn in enumerate(results) if turn is not None),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled statement: text, parameters in order with their conversions, and columns that need one."""

    text: str
    fixed: Mapping[str, Any]
    binds: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    results: tuple[tuple[int, Callable[[Any], Any]], ...]


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

    async def look_up(self, prepared: Prepared, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        """The first row that a prepared statement gives, or None."""
        ...

    async def change(self, prepared: Prepared, parameters: Mapping[str, Any]) -> int:
        """The number of rows that a prepared statement changed."""
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

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """`callback` is called after each commit of this process, until what is returned is called."""
        ...

    def version(self) -> int | None:
        """A number that differs after any commit of any process; None where it would cost as much as reading anew.

        Whoever compares it sees at least what was committed when the running callback of the event loop began.
        """
        ...

    async def close(self) -> None:
        """Every connection is closed."""
        ...


def insert(tx: Tx, table: sa.Table) -> Any:
    """An INSERT of the transaction's dialect, which has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return insert_into(tx.dialect, table)


def insert_into(dialect: Dialect, table: sa.Table) -> Any:
    """The same for a dialect, to be prepared."""
    if dialect == "sqlite":
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
