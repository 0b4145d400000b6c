"""A real browser at a served console: Debian's Chromium, driven by Playwright, in either language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.requirements import needs
from tests.servers.roadstead import RoadsteadServer

WEB = Path(__file__).resolve().parents[2] / "web"
LANGUAGES = {"en": "en-GB", "zh": "zh-CN"}
_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
_TEXT = re.compile(r'^  "((?:[^"\\]|\\.)*)":\s*"((?:[^"\\]|\\.)*)",$', re.MULTILINE)
# What has to be repaired before anybody meets it; what axe calls minor or moderate is told by it to developers.
_GRAVE = {"serious", "critical"}


def launch(playwright: Playwright) -> Browser:
    """The browser, without a window."""
    return playwright.chromium.launch(executable_path=needs("chromium"), args=_FLAGS)


@cache
def _chinese() -> dict[str, str]:
    folder = WEB / "src" / "parts" / "words"
    text = "\n".join(path.read_text() for path in sorted(folder.glob("zh-*.ts")))
    return dict(_TEXT.findall(text.replace('":\n    "', '": "')))


class Person:
    """Somebody at the console, who reads one language."""

    def __init__(self, browser: Browser, server: RoadsteadServer, language: str, **options: Any) -> None:
        self.server = server
        self.language = language
        self.context: BrowserContext = browser.new_context(
            base_url=server.url, locale=LANGUAGES[language], reduced_motion="reduce", **options
        )
        self.context.set_default_timeout(20_000)
        expect.set_options(timeout=20_000)
        self.page: Page = self.context.new_page()
        # What the browser itself complains of: scripts that fail, and what the security policy has stopped.
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self._hear(said.type, said.text))

    def _hear(self, kind: str, text: str) -> None:
        # An answer of 4xx is part of the tests that ask for it.
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)

    def say(self, text: str, **values: object) -> str:
        """The text as the console has it in this person's language."""
        found = text if self.language == "en" else _chinese()[text]
        return found.format(**values) if values else found

    def sign_in(self, name: str = "", password: str = "") -> None:
        """The person is signed in, as the owner unless another name is given, without the page for it."""
        made = self.server.credentials
        body = {"Name": name or made.user_name, "Password": password or made.password}
        answer = self.context.request.post("/api/v1/session/login", data=body)
        assert answer.ok, answer.text()
        self.csrf = answer.json()["CsrfToken"]

    def ask(self, action: str, **fields: object) -> Any:
        """What the operation answers the person, by the session and not by the page."""
        answer = self.context.request.post(f"/api/v1/{action}", data=fields, headers={"x-csrf-token": self.csrf})
        assert answer.ok, answer.text()
        return answer.json()

    def open(self, path: str, heading: str = "") -> None:
        """The page is open and has loaded what it shows first."""
        self.page.goto(f"/console/{path}")
        shown = self.page.get_by_role("heading", level=1)
        shown.filter(has_text=heading).wait_for() if heading else shown.wait_for()
        self.settle()

    def settle(self) -> None:
        """Nothing on the page is still loading."""
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    def press(self, text: str, **values: object) -> None:
        """The button of that name, in the uppermost window, was pressed."""
        dialogs = self.page.locator("dialog[open]")
        within = dialogs.last if dialogs.count() else self.page
        # What is no text of the console, such as a file's name, is the same in both.
        name = self.say(text, **values) if self.language == "en" or text in _chinese() else text
        within.get_by_role("button", name=name, exact=True).first.click()

    def fill(self, label: str, text: str) -> None:
        """The field of that label, in the uppermost window, holds the text."""
        dialogs = self.page.locator("dialog[open]")
        within = dialogs.last if dialogs.count() else self.page
        within.get_by_label(label).first.fill(text)

    def sees(self, text: str) -> None:
        """The text comes into view."""
        self.page.get_by_text(text).first.wait_for()

    def findings(self) -> list[str]:
        """What axe finds grave on the page as it stands."""
        if not self.page.evaluate("Boolean(window.axe)"):
            # By the debugger, for the page's own policy lets no foreign script in.
            self.page.evaluate((WEB / "node_modules" / "axe-core" / "axe.min.js").read_text())
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{each['id']}: {each['help']}: {node['html'][:200]} {node['any'][:1] and node['any'][0]['message']}"
            for each in found["violations"]
            if each["impact"] in _GRAVE
            for node in each["nodes"][:3]
        ]

    def overflows(self) -> bool:
        """Whether the page, or a window over it, is wider than its place."""
        wide: bool = self.page.evaluate(
            "document.scrollingElement.scrollWidth > window.innerWidth"
            " || [...document.querySelectorAll('dialog[open]')].some((each) => each.scrollWidth > each.clientWidth)"
        )
        return wide


@contextmanager
def person(browser: Browser, server: RoadsteadServer, language: str, **options: Any) -> Iterator[Person]:
    """Somebody at the console; at the end the browser must have had nothing to complain of."""
    somebody = Person(browser, server, language, **options)
    try:
        yield somebody
    finally:
        somebody.context.close()
    assert not somebody.complaints
