"""What every `Database` promises, whatever is behind it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from roadstead.metadata.database import Database, Prepared, Tx, insert, insert_into
from roadstead.metadata.schema.access import login_failures
from roadstead.metadata.schema.tenancy import accounts, instances

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
c = login_failures.c


class Stop(Exception):
    """The block of a transaction ends badly."""


async def put(tx: Tx, subject: str, failures: int = 1) -> None:
    """A row of the simplest table that there is."""
    await tx.run(sa.insert(login_failures), {"subject": subject, "failures": failures, "last_at": NOON})


async def count(tx: Tx, subject: str, *, lock: bool = False) -> int | None:
    """The number in that row."""
    statement = sa.select(c.failures).where(c.subject == subject)
    found: int | None = await tx.scalar(statement.with_for_update() if lock else statement)
    return found


async def add_one(database: Database, subject: str, *, durable: bool = True) -> None:
    """The number in that row is one higher, by reading it and writing it back."""
    async with database.write(durable=durable) as tx:
        found = await count(tx, subject, lock=True)
        assert found is not None
        await asyncio.sleep(0)
        await tx.run(sa.update(login_failures).where(c.subject == subject).values(failures=found + 1))


class DatabaseContract:
    """Give it the fixture `database`."""

    @pytest.mark.parametrize("durable", [True, False])
    async def test_what_a_block_wrote_is_there_after_it(self, database: Database, durable: bool) -> None:
        async with database.write(durable=durable) as tx:
            await put(tx, "a")
            assert await count(tx, "a") == 1
        async with database.read() as tx:
            assert await count(tx, "a") == 1

    @pytest.mark.parametrize("error", [Stop, asyncio.CancelledError, KeyboardInterrupt])
    async def test_any_exception_undoes_the_block(self, database: Database, error: type[BaseException]) -> None:
        with pytest.raises(error):
            async with database.write() as tx:
                await put(tx, "a")
                raise error
        async with database.write() as tx:
            assert await count(tx, "a") is None
            await put(tx, "b")
        async with database.read() as tx:
            assert await count(tx, "b") == 1

    async def test_a_statement_that_fails_undoes_the_block(self, database: Database) -> None:
        with pytest.raises(sa.exc.IntegrityError):
            async with database.write() as tx:
                await put(tx, "a")
                await put(tx, "a")
        async with database.write() as tx:
            assert await count(tx, "a") is None

    @pytest.mark.parametrize("durable", [True, False])
    async def test_callbacks_run_once_the_rows_are_there(self, database: Database, durable: bool) -> None:
        order: list[str] = []
        async with database.write(durable=durable) as tx:
            tx.after_commit(lambda: order.append("first"))
            tx.after_commit(lambda: order.append("second"))
            await put(tx, "a")
            order.append("block")
        assert order == ["block", "first", "second"]

    async def test_callbacks_of_what_failed_never_run(self, database: Database) -> None:
        order: list[str] = []
        with pytest.raises(Stop):
            async with database.write() as tx:
                tx.after_commit(lambda: order.append("never"))
                raise Stop
        async with database.write() as tx:
            tx.after_commit(lambda: order.append("mine"))
        assert order == ["mine"]

    async def test_a_reader_sees_only_what_is_committed(self, database: Database) -> None:
        async with database.read() as reader:
            async with database.write() as writer:
                await put(writer, "a")
                assert await count(reader, "a") is None
                async with database.read() as other:
                    assert await count(other, "a") is None
            assert await count(reader, "a") == 1, "each statement sees what was committed when it began"

    async def test_the_version_differs_after_every_commit_and_only_then(self, database: Database) -> None:
        first = database.version()
        if first is None:
            return  # such a database does not tell, and nothing is remembered by its version
        await asyncio.sleep(0)
        assert database.version() == first
        with pytest.raises(Stop):
            async with database.write() as tx:
                await put(tx, "a")
                raise Stop
        assert database.version() == first
        seen = {first}
        for subject in "bcd":
            async with database.write() as tx:
                await put(tx, subject)
            version = database.version()
            assert version not in seen
            seen.add(version)

    async def test_writers_come_one_after_the_other(self, database: Database) -> None:
        async with database.write() as tx:
            await put(tx, "a", 0)
        await asyncio.gather(*(add_one(database, "a", durable=bool(number % 2)) for number in range(40)))
        async with database.read() as tx:
            assert await count(tx, "a") == 40

    async def test_a_writer_cancelled_in_its_block_leaves_nothing_and_holds_nobody_up(
        self, database: Database
    ) -> None:
        inside = asyncio.Event()

        async def stay() -> None:
            async with database.write() as tx:
                await put(tx, "a")
                inside.set()
                await asyncio.Event().wait()

        staying = asyncio.create_task(stay())
        await inside.wait()
        async with asyncio.timeout(20):
            waiting = asyncio.create_task(_write(database, "b"))
            await asyncio.sleep(0.01)
            staying.cancel()
            await asyncio.wait({staying})
            assert staying.cancelled()
            await waiting
        async with database.read() as tx:
            assert (await count(tx, "a"), await count(tx, "b")) == (None, 1)

    async def test_a_writer_cancelled_while_it_waits_holds_nobody_up(self, database: Database) -> None:
        async with asyncio.timeout(20):
            async with database.write() as tx:
                await put(tx, "a")
                waiting = [asyncio.create_task(_write(database, "b")) for _ in range(2)]
                await asyncio.sleep(0.01)
                waiting[0].cancel()
            await asyncio.wait(waiting)
        async with database.read() as tx:
            assert (await count(tx, "a"), await count(tx, "b")) == (1, 1)

    async def test_many_at_once(self, database: Database) -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*(_write(database, f"subject {number}") for number in range(60)))
        async with database.read() as tx:
            assert len(await tx.all(sa.select(c.subject))) == 60

    async def test_what_statements_answer(self, database: Database) -> None:
        async with database.write() as tx:
            assert tx.dialect == database.dialect
            for subject in ("a", "b"):
                await put(tx, subject)
            rows = await tx.all(sa.select(c.subject, c.failures).order_by(c.subject))
            assert [(row.subject, row[1]) for row in rows] == [("a", 1), ("b", 1)]
            first = await tx.one(sa.select(c.subject).order_by(c.subject))
            assert first is not None and first.subject == "a"
            assert await tx.one(sa.select(c.subject).where(c.subject == "x")) is None
            assert await tx.scalar(sa.select(c.subject).where(c.subject == "x")) is None
            assert await tx.run(sa.update(login_failures).values(failures=5)) == 2
            assert await tx.run(sa.delete(login_failures).where(c.subject == "x")) == 0
            assert await tx.run_sync(lambda connection, more: connection.scalar(sa.select(c.failures)) + more, 2) == 7

    async def test_an_insert_of_what_is_there_can_be_left_out_or_made_a_change(self, database: Database) -> None:
        row = {"subject": "a", "failures": 1, "last_at": NOON}
        async with database.write() as tx:
            plain = insert(tx, login_failures).values(row)
            assert await tx.run(plain.on_conflict_do_nothing()) == 1
            assert await tx.run(plain.on_conflict_do_nothing()) == 0
            change = plain.on_conflict_do_update(index_elements=["subject"], set_={"failures": c.failures + 1})
            assert await tx.scalar(change.returning(c.failures)) == 2

    @pytest.mark.parametrize(
        "moment",
        [
            NOON,
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        ],
    )
    async def test_times_come_back_to_the_microsecond_and_aware(self, database: Database, moment: datetime) -> None:
        async with database.write() as tx:
            await tx.run(sa.insert(login_failures), {"subject": "a", "failures": 1, "last_at": moment})
            found = await tx.scalar(sa.select(c.last_at).where(c.last_at == moment))
        assert found == moment
        assert found.utcoffset() == timedelta(0)

    async def test_a_prepared_statement_answers_like_an_ordinary_one(self, database: Database) -> None:
        i = instances.c
        statement = (
            sa.select(i.id, i.name, i.created_at, i.anonymous_access, accounts.c.id)
            .select_from(instances.outerjoin(accounts, accounts.c.uin == sa.bindparam("uin")))
            .where(i.name == sa.bindparam("name"), i.created_at < sa.bindparam("now"), i.status == "Running")
        )
        prepared = Prepared(lambda _: statement)
        async with database.write() as tx:
            await tx.run(
                sa.insert(instances),
                {
                    "registry_id": "tcr-1",
                    "name": "here",
                    "region": "local",
                    "specification": "basic",
                    "status": "Running",
                    "created_at": NOON,
                },
            )
        later = NOON + timedelta(microseconds=1)
        for wanted in ({"uin": "1", "name": "here", "now": later}, {"uin": "1", "name": "here", "now": NOON}):
            async with database.read() as tx:
                for _ in range(2):
                    plain = await tx.one(statement, wanted)
                    found = await tx.look_up(prepared, wanted)
                    assert (None if found is None else list(found)) == (None if plain is None else list(plain))
            assert (found is None) == (wanted["now"] == NOON)

    async def test_a_prepared_change_tells_how_many_rows_it_changed(self, database: Database) -> None:
        below = c.failures < sa.bindparam("most")
        raised = Prepared(lambda _: sa.update(login_failures).where(below).values(failures=9))
        async with database.write() as tx:
            await put(tx, "a", 1)
            await put(tx, "b", 5)
            assert await tx.change(raised, {"most": 3}) == 1
            assert await tx.change(raised, {"most": 0}) == 0

    async def test_a_prepared_insert_gives_back_its_row(self, database: Database) -> None:
        added = Prepared(
            lambda dialect: (
                insert_into(dialect, login_failures)
                .values(subject=sa.bindparam("subject"), failures=1, last_at=sa.bindparam("now"))
                .on_conflict_do_nothing()
                .returning(c.subject, c.last_at)
            )
        )
        async with database.write() as tx:
            given = {"subject": "a", "now": NOON}
            assert tuple(await tx.look_up(added, given) or ()) == ("a", NOON)
            assert await tx.look_up(added, given) is None

    async def test_a_prepared_statement_sees_what_its_own_transaction_wrote(self, database: Database) -> None:
        prepared = Prepared(lambda _: sa.select(c.failures).where(c.subject == sa.bindparam("subject")))
        async with database.write() as tx:
            await put(tx, "a", 3)
            assert (await tx.look_up(prepared, {"subject": "a"}) or [None])[0] == 3
            async with database.read() as other:
                assert await other.look_up(prepared, {"subject": "a"}) is None


async def _write(database: Database, subject: str) -> None:
    async with database.write() as tx:
        await put(tx, subject)
