"""What people do at the console, each in both languages, against a registry that really serves."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.console.browser import Person
from tests.console.filling import open_filler
from tests.servers.roadstead import RoadsteadServer

pytestmark = pytest.mark.xdist_group("console-work")

SHOP = "i/default/repositories/library/shop/frontend"


def pushed(registry: RoadsteadServer, repository: str, *tags: str) -> None:
    made = registry.credentials
    with open_filler(registry.url, made.registry_user, made.registry_token) as filler:
        for tag in tags:
            filler.image(repository, tag, seed=f"{repository}:{tag}")


def test_a_namespace_is_made_changed_and_deleted(owner: Person, fresh: str) -> None:
    owner.open("i/default/namespaces")
    owner.press("New namespace")
    namespace = owner.page.locator('[data-field="NamespaceName"] input')
    expect(namespace).to_be_focused()
    owner.press("Create")
    owner.sees(owner.say("This is needed"))
    namespace.fill(fresh)
    owner.press("Create")
    row = owner.page.get_by_role("row").filter(has_text=fresh)
    row.wait_for()
    row.get_by_role("button", name=owner.say("Edit")).click()
    owner.page.get_by_role("switch").first.click()
    owner.press("Save")
    expect(row).to_contain_text(owner.say("Public"))
    row.get_by_role("button", name=owner.say("Delete")).click()
    owner.press("Delete")
    expect(row).to_have_count(0)


def labelled(owner: Person, *labels: tuple[str, str]) -> None:
    """In the uppermost window these labels stand below those that are there."""
    fields = owner.page.locator("dialog[open] .label-row")
    for key, value in labels:
        owner.press("Add a label")
        # One types on where the new row is.
        expect(fields.last.get_by_label(owner.say("Key"))).to_be_focused()
        owner.page.keyboard.type(key)
        owner.page.keyboard.press("Tab")
        owner.page.keyboard.type(value)


def test_an_instance_is_labelled_and_found_by_its_labels(owner: Person, fresh: str) -> None:
    owner.open("i/default/overview")
    owner.press("Change the labels")
    owner.page.keyboard.press("Escape")
    # Whoever uses keys goes on where they were.
    expect(owner.page.get_by_role("button", name=owner.say("Change the labels"))).to_be_focused()
    owner.page.keyboard.press("Enter")
    owner.press("Save")
    owner.sees(owner.say("This is needed"))
    labelled(owner, ("team", fresh), ("team", "web"))
    owner.press("Save")
    owner.sees(owner.say("The key {name} is there twice", name="team"))
    owner.press("Take the label {name} away", name="team")
    owner.page.locator("dialog[open] .label-row input").nth(1).fill(fresh)
    labelled(owner, ("stage", "test"))
    owner.press("Save")
    owner.page.get_by_role("link", name=f"team:{fresh}").click()
    # The list shows those that carry it, has an address, and says when none does.
    owner.page.get_by_role("heading", name=owner.say("Instances"), level=1).wait_for()
    row = owner.page.get_by_role("row").filter(has_text="default")
    expect(row).to_contain_text("stage:test")
    assert owner.findings() == []
    search = owner.page.get_by_label(owner.say("Label"), exact=True)
    expect(search).to_have_value(f"team:{fresh}")
    search.fill("team:nobody")
    owner.page.keyboard.press("Enter")
    owner.sees(owner.say("Nothing fits this search"))
    expect(search).to_be_focused()
    assert "label=team%3Anobody" in owner.page.url
    owner.press("Show everything")
    row.get_by_role("button", name=owner.say("Labels")).click()
    changed = owner.page.locator("dialog[open] .label-row").filter(has=owner.page.locator('[value="team"]'))
    changed.get_by_label(owner.say("Value")).fill("shop")
    owner.press("Take the label {name} away", name="stage")
    owner.press("Save")
    expect(row).to_contain_text("team:shop")
    expect(row).not_to_contain_text("stage:test")
    found = owner.ask("DescribeInstances", Filters=[{"Name": "Tags", "Values": ["team:shop"]}])
    assert [each["RegistryName"] for each in found["Registries"]] == ["default"]
    row.get_by_role("button", name=owner.say("Labels")).click()
    owner.press("Take the label {name} away", name="team")
    owner.press("Save")
    expect(row.locator(".label")).to_have_count(0)


def test_a_namespace_is_labelled_where_it_is_made_and_changed(owner: Person, fresh: str) -> None:
    owner.open("i/default/namespaces")
    owner.press("New namespace")
    owner.page.locator('[data-field="NamespaceName"] input').fill(fresh)
    labelled(owner, ("cost", fresh))
    owner.press("Create")
    row = owner.page.get_by_role("row").filter(has=owner.page.get_by_role("link", name=fresh, exact=True))
    row.get_by_role("link", name=f"cost:{fresh}").click()
    expect(owner.page.locator("tbody tr")).to_have_count(1)
    row.get_by_role("button", name=owner.say("Edit")).click()
    owner.press("Take the label {name} away", name="cost")
    owner.press("Save")
    owner.sees(owner.say("Nothing fits this search"))
    owner.press("Show everything")
    expect(row).to_be_visible()
    expect(row).not_to_contain_text("cost")


def test_an_address_with_an_unknown_tab_shows_the_first(owner: Person) -> None:
    owner.open(f"{SHOP}?tab=nonsense")
    owner.page.get_by_role("tab").first.focus()
    owner.page.keyboard.press("ArrowRight")
    expect(owner.page.get_by_role("tab").nth(1)).to_be_focused()
    assert owner.page.url.endswith("?tab=about")
    for path in (SHOP, f"{SHOP}?image=2.0.0", "i/default/charts/library/webshop", "policies/1"):
        owner.open(f"{path}{'&' if '?' in path else '?'}tab=nonsense")
        expect(owner.page.get_by_role("tab").first).to_have_attribute("aria-selected", "true")
        expect(owner.page.locator("main :is(table, .layers, .command)").first).to_be_visible()


def test_what_the_server_refuses_is_explained(owner: Person) -> None:
    owner.open("i/default/namespaces")
    owner.press("New namespace")
    owner.page.locator('[data-field="NamespaceName"] input').fill("library")
    owner.press("Create")
    problem = owner.page.locator("dialog[open] .problem")
    problem.wait_for()
    told = {"en": "namespace 'library' exists already", "zh": "命名空间 'library' 已存在"}
    expect(problem).to_contain_text(told[owner.language])
    expect(problem).to_contain_text(owner.say("Request"))
    assert re.search(r"[0-9a-f]{16}", problem.inner_text())
    owner.press("Cancel")


def test_tags_are_searched_opened_and_the_list_has_an_address(owner: Person) -> None:
    owner.open(SHOP)
    owner.page.keyboard.press("/")
    owner.page.keyboard.type("1.18")
    expect(owner.page.get_by_role("row")).to_have_count(3)
    assert "q=1.18" in owner.page.url
    # Somebody who gets the address sees the same.
    owner.page.reload()
    expect(owner.page.get_by_role("row")).to_have_count(3)
    owner.page.locator("tbody tr").first.focus()
    owner.page.keyboard.press("ArrowDown")
    owner.page.keyboard.press("Enter")
    owner.page.get_by_role("heading", name="shop/frontend:1.18.1", level=1).wait_for()
    owner.sees("COPY dist ./dist")


def test_an_index_shows_its_images_and_what_is_attached(owner: Person) -> None:
    owner.open(f"{SHOP}?image=2.0.0")
    owner.sees("COPY dist ./dist")
    owner.page.get_by_role("combobox", name=owner.say("Platform")).select_option("linux/arm64")
    owner.page.wait_for_url("**platform=linux*")
    owner.page.get_by_role("tab", name=owner.say("Images of the index")).click()
    expect(owner.page.locator("tbody tr")).to_have_count(2)
    owner.page.get_by_role("tab", name=owner.say("Signatures and attachments")).click()
    owner.sees("application/spdx+json")


def test_pull_commands_are_ready_to_be_copied(owner: Person) -> None:
    owner.open(f"{SHOP}?image=1.19.0&tab=pull")
    host = owner.server.address
    for client, command in {
        "docker": f"docker pull {host}/library/shop/frontend:1.19.0",
        "podman": f"podman pull --tls-verify=false {host}/library/shop/frontend:1.19.0",
        "containerd": f"ctr images pull --plain-http --user USERNAME:PASSWORD {host}/library/shop/frontend:1.19.0",
        "Kubernetes": f"image: {host}/library/shop/frontend:1.19.0",
    }.items():
        owner.page.get_by_role("tab", name=client).click()
        owner.sees(command)


def test_a_description_is_written_with_a_preview_that_cannot_harm(owner: Person) -> None:
    owner.open(f"{SHOP}?tab=about")
    owner.press("Edit")
    owner.page.locator("textarea").fill(
        "# The shop\n\n**fast** <img src=x onerror=alert(1)> [docs](https://example.com)"
    )
    preview = owner.page.locator("form .markdown")
    expect(preview.locator("strong")).to_have_text("fast")
    assert preview.locator("img").count() == 0
    owner.press("Save")
    expect(owner.page.locator(".markdown h3")).to_have_text("The shop")
    assert "nofollow" in (owner.page.locator(".markdown a").get_attribute("rel") or "")


def test_what_goes_is_said_before_it_goes(owner: Person, fresh: str) -> None:
    repository = f"library/{fresh}"
    pushed(owner.server, repository, "1", "2")
    owner.open(f"i/default/repositories/{repository}?image=1")
    owner.press("Copy")
    owner.page.locator('[data-field="DestinationTag"] input').fill("also-1")
    owner.press("Copy")
    owner.page.locator("dialog").wait_for(state="detached")
    owner.open(f"i/default/repositories/{repository}")
    row = owner.page.get_by_role("row").filter(has=owner.page.get_by_role("link", name="also-1"))
    row.get_by_role("button", name=owner.say("Delete")).click()
    owner.page.get_by_label(owner.say("The image, with all {count} tags that stand for it", count=2)).check()
    tags = owner.page.locator("dialog .tag-list li")
    expect(tags).to_have_text(["1", "also-1"])
    owner.press("Delete")
    expect(owner.page.locator("tbody tr")).to_have_count(1)
    owner.press("Delete")
    owner.sees(owner.say("Delete repository {name}?", name=repository))
    confirm = owner.page.locator("dialog").get_by_role("button", name=owner.say("Delete"), exact=True)
    expect(confirm).to_be_disabled()
    owner.page.locator("dialog input").fill(repository)
    confirm.click()
    owner.page.get_by_role("heading", name=owner.say("Image repositories"), level=1).wait_for()


def test_a_chart_shows_its_values_its_files_and_what_has_changed(owner: Person) -> None:
    owner.open("i/default/charts")
    owner.page.get_by_role("link", name="webshop").click()
    owner.page.locator("tbody tr").first.get_by_role("checkbox").check()
    one = "Delete 1 version" if owner.language == "en" else owner.say("Delete {count} versions", count=1)
    owner.page.get_by_role("button", name=one, exact=True).wait_for()
    owner.page.get_by_role("link", name="1.5.0").click()
    owner.sees("Installs")
    owner.page.get_by_role("tab", name=owner.say("Values")).click()
    owner.page.locator(".code-comment", has_text="How many run at once").wait_for()
    owner.page.get_by_role("tab", name=owner.say("Files")).click()
    owner.press("templates/deployment.yaml")
    owner.page.locator(".code-template", has_text=".Values.replicas").wait_for()
    owner.page.get_by_role("tab", name=owner.say("Install")).click()
    owner.sees("/library/webshop --version 1.5.0")
    owner.page.get_by_role("tab", name=owner.say("Compare")).click()
    expect(owner.page.locator(".difference .removed", has_text="replicas: 2")).to_have_count(1)
    expect(owner.page.locator(".difference .added", has_text="replicas: 3")).to_have_count(1)


def test_a_push_appears_without_loading_the_page_again(owner: Person, fresh: str) -> None:
    owner.open("i/default/events")
    pushed(owner.server, f"library/{fresh}", "1")
    owner.sees(f"library/{fresh}:1")


def test_an_instance_is_made_in_steps_that_can_be_watched(owner: Person, fresh: str) -> None:
    owner.open("instances")
    owner.press("New instance")
    owner.page.locator('[data-field="RegistryName"] input').fill(fresh)
    owner.press("Create")
    owner.press("Open the instance")
    owner.page.get_by_role("heading", name=fresh, level=1).wait_for()
    close_and_open_the_loopback(owner, fresh)
    owner.page.get_by_role("combobox", name=owner.say("Instance")).select_option("default")
    owner.page.get_by_role("heading", name="default", level=1).wait_for()
    owner.open("instances")
    owner.page.get_by_role("row").filter(has_text=fresh).get_by_role("button", name=owner.say("Delete")).click()
    owner.page.locator("dialog input").fill(fresh)
    owner.press("Delete")
    owner.sees(owner.say("The instance is deleted."))


def close_and_open_the_loopback(owner: Person, instance: str) -> None:
    """Of an instance by whose host name the console is not open: it would be refused itself."""
    owner.open(f"i/{instance}/networks")
    card = owner.page.locator("section").filter(
        has=owner.page.get_by_role("heading", name=owner.say("Loopback entry"))
    )
    card.get_by_role("button", name=owner.say("Close")).click()
    owner.sees(f"roadstead network loopback --on --instance {instance}")
    owner.page.locator("dialog button[type=submit]").click()
    owner.sees(owner.say("Programs on the serving host itself are refused."))
    card.get_by_role("button", name=owner.say("Open")).click()
    owner.sees(owner.say("Programs on the serving host itself are let in, by localhost."))
    owner.open(f"i/{instance}/overview")


class _Accepting(BaseHTTPRequestHandler):
    """Accepts whatever is posted."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is said of it."""


