"""Every operation by name, on the data folder and on a server; logging in and out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from roadstead.cli.profile import profile_file
from roadstead.services.table import OPERATIONS
from tests.cli.conftest import Elsewhere
from tests.cli.invoking import Invoke, fails, ok, parsed


def test_an_operation_is_called_on_the_data_folder(invoke: Invoke, folder: Path) -> None:
    made = invoke("call", "CreateNamespace", "NamespaceName=prod", "IsPublic=true", "--data", folder)
    assert parsed(made) == {}
    listed = parsed(invoke("call", "DescribeNamespaces", "Limit=1", "NamespaceName=prod", "--data", folder))
    assert [(each["Name"], each["Public"]) for each in listed["NamespaceList"]] == [("prod", True)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["CreateNamespac"], "near it: CreateNamespace"),
        (["CreateNamespace", "Name=x"], "near it: NamespaceName"),
        (["CreateNamespace"], "the field NamespaceName is missing"),
        (["CreateNamespace", "NamespaceName=library"], "exists already"),
        (["DescribeNamespaces", "Limit=many"], "Limit"),
        (["DescribeNamespaces", "RegistryId=tcr-none"], "there is no instance"),
    ],
)
def test_what_goes_wrong_is_one_line(invoke: Invoke, folder: Path, words: list[str], told: str) -> None:
    fails(invoke("call", *words, "--data", folder), told)


def test_with_json_what_goes_wrong_is_json(invoke: Invoke, folder: Path) -> None:
    ended = invoke("call", "CreateNamespace", "NamespaceName=library", "--json", "--data", folder)
    told = json.loads(ended.err)
    assert (ended.code, ended.out, told["Code"]) == (1, "", "FailedOperation.ErrorTcrResourceConflict")


def test_operations_are_listed_and_explained(invoke: Invoke) -> None:
    assert {each["Name"] if "Name" in each else each["name"] for each in parsed(invoke("call", "--json"))} == set(
        OPERATIONS
    )
    for name in OPERATIONS:
        shown = ok(invoke("call", name, "--explain"))
        assert OPERATIONS[name].summary in shown and f"roadstead call {name}" in shown
    assert "CreateNamespace" in parsed(invoke("call", "CreateNamespace", "--explain", "--json"))


def test_after_a_login_all_commands_go_to_the_server(
    invoke: Invoke, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROADSTEAD_CLIENT_SECRET", elsewhere.made.secret_key)
    ended = invoke("login", elsewhere.url, "--key", elsewhere.made.secret_id)
    assert ended.code == 0 and f"Logged in to {elsewhere.url}" in ended.out
    assert ended.err == ""
    assert elsewhere.made.secret_key not in ended.out + ended.err
    monkeypatch.delenv("ROADSTEAD_CLIENT_SECRET")
    ok(invoke("namespace", "create", "prod"))
    assert [each["Name"] for each in parsed(invoke("namespace", "list", "--json"))] == ["library", "prod"]
    assert [each["ImageVersion"] for each in parsed(invoke("tag", "list", "library/app", "--json"))] == ["v1"]
    assert f"docker login {elsewhere.url[7:]} --username" in ok(invoke("credential", "create"))
    listed = parsed(invoke("call", "DescribeNamespaces", "Limit=1"))
    assert [each["Name"] for each in listed["NamespaceList"]] == ["library"]
    ended = invoke("namespace", "create", "prod")
    fails(ended, "exists already")
    assert "(request " in ended.err
    told = json.loads(invoke("namespace", "create", "prod", "--json").err)
    assert told["Code"] == "FailedOperation.ErrorTcrResourceConflict" and told["RequestId"]
    assert ok(invoke("logout")) == f"Logged out of {elsewhere.url}.\n"
    assert ok(invoke("logout")) == "Not logged in.\n"
    assert ok(invoke("namespace", "list", "--data", elsewhere.folder))


def test_a_server_and_a_key_may_be_named_with_each_command(
    invoke: Invoke, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ("--server", elsewhere.url, "--key", elsewhere.made.secret_id)
    fails(invoke("namespace", "list", *named), "ROADSTEAD_CLIENT_SECRET")
    monkeypatch.setenv("ROADSTEAD_CLIENT_SECRET", elsewhere.made.secret_key)
    ok(invoke("credential", "create", *named))
    assert len(parsed(invoke("credential", "list", "--json", *named))) == 2
    fails(invoke("call", "DoWhatNobodyKnows", *named), "there is no operation 'DoWhatNobodyKnows'")
    fails(invoke("call", "CreateNamespace", "Nmae=x", *named), "Nmae")
    fails(invoke("storage", "collect", *named), "run it where the server runs")
    monkeypatch.setenv("ROADSTEAD_CLIENT_SECRET", "wrong")
    fails(invoke("namespace", "list", *named), "SecretId or SecretKey is wrong")


def test_a_wrong_key_is_not_kept(invoke: Invoke, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADSTEAD_CLIENT_SECRET", "wrong")
    fails(invoke("login", elsewhere.url, "--key", elsewhere.made.secret_id), "SecretId or SecretKey is wrong")
    assert not profile_file().exists()


def test_a_server_that_is_away_is_told_as_that(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADSTEAD_CLIENT_SECRET", "any")
    fails(invoke("login", "http://127.0.0.1:1", "--key", "AKID"), "cannot be reached")
