"""Commands for users, their keys and service accounts: what they print, and that it works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from roadstead.app import open_context
from roadstead.config import Settings
from roadstead.services.sessions import Attempt, log_in
from tests.cli.invoking import Invoke, fails, ok, parsed, table
from tests.cli.test_main import login_status
from tests.factories.accounts import origin


def may_log_in(folder: Path, name: str, password: str) -> bool:
    async def try_it() -> bool:
        async with open_context(Settings(data=str(folder))) as ctx:
            return bool((await log_in(ctx, Attempt(name, password), origin())).cookie)

    return asyncio.run(try_it())


def test_users(invoke: Invoke, folder: Path) -> None:
    assert ok(invoke("user", "list", "--data", folder)).startswith("No users yet.")
    shown = ok(invoke("user", "create", "alice", "--console", "--api-key", "--remark", "shop team", "--data", folder))
    words = shown.split()
    assert may_log_in(folder, "alice", words[words.index("Password") + 1])
    assert "may do nothing until a policy" in shown
    heading, row = table(invoke("user", "list", "--data", folder))
    assert heading == ["NAME", "NUMBER", "ENABLED", "CONSOLE", "CREATED", "REMARK"]
    assert row[:4] == ["alice", words[words.index("Number") + 1], "yes", "password"]
    reached = ("--email", "alice@example.com", "--phone", "555 0100", "--country-code", "86")
    assert ok(invoke("user", "modify", "alice", *reached, "--data", folder)) == "User alice changed.\n"
    shown = ok(invoke("user", "show", "alice", "--data", folder))
    assert "Email      alice@example.com\n" in shown and "Telephone  +86 555 0100\n" in shown
    assert "Remark     shop team\n" in shown and " from " in shown.partition("Last login")[2]
    ok(invoke("user", "password", "alice", "--must-change", "--data", folder))
    assert "Console    password, to be changed\n" in ok(invoke("user", "show", "alice", "--data", folder))
    _, key = table(invoke("user", "keys", "alice", "--data", folder))
    assert key[:2] == [words[words.index("SecretId") + 1], "Active"]
    for word in ("disable", "enable"):
        assert ok(invoke("user", word, "alice", "--data", folder)) == f"User alice {word}d.\n"
    (found,) = parsed(invoke("user", "list", "--json", "--data", folder))
    assert (found["Name"], found["Enabled"], found["Remark"]) == ("alice", True, "shop team")
    assert ok(invoke("user", "delete", "alice", "--yes", "--data", folder)) == "User alice deleted.\n"
    fails(invoke("user", "keys", "alice", "--data", folder), "there is no user 'alice'")


def test_a_password_for_the_owner(invoke: Invoke, folder: Path) -> None:
    made = parsed(invoke("user", "password", "admin", "--reset-second-factor", "--json", "--data", folder))
    assert may_log_in(folder, "admin", made["Password"])
    fails(invoke("user", "disable", "admin", "--data", folder), "owner cannot be disabled")


def test_keys(invoke: Invoke, folder: Path) -> None:
    ok(invoke("user", "create", "alice", "--data", folder))
    assert ok(invoke("key", "list", "--user", "alice", "--data", folder)).startswith("No API keys yet.")
    for user in ([], ["--user", "alice"]):
        made = parsed(invoke("key", "create", *user, "--json", "--data", folder))["AccessKey"]
        for word in ("disable", "enable"):
            done = ok(invoke("key", word, made["AccessKeyId"], *user, "--data", folder))
            assert done == f"Key {made['AccessKeyId']} {word}d.\n"
        listed = parsed(invoke("key", "list", *user, "--json", "--data", folder))
        assert made["AccessKeyId"] in [each["AccessKeyId"] for each in listed]
        ok(invoke("key", "delete", "--yes", made["AccessKeyId"], *user, "--data", folder))
        fails(invoke("key", "delete", "--yes", made["AccessKeyId"], *user, "--data", folder), "no API key")
    assert "SecretKey" in ok(invoke("key", "create", "--user", "alice", "--data", folder))


def test_service_accounts(invoke: Invoke, folder: Path) -> None:
    assert ok(invoke("serviceaccount", "list", "--data", folder)).startswith("No service accounts yet.")
    shown = ok(
        invoke("serviceaccount", "create", "ci", "--may", "library:pull,push", "--may", "*:charts", "--data", folder)
    )
    words = shown.split()
    password = words[words.index("Password") + 1]
    assert "--username 'tcr$ci'" in shown
    assert login_status(folder, "tcr$ci", password) == 200
    (found,) = parsed(invoke("serviceaccount", "list", "--json", "--data", folder))
    assert found["Permissions"] == [
        {"Resource": "library", "Actions": ["tcr:PullRepository", "tcr:PushRepository"]},
        {"Resource": "*", "Actions": ["tcr:CreateHelmChart", "tcr:DescribeHelmCharts"]},
    ]
    for word, status in (("disable", 401), ("enable", 200)):
        assert ok(invoke("serviceaccount", word, "tcr$ci", "--data", folder)).endswith(f" {word}d.\n")
        assert login_status(folder, "tcr$ci", password) == status
    ok(invoke("serviceaccount", "modify", "ci", "--may", "library:create", "--days", "9", "--data", folder))
    (found,) = parsed(invoke("serviceaccount", "list", "--json", "--data", folder))
    assert found["Permissions"] == [{"Resource": "library", "Actions": ["tcr:CreateRepository"]}]
    changed = ok(invoke("serviceaccount", "password", "ci", "--data", folder)).split()
    assert login_status(folder, "tcr$ci", password) == 401
    assert login_status(folder, "tcr@ci", changed[changed.index("Password") + 1]) == 200
    heading, row = table(invoke("serviceaccount", "list", "--data", folder))
    assert (heading[0], row[:2]) == ("NAME", ["tcr$ci", "no"])
    assert ok(invoke("serviceaccount", "delete", "--yes", "ci", "--data", folder)) == "Service account ci deleted.\n"
    fails(invoke("serviceaccount", "delete", "--yes", "ci", "--data", folder), "there is no service account 'tcr$ci'")


@pytest.mark.parametrize("may", ["library", "library:", "library:delete", ":pull,", "library:pull;push"])
def test_a_permission_that_is_none(invoke: Invoke, folder: Path, may: str) -> None:
    fails(invoke("serviceaccount", "create", "ci", "--may", may, "--data", folder), "--may")