@pytest.fixture
def receiver() -> Iterator[str]:
    """The address of somebody who accepts what is posted."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Accepting) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}/deploy"
        listening.shutdown()
        thread.join()


def test_a_trigger_is_tried_out_made_and_its_deliveries_are_seen(owner: Person, fresh: str, receiver: str) -> None:
    owner.open("i/default/triggers")
    owner.press("New trigger")
    window = owner.page.locator("dialog")
    window.get_by_label(owner.say("Name"), exact=True).fill(fresh)
    window.get_by_label(re.compile(re.escape(owner.say("Repositories and tags")))).fill("shop/*:1.18*")
    tester = window.locator(".pattern-tester")
    expect(tester).to_contain_text("library/shop/frontend")
    expect(tester).to_contain_text("1.18.0 1.18.1")
    window.get_by_label(owner.say("Address to post to")).fill(receiver)
    owner.press("Post a sample")
    owner.sees(owner.say("The address has accepted a sample"))
    owner.press("Create")
    owner.page.get_by_role("link", name=fresh).wait_for()
    pushed(owner.server, "library/shop/frontend", "1.18.0")
    owner.page.get_by_role("link", name=fresh).click()
    owner.page.locator("tbody").get_by_text(owner.say("Delivered")).first.wait_for()
    expect(owner.page.locator("thead")).to_contain_text(owner.say("Next attempt"))
    owner.page.locator("tbody tr").first.get_by_role("button").first.click()
    owner.sees(owner.say("Attempt {count}", count=1))
    owner.page.keyboard.press("Escape")
    owner.page.locator("dialog").wait_for(state="detached")
    owner.press("Send again")
    of_many = owner.say("On their way again: {count} deliveries", count=1)
    owner.sees("On their way again: 1 delivery" if owner.language == "en" else of_many)


def test_the_network_is_opened_and_an_address_is_allowed(owner: Person) -> None:
    owner.open("i/default/networks")
    owner.press("Allow an address")
    owner.page.locator('[data-field="CidrBlock"] input').fill("0.0.0.0/0")
    owner.page.locator("dialog .t-alert").wait_for()
    owner.page.locator('[data-field="CidrBlock"] input').fill("192.0.2.0/24")
    owner.press("Allow")
    row = owner.page.get_by_role("row").filter(has_text="192.0.2.0/24")
    row.get_by_role("button", name=owner.say("Delete")).click()
    owner.press("Delete")
    expect(row).to_have_count(0)
