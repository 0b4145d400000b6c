"""What `roadstead serve` imports: little where it only watches, and where it serves nothing but for serving."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from roadstead.cli.start import program


def imported(program: str) -> set[str]:
    """The modules that the program has imported at its end, from a file or from the interpreter itself."""
    tell = "import sys; print(*(name for name, module in sys.modules.items() if getattr(module, '__spec__', None)))"
    command = [sys.executable, "-c", f"{program}\n{tell}"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_process_that_watches_imports_little() -> None:
    found = imported("import roadstead.cli.main, roadstead.cli.start")
    assert "roadstead.cli.supervisor" in found
    assert not found & {"asyncio", "uvloop", "uvicorn", "sqlalchemy", "cryptography", "typer", "rich", "structlog"}


_NEVER = {
    "alembic",
    "typer",
    "click",
    "rich",
    "importlib.metadata",
    "logging.config",
    "uvicorn.main",
    "uvicorn.supervisors",
}
_POSTGRESQL = {
    "roadstead.metadata.postgresql",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
    "sqlalchemy.dialects.postgresql",
}


@pytest.mark.parametrize(
    ("settings", "wanted", "unwanted"),
    [
        ("", {"roadstead.metadata.sqlite", "roadstead.http.server"}, {*_POSTGRESQL, "asyncpg", "obstore"}),
        ("database='postgresql://host/name'", {"roadstead.metadata.postgresql"}, {"obstore"}),
        ("storage=Storage(kind='s3')", {"obstore"}, {*_POSTGRESQL, "asyncpg"}),
    ],
    ids=["sqlite and disk", "postgresql", "s3"],
)
def test_a_process_that_serves_imports_what_its_settings_ask_for(
    settings: str, wanted: set[str], unwanted: set[str]
) -> None:
    program = (
        f"from roadstead.cli.start import load_for; from roadstead.config import *; load_for(Settings({settings}))"
    )
    found = imported(program)
    assert wanted <= found
    assert not found & (unwanted | _NEVER)


def test_the_program_is_named_as_it_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / ".venv" / "bin" / "roadstead"
    installed.parent.mkdir(parents=True)
    installed.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(installed), "serve"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == ".venv/bin/roadstead"
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program() == "roadstead"
    monkeypatch.setattr(sys, "argv", ["/somewhere/roadstead/__main__.py", "serve"])
    assert program() == f"{Path(sys.executable).name} -m roadstead"
