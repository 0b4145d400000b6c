"""PostgreSQL 15+ behind the `Database` interface, through asyncpg."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from roadstead.errors import StartRefused, Unavailable
from roadstead.metadata.database import Dialect, Parameters, Prepared, Row

# Connections of each pool that stay open; as many again are opened when those are busy.
_KEPT = 5


class PostgresqlTx:
    """One transaction on a connection of the pool."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.callbacks: list[Callable[[], None]] = []

    async def all(self, statement: sa.Executable, parameters: Parameters | None = None) -> Sequence[Row]:
        return (await self._connection.execute(statement, parameters)).all()

    async def one(self, statement: sa.Executable, parameters: Parameters | None = None) -> Row | None:
        return (await self._connection.execute(statement, parameters)).first()

    async def look_up(self, prepared: Prepared, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        return (await self._connection.execute(prepared.statement(self.dialect), parameters)).first()

    async def change(self, prepared: Prepared, parameters: Mapping[str, Any]) -> int:
        return (await self._connection.execute(prepared.statement(self.dialect), parameters)).rowcount

    async def scalar(self, statement: sa.Executable, parameters: Parameters | None = None) -> Any:
        return (await self._connection.execute(statement, parameters)).scalar()

    async def run(self, statement: sa.Executable, parameters: Parameters | None = None) -> int:
        return (await self._connection.execute(statement, parameters)).rowcount

    async def run_sync(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._connection.run_sync(function, *arguments)

    def after_commit(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)


@contextmanager
def _conditions() -> Iterator[None]:
    """What trying again can heal is told as that: a lost connection, a full pool, two changes that met."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise Unavailable("all connections to the database are taken; try again") from error
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", "") in {"40001", "40P01"}:
            raise Unavailable("two changes met in the database; try again") from error
        if error.connection_invalidated:
            raise Unavailable("the connection to the database was lost; try again") from error
        raise


class PostgresqlDatabase:
    """One PostgreSQL database, shared by any number of processes and nodes."""

    dialect: Dialect = "postgresql"

    def __init__(self, url: str) -> None:
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise StartRefused("the setting database is not a URL like postgresql://USER@HOST/NAME") from error
        if parsed.get_backend_name() not in {"postgresql", "postgres"}:
            raise StartRefused(f"the setting database names {parsed.drivername}; only postgresql:// is supported")
        self._where = f"{parsed.host or 'localhost'}:{parsed.port or 5432}/{parsed.database or ''}"
        self._watchers: list[Callable[[], None]] = []
        address = parsed.set(drivername="postgresql+asyncpg")
        # Two pools, because a request may come to write while it reads: from one pool, as many such requests as it
        # has connections would wait for one another.
        self._writing = create_async_engine(address, pool_size=_KEPT, max_overflow=_KEPT)
        # A statement that reads needs no transaction around it, which saves two round trips.
        self._reading = create_async_engine(
            address, pool_size=_KEPT, max_overflow=_KEPT, isolation_level="AUTOCOMMIT"
        )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[PostgresqlTx]:
        with _conditions():
            async with self._reading.connect() as connection:
                yield PostgresqlTx(connection)

    @asynccontextmanager
    async def write(self, *, durable: bool = True) -> AsyncIterator[PostgresqlTx]:
        with _conditions():
            async with self._writing.begin() as connection:
                tx = PostgresqlTx(connection)
                if not durable:
                    await connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                yield tx
        for callback in (*tx.callbacks, *self._watchers):
            callback()

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._watchers.append(callback)
        return partial(self._watchers.remove, callback)

    def version(self) -> int | None:
        return None

    async def close(self) -> None:
        await self._reading.dispose()
        await self._writing.dispose()

    @property
    def where(self) -> str:
        """Host, port and name, for messages: no password."""
        return self._where
