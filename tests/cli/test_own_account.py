"""One's own password and second factor by commands, at a server that is running."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyotp
import pytest
import typer

from roadstead.cli import served
from roadstead.config import Settings, Tls
from roadstead.errors import InvalidInput
from tests.cli.conftest import Elsewhere
from tests.cli.invoking import Invoke, fails, ok, parsed

GIVEN, OWN, OTHER = "Correct-horse-7", "Battery-staple-8", "Staple-horse-9"
Typing = Callable[..., None]


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Typing:
    """The next command finds these answers typed, each a text or a function that makes it when it is asked for."""
    waiting: list[Any] = []

    def prompt(text: str, **options: Any) -> str:
        assert options.get("err"), "what a script reads is not mixed with questions"
        assert options.get("hide_input", False) == ("assword" in text)
        answer = waiting.pop(0)
        return str(answer() if callable(answer) else answer)

    def types(*answers: Any) -> None:
        assert not waiting
        waiting[:] = answers

    monkeypatch.setattr(typer, "prompt", prompt)
    return types


def test_a_given_password_is_changed_at_the_first_login(invoke: Invoke, elsewhere: Elsewhere, types: Typing) -> None:
    there = ("--server", elsewhere.url)
    types(GIVEN)
    made = invoke("user", "create", "alice", "--ask", "--must-change", "--data", elsewhere.folder)
    assert made.code == 0
    types(GIVEN, OWN)
    done = invoke("account", "password", "alice", *there)
    assert (done.code, done.out) == (0, "The password of alice is changed; other logins have ended.\n")
    assert "must be changed" in done.err
    types(GIVEN)
    fails(invoke("account", "show", "alice", *there), "name or password")
    types(OWN, OTHER)
    assert "is changed" in ok(invoke("account", "password", "alice", *there))
    # Without a server's name it is the one of the data folder that is meant.
    served.note(Settings(data=str(elsewhere.folder)), int(elsewhere.url.rpartition(":")[2]))
    types(OTHER)
    shown = ok(invoke("account", "show", "alice", "--data", elsewhere.folder)).splitlines()
    assert shown[0].split() == ["Name", "alice"] and shown[2] == "Second factor  off"


def test_a_second_factor_and_its_recovery_codes(
    invoke: Invoke, elsewhere: Elsewhere, types: Typing, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ("--server", elsewhere.url)
    ok(invoke("user", "create", "bob", "--data", elsewhere.folder))
    given = parsed(invoke("user", "password", "bob", "--json", "--data", elsewhere.folder))["Password"]

    def code() -> str:
        return pyotp.TOTP(capsys.readouterr().err.split("\n\n")[1].splitlines()[0]).now()

    types(given, code)
    codes = parsed(invoke("account", "second-factor", "bob", "--json", *there))["RecoveryCodes"]
    assert len(codes) == 10
    types(given, codes[0])
    assert parsed(invoke("account", "show", "bob", "--json", *there))["RecoveryCodes"] == 9
    types(given, codes[0])
    fails(invoke("account", "show", "bob", *there), "used before")
    types(given, codes[1])
    fresh = ok(invoke("account", "recovery-codes", "bob", *there)).split("\n\n")[1].splitlines()
    assert len(fresh) == 10 and not set(fresh) & set(codes)
    for again in (["recovery-codes", "bob"], ["second-factor", "bob", "--remove"]):
        types(given, codes[2])
        fails(invoke("account", *again, *there), "is wrong, or was used before")
    types(given, fresh[0])
    assert "on, 9 recovery codes left" in ok(invoke("account", "show", "bob", *there))
    types(given, fresh[1])
    assert "no second factor any more" in ok(invoke("account", "second-factor", "bob", "--remove", *there))
    types(given)
    assert ok(invoke("account", "show", "bob", *there)).endswith("Second factor  off\n")


def test_where_the_registry_of_this_machine_is_reached() -> None:
    for listen, url in (
        ("0.0.0.0:5000", "http://127.0.0.1:5000"),
        (":5000", "http://127.0.0.1:5000"),
        ("[::]:5000", "http://127.0.0.1:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("localhost:5000", "http://localhost:5000"),
        ("192.0.2.1:80", "http://192.0.2.1:80"),
    ):
        assert served.url(Settings(listen=listen)) == url
    with pytest.raises(InvalidInput, match="--server"):
        served.url(Settings(tls=Tls(self_signed=True)))
    assert served.url(Settings(tls=Tls(self_signed=True, listen=":5443"), listen=":5000")) == "http://127.0.0.1:5000"


def test_a_server_that_is_away(invoke: Invoke, types: Typing) -> None:
    types(GIVEN)
    fails(invoke("account", "show", "alice", "--server", "http://127.0.0.1:1"), "cannot be reached")
