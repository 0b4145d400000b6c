"""How long people wait at the console: pages and lists of a repository with 10 and with 100,000 tags.

A real browser (Debian's Chromium) loads the pages of a served registry. The images are pushed through the protocol;
the tags beyond the first are copied by a statement, which is quicker and makes the same rows. Run as a program:

    python -m benchmarks.console
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.console.browser import Person, launch, person
from tests.console.filling import open_filler
from tests.servers.roadstead import RoadsteadServer

ROUNDS = 7
SIZES = {"few": 10, "many": 100_000}
_COPY = """
INSERT INTO tags (repository_id, name, manifest_id, pushed_at, pulls)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
SELECT tags.repository_id, printf('v%06d', n), tags.manifest_id, tags.pushed_at, 0
FROM numbers, tags JOIN repositories ON repositories.id = tags.repository_id WHERE repositories.name = ?
"""


def main() -> None:
    """The table has been printed."""
    with tempfile.TemporaryDirectory(prefix="console-bench-") as place:
        server = RoadsteadServer(Path(place) / "data")
        server.start()
        try:
            _fill(server)
            with sync_playwright() as playwright:
                browser = launch(playwright)
                with person(browser, server, "en", viewport={"width": 1440, "height": 900}) as somebody:
                    somebody.sign_in()
                    _measure(somebody)
                browser.close()
        finally:
            server.stop()


def _fill(server: RoadsteadServer) -> None:
    made = server.credentials
    with open_filler(server.url, made.registry_user, made.registry_token) as filler:
        for name in SIZES:
            filler.image(f"library/{name}", "first", seed=name)
    with sqlite3.connect(server.folder / "roadstead.db", timeout=60) as database:
        for name, size in SIZES.items():
            database.execute(_COPY, (size - 1, f"library/{name}"))


def _measure(somebody: Person) -> None:
    print("| | 10 tags | 100,000 tags |\n|---|---|---|")
    for title, act in STEPS.items():
        figures = [_median(somebody, act, name) for name in SIZES]
        print(f"| {title} | {' | '.join(f'{figure:.0f} ms' for figure in figures)} |", flush=True)


def _median(somebody: Person, act: Callable[[Page, str], Callable[[], None]], name: str) -> float:
    times = []
    for _ in range(ROUNDS):
        timed = act(somebody.page, name)
        began = time.perf_counter()
        timed()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def _rows(page: Page) -> None:
    page.locator("tbody tr").first.wait_for()


def _load(page: Page, name: str) -> Callable[[], None]:
    page.goto("about:blank")

    def timed() -> None:
        page.goto(f"/console/i/default/repositories/library/{name}")
        _rows(page)

    return timed


def _search(page: Page, name: str) -> Callable[[], None]:
    _load(page, name)()

    def timed() -> None:
        page.get_by_placeholder("Search tags").fill("v000007")
        expect(page.locator("tbody tr")).to_have_count(1)

    return timed


def _next(page: Page, name: str) -> Callable[[], None]:
    page.goto(f"/console/i/default/repositories/library/{name}?n=20&last=v{0 if name == 'few' else 90000:06d}")
    _rows(page)

    def timed() -> None:
        page.get_by_role("button", name="First page").click()
        page.get_by_role("link", name="first", exact=True).wait_for()

    return timed


def _open(page: Page, name: str) -> Callable[[], None]:
    _load(page, name)()

    def timed() -> None:
        page.get_by_role("link", name="v000005", exact=True).click()
        page.locator(".layers li").first.wait_for()

    return timed


STEPS: dict[str, Callable[[Page, str], Callable[[], None]]] = {
    "the page from its address to the first row": _load,
    "a search, with the quarter of a second that it waits for more letters": _search,
    "from a page near the end to the first": _next,
    "an image with its layers": _open,
}

if __name__ == "__main__":
    main()
