"""Lock files hold versions and digests; where a machine gets the packages from is its own affair."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_KINDS = ("requirements/*.txt", "*package-lock.json", "*.lock")


def _locks() -> list[str]:
    listed = subprocess.run(["git", "ls-files", *_KINDS], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def test_there_are_locks() -> None:
    assert {"requirements/runtime.txt", "requirements/test.txt"} <= set(_locks())


@pytest.mark.parametrize("path", _locks())
def test_a_lock_holds_digests_and_no_addresses(path: str) -> None:
    text = (ROOT / path).read_text()
    assert "sha512-" in text or "sha256:" in text
    assert "://" not in text
