"""The reference is what the code says, and the prose names only what exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from roadstead.errors import conditions

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")
VARIABLE = re.compile(r"\bROADSTEAD_[A-Z_]+\b")
PROSE = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")])


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_up_to_date() -> None:
    for name, text in generator().pages().items():
        written = (ROOT / "docs" / "reference" / name).read_text()
        assert written == text, f"docs/reference/{name} is not what the code says; run: make docs"


def test_every_condition_is_told() -> None:
    page = (ROOT / "docs" / "reference" / "errors.md").read_text()
    for name, kind in conditions().items():
        assert f"| {name} | {kind.status} | `{kind.oci}` | `{kind.cloud}` |" in page


@pytest.mark.parametrize("page", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables_are_settings(page: Path) -> None:
    from roadstead.config import variables

    # The build of the console has a variable too, which the server does not read.
    told = set(VARIABLE.findall(page.read_text())) - {"ROADSTEAD_", "ROADSTEAD_CONSOLE"}
    assert told <= set(variables())


def test_every_command_has_an_example() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    for section in page.split("\n## ")[2:]:
        name = section.partition("`")[2].partition("`")[0]
        assert "```" in section or name == "roadstead serve", f"{name} shows no example"
