"""What a chosen password must be like, as a table."""

from __future__ import annotations

import pytest

from roadstead.domain.passwords import check_password, check_service_password
from roadstead.errors import InvalidInput


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("Secret1!", ""),
        ("S1!" + "x" * 125, ""),
        ("Pässwort-1", ""),
        ("Secret1 ", ""),
        ("Secre1!", "8 to 128"),
        ("S1!" + "x" * 126, "8 to 128"),
        ("", "8 to 128"),
        ("secret1!", "an upper-case letter"),
        ("SECRET1!", "a lower-case letter"),
        ("Secrets!", "a digit"),
        ("Secrets1", "a special character"),
        ("aaaaaaaa", "an upper-case letter, a digit, a special character"),
        ("Alice-Alice1", "the user's name"),
        ("xALICEx1!", "the user's name"),
        ("Secret1!\0", "nobody can type"),
        ("Secret1!\n", "nobody can type"),
        ("Secret1!\ud800", "nobody can type"),
    ],
)
def test_a_password_of_the_console(password: str, problem: str) -> None:
    if problem:
        with pytest.raises(InvalidInput, match=problem):
            check_password(password, "alice")
    else:
        check_password(password, "alice")


def test_a_very_short_name_may_stand_in_a_password() -> None:
    check_password("Secret1!", "se")


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("Secret12", ""),
        ("S1" + "x" * 18, ""),
        ("Secret1", "8 to 20"),
        ("S1" + "x" * 19, "8 to 20"),
        ("secret12", "an upper-case letter"),
        ("SECRET12", "a lower-case letter"),
        ("Secretss", "a digit"),
        ("Secret1\t2", "nobody can type"),
    ],
)
def test_a_password_of_a_service_account(password: str, problem: str) -> None:
    if problem:
        with pytest.raises(InvalidInput, match=problem):
            check_service_password(password)
    else:
        check_service_password(password)
