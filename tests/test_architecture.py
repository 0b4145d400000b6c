"""The rules that keep the house readable, held by the test run: imports, sizes, names, nothing at import time."""

from __future__ import annotations

import ast
import os
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import roadstead

PACKAGE = Path(roadstead.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
CODE = [path for path in MODULES if "versions" not in path.parts]

LONGEST_FILE = 450
LONGEST_OF_NINE_IN_TEN = 35
LAYERS = ("cli", "http", "services", "jobs", "clients", "metadata", "blobs", "domain")
SAY_NOTHING = {"utils", "util", "common", "helpers", "helper", "manager", "managers", "base", "misc"}
# Calls that are fine while a module is imported: they build a value and touch nothing outside it.
_OPENING = {"create_engine", "create_async_engine", "connect", "open", "ThreadPoolExecutor", "load", "open_context"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_imports_point_only_downwards() -> None:
    """The contracts stand in pyproject.toml; no cache, which would be a file that two workers write at once."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_the_contracts_speak_of_every_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    order = " ".join(contracts[0]["layers"])
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages == {*LAYERS, "config", "errors"}, "a new package needs its place in the contract, and here"
    assert all(f"roadstead.{name}" in order for name in (*LAYERS, "app", "config", "errors"))


@pytest.mark.parametrize("path", CODE, ids=named)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def test_nine_functions_in_ten_fit_a_screen() -> None:
    lengths = [lines(node) for path in CODE for node in functions(path)]
    assert statistics.quantiles(lengths, n=10)[-1] <= LONGEST_OF_NINE_IN_TEN


@pytest.mark.parametrize("layer", LAYERS)
def test_nine_functions_in_ten_fit_a_screen_in_every_layer(layer: str) -> None:
    found = [lines(node) for path in CODE if layer in path.relative_to(PACKAGE).parts for node in functions(path)]
    assert statistics.quantiles(found, n=10)[-1] <= LONGEST_OF_NINE_IN_TEN


def test_names_say_something() -> None:
    assert not [named(path) for path in MODULES if path.stem in SAY_NOTHING or path.parent.name in SAY_NOTHING]


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_opens_with_what_it_is(path: Path) -> None:
    if path.read_text():
        assert ast.get_docstring(tree(path))


@pytest.mark.parametrize("path", CODE, ids=named)
def test_whatever_others_use_says_what_is_true_after_the_call(path: Path) -> None:
    """Methods that only fill in a protocol have their words there."""
    public = [
        node for node in tree(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    assert not [node.name for node in public if not node.name.startswith("_") and not ast.get_docstring(node)]


def _calls_at_import(path: Path) -> Iterator[str]:
    """Names of what a module calls while it is imported, outside functions."""
    pending: list[ast.AST] = [tree(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            called = node.func
            yield called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        pending += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", CODE, ids=named)
def test_nothing_is_opened_when_a_module_is_imported(path: Path) -> None:
    assert not _OPENING.intersection(_calls_at_import(path))


def test_importing_everything_opens_nothing_and_starts_nothing() -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in CODE]
    imports = [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
    program = f"""
import importlib, os, threading
before = set(os.listdir("/proc/self/fd"))
for name in {imports!r}:
    importlib.import_module(name)
import gc, sqlalchemy
assert threading.active_count() == 1, threading.enumerate()
new = [f"/proc/self/fd/{{number}}" for number in set(os.listdir("/proc/self/fd")) - before]
files = [os.readlink(name) for name in new if os.path.exists(name)]
assert not [name for name in files if not name.startswith("/dev/")], files
assert not [each for each in gc.get_objects() if isinstance(each, sqlalchemy.Engine)]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_no_setting_or_context_is_kept_by_a_module() -> None:
    for path in CODE:
        for node in tree(path).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
                called = node.value.func
                assert getattr(called, "id", getattr(called, "attr", "")) not in {"Settings", "Context"}, named(path)
