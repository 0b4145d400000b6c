"""What a test needs of the machine, and what happens where it is missing.

A developer without podman should still be able to run the other tests, so a missing program skips the tests that
need it and the report says which. On a machine that checks changes (`CI=true`) a skipped test would be a hole that
nobody sees, so there it fails instead. `make test` installs everything on Debian 12 beforehand: see `tests/system/`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

_POSTGRESQL_PROGRAMS = Path("/usr/lib/postgresql")


def find(command: str) -> str | None:
    """The path of a program on PATH, in the system folders, or among Debian's PostgreSQL programs, newest first."""
    versions = sorted(_POSTGRESQL_PROGRAMS.glob("[0-9]*/bin"), key=lambda each: int(each.parent.name), reverse=True)
    folders = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", *map(str, versions)]
    return shutil.which(command, path=os.pathsep.join(folders))


def needs(command: str) -> str:
    """The path of a program; the test ends here where it is not installed."""
    path = find(command)
    if path is None:
        missing(f"{command} is not installed; tests/system/install.sh installs it on Debian 12")
    return path


def needs_root(what: str) -> None:
    """This process runs as root, which `what` requires; the test ends here where it does not."""
    if os.geteuid() != 0:
        missing(f"{what} needs root")


def missing(reason: str) -> NoReturn:
    """The test is skipped with the reason; under `CI=true` it fails with it."""
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
