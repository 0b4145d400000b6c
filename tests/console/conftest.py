"""What the tests in the browser share: one browser and one filled registry for each module."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from roadstead.http import console
from tests.console.browser import Person, launch, person
from tests.console.filling import fill, open_filler
from tests.requirements import missing
from tests.servers.roadstead import RoadsteadServer


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of this module."""
    with sync_playwright() as playwright:
        opened = launch(playwright)
        yield opened
        opened.close()


def serve_console(folder: Path, **settings: str) -> RoadsteadServer:
    """A registry with its console, which is not started yet; the test is skipped where the console is not built."""
    if not (console.FOLDER / "index.html").exists():
        missing("the console is not built; make console builds it")
    return RoadsteadServer(
        folder, {"ROADSTEAD_PROCESSES": "1", "ROADSTEAD_OUTBOUND_ALLOW": "127.0.0.0/8", **settings}
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoadsteadServer]:
    """A served registry with images that were really pushed, and its console."""
    server = serve_console(tmp_path_factory.mktemp("console") / "data")
    server.start()
    made = server.credentials
    with open_filler(server.url, made.registry_user, made.registry_token) as filler:
        fill(filler)
    yield server
    assert server.stop() == 0, server.log.read_text()


@pytest.fixture(scope="module", params=["en", "zh"])
def owner(request: pytest.FixtureRequest, browser: Browser, registry: RoadsteadServer) -> Iterator[Person]:
    """The owner, who reads English or Chinese."""
    with person(browser, registry, request.param, viewport={"width": 1280, "height": 900}) as opened:
        opened.sign_in()
        yield opened


@pytest.fixture
def fresh() -> str:
    """A name that nothing has yet."""
    return f"new-{uuid.uuid4().hex[:8]}"
