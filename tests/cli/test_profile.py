"""Which server a command goes to, and how its key is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.cli.options import Options
from roadstead.cli.profile import Profile, address, chosen, forget, is_private, profile_file, read, write
from roadstead.errors import InvalidInput, StartRefused

HERE = Profile("https://one.test", "AKID1", "secret1")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_a_login_is_kept_for_its_user_only(environment: dict[str, str]) -> None:
    path = profile_file(environment)
    assert read(path) is None and forget(path) is None
    write(path, HERE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read(path) == HERE
    write(path, Profile("https://two.test", "AKID2", "secret2"))
    assert [each.name for each in path.parent.iterdir()] == ["profile.json"]
    assert forget(path) == Profile("https://two.test", "AKID2", "secret2")
    temporary = Profile("https://two.test", "AKID2", "secret2", "token")
    write(path, temporary)
    assert read(path) == temporary and forget(path) == temporary
    assert read(path) is None


def test_a_login_that_others_can_read_is_refused(environment: dict[str, str]) -> None:
    path = profile_file(environment)
    write(path, HERE)
    path.chmod(0o640)
    with pytest.raises(StartRefused, match="chmod 600"):
        read(path)


def test_a_login_that_is_damaged_says_how_to_go_on(environment: dict[str, str]) -> None:
    path = profile_file(environment)
    write(path, HERE)
    path.write_text("{")
    with pytest.raises(StartRefused, match="log in again"):
        read(path)
    assert forget(path) is not None
    assert not path.exists()


def test_commands_go_where_the_nearest_word_says(environment: dict[str, str]) -> None:
    assert chosen(Options(), environment) is None
    write(profile_file(environment), HERE)
    assert chosen(Options(), environment) == HERE
    assert chosen(Options(data="x"), environment) is None
    assert chosen(Options(), {**environment, "ROADSTEAD_DATA": "x"}) is None
    assert chosen(Options(server="https://one.test/", data="x"), environment) == HERE


def test_a_named_key_comes_with_its_secret_from_the_environment(environment: dict[str, str]) -> None:
    secret = {"ROADSTEAD_CLIENT_SECRET": "secret3"}
    named = Options(server="https://three.test", key="AKID3")
    found = Profile("https://three.test", "AKID3", "secret3")
    assert chosen(named, environment | secret) == found
    all_of_it = {"ROADSTEAD_CLIENT_SERVER": "https://three.test", "ROADSTEAD_CLIENT_KEY": "AKID3"}
    assert chosen(Options(), environment | secret | all_of_it) == found


@pytest.mark.parametrize(
    "options",
    [
        Options(server="https://two.test"),
        Options(server="https://two.test", key="AKID1"),
        Options(server="https://one.test", key="AKID2"),
        Options(server="http://one.test"),
    ],
)
def test_a_key_is_sent_only_where_it_was_logged_in_with(environment: dict[str, str], options: Options) -> None:
    write(profile_file(environment), HERE)
    with pytest.raises(InvalidInput, match="roadstead login"):
        chosen(options, environment)


@pytest.mark.parametrize(
    "text",
    ["one.test", "ftp://one.test", "https://", "https://u:p@one.test", "https://one.test/v2", "http://a?b", ""],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        address(text)


@pytest.mark.parametrize(
    ("server", "private"),
    [
        ("https://one.test", True),
        ("http://one.test", False),
        ("http://127.0.0.1:5000", True),
        ("http://localhost", True),
        ("http://[::1]:5000", True),
        ("http://127.evil.test", False),
    ],
)
def test_a_key_in_the_clear_is_warned_of(server: str, private: bool) -> None:
    assert is_private(server) is private
