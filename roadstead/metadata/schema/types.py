"""What all tables share: the registry of tables and the column type of times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# SQLite gives a rowid only to columns that are declared INTEGER.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# For tables whose ids are kept from one transaction to the next: SQLite would give the id of a deleted row, if it was
# the highest, to the next new one, and what was meant for the one would meet the other.
NEVER_REUSED: dict[str, Any] = {"sqlite_autoincrement": True}


def where(condition: Any) -> dict[str, Any]:
    """The options of an index over only those rows for which the condition holds.

    For PostgreSQL they are complete after `schema.load()`: SQLAlchemy imports a dialect, with code for each of its
    drivers, as soon as an option names it, and processes that serve from SQLite shall not carry that.
    """
    return {"sqlite_where": condition, "info": {"where": condition}}


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC time, kept as microseconds since 1970: exact, ordered and the same on every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND
