"""`roadstead instance`: made, shown, changed and removed without a running server, and over one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.cli.conftest import Elsewhere
from tests.cli.invoking import Invoke, fails, ok, parsed, table


def test_an_instance_is_made_and_shown(invoke: Invoke, folder: Path) -> None:
    made = ok(
        invoke("instance", "create", "acme5", "--specification", "standard", "--tag", "team=web", "--data", folder)
    )
    assert "Instance acme5 (tcr-" in made and "is running at acme5.localhost:5000." in made
    heading, *rows = table(invoke("instance", "list", "--data", folder))
    assert heading == ["NAME", "ID", "HOST", "SPECIFICATION", "REGION", "STATUS"]
    assert [row[0] for row in rows] == ["acme5", "default"]
    assert rows[0][2:] == ["acme5.localhost:5000", "standard", "local", "Running"]
    shown = ok(invoke("instance", "show", "acme5", "--data", folder))
    for line in ("0 of 100", "0 of 3000", "team=web", "standard"):
        assert line in shown
    found = parsed(invoke("instance", "show", "acme5", "--json", "--data", folder))
    assert (found["Registry"]["RegistryName"], found["Quotas"][0]["Limit"]) == ("acme5", 100)
    steps = ok(invoke("instance", "status", "acme5", "--data", folder)).splitlines()
    assert steps[0] == "acme5: Running"
    assert [line.split()[1] for line in steps[1:]] == ["Succeeded"] * 3


def test_other_commands_work_on_it(invoke: Invoke, folder: Path) -> None:
    ok(invoke("instance", "create", "acme5", "--json", "--data", folder))
    ok(invoke("namespace", "create", "team", "--instance", "acme5", "--data", folder))
    there = parsed(invoke("namespace", "list", "--instance", "acme5", "--json", "--data", folder))
    here = parsed(invoke("namespace", "list", "--json", "--data", folder))
    assert ([each["Name"] for each in there], [each["Name"] for each in here]) == (["team"], ["library"])


def test_it_is_changed_and_removed(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ok(invoke("instance", "create", "acme5", "--protect", "--json", "--data", folder))
    fails(
        invoke("instance", "delete", "acme5", "--yes", "--data", folder),
        "roadstead instance modify acme5 --unprotect",
    )
    changed = ok(invoke("instance", "modify", "acme5", "--unprotect", "--specification", "premium", "--data", folder))
    assert changed == "Instance acme5 changed.\n"
    fails(invoke("instance", "modify", "acme5", "--specification", "basic", "--data", folder), "only go up")
    ok(invoke("namespace", "create", "team", "--instance", "acme5", "--data", folder))
    told = ok(invoke("instance", "delete", "acme5", "--dry-run", "--data", folder))
    assert told.startswith("Would delete 1 namespace, 0 repositories, 0 images (0 tags), 0 credentials, 0 B")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    ended = invoke("instance", "delete", "acme5", "--data", folder)
    assert ended.code == 1 and "Delete instance acme5 with 1 namespace," in ended.out + ended.err
    gone = ok(invoke("instance", "delete", "acme5", "--yes", "--data", folder))
    assert gone.splitlines()[-1].startswith("Instance acme5 deleted: 1 namespace,")
    fails(invoke("instance", "show", "acme5", "--data", folder), "there is no instance 'acme5'")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("create", "no"), "is not an instance name"),
        (("create", "admin"), "reserved"),
        (("create", "acme5", "--specification", "huge"), "basic, standard or premium"),
        (("create", "acme5", "--tag", "web"), "KEY=VALUE"),
        (("status", "acme5"), "there is no instance 'acme5'"),
        (("delete", "default", "--yes"), "default instance"),
    ],
)
def test_what_cannot_be_done(invoke: Invoke, folder: Path, arguments: tuple[str, ...], reason: str) -> None:
    fails(invoke("instance", *arguments, "--data", folder), reason)


def test_over_a_server(invoke: Invoke, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROADSTEAD_CLIENT_SECRET", elsewhere.made.secret_key)
    where = ("--server", elsewhere.url, "--key", elsewhere.made.secret_id)
    made = ok(invoke("instance", "create", "acme5", *where))
    assert "is running at acme5.localhost." in made
    ok(invoke("namespace", "create", "team", "--instance", "acme5", *where))
    there = parsed(invoke("namespace", "list", "--instance", "acme5", "--json", *where))
    assert [each["Name"] for each in there] == ["team"]
    ok(invoke("instance", "delete", "acme5", "--yes", *where))
    fails(invoke("namespace", "list", "--instance", "acme5", *where), "there is no instance 'acme5'")
