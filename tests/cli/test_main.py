"""The command line: each command over a fresh registry, what it prints, and the one line with which it fails."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

import roadstead
from roadstead.app import open_context
from roadstead.cli.commands import app
from roadstead.cli.main import command, hoist, plain_serve
from roadstead.config import Settings
from roadstead.services.accounts import InitialCredentials, first_start
from roadstead.services.context import Context
from tests.cli.invoking import Ended, Invoke, fails, ok, parsed, table
from tests.factories.accounts import owner_login
from tests.factories.asgi import open_client


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", ""),
        ("namespace list", "namespace list"),
        ("namespace list --json", "--json namespace list"),
        ("namespace list --data x", "--data x namespace list"),
        ("namespace list --server x --key=y", "--server x --key=y namespace list"),
        ("namespace --data x list --json --instance y", "--data x --json --instance y namespace list"),
        ("namespace list --data=x --config=y", "--data=x --config=y namespace list"),
        ("--data x namespace list", "--data x namespace list"),
        ("namespace create a -- --json", "namespace create a -- --json"),
        ("namespace create --json -- --data x", "--json namespace create -- --data x"),
        ("namespace list --data", "--data namespace list"),
        ("namespace list --database x", "namespace list --database x"),
        ("repository list --search --json", "--json repository list --search"),
        ("serve --data x --listen y", "serve --data x --listen y"),
        ("serve --json", "serve --json"),
        ("--data x serve --listen y", "serve --data x --listen y"),
        ("--json --data x serve", "serve --data x"),
        ("namespace create serve --json", "--json namespace create serve"),
    ],
)
def test_shared_options_may_stand_anywhere(arguments: str, expected: str) -> None:
    assert hoist(arguments.split()) == expected.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ""),
        ("namespace list", "namespace"),
        ("--data audit namespace list", "namespace"),
        ("--json --data=audit namespace", "namespace"),
        ("--help", ""),
        ("--data", ""),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option(words: str, expected: str) -> None:
    assert command(words.split()) == expected


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("serve", {}),
        ("serve --data x --listen=y --config z", {"data": "x", "listen": "y", "config": "z"}),
        ("serve --data=x=y", {"data": "x=y"}),
        ("serve --data x --data y", {"data": "y"}),
        ("serve --data=", {"data": ""}),
        ("serve --help", None),
        ("serve --data", None),
        ("serve --data x y", None),
        ("serve --data -x", None),
        ("serve --instance x", None),
        ("storage check", None),
        ("", None),
    ],
)
def test_a_plain_serve_is_understood_without_the_other_commands(
    arguments: str, options: dict[str, str] | None
) -> None:
    assert plain_serve(arguments.split()) == options


def command_lines(command: object, *path: str) -> Iterator[tuple[str, ...]]:
    """The words of each command and group."""
    yield path
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from command_lines(each, *path, name)


_COMMANDS = list(command_lines(typer.main.get_command(app())))


def test_these_are_all_commands() -> None:
    groups = {
        "namespace": "create list modify delete",
        "credential": "create list disable enable delete",
        "repository": "create list describe delete",
        "instance": "create list show status modify delete",
        "tag": "list layers copy delete",
        "network": "open close allow deny show loopback link unlink links name records",
        "vpc": "create delete add-subnet remove-subnet list",
        "storage": "check collect",
        "group": "create list members add remove delete",
        "policy": "create list show template update attach detach holders of delete",
        "user": "create list show modify disable enable delete password keys",
        "account": "show password second-factor recovery-codes",
        "key": "create list disable enable delete",
        "serviceaccount": "create list modify disable enable password delete",
        "audit": "list show explain export",
        "job": "list failed run-again",
        "chart": "list versions show files diff delete",
        "tls": "self-signed add replace list delete",
        "domain": "add list delete",
        "rate": "show set",
        "events": "list",
        "trigger": "create list show modify enable disable delete test log send-again",
    }
    leaves = {
        ("serve",),
        ("worker",),
        ("call",),
        ("login",),
        ("logout",),
        ("can-i",),
        *((group, name) for group, names in groups.items() for name in names.split()),
    }
    assert set(_COMMANDS) == leaves | {(group,) for group in groups} | {()}


@pytest.mark.parametrize("words", _COMMANDS, ids=" ".join)
def test_each_command_explains_itself(invoke: Invoke, words: Sequence[str]) -> None:
    ended = invoke(*words, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert "Usage:" in ended.out and "--help" in ended.out
    if len(words) == 2:
        assert f"Example: roadstead {' '.join(words)}" in ended.out


def test_the_version_is_told(invoke: Invoke) -> None:
    assert invoke("--version") == Ended(0, f"{roadstead.__version__}\n", "")


def test_namespaces(invoke: Invoke, folder: Path) -> None:
    assert (
        ok(invoke("namespace", "create", "prod", "--public", "--data", folder))
        == "Namespace prod created (public).\n"
    )
    heading, *rows = table(invoke("namespace", "list", "--data", folder))
    assert heading == ["NAME", "PUBLIC", "CREATED"]
    assert [row[:2] for row in rows] == [["library", "no"], ["prod", "yes"]]
    assert ok(invoke("namespace", "modify", "prod", "--private", "--data", folder)) == "Namespace prod changed.\n"
    (found,) = parsed(invoke("namespace", "list", "--search", "ro", "--json", "--data", folder))
    assert (found["Name"], found["Public"]) == ("prod", False)
    assert parsed(invoke("namespace", "delete", "--yes", "prod", "--json", "--data", folder)) is not None
    assert ok(invoke("namespace", "delete", "--yes", "library", "--data", folder)) == "Namespace library deleted.\n"
    assert ok(invoke("namespace", "list", "--data", folder)).startswith("No namespaces yet. Create one: roadstead ")
    assert parsed(invoke("namespace", "list", "--json", "--data", folder)) == []


def login_status(folder: Path, username: str, password: str) -> int:
    """The answer of the registry's ping to that login."""

    async def ping() -> int:
        async with open_context(Settings(data=str(folder))) as ctx, open_client(ctx) as client:
            return (await client.get("/v2/", auth=(username, password))).status_code

    return asyncio.run(ping())


