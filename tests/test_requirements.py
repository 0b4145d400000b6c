"""A missing program is a reason to skip for a developer, and a failure where changes are checked."""

from __future__ import annotations

import pytest

from tests.requirements import find, needs


def test_program_on_the_path_is_found() -> None:
    path = find("sh")
    assert path is not None
    assert needs("sh") == path


@pytest.mark.parametrize("value", ["", "false"])
def test_missing_program_skips(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.skip.Exception, match="no-such-program is not installed"):
        needs("no-such-program")


@pytest.mark.parametrize("value", ["true", "1"])
def test_missing_program_fails_where_changes_are_checked(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", value)
    with pytest.raises(pytest.fail.Exception, match="no-such-program is not installed"):
        needs("no-such-program")
