"""Guessing is slowed, per account and per address, over all processes; who was let in before is not locked out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from roadstead.config import Login, Settings
from roadstead.errors import NotAuthenticated, TooManyRequests
from roadstead.metadata.database import Database, connect
from roadstead.metadata.schema.access import login_failures
from roadstead.services.access import admit
from roadstead.services.context import Context
from roadstead.services.logins import LoginGuard
from tests.factories.accounts import Login as Words
from tests.factories.accounts import add_sub_account, asker, owner_login
from tests.factories.contexts import open_test_context
from tests.jobs.bench import FakeClock

RULES = Login(free_failures=3, window_seconds=100, longest_wait_seconds=16)


@dataclass
class Gate:
    """One process's guard over the shared counts."""

    database: Database
    guard: LoginGuard
    clock: FakeClock

    async def fail(self, account: str = "100", address: str = "192.0.2.1") -> int:
        """A wrong login; how many seconds it is told to wait, 0 when it is only told that it was wrong."""
        try:
            await self.guard.failed(self.database, account, address, self.clock())
        except TooManyRequests as error:
            return error.retry_after
        return 0

    async def pass_(self, account: str = "100", address: str = "192.0.2.1") -> int:
        """A right login; how many seconds it is told to wait, 0 when it is let in."""
        try:
            async with self.database.read() as tx:
                await self.guard.admit(tx, account, address, self.clock())
        except TooManyRequests as error:
            return error.retry_after
        return 0

    def other(self) -> Gate:
        return Gate(self.database, LoginGuard(RULES), self.clock)


@pytest.fixture
async def gate(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Gate]:
    database = await connect(Settings(data=str(tmp_path)))
    yield Gate(database, LoginGuard(RULES), clock)
    await database.close()


async def test_some_failures_are_free(gate: Gate) -> None:
    assert [await gate.fail() for _ in range(2)] == [0, 0]
    assert await gate.pass_() == 0


async def test_then_each_failure_doubles_the_wait_up_to_the_longest(gate: Gate) -> None:
    for _ in range(3):
        assert await gate.fail() == 0
    waits = []
    for _ in range(7):
        told = await gate.fail()
        waits.append(told)
        # Trying meanwhile is refused without being counted, and does not prolong the wait.
        assert await gate.fail() == told == await gate.pass_(address="192.0.2.99")
        gate.clock.turn(seconds=told)
        assert await gate.fail() == 0
    # The answer rounds up by a second.
    assert waits == [2, 3, 5, 9, 17, 17, 17]


async def test_a_right_password_waits_too_or_guessing_would_go_on_unslowed(gate: Gate) -> None:
    for _ in range(3):
        await gate.fail()
    assert await gate.pass_() == 2
    gate.clock.turn(seconds=2)
    assert await gate.pass_() == 0


async def test_who_was_let_in_from_there_before_is_not_locked_out(gate: Gate) -> None:
    assert await gate.pass_("100", "198.51.100.1") == 0
    for _ in range(3):
        await gate.fail("100", "192.0.2.1")
    assert await gate.pass_("100", "198.51.100.1") == 0
    assert await gate.pass_("100", "198.51.100.2") == 2
    assert await gate.fail("100", "198.51.100.1") == 2, "but its guesses are slowed like any"


async def test_one_account_is_slowed_over_all_addresses(gate: Gate) -> None:
    assert [await gate.fail("100", f"192.0.2.{number}") for number in range(4)] == [0, 0, 0, 2]
    assert await gate.pass_("200", "192.0.2.1") == 0


async def test_one_address_is_slowed_over_all_accounts(gate: Gate) -> None:
    assert [await gate.fail(f"{number}", "192.0.2.1") for number in range(4)] == [0, 0, 0, 2]
    assert await gate.pass_("0", "192.0.2.2") == 0


async def test_the_message_says_what_has_to_wait_and_how_long(gate: Gate) -> None:
    for number in range(3):
        await gate.fail("100", f"192.0.2.{number}")
    with pytest.raises(TooManyRequests, match="this account; try again in 2 s"):
        async with gate.database.read() as tx:
            await gate.guard.admit(tx, "100", "192.0.2.9", gate.clock())


async def test_failures_are_forgotten_after_the_window(gate: Gate) -> None:
    for _ in range(2):
        await gate.fail()
    gate.clock.turn(seconds=101)
    assert [await gate.fail() for _ in range(3)] == [0, 0, 0]
    assert await gate.fail() == 2


