"""The console's sources: what is locked without addresses, pages named as services, and a build that fits."""

from __future__ import annotations

import ast
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import roadstead.services
from roadstead.http import console
from tests.requirements import missing

WEB = Path(__file__).resolve().parents[2] / "web"
LOCKS = [WEB / "package-lock.json", WEB.parent / "tests" / "servers" / "oidc" / "package-lock.json"]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.parent.name)
def test_locks_hold_digests_and_no_addresses(path: Path) -> None:
    packages = json.loads(path.read_text())["packages"]
    assert all("integrity" in entry for name, entry in packages.items() if name)
    assert not [name for name, entry in packages.items() if {"resolved", "funding"} & set(entry)]


def test_a_page_is_named_as_its_service() -> None:
    services = {module.name for module in pkgutil.iter_modules(roadstead.services.__path__)}
    assert {path.stem for path in (WEB / "src" / "pages").iterdir()} <= services


def test_sources_can_be_read_in_one_sitting() -> None:
    long = [path for path in (WEB / "src").rglob("*.ts*") if "generated" not in path.parts]
    assert not [path.name for path in long if len(path.read_text().splitlines()) > 450]


def test_what_is_built_fits() -> None:
    if not (console.FOLDER / "build.json").exists():
        missing("the console is not built; make console builds it")
    assert json.loads((console.FOLDER / "build.json").read_text())["first_load"] < 300_000
    page = (console.FOLDER / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\ssrc=)", page), "an inline script would not run"
    assert " style=" not in page


def _texts() -> Iterator[str]:
    """Every text of the server's sources, with {} for what it names and without the gate that it begins with."""
    for path in Path(roadstead.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            if all(isinstance(part, ast.Constant | ast.FormattedValue) for part in parts):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
                yield re.sub(r"^(credential|policy|token|network|limit): ", "", text)


def test_what_is_translated_is_what_the_server_says() -> None:
    source = (WEB / "src" / "parts" / "words" / "said.ts").read_text()
    pairs = re.findall(r"""^  (".*"|'.*'): (".*"|'.*'),$""", source, re.MULTILINE)
    translations = {ast.literal_eval(text): ast.literal_eval(chinese) for text, chinese in pairs}
    assert len(translations) > 150
    assert sorted(translations.keys() - set(_texts())) == [], "the server says it otherwise now"
    for text, chinese in translations.items():
        # Each thing that is named stays named, whatever the order.
        assert sorted(re.findall(r"\{t?(\d)\}", chinese)) == [str(n + 1) for n in range(text.count("{}"))], text
        # A form of its own words: one that fits anything would translate what it does not mean.
        assert "{}" not in text or len(re.findall(r"[a-z]", text.replace("{}", ""))) >= 4, text


def test_the_commands_that_empty_pages_teach_are_commands() -> None:
    reference = (WEB.parent / "docs" / "reference" / "commands.md").read_text()
    general, *parts = reference.split("\n## `roadstead ")
    everywhere = set(re.findall(r"--[\w-]+", general))
    known = {part.partition("`")[0]: everywhere.union(re.findall(r"--[\w-]+", part)) for part in parts}
    taught = {
        found
        for path in (WEB / "src").rglob("*.tsx")
        for found in re.findall(r"""["'`]roadstead ((?:[^"'`\n]|(?<=\s)"[^"\n]*"|'[^'\n]*')+)""", path.read_text())
    }
    assert len(taught) > 8
    for command in taught:
        words = command.split()
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in known), None)
        assert name, f"there is no command roadstead {command}"
        assert set(re.findall(r"--[\w-]+", command)) <= known[name], f"roadstead {command} has other options"
