"""Stand-ins: nothing is imported until something of the real module is used, and then it is the real thing."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(program: str) -> str:
    """What the program prints after it has spared what it can."""
    command = [sys.executable, "-c", f"import sys; from roadstead.cli.spare import spare; spare()\n{program}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("from importlib import metadata; print(len(metadata.version('msgspec')) > 2)", "True"),
        ("import importlib.metadata; print(importlib.metadata.version('msgspec')[0].isdigit())", "True"),
        ("import logging.config as it; it.dictConfig({'version': 1}); print('done')", "done"),
        ("import uvicorn, uvicorn.server; print(uvicorn.Server is uvicorn.server.Server)", "True"),
        ("import uvicorn, inspect; print('click' in sys.modules)", "False"),
        ("import structlog.dev; print(structlog.dev.rich)", "None"),
    ],
)
def test_what_is_used_after_all_is_real(program: str, expected: str) -> None:
    assert run(program) == expected


def test_a_function_that_was_bound_at_once_is_real_when_called() -> None:
    program = """
import uvicorn
try:
    uvicorn.run("nowhere:app", workers=0, no_such_option=1)
except TypeError as error:
    print("no_such_option" in str(error), "click" in sys.modules)
"""
    assert run(program) == "True True"


def test_what_is_imported_already_stays() -> None:
    command = "import logging.config as it, sys; from roadstead.cli.spare import spare; spare()"
    program = f"{command}; assert sys.modules['logging.config'] is it and it.__spec__"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_name_that_the_real_module_does_not_have() -> None:
    program = """
import logging.config as it
try:
    it.no_such_name
except AttributeError as error:
    print(error)
"""
    assert run(program) == "module 'logging.config' has no attribute 'no_such_name'"
