"""Another process on the same SQLite file: it adds one to a row, as often as it is told, one transaction each."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from roadstead.metadata.sqlite import SqliteDatabase
from tests.contracts.database import add_one


async def main(path: str, times: int) -> None:
    """Done, or ended by an exception."""
    database = SqliteDatabase(Path(path))
    try:
        for _ in range(times):
            await add_one(database, "shared", durable=False)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