async def test_a_failure_within_the_window_keeps_the_earlier_ones(gate: Gate) -> None:
    for _ in range(3):
        assert await gate.fail() == 0
        gate.clock.turn(seconds=99)
    assert await gate.fail() == 0
    assert await gate.fail() == 3, "the fourth of one window"


async def test_two_processes_count_together(gate: Gate) -> None:
    other = gate.other()
    assert await gate.fail() == 0
    assert await other.fail() == 0
    assert await gate.fail() == 0
    assert await gate.pass_() == 2
    # The other process knows of it from the next failure that it sees itself.
    assert await other.fail() == 0
    assert await other.pass_() == 3


async def test_another_process_lets_in_who_was_let_in_before(gate: Gate) -> None:
    assert await gate.pass_("100", "192.0.2.50") == 0
    await gate.guard.write_down(gate.database)
    other = gate.other()
    for number in range(4):
        await other.fail("100", f"192.0.2.{number}")
    assert await other.pass_("100", "192.0.2.60") > 0
    assert await other.pass_("100", "192.0.2.50") == 0


async def test_failures_at_once_are_all_counted(gate: Gate) -> None:
    await asyncio.gather(*(gate.other().fail("100", f"192.0.2.{number}") for number in range(20)))
    async with gate.database.read() as tx:
        counted = await tx.scalar(
            sa.select(login_failures.c.failures).where(login_failures.c.subject == "account:100")
        )
    assert counted == 20


async def test_a_failure_without_an_account_counts_for_its_address(gate: Gate) -> None:
    assert [await gate.fail("") for _ in range(4)] == [0, 0, 0, 2]
    assert await gate.fail("", "192.0.2.2") == 0


async def test_a_name_of_any_length_is_counted(gate: Gate) -> None:
    for name in ("x" * 81, "é" * 80, "x" * 100_000):
        await gate.fail(name)
    async with gate.database.read() as tx:
        rows = await tx.all(sa.select(login_failures.c.subject))
    assert all(len(row.subject) <= 120 for row in rows)
    assert len(rows) == 4


async def test_what_is_remembered_does_not_grow_without_end(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roadstead.services.logins._REMEMBERED", 10)
    for number in range(40):
        await gate.pass_(str(number), f"192.0.2.{number}")
        for _ in range(3):
            await gate.fail(f"bad {number}", f"198.51.100.{number}")
    assert len(gate.guard._trusted) <= 10
    assert len(gate.guard._blocked) <= 10


class TestAtTheDoor:
    """The same, by what a client does."""

    async def attempt(self, ctx: Context, words: Words, address: str = "127.0.0.1") -> str:
        request = await asker(ctx, words, address=address)
        try:
            async with ctx.database.read() as tx:
                await admit(ctx, tx, request, None, None)
        except (NotAuthenticated, TooManyRequests) as error:
            return type(error).__name__
        return "in"

    async def test_guessing_a_password(self, folder: Path, clock: FakeClock) -> None:
        async with open_test_context(folder, clock, login=RULES) as ctx:
            right = owner_login(ctx)
            wrong = Words(right.username, right.password[:-1])
            assert [await self.attempt(ctx, wrong) for _ in range(4)] == ["NotAuthenticated"] * 3 + [
                "TooManyRequests"
            ]
            assert await self.attempt(ctx, right) == "TooManyRequests"
            clock.turn(seconds=2)
            assert await self.attempt(ctx, right) == "in"

    async def test_a_build_server_goes_on_while_somebody_guesses(self, folder: Path, clock: FakeClock) -> None:
        async with open_test_context(folder, clock, login=RULES) as ctx:
            right = await add_sub_account(ctx)
            assert await self.attempt(ctx, right) == "in"
            for _ in range(9):
                await self.attempt(ctx, Words(right.username, "rs1.a.b"), address="::1")
            assert await self.attempt(ctx, right, "::1") == "TooManyRequests"
            assert await self.attempt(ctx, right) == "in"

    async def test_many_guesses_at_once_do_not_hold_up_the_database(
        self, tmp_path: Path, clock: FakeClock, postgres_url: str
    ) -> None:
        """Each counts its failure while its own read is still open; connections must not run out."""
        async with open_test_context(tmp_path, clock, database=postgres_url) as ctx:
            words = [Words(f"{number}", "rs1.a.b") for number in range(60)]
            async with asyncio.timeout(25):
                outcomes = await asyncio.gather(*(self.attempt(ctx, each, "127.0.0.1") for each in words))
            assert set(outcomes) <= {"NotAuthenticated", "TooManyRequests"}
