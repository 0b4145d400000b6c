"""Passwords: checked beside the loop, remembered when right, and never longer than their hash stands."""

from __future__ import annotations

import asyncio

import pytest

from roadstead.errors import TooManyRequests
from roadstead.services import passwords
from roadstead.services.passwords import Passwords


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each slow check that was made: its password."""
    made: list[str] = []
    real = passwords.password_holds

    def holds(hashed: str, password: str) -> bool:
        made.append(password)
        return real(hashed, password)

    monkeypatch.setattr(passwords, "password_holds", holds)
    return made


async def test_a_right_password_is_checked_slowly_once(counted: list[str]) -> None:
    checker = Passwords()
    hashed = await checker.hash("Secret12")
    assert [await checker.holds(hashed, "Secret12") for _ in range(3)] == [True] * 3
    assert counted == ["Secret12"]
    assert not await checker.holds(hashed, "Secret13")
    assert not await checker.holds(hashed, "Secret13")
    assert counted == ["Secret12", "Secret13", "Secret13"]


async def test_a_changed_password_is_another_hash(counted: list[str]) -> None:
    checker = Passwords()
    old, new = await checker.hash("Secret12"), await checker.hash("Secret13")
    assert await checker.holds(old, "Secret12")
    assert not await checker.holds(new, "Secret12")
    again = await checker.hash("Secret12")
    assert again != old
    assert await checker.holds(again, "Secret12")
    assert len(counted) == 3


async def test_without_a_hash_nothing_holds_and_it_takes_as_long(counted: list[str]) -> None:
    checker = Passwords()
    for hashed in (None, ""):
        assert not await checker.holds(hashed, "Secret12")
    assert counted == ["Secret12", "Secret12"]


async def test_a_hash_that_is_none_holds_nothing() -> None:
    for hashed in ("-", "x" * 64, "$argon2id$"):
        assert not await Passwords().holds(hashed, "Secret12")


async def test_too_many_at_once_are_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "password_holds", lambda hashed, password: False)
    checker = Passwords()
    found = await asyncio.gather(*(checker.holds("-", f"{n}") for n in range(100)), return_exceptions=True)
    refused = [each for each in found if isinstance(each, TooManyRequests)]
    assert len(refused) == 100 - 64
    assert all(each is False for each in found if each not in refused)
    assert await checker.holds("-", "x") is False
