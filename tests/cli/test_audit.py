"""`roadstead audit`: what is listed, shown, explained and exported."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roadstead.app import open_context
from roadstead.cli.audit import moment
from roadstead.config import Settings
from roadstead.errors import InvalidInput
from tests.cli.invoking import Invoke, ok, parsed, table
from tests.factories.asgi import open_client

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def refused(folder: Path, times: int = 1) -> str:
    """The id of the last of so many requests that the network gate has refused."""

    async def ask() -> str:
        async with (
            open_context(Settings(data=str(folder))) as ctx,
            open_client(ctx, address="192.0.2.9") as client,
        ):
            for _ in range(times):
                answer = await client.get("/v2/library/web/manifests/1")
            assert answer.status_code == 403
            return answer.headers["x-request-id"]

    return asyncio.run(ask())


def test_changes_and_refusals_are_listed_newest_first(invoke: Invoke, folder: Path) -> None:
    ok(invoke("namespace", "create", "prod", "--data", folder))
    request = refused(folder)
    heading, first, second = table(invoke("audit", "list", "--data", folder))
    assert heading == ["ID", "TIME", "USER", "OUTCOME", "ACTION", "RESOURCE", "DOOR", "ADDRESS", "REQUEST"]
    assert first[2:5] == ["anonymous", "refused", "tcr:PullRepository"]
    assert first[5].startswith("repository/tcr-") and first[5].endswith("/library/web")
    assert first[6:] == ["registry", "192.0.2.9", request]
    assert second[3:5] == ["done", "tcr:CreateNamespace"]
    (only,) = parsed(invoke("audit", "list", "--outcome", "done", "--since", "1h", "--json", "--data", folder))
    assert only["Action"] == "tcr:CreateNamespace"
    assert len(parsed(invoke("audit", "list", "--most", "1", "--json", "--data", folder))) == 1
    assert ok(invoke("audit", "list", "--user", "7", "--data", folder)) == "Nothing in the audit matches.\n"


def test_an_entry_that_stands_for_more_says_so(invoke: Invoke, folder: Path) -> None:
    refused(folder, times=30)
    _, last, *_, first = table(invoke("audit", "list", "--data", folder))
    assert (first[3:5], last[3:6]) == (["refused", "tcr:PullRepository"], ["refused", "+20", "tcr:PullRepository"])


def test_a_user_is_found_by_name_with_failed_logins(invoke: Invoke, folder: Path) -> None:
    async def fail() -> None:
        async with open_context(Settings(data=str(folder))) as ctx, open_client(ctx, address="127.0.0.1") as client:
            answer = await client.post("/api/v1/session/login", json={"Name": "admin", "Password": "guess"})
            assert answer.status_code == 401

    for number in range(2):
        ok(invoke("namespace", "create", f"prod{number}", "--data", folder))
        asyncio.run(fail())
    found = parsed(invoke("audit", "list", "--user", "admin", "--json", "--data", folder))
    assert [each["Outcome"] for each in found] == ["refused", "done"] * 2
    assert sorted((each["Id"] for each in found), reverse=True) == [each["Id"] for each in found]
    assert {each["User"] for each in found if each["Outcome"] == "refused"} == {"admin"}
    lines = ok(invoke("audit", "export", "--user", "admin", "--data", folder)).splitlines()
    assert [json.loads(line)["Id"] for line in lines] == [each["Id"] for each in found]
    assert ok(invoke("audit", "list", "--user", "nobody", "--data", folder)) == "Nothing in the audit matches.\n"


def test_one_entry_is_shown_whole(invoke: Invoke, folder: Path) -> None:
    ok(invoke("namespace", "create", "prod", "--data", folder))
    (listed,) = parsed(invoke("audit", "list", "--json", "--data", folder))
    shown = parsed(invoke("audit", "show", str(listed["Id"]), "--data", folder))
    assert shown["Data"]["NamespaceName"] == "prod"
    assert shown["Before"] is None
    missing = invoke("audit", "show", "99999", "--data", folder)
    assert (missing.code, missing.err) == (1, "roadstead: the audit has no entry 99999\n")


def test_a_refused_request_is_explained(invoke: Invoke, folder: Path) -> None:
    request = refused(folder)
    text = ok(invoke("audit", "explain", request, "--data", folder))
    assert "Gate       network" in text and "More" not in text
    assert "roadstead network allow 192.0.2.9" in text
    found = parsed(invoke("audit", "explain", request, "--json", "--data", folder))
    assert found["Refusals"][0]["Gate"] == "network"
    nothing = invoke("audit", "explain", "nothing", "--data", folder)
    assert nothing.code == 1 and "the audit has nothing of a request" in nothing.err


def test_a_change_is_explained_as_one(invoke: Invoke, folder: Path) -> None:
    ok(invoke("namespace", "create", "prod", "--data", folder))
    (listed,) = parsed(invoke("audit", "list", "--json", "--data", folder))
    text = ok(invoke("audit", "explain", listed["RequestId"], "--data", folder))
    assert "was not refused: tcr:CreateNamespace" in text


def test_the_export_is_a_line_of_json_per_entry(invoke: Invoke, folder: Path) -> None:
    for name in ("prod", "test"):
        ok(invoke("namespace", "create", name, "--data", folder))
    refused(folder)
    lines = [json.loads(line) for line in ok(invoke("audit", "export", "--data", folder)).splitlines()]
    assert [line["Outcome"] for line in lines] == ["refused", "done", "done"]
    assert lines[0]["Decision"]["gate"] == "network" and lines[0]["Data"] is None
    assert [line["Data"]["NamespaceName"] for line in lines[1:]] == ["test", "prod"]
    of_instance = ok(invoke("audit", "export", "--instance", "default", "--action", "tcr:Create*", "--data", folder))
    assert len(of_instance.splitlines()) == 2


def test_an_export_goes_through_many_pages(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roadstead.cli.audit._PAGE", 2)
    for number in range(5):
        ok(invoke("namespace", "create", f"prod{number}", "--data", folder))
    assert len(ok(invoke("audit", "export", "--data", folder)).splitlines()) == 5
    assert len(parsed(invoke("audit", "list", "--json", "--data", folder))) == 5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("2026-11-23", int(NOW.timestamp()) - 12 * 3600),
        ("2026-11-23T12:00", int(NOW.timestamp())),
        ("2026-11-23T13:00+01:00", int(NOW.timestamp())),
        ("90m", int(NOW.timestamp()) - 5400),
        ("7d", int(NOW.timestamp()) - 7 * 86400),
    ],
)
def test_times_are_written_as_people_do(text: str, seconds: int | None) -> None:
    assert moment(text, NOW) == seconds


@pytest.mark.parametrize("text", ["yesterday", "7", "7w", "2026-13-01", "999999999d"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no time"):
        moment(text, NOW)


def test_an_outcome_that_is_none(invoke: Invoke, folder: Path) -> None:
    assert invoke("audit", "list", "--outcome", "maybe", "--data", folder).err == (
        "roadstead: --outcome is done or refused\n"
    )
