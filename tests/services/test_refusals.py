"""What of refused attempts reaches the audit: not the protocol's own questions, not the thousandth knock."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from roadstead.domain.identity import Origin
from roadstead.errors import (
    AccessDenied,
    AppError,
    EndedToken,
    InvalidInput,
    LoginNeeded,
    NetworkRefused,
    NotAuthenticated,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from roadstead.metadata import audit
from roadstead.metadata.audit import AuditEntry
from roadstead.metadata.database import Database, Tx
from roadstead.services.context import Context
from roadstead.services.refusals import Attempt, Refusals, decision_text
from tests.factories.accounts import origin
from tests.factories.contexts import open_test_context
from tests.jobs.bench import FakeClock

NOW = FakeClock()()


def attempt(number: int = 0, address: str = "192.0.2.1", resource: str = "/v2/a/b/tags/list") -> Attempt:
    came = Origin(origin().door, address, f"request-{number}")
    return Attempt(came, NOW, operator="100", instance_id=1, action="http:GET", resource=resource)


async def audited(ctx: Context) -> list[AuditEntry]:
    """What is in the audit once all that waits is written, oldest first."""
    await ctx.refusals.write_down(ctx.database)
    async with ctx.database.read() as tx:
        found = await audit.search(tx, audit.Search(outcome="refused"), 0, 5000, 100_000)
    return [entry for _, entry in reversed(found.entries)]


REFUSED: list[tuple[AppError, str]] = [
    (AccessDenied("no", detail={"gate": "policy", "action": "tcr:Push", "resource": "repository/x"}), "policy"),
    (NetworkRefused("no", detail={"gate": "network"}), "network"),
    (TooManyRequests("slowly", retry_after=3), "limit"),
    (NotAuthenticated("credential: wrong"), "credential"),
    (NotAuthenticated("credential: disabled", detail={"gate": "credential"}), "credential"),
]
ORDINARY: list[AppError] = [
    LoginNeeded("credential: log in", detail={"gate": "credential"}),
    EndedToken("credential: the token has ended"),
    NotAuthenticated("token: less", detail={"gate": "token", "action": "tcr:Push"}),
    NotFound("nothing"),
    InvalidInput("wrong"),
    Unavailable("later"),
    AppError("a fault"),
]


@pytest.mark.parametrize(("error", "gate"), REFUSED)
async def test_a_refusal_is_audited_once(ctx: Context, error: AppError, gate: str) -> None:
    fresh = (
        TooManyRequests(error.message, retry_after=3)
        if isinstance(error, TooManyRequests)
        else type(error)(error.message, detail=error.detail)
    )
    ctx.refusals.note(fresh, attempt())
    ctx.refusals.note(fresh, attempt())
    (entry,) = await audited(ctx)
    said = msgspec.json.decode(entry.decision)
    assert (said["gate"], said["message"]) == (gate, error.message)
    assert (entry.operator, entry.address, entry.request_id) == ("100", "192.0.2.1", "request-0")
    detail = error.detail or {}
    assert entry.action == detail.get("action", "http:GET")
    assert entry.resource == detail.get("resource", "/v2/a/b/tags/list")
    assert await audited(ctx) == [entry]


@pytest.mark.parametrize("error", ORDINARY, ids=lambda error: type(error).__name__)
async def test_what_belongs_to_the_protocol_is_not(ctx: Context, error: AppError) -> None:
    ctx.refusals.note(error, attempt())
    assert await audited(ctx) == []


async def test_many_of_one_kind_are_counted(ctx: Context) -> None:
    for number in range(1000):
        ctx.refusals.note(AccessDenied("no"), attempt(number))
    found = await audited(ctx)
    assert [entry.request_id for entry in found] == [f"request-{number}" for number in range(10)]
    assert [msgspec.json.decode(entry.decision).get("more", 0) for entry in found] == [0] * 9 + [990]
    # The next second begins anew.
    ctx.refusals.note(AccessDenied("no"), attempt(2000))
    assert (await audited(ctx))[-1].request_id == "request-2000"


async def test_many_kinds_of_one_address_are_counted(ctx: Context) -> None:
    for number in range(200):
        ctx.refusals.note(AccessDenied("no"), attempt(number, resource=f"/v2/{number}"))
    ctx.refusals.note(AccessDenied("no"), attempt(200, address="192.0.2.2"))
    found = await audited(ctx)
    assert len(found) == 51
    assert sum(1 + msgspec.json.decode(entry.decision).get("more", 0) for entry in found) == 201


async def test_an_address_that_has_used_up_its_second_is_counted_on_an_entry_of_another_kind(ctx: Context) -> None:
    """However few of the new kind there were: the address has its 50 entries, and the last stands for more."""
    for number in range(50):
        ctx.refusals.note(AccessDenied("no"), attempt(number, resource=f"/v2/{number}"))
    for number in range(50, 57):
        ctx.refusals.note(NetworkRefused("no"), attempt(number, resource="/v2/"))
    found = await audited(ctx)
    assert (len(found), found[-1].request_id, found[-1].resource) == (50, "request-49", "/v2/49")
    assert msgspec.json.decode(found[-1].decision) == {"gate": "policy", "message": "no", "more": 7}
    # The next second has room for a kind of its own.
    ctx.refusals.note(NetworkRefused("no"), attempt(60, resource="/v2/"))
    assert (await audited(ctx))[-1].resource == "/v2/"


async def test_what_cannot_be_kept_is_told_in_the_log(ctx: Context) -> None:
    for number in range(1200):
        ctx.refusals.note(AccessDenied("no"), attempt(number, address=f"192.0.{number // 250}.{number % 250}"))
    with capture_logs() as logs:
        found = await audited(ctx)
    assert len(found) == 1000
    assert [(line["log_level"], line["lost"]) for line in logs] == [("warning", 200)]


class Broken:
    """A database that is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.away = True

    def write(self, *, durable: bool = True) -> AbstractAsyncContextManager[Tx]:
        if self.away:
            raise Unavailable("the database is away")
        return self._database.write(durable=durable)


async def test_a_database_that_was_away_gets_them_later(ctx: Context) -> None:
    refusals = Refusals()
    database: Any = Broken(ctx.database)
    refusals.note(AccessDenied("no"), attempt(1))
    with pytest.raises(Unavailable):
        await refusals.write_down(database)
    refusals.note(AccessDenied("no"), attempt(2))
    database.away = False
    await refusals.write_down(database)
    await refusals.write_down(database)
    assert [entry.request_id for entry in await audited(ctx)] == ["request-1", "request-2"]


async def test_a_process_that_ends_writes_the_last_of_them(folder: Path, clock: FakeClock) -> None:
    async with open_test_context(folder, clock) as first:
        first.refusals.note(AccessDenied("no"), attempt(7))
    async with open_test_context(folder, clock) as second:
        assert [entry.request_id for entry in await audited(second)] == ["request-7"]


async def test_what_a_request_says_of_itself_is_cut_to_its_place(ctx: Context) -> None:
    long = replace(attempt(resource="/" + "x" * 5000), operator="9" * 5000, action="http:" + "X" * 500)
    ctx.refusals.note(NotAuthenticated("wrong"), long)
    (entry,) = await audited(ctx)
    assert (len(entry.operator), len(entry.resource), len(entry.action)) == (120, 500, 60)


def test_a_decision_is_told_whole() -> None:
    error = AccessDenied("no", detail={"gate": "policy", "reason": "why", "policy": "Ours", "statement": 2})
    assert msgspec.json.decode(decision_text(error)) == {**(error.detail or {}), "message": "no"}
