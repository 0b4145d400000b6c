"""What a process remembers, and that it forgets in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from roadstead.domain.reference import hasher
from roadstead.services import memory
from roadstead.services.memory import Admissions, Recent

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_content_is_remembered_by_its_digest() -> None:
    recent = Recent()
    assert recent.content("sha256:a") is None
    recent.keep_content("sha256:a", b"one")
    recent.keep_content("sha256:a", b"another cannot have this digest")
    assert recent.content("sha256:a") == b"one"


def test_the_oldest_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CONTENT_BYTES", 80)
    recent = Recent()
    for number in range(8):
        recent.keep_content(str(number), b"x" * 10)
    recent.content("0")
    for number in range(8, 10):
        recent.keep_content(str(number), b"x" * 10)
    kept = {str(number) for number in range(10) if recent.content(str(number)) is not None}
    assert kept == {"0", *map(str, range(3, 10))}


def test_one_that_would_push_out_many_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CONTENT_BYTES", 80)
    recent = Recent()
    recent.keep_content("small", b"x" * 10)
    recent.keep_content("large", b"x" * 11)
    assert recent.content("large") is None
    assert recent.content("small") is not None


def test_a_running_hash_is_handed_over_once() -> None:
    recent, running = Recent(), hasher("sha256")
    recent.keep_hash("session", 5, running)
    assert recent.take_hash("session", 4) is None
    assert recent.take_hash("other", 5) is None
    assert recent.take_hash("session", 5) is running
    assert recent.take_hash("session", 5) is None


def test_hashes_of_abandoned_sessions_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_HASHES", 3)
    recent = Recent()
    for number in range(5):
        recent.keep_hash(str(number), 0, hasher("sha256"))
    assert [number for number in range(5) if recent.take_hash(str(number), 0)] == [2, 3, 4]


def test_an_admission_holds_for_one_version_and_one_second() -> None:
    known: Admissions[str] = Admissions()
    known.keep(1, "key", NOON, "in")
    assert known.get(1, "key", NOON + timedelta(seconds=0.9)) == "in"
    assert known.get(1, "key", NOON + timedelta(seconds=1)) is None
    assert known.get(1, "another", NOON) is None
    assert known.get(2, "key", NOON) is None
    known.keep(2, "another", NOON, "in")
    assert known.get(1, "key", NOON) is None
    assert known.get(2, "key", NOON) is None


def test_without_a_version_nothing_is_remembered() -> None:
    known: Admissions[str] = Admissions()
    known.keep(None, "key", NOON, "in")
    assert known.get(None, "key", NOON) is None


def test_admissions_do_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ADMISSIONS", 3)
    known: Admissions[int] = Admissions()
    for number in range(10):
        known.keep(1, number, NOON, number)
        assert known.get(1, number, NOON) == number
        assert sum(known.get(1, other, NOON) is not None for other in range(10)) <= 3