def test_credentials(invoke: Invoke, folder: Path) -> None:
    made = parsed(invoke("credential", "create", "--purpose", "build server", "--json", "--data", folder))
    login = made["Username"], made["Token"]
    assert login_status(folder, *login) == 200
    heading, *rows = table(invoke("credential", "list", "--data", folder))
    assert heading == ["ID", "ENABLED", "CREATED", "PURPOSE"]
    assert [made["TokenId"], "yes", "build", "server"] in [[*row[:2], *row[3:]] for row in rows]
    for word, status in (("disable", 401), ("enable", 200), ("delete", 401)):
        sure = ["--yes"] if word == "delete" else []
        assert ok(invoke("credential", word, made["TokenId"], *sure, "--data", folder)) == (
            f"Credential {made['TokenId']} {word.rstrip('e')}ed.\n"
        )
        assert login_status(folder, *login) == status
    listed = parsed(invoke("credential", "list", "--json", "--data", folder))
    assert made["TokenId"] not in [each["Id"] for each in listed]


def test_a_temporary_credential_is_shown_with_the_login_line(invoke: Invoke, folder: Path) -> None:
    shown = ok(invoke("credential", "create", "--temporary", "--data", folder))
    # As the registry was last served, and on a machine of one's own without a name of its own.
    assert "docker login localhost:5000 --username" in shown
    words = shown.split()
    username, password = words[words.index("--username") + 1], words[words.index("--password") + 1]
    assert login_status(folder, username, password) == 200
    assert len(parsed(invoke("credential", "list", "--json", "--data", folder))) == 1


