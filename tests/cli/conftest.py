"""What the tests of commands share: the command line in this process, and registries for it to work on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from roadstead.app import Application, open_context
from roadstead.cli.main import run
from roadstead.config import Settings
from roadstead.services.accounts import InitialCredentials
from tests.cli.invoking import Ended, Invoke
from tests.factories.accounts import owner_asker
from tests.factories.pushes import push_image
from tests.factories.shops import lay_out
from tests.http.serving import served


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no login of whoever runs the tests is one of theirs."""
    for name in [name for name in os.environ if name.startswith("ROADSTEAD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Runs the command line in this process."""

    def invoke(*arguments: str | Path) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return Ended(int(ended.value.code or 0), shown.out, shown.err)

    return invoke


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of a registry that was started once."""
    lay_out(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def with_image(folder: Path) -> Path:
    """The same with the image library/app:v1."""

    async def push() -> None:
        async with open_context(Settings(data=str(folder))) as ctx:
            await push_image(ctx, await owner_asker(ctx), "library/app", "v1")

    asyncio.run(push())
    return folder


@dataclass(frozen=True)
class Elsewhere:
    """A registry that is served, and what its owner got at the first start."""

    url: str
    made: InitialCredentials
    folder: Path


@pytest.fixture
def elsewhere(with_image: Path) -> Iterator[Elsewhere]:
    """A served registry with the image library/app:v1."""
    settings = Settings(data=str(with_image))
    made = msgspec.json.decode((with_image / "initial-credentials.json").read_bytes(), type=InitialCredentials)
    with served(cast(Any, Application(settings)), settings) as running:
        yield Elsewhere(f"http://127.0.0.1:{running.port}", made, with_image)
