"""Policies, groups and `can-i` at the command line, over a fresh registry with one user."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from roadstead.app import open_context
from roadstead.config import Settings
from tests.cli.invoking import Invoke, ok, parsed, table
from tests.factories.accounts import add_sub_account


@pytest.fixture
def alice(folder: Path) -> str:
    """The number of a user named alice."""

    async def add() -> str:
        async with open_context(Settings(data=str(folder))) as ctx:
            return (await add_sub_account(ctx, "alice")).username

    return asyncio.run(add())


def test_a_teammate_may_read_one_repository(invoke: Invoke, folder: Path, alice: str) -> None:
    here = ("--data", folder)
    for name in ("shop", "rest"):
        ok(invoke("namespace", "create", name, *here))
    refused = invoke("can-i", "alice", "pull", "shop/web", *here)
    assert (refused.code, refused.out) == (1, "no: no policy of the account allows it (gate: policy)\n")
    made = invoke("policy", "create", "read-web", "--template", "read-repository", "--on", "shop/web", *here)
    assert ok(made).startswith("Policy read-web created (number ")
    assert ok(invoke("policy", "attach", "read-web", "--user", "alice", *here)) == "read-web attached.\n"
    allowed = ok(invoke("can-i", "alice", "pull", "shop/web", *here))
    said, statement = allowed.splitlines()
    assert said == "yes: statement 1 of the policy read-web allows it (gate: policy)"
    assert json.loads(statement)["effect"] == "allow"
    for action, what in (("push", "shop/web"), ("pull", "shop/web-2"), ("pull", "rest/web"), ("delete", "shop/web")):
        assert invoke("can-i", alice, action, what, *here).code == 1
    (found,) = parsed(invoke("policy", "of", "--user", "alice", "--json", *here))
    assert found["PolicyName"] == "read-web"
    ok(invoke("group", "create", "readers", *here))
    ok(invoke("policy", "attach", "read-web", "--group", "readers", *here))
    lines = table(invoke("policy", "holders", "read-web", *here))
    assert [line[:3] for line in lines[1:]] == [["alice", "user", alice], ["readers", "group", "1"]]
    ok(invoke("policy", "detach", "read-web", "--user", alice, *here))
    assert invoke("can-i", "alice", "pull", "shop/web", *here).code == 1


def test_a_credential_of_a_user_may_do_what_the_user_may(invoke: Invoke, folder: Path, alice: str) -> None:
    made = parsed(invoke("credential", "create", "--user", "alice", "--json", "--data", folder))
    assert made["Username"] == alice
    missing = invoke("credential", "create", "--user", "bob", "--data", folder)
    assert (missing.code, missing.err) == (1, "roadstead: there is no user 'bob'\n")


def test_policies_from_files(invoke: Invoke, folder: Path, tmp_path: Path, alice: str) -> None:
    here = ("--data", folder)
    written = tmp_path / "policy.json"
    template = ok(invoke("policy", "template", "read-namespace", "--on", "shop", *here))
    written.write_text(template)
    ok(invoke("policy", "create", "mine", "--file", written, "--description", "readers", *here))
    assert ok(invoke("policy", "show", "mine", *here)).strip() == template.strip()
    written.write_text('{"version": "2.0", "statement": {"effect": "allow", "action": "tcr:*", "resource": "*"}}')
    ok(invoke("policy", "update", "mine", "--file", written, *here))
    ok(invoke("policy", "attach", "mine", "--user", "alice", *here))
    assert ok(invoke("can-i", "alice", "tcr:DeleteInstance", "instance/tcr-1", *here)).startswith("yes: ")
    (found,) = parsed(invoke("policy", "list", "--search", "mine", "--json", *here))
    assert (found["PolicyName"], found["Attachments"]) == ("mine", 1)
    number = str(found["PolicyId"])
    assert ok(invoke("policy", "delete", "--yes", number, *here)) == f"Policy {number} deleted.\n"
    written.write_text('{"version": "2.0", "statement": []}')
    wrong = invoke("policy", "create", "wrong", "--file", written, *here)
    assert (wrong.code, wrong.err) == (1, "roadstead: statement: the list is empty\n")


def test_groups(invoke: Invoke, folder: Path, alice: str) -> None:
    here = ("--data", folder)
    assert ok(invoke("group", "list", *here)).startswith("No groups yet.")
    ok(invoke("group", "create", "readers", "--remark", "who may look", *here))
    assert ok(invoke("group", "members", "readers", *here)) == "Nobody is in this group.\n"
    ok(invoke("policy", "attach", "QcloudTCRReadOnlyAccess", "--group", "readers", *here))
    assert ok(invoke("group", "add", "readers", "alice", *here)) == "alice is in readers.\n"
    assert ok(invoke("can-i", "alice", "pull", "library/web", *here)).startswith(
        "yes: statement 1 of the policy QcloudTCRReadOnlyAccess"
    )
    (row,) = parsed(invoke("policy", "of", "--group", "readers", "--json", *here))
    assert row["PolicyType"] == "QCS"
    (group,) = parsed(invoke("group", "list", "--json", *here))
    assert (group["GroupName"], group["Remark"]) == ("readers", "who may look")
    (member,) = parsed(invoke("group", "members", str(group["GroupId"]), "--json", *here))
    assert member["Name"] == "alice"
    ok(invoke("policy", "detach", "QcloudTCRReadOnlyAccess", "--group", "readers", *here))
    assert invoke("can-i", "alice", "pull", "library/web", *here).code == 1
    assert ok(invoke("group", "remove", "readers", "alice", *here)) == "alice is not in readers.\n"
    assert ok(invoke("group", "delete", "--yes", "readers", *here)) == "Group readers deleted.\n"


def test_templates_are_listed(invoke: Invoke, folder: Path) -> None:
    names = [row[0] for row in table(invoke("policy", "template", "--data", folder))]
    assert names[0] == "NAME" and "read-repository" in names


def test_conditions_are_asked_with_an_address(invoke: Invoke, folder: Path, tmp_path: Path, alice: str) -> None:
    here = ("--data", folder)
    statement = {
        "effect": "allow",
        "action": "tcr:*",
        "resource": "*",
        "condition": {"ip_equal": {"qcs:ip": "10.0.0.1"}},
    }
    written = tmp_path / "policy.json"
    written.write_text(json.dumps({"version": "2.0", "statement": statement}))
    ok(invoke("policy", "create", "office", "--file", written, *here))
    ok(invoke("policy", "attach", "office", "--user", "alice", *here))
    assert invoke("can-i", "alice", "pull", "library/web", *here).code == 1
    assert invoke("can-i", "alice", "pull", "library/web", "--address", "10.0.0.1", *here).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["policy", "create", "x"], "say where the policy stands"),
        (["policy", "create", "x", "--file", "nowhere.json"], "cannot read nowhere.json"),
        (["policy", "create", "x", "--template", "read-repository", "--on", "shop"], "is for a repository"),
        (["policy", "create", "x", "--template", "nothing"], "there is no template 'nothing'"),
        (["policy", "show", "x"], "there is no policy 'x'; see: roadstead policy list"),
        (["policy", "attach", "AdministratorAccess"], "say who is meant"),
        (["policy", "of"], "say who is meant"),
        (["policy", "attach", "AdministratorAccess", "--user", "bob"], "there is no user 'bob'"),
        (["policy", "attach", "AdministratorAccess", "--user", "admin"], "owns the deployment"),
        (["policy", "delete", "--yes", "AdministratorAccess"], "is a preset"),
        (["group", "members", "x"], "there is no group 'x'; see: roadstead group list"),
        (["can-i", "admin", "fly", "library/web"], "'fly' is not an action"),
    ],
)
def test_what_cannot_be_done_is_one_line(invoke: Invoke, folder: Path, words: list[str], said: str) -> None:
    ended = invoke(*words, "--data", folder)
    assert ended.code == 1 and ended.out == ""
    assert said in ended.err and ended.err.count("\n") == 1