def test_repositories(invoke: Invoke, folder: Path) -> None:
    assert ok(invoke("repository", "list", "--data", folder)).startswith("No repositories yet. Push an image: ")
    created = invoke("repository", "create", "library/app", "--summary", "The shop", "--data", folder)
    assert ok(created) == "Repository library/app created.\n"
    heading, row = table(invoke("repository", "list", "--namespace", "library", "--search", "ap", "--data", folder))
    assert heading == ["NAME", "PUBLIC", "UPDATED", "PULLS", "PULLED", "SUMMARY"]
    assert [*row[:2], *row[3:]] == ["library/app", "no", "0", "The", "shop"]
    ok(invoke("repository", "describe", "library/app", "--summary", "S", "--description", "D", "--data", folder))
    (found,) = parsed(invoke("repository", "list", "--json", "--data", folder))
    assert (found["BriefDescription"], found["Description"]) == ("S", "D")
    assert parsed(invoke("repository", "list", "--search", "none", "--json", "--data", folder)) == []
    ok(invoke("repository", "delete", "library/app", "--yes", "--data", folder))
    assert parsed(invoke("repository", "list", "--json", "--data", folder)) == []


@pytest.mark.parametrize(("answer", "left"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_a_repository_is_deleted_only_after_a_yes(
    invoke: Invoke, with_image: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, left: int
) -> None:
    (tmp_path / "typed").write_text(answer)
    with (tmp_path / "typed").open() as typed:
        monkeypatch.setattr(sys, "stdin", typed)
        ended = invoke("repository", "delete", "library/app", "--data", with_image)
    assert ended.code == left
    assert "Delete library/app with 1 image (1 tag), " in ended.out + ended.err
    assert len(parsed(invoke("repository", "list", "--json", "--data", with_image))) == left


def test_tags(invoke: Invoke, with_image: Path) -> None:
    heading, row = table(invoke("tag", "list", "library/app", "--data", with_image))
    assert heading == ["TAG", "DIGEST", "SIZE", "PLATFORMS", "PUSHED", "PULLS", "PULLED"]
    (found,) = parsed(invoke("tag", "list", "library/app", "--search", "v", "--json", "--data", with_image))
    assert row[:2] == [found["ImageVersion"], found["Digest"][:19]] == ["v1", row[1]]
    assert (row[3], row[4]) == ("B", "linux/amd64")
    ended = invoke("tag", "delete", "--yes", "library/app", "v1", "--data", with_image)
    assert ok(ended) == "Tag library/app:v1 deleted.\n"
    assert ok(invoke("tag", "list", "library/app", "--data", with_image)) == "No tags in library/app yet.\n"
    fails(invoke("tag", "delete", "--yes", "library/app", "v1", "--data", with_image), "has no tag 'v1'")


def test_layers_and_copies(invoke: Invoke, with_image: Path) -> None:
    summary, heading, row = table(invoke("tag", "layers", "library/app", "v1", "--data", with_image))
    assert (summary[1], heading, row) == ("linux/amd64", ["SIZE", "COMMAND"], ["5", "B"])
    (layer,) = parsed(invoke("tag", "layers", "library/app", "v1", "--json", "--data", with_image))["Layers"]
    assert layer["Size"] == 5
    copied = ok(invoke("tag", "copy", "library/app", "v1", "stable", "--to", "library/web", "--data", with_image))
    assert copied == "Tag library/web:stable stands for the image of library/app:v1.\n"
    ok(invoke("tag", "copy", "library/app", "v1", "v2", "--data", with_image))
    gone = ok(invoke("tag", "delete", "--yes", "library/app", "v1", "v2", "--data", with_image))
    assert gone == "Tags library/app:v1, library/app:v2 deleted.\n"
    fails(invoke("tag", "layers", "library/app", "v1", "--data", with_image), "has no tag 'v1'")


def test_the_network(invoke: Invoke, folder: Path) -> None:
    shown = ok(invoke("network", "show", "--data", folder))
    assert shown == "Public entry: Closed\nLoopback entry: Open\nThe allowlist is empty: nobody is admitted.\n"
    ok(invoke("network", "open", "--data", folder))
    allowed = ok(invoke("network", "allow", "192.0.2.0/24", "--note", "office", "--data", folder))
    assert allowed == "192.0.2.0/24 is on the allowlist.\n"
    assert "every IPv6 address" in ok(invoke("network", "allow", "::/0", "--data", folder))
    status, note, _, heading, *rows = table(invoke("network", "show", "--data", folder))
    assert (status, heading) == (["Public", "entry:", "Opening"], ["CIDR", "NOTE"])
    assert note[:2] == ["Note:", "the"] and rows == [["192.0.2.0/24", "office"], ["::/0"]]
    fails(invoke("network", "allow", "192.0.2.1/24", "--data", folder), "on the allowlist already")
    ok(invoke("network", "deny", "::/0", "--data", folder))
    assert [
        each["CidrBlock"]
        for each in parsed(invoke("network", "show", "--json", "--data", folder))["SecurityPolicySet"]
    ] == ["192.0.2.0/24"]
    fails(invoke("network", "deny", "::/0", "--data", folder), "is not on the allowlist")
    ok(invoke("network", "close", "--data", folder))
    assert ok(invoke("network", "show", "--data", folder)).startswith("Public entry: Closing\n")
    closed = ok(invoke("network", "loopback", "--off", "--data", folder))
    assert closed.startswith("Loopback entry: Closed.\nPrograms on the serving host")
    assert "Loopback entry: Closed\n" in ok(invoke("network", "show", "--data", folder))
    assert ok(invoke("network", "loopback", "--on", "--data", folder)) == "Loopback entry: Open.\n"


def test_the_storage_is_checked_and_collected(invoke: Invoke, with_image: Path) -> None:
    assert "2 blobs" in ok(invoke("storage", "check", "--data", with_image))
    found = parsed(invoke("storage", "check", "--json", "--data", with_image))
    assert (found["Checked"]["Blobs"], found["Findings"]) == (2, [])
    assert ok(invoke("storage", "collect", "--data", with_image)).startswith("Removed 0 blobs")
    assert parsed(invoke("storage", "collect", "--json", "--data", with_image))["Blobs"] == 0


def test_a_damaged_blob_is_found_and_ends_the_check_with_one(invoke: Invoke, with_image: Path) -> None:
    with closing(sqlite3.connect(with_image / "roadstead.db")) as database, database:
        damaged = database.execute("UPDATE small_blobs SET data = ? WHERE data = ?", (b"LAYER", b"layer"))
        assert damaged.rowcount == 1
    ended = invoke("storage", "check", "--json", "--data", with_image)
    assert ended.code == 1
    assert [found["Kind"] for found in json.loads(ended.out)["Findings"]] == ["blob"]
    assert "blob sha256:" in ended.err


def program(*arguments: str | Path) -> Ended:
    """The command line in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "roadstead", *map(str, arguments)],
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_a_port_in_use(invoke: Invoke, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        fails(
            invoke("serve", "--data", tmp_path / "data", "--listen", listen), f"{listen} is in use by another program"
        )
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:70000"])
def test_an_address_that_cannot_be_listened_on(invoke: Invoke, tmp_path: Path, listen: str) -> None:
    fails(invoke("serve", "--data", tmp_path, "--listen", listen), "listen must be HOST:PORT")


def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fails(
        program("serve", "--data", tmp_path / "file" / "data", "--listen", "127.0.0.1:0"),
        f"cannot write to the data folder {tmp_path / 'file' / 'data'}: Not a directory",
    )


def make_newer(folder: Path) -> None:
    """The database was changed by a release that this one cannot work with."""
    with closing(sqlite3.connect(folder / "roadstead.db")) as database, database:
        assert database.execute("UPDATE schema_version SET version = 99, compatible = 98").rowcount == 1


def test_a_newer_database(invoke: Invoke, folder: Path) -> None:
    make_newer(folder)
    before = (folder / "roadstead.db").read_bytes()
    fails(
        invoke("namespace", "list", "--data", folder),
        "changed by a newer release (schema 99, readable from schema 98)",
    )
    assert (folder / "roadstead.db").read_bytes() == before


def test_a_newer_database_is_not_served(folder: Path) -> None:
    make_newer(folder)
    fails(program("serve", "--data", folder, "--listen", "127.0.0.1:0"), "install the newer release")


def test_an_unknown_variable(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADSTEAD_LIMITS_PAGES", "3")
    fails(invoke("namespace", "list", "--data", folder), "ROADSTEAD_LIMITS_PAGES is not a setting")


def test_a_variable_names_the_data_folder(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADSTEAD_DATA", str(folder))
    assert [each["Name"] for each in parsed(invoke("namespace", "list", "--json"))] == ["library"]


def test_a_configuration_file_names_the_data_folder(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "roadstead.toml").write_text(f"data = {json.dumps(str(folder))}\n")
    listed = invoke("namespace", "list", "--config", tmp_path / "roadstead.toml", "--json")
    assert [each["Name"] for each in parsed(listed)] == ["library"]
    fails(invoke("namespace", "list", "--config", tmp_path / "none.toml"), "cannot read the configuration file")


@pytest.mark.parametrize("place", ["empty", "/dev/null/x"])
def test_no_registry_in_the_folder(invoke: Invoke, tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    fails(
        invoke("namespace", "list", "--data", folder),
        f"there is no registry in {folder}; name its folder with --data",
    )
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("namespace create X", "'X' is not a namespace name"),
        ("namespace create library", "namespace 'library' exists already"),
        ("namespace delete none --yes", "there is no namespace 'none'"),
        ("namespace modify none --public", "there is no namespace 'none'"),
        ("repository create alone", "'alone' names no namespace"),
        ("repository create library/X", "is not a repository name"),
        ("repository create none/app", "none"),
        ("repository delete library/app --yes", "there is no repository library/app"),
        ("repository describe library/app", "there is no repository library/app"),
        ("tag list alone", "'alone' names no namespace"),
        ("tag list library/app", "there is no repository library/app"),
        ("credential disable none", "there is no long-term credential 'none'"),
        ("credential enable none", "there is no long-term credential 'none'"),
        ("credential delete none --yes", "there is no long-term credential 'none'"),
        ("network allow everywhere", "'everywhere' is not an address or network"),
        ("namespace list --instance none", "there is no instance 'none'"),
    ],
)
def test_what_cannot_be_done(invoke: Invoke, folder: Path, words: str, reason: str) -> None:
    fails(invoke(*words.split(), "--data", folder), reason)
    ended = invoke(*words.split(), "--json", "--data", folder)
    assert (ended.code, ended.out) == (1, "")
    assert reason in json.loads(ended.err)["Message"]


def test_a_namespace_in_use_is_not_deleted(invoke: Invoke, with_image: Path) -> None:
    ended = invoke("namespace", "delete", "--yes", "library", "--data", with_image)
    fails(ended, "still holds repositories: library/app")


@pytest.mark.parametrize(
    "words", ["namespace create", "nonsense", "namespace list --nonsense", "namespace list --data"]
)
def test_a_wrong_command_line_ends_with_two(invoke: Invoke, words: str) -> None:
    ended = invoke(*words.split())
    assert (ended.code, ended.out) == (2, "")
    assert "Error" in ended.err


async def start(folder: Path) -> tuple[InitialCredentials | None, int]:
    """What a start has made, and the answer of the ping to what the first one has."""
    async with open_context(Settings(data=str(folder))) as ctx:
        made = await first_start(ctx)
        return made, await owner_ping(ctx)


async def owner_ping(ctx: Context) -> int:
    login = owner_login(ctx)
    async with open_client(ctx) as client:
        return (await client.get("/v2/", auth=(login.username, login.password))).status_code


def test_the_first_start_leaves_credentials_and_the_second_takes_them(tmp_path: Path) -> None:
    file = tmp_path / "data" / "initial-credentials.json"
    made, status = asyncio.run(start(tmp_path / "data"))
    assert made is not None and status == 200
    assert file.stat().st_mode & 0o777 == 0o600
    written = file.read_bytes()
    assert json.loads(written) == {
        "AccountUin": made.account_uin,
        "UserName": "admin",
        "Password": made.password,
        "SecretId": made.secret_id,
        "SecretKey": made.secret_key,
        "RegistryUser": made.account_uin,
        "RegistryToken": made.registry_token,
    }
    assert all(json.loads(written).values())
    assert asyncio.run(start(tmp_path / "data")) == (None, 200)
    assert file.read_bytes() == written
