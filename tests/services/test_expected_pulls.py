"""What is expected of clients: known to every process of a folder, for a while, and never mistaken."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path

import pytest

from roadstead.services.expected_pulls import ExpectedPulls
from tests.jobs.bench import FakeClock

NOW = FakeClock().now
LATER = NOW + timedelta(minutes=1)
ALICE, BOB = ("alice", "key", "127.0.0.1"), ("bob", "key", "127.0.0.1")


def test_it_is_known_to_all_until_then(tmp_path: Path) -> None:
    one, other = ExpectedPulls(tmp_path), ExpectedPulls(tmp_path)
    one.add(ALICE, 1, "sha256:a", "v1", LATER)
    other.add(ALICE, 1, "sha256:b", None, LATER)
    for process in (one, other, ExpectedPulls(tmp_path)):
        assert process.find(ALICE, 1, "sha256:a", NOW) == "v1"
        assert process.find(ALICE, 1, "sha256:b", NOW) is None
        assert process.find(ALICE, 1, "sha256:a", LATER) == ""
        assert [process.find(*asked, NOW) for asked in ((BOB, 1, "sha256:a"), (ALICE, 2, "sha256:a"))] == ["", ""]
    other.add(ALICE, 1, "sha256:a", "v2", LATER)
    assert one.find(ALICE, 1, "sha256:a", NOW) == "v2"


def test_of_too_many_the_newest_are_known(tmp_path: Path) -> None:
    expected = ExpectedPulls(tmp_path)
    for number in range(40_000):
        expected.add(ALICE, number, "sha256:a", f"t{number}", NOW + timedelta(milliseconds=number + 1))
    known = [expected.find(ALICE, number, "sha256:a", NOW) for number in range(40_000)]
    assert all(tag in {"", f"t{number}"} for number, tag in enumerate(known))
    assert sum(map(bool, known)) > 14_000 and sum(map(bool, known[-4000:])) > 3900


def test_the_longest_tag_fits_and_what_is_broken_is_not_believed(tmp_path: Path) -> None:
    expected, tag = ExpectedPulls(tmp_path), "t" * 128
    expected.add(ALICE, 1, "sha256:a", tag, LATER)
    assert expected.find(ALICE, 1, "sha256:a", NOW) == tag
    file = tmp_path / "expected-pulls"
    assert file.stat().st_mode & 0o777 == 0o600
    content = file.read_bytes()
    with file.open("r+b") as opened:
        opened.seek(content.index(b"ttt"))
        opened.write(b"x")
    assert expected.find(ALICE, 1, "sha256:a", NOW) == ""


def test_without_room_on_the_disk_each_process_expects_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "posix_fallocate", full)
    expected = ExpectedPulls(tmp_path)
    expected.add(ALICE, 1, "sha256:a", "v1", LATER)
    assert expected.find(ALICE, 1, "sha256:a", NOW) == "v1"
    assert ExpectedPulls(tmp_path).find(ALICE, 1, "sha256:a", NOW) == ""
    assert ExpectedPulls(tmp_path / "missing").find(ALICE, 1, "sha256:a", NOW) == ""
