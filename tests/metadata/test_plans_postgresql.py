"""PostgreSQL, which plans by what is in the tables, goes through no more of a full audit than a page looks at."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.config import Settings
from roadstead.metadata import audit
from roadstead.metadata.database import connect
from roadstead.metadata.postgresql import PostgresqlDatabase
from tests.metadata.scene import NOW
from tests.metadata.test_plans import AUDIT_SEARCHES
from tests.servers.postgres import PostgresServer

ROWS = 30_000
FILL = f"""
INSERT INTO audit_entries
    (instance_id, occurred_at, operator, address, door, request_id, action, resource, outcome, data)
SELECT n % 3, {int(NOW.timestamp())}::bigint * 1000000 + n * 1000000::bigint,
    (n % 7 + 100)::text, '192.0.2.' || n % 200,
    'registry', 'request-' || n, CASE n % 10 WHEN 0 THEN 'tcr:CreateNamespace' ELSE 'tcr:PushRepository' END,
    'repository/tcr-1/prod/' || n, 'done', '{{}}'
FROM generate_series(1, {ROWS}) AS n
"""


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer, postgres_template: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with many entries, whose statistics are up to date."""
    url = postgres_server.create_database(postgres_template)

    async def fill() -> None:
        database = await connect(Settings(data=str(tmp_path_factory.mktemp("filled")), database=url))
        async with database.write() as tx:
            await tx.run(sa.text(FILL))
            await tx.run(sa.text("ANALYZE audit_entries"))
        await database.close()

    asyncio.run(fill())
    return url


@pytest.fixture
async def database(filled: str, tmp_path: Path) -> AsyncIterator[PostgresqlDatabase]:
    """That database, in which tests only read."""
    database = await connect(Settings(data=str(tmp_path), database=filled))
    assert isinstance(database, PostgresqlDatabase)
    yield database
    await database.close()


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from steps(inner)


class Explained:
    """A transaction that asks how each statement went before running it."""

    dialect = "postgresql"

    def __init__(self, tx: Any) -> None:
        self._tx = tx
        self.plans: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        async def run(statement: Any) -> Any:
            text = statement.compile(dialect=sa.make_url("postgresql://x").get_dialect()(), compile_kwargs=LITERAL)
            row = await self._tx.scalar(sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}".replace(":", "\\:")))
            self.plans.append((json.loads(row) if isinstance(row, str) else row)[0]["Plan"])
            return await getattr(self._tx, name)(statement)

        return run


LITERAL = {"literal_binds": True}


@pytest.mark.parametrize("name", AUDIT_SEARCHES)
async def test_a_page_of_the_audit_looks_at_its_window_alone(database: PostgresqlDatabase, name: str) -> None:
    async with database.read() as tx:
        explained = Explained(tx)
        await audit.search(explained, AUDIT_SEARCHES[name], 0, 10)  # type: ignore[arg-type]
    assert explained.plans
    for plan in explained.plans:
        for step in steps(plan):
            assert step["Node Type"] != "Seq Scan", plan
            seen = step["Actual Rows"] + step.get("Rows Removed by Filter", 0)
            assert seen <= audit.WINDOW * 2, plan
