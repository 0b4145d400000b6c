"""Every page, in both languages, light and dark, wide and narrow: it loads, fits, and everybody can use it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.console.browser import Person, person
from tests.servers.roadstead import RoadsteadServer

pytestmark = pytest.mark.xdist_group("console-pages")

# Address and heading; no heading: a name that is the same in both languages.
PAGES = [
    ("i/default/overview", "default"),
    ("i/default/namespaces", "Namespaces"),
    ("i/default/repositories", "Image repositories"),
    ("i/default/repositories/library/shop/frontend", "library/shop/frontend"),
    ("i/default/repositories/library/shop/frontend?tab=about", "library/shop/frontend"),
    ("i/default/repositories/library/shop/frontend?image=2.0.0", "shop/frontend:2.0.0"),
    ("i/default/repositories/library/shop/frontend?image=2.0.0&tab=referrers", "shop/frontend:2.0.0"),
    ("i/default/repositories/library/shop/frontend?image=1.19.0&tab=documents", "shop/frontend:1.19.0"),
    ("i/default/charts", "Helm charts"),
    ("i/default/charts/library/webshop", "library/webshop"),
    ("i/default/charts/library/webshop?version=1.5.0", "webshop 1.5.0"),
    ("i/default/charts/library/webshop?version=1.5.0&tab=files", "webshop 1.5.0"),
    ("i/default/charts/library/webshop?version=1.5.0&tab=difference", "webshop 1.5.0"),
    ("i/default/credentials", "Access credentials"),
    ("i/default/service-accounts", "Service accounts"),
    ("i/default/networks", "Network access"),
    ("i/default/triggers", "Triggers"),
    ("i/default/events", "Activity"),
    ("instances", "Instances"),
    ("users", "Users"),
    ("groups", "Groups"),
    ("policies", "Policies"),
    ("policies/1", ""),
    ("access", "Who may do what"),
    ("audit", "Audit"),
    ("vpcs", "Networks"),
    ("certificates", "Certificates"),
    ("jobs", "Jobs"),
    ("account", "My account"),
]
LOOKS = {
    "en": {"color_scheme": "light", "viewport": {"width": 1920, "height": 1080}},
    "zh": {"color_scheme": "dark", "viewport": {"width": 360, "height": 780}},
}


@pytest.fixture(scope="module", params=LOOKS)
def somebody(request: pytest.FixtureRequest, browser: Browser, registry: RoadsteadServer) -> Iterator[Person]:
    """The owner, reading English on a wide light screen or Chinese on a small dark one."""
    with person(browser, registry, request.param, **LOOKS[request.param]) as opened:
        opened.sign_in()
        yield opened


def heading(somebody: Person, text: str) -> str:
    """The text in the person's language, where it is one that is translated."""
    try:
        return somebody.say(text)
    except KeyError:
        return text


@pytest.mark.parametrize(("path", "title"), PAGES, ids=[re.sub(r"\W+", "-", path) for path, _ in PAGES])
def test_a_page_loads_fits_and_can_be_used_by_everybody(somebody: Person, path: str, title: str) -> None:
    somebody.open(path, heading(somebody, title))
    assert somebody.page.title().endswith("Roadstead")
    assert not somebody.page.locator(".problem").count()
    assert not somebody.overflows()
    assert somebody.findings() == []
    if somebody.language == "en":
        somebody.page.set_viewport_size({"width": 360, "height": 780})
        assert not somebody.overflows()
        somebody.page.set_viewport_size({"width": 1920, "height": 1080})
    assert somebody.complaints == []


def test_the_letters_of_pictures_are_as_large_as_others(somebody: Person) -> None:
    somebody.open("i/default/overview?days=90")
    label = somebody.page.locator(".columns text").first
    label.wait_for()
    drawn = "each => parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a"
    assert label.evaluate(drawn) >= 11
    # None stands over another.
    boxes = [each.bounding_box() for each in somebody.page.locator(".columns svg").first.locator("g > text").all()]
    days = sorted((box for box in boxes[3:] if box), key=lambda box: box["x"])
    assert len(days) > 2
    assert all(one["x"] + one["width"] < other["x"] for one, other in itertools.pairwise(days))


DIALOGS = [
    ("i/default/overview", "Change the labels"),
    ("instances", "New instance"),
    ("i/default/namespaces", "New namespace"),
    ("i/default/triggers", "New trigger"),
    ("i/default/service-accounts", "New service account"),
    ("policies", "New policy"),
]


@pytest.mark.parametrize(("path", "button"), DIALOGS, ids=[button for _, button in DIALOGS])
def test_a_window_over_the_page_can_be_used_by_everybody(somebody: Person, path: str, button: str) -> None:
    somebody.open(path)
    somebody.press(button)
    somebody.page.locator("dialog[open] form").wait_for()
    assert somebody.findings() == []
    assert not somebody.overflows()
    somebody.page.keyboard.press("Escape")
    somebody.page.locator("dialog").wait_for(state="detached")


def test_the_page_to_sign_in_can_be_used_by_everybody(browser: Browser, registry: RoadsteadServer) -> None:
    with person(browser, registry, "en") as stranger:
        stranger.open("i/default/overview", "Roadstead")
        assert stranger.findings() == []
