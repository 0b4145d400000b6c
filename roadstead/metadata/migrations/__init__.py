"""Bringing a database to this release's schema, and refusing one that a newer release has changed.

The table `schema_version` holds two numbers: the version that stands, and the oldest version whose code may still
work with it. A release that knows an older version than the second number must not touch the database.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from roadstead.errors import StartRefused
from roadstead.metadata.schema import load, metadata
from roadstead.metadata.schema.types import metadata as tables

if TYPE_CHECKING:
    from roadstead.metadata.database import Database, Tx

# The version of the newest file in `versions/`, and the oldest code that can work with that schema.
VERSION = 13
COMPATIBLE = 13

schema_version = sa.Table(
    "schema_version",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("compatible", sa.Integer, nullable=False),
)

_LOCK = 7_236_581  # any number, the same in every release


async def upgrade(database: Database) -> None:
    """The database has this release's schema; raises StartRefused when it is out of reach or too new."""
    try:
        async with database.write() as tx:
            if tx.dialect == "postgresql":
                await tx.run(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            standing = await _standing(tx)
            if standing is not None and standing[1] > VERSION:
                raise StartRefused(
                    f"the database was changed by a newer release (schema {standing[0]}, readable from schema "
                    f"{standing[1]}); this release knows schema {VERSION}: install the newer release"
                )
            if standing is None or standing[0] < VERSION:
                await _migrate(tx, 0 if standing is None else standing[0])
    except (OSError, sa.exc.DBAPIError) as error:
        where = getattr(database, "where", "")
        reason = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        raise StartRefused(f"cannot use the database {where}: {str(reason).splitlines()[0]}") from error


async def _standing(tx: Tx) -> tuple[int, int] | None:
    if tx.dialect == "sqlite":
        known = sa.text("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'")
    else:
        known = sa.text("SELECT to_regclass('schema_version')")
    if await tx.scalar(known) is None:
        return None
    row = await tx.one(sa.select(schema_version.c.version, schema_version.c.compatible))
    return None if row is None else (row.version, row.compatible)


async def _migrate(tx: Tx, version: int) -> None:
    await tx.run_sync(run_migrations, version)
    row = {"id": 1, "version": VERSION, "compatible": COMPATIBLE}
    await tx.run(sa.delete(schema_version))
    await tx.run(sa.insert(schema_version), row)


def run_migrations(connection: sa.Connection, version: int) -> None:
    """Every migration after `version` has run on `connection`, in its transaction."""
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    load()
    context = MigrationContext.configure(connection, opts={"target_metadata": metadata, "transactional_ddl": True})
    scripts = ScriptDirectory(str(Path(__file__).parent))
    revisions: list[Any] = sorted(scripts.walk_revisions(), key=lambda script: script.revision)
    with Operations.context(context):
        for script in revisions:
            if int(script.revision) > version:
                script.module.upgrade()
