"""How people and clients get in: single sign-on, logins that end, private links, host names of one's own."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.console.browser import Person, person
from tests.console.conftest import serve_console
from tests.factories.certificates import own_certificate
from tests.requirements import needs_root
from tests.servers import oidc_provider
from tests.servers.roadstead import RoadsteadServer

pytestmark = pytest.mark.xdist_group("console-entrances")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoadsteadServer]:
    """A registry without contents that is registered with an identity provider."""
    folder = tmp_path_factory.mktemp("entrances")
    server = serve_console(folder / "data")
    with oidc_provider.registered(server, folder):
        yield server


@pytest.fixture(scope="module", params=["en", "zh"])
def owner(request: pytest.FixtureRequest, browser: Browser, registry: RoadsteadServer) -> Iterator[Person]:
    """The owner, who reads English or Chinese."""
    with person(browser, registry, request.param, viewport={"width": 1280, "height": 900}) as opened:
        opened.sign_in()
        yield opened


@pytest.mark.parametrize("language", ["en", "zh"])
def test_somebody_signs_in_at_the_identity_provider(
    browser: Browser, registry: RoadsteadServer, language: str
) -> None:
    with person(browser, registry, language) as alice:
        alice.open("account?from=mail", "Roadstead")
        issuer = registry.environment["ROADSTEAD_OIDC_ISSUER"]
        link = alice.say("Sign in with {name}", name=issuer.removeprefix("http://"))
        alice.page.get_by_role("link", name=link).click()
        alice.page.locator("input[name=login]").fill("alice")
        alice.page.locator("input[name=password]").fill("any")
        alice.page.locator("button[type=submit]").click()
        alice.page.locator("button[type=submit]", has_text="Continue").click()
        # Where one wanted to go before, as the account that the provider knows.
        alice.page.wait_for_url("**/console/account?from=mail")
        alice.page.get_by_role("heading", name=alice.say("My account"), level=1).wait_for()
        expect(alice.page.locator(".account summary")).to_contain_text("alice")
        alice.page.locator(".account summary").click()
        alice.press("Sign out")
        alice.page.get_by_role("link", name=link).wait_for()
        # What the provider's own pages do is not ours.
        alice.complaints[:] = [said for said in alice.complaints if issuer not in said]


def test_the_end_of_a_login_is_noticed_by_the_open_stream(browser: Browser, registry: RoadsteadServer) -> None:
    with person(browser, registry, "en") as somebody:
        somebody.sign_in()
        somebody.page.route(re.compile("/api/v1/events"), lambda route: route.fulfill(status=401, body="{}"))
        somebody.page.goto("/console/i/default/namespaces")
        somebody.page.get_by_label("Account name or number").wait_for()
        somebody.sees("Your login has ended.")


def test_a_page_says_that_nobody_has_used_it_lately(browser: Browser, registry: RoadsteadServer) -> None:
    with person(browser, registry, "en") as somebody:
        asks = re.compile("/api/v1/DescribeOverview")
        somebody.page.clock.install()
        somebody.sign_in()
        with somebody.page.expect_request(asks) as at_first:
            somebody.open("i/default/overview")
        somebody.sees("Pushes and pulls")
        with somebody.page.expect_request(asks) as by_itself:
            somebody.page.clock.fast_forward(90_000)
        somebody.settle()
        with somebody.page.expect_request(asks) as wanted:
            somebody.page.keyboard.press("Shift")
            somebody.page.get_by_label("Days").select_option("7")
        told = ["x-unattended" in each.value.headers for each in (at_first, by_itself, wanted)]
        assert told == [False, True, False]


def test_an_instance_is_linked_to_a_network_and_its_names_lead_there(owner: Person) -> None:
    needs_root("taking addresses on an interface")
    # Every address of the loopback network is this machine's already, so nothing outside is touched.
    block = f"127.{random.randrange(20, 250)}.{random.randrange(250)}"
    owner.open("vpcs")
    owner.press("New network")
    owner.page.locator('[data-field="VpcName"] input').fill(block)
    owner.page.locator('[data-field="CidrBlocks"] textarea').fill(f"{block}.0/24")
    owner.press("Create")
    network = owner.page.get_by_role("row").filter(has_text=f"{block}.0/24")
    network.get_by_role("button", name=owner.say("New subnet")).click()
    owner.page.locator('[data-field="CidrBlock"] input').fill(f"{block}.0/29")
    owner.page.locator('[data-field="Interface"] input').fill("lo")
    owner.press("Create")
    expect(network).to_contain_text(f"{block}.0/29")
    owner.open("i/default/networks")
    owner.press("Link a network")
    owner.page.locator('[data-field="VpcId"] select').select_option(label=f"{block} · {block}.0/24")
    owner.press("Link")
    # How far it is shows without loading the page again.
    link = owner.page.get_by_role("row").filter(has_text=f"{block}.")
    expect(link).to_contain_text(owner.say("Running"))
    link.get_by_role("button", name=owner.say("Names")).click()
    name = owner.page.locator("dialog").get_by_role("switch").first
    name.click()
    expect(name).to_have_attribute("aria-checked", "true")
    expect(owner.page.locator("dialog .command")).to_contain_text(f"{block}.")
    assert owner.findings() == []
    owner.page.keyboard.press("Escape")
    link.get_by_role("button", name=owner.say("Delete")).click()
    owner.press("Delete")
    expect(link).to_have_count(0)


def test_a_host_name_of_ones_own_gets_a_certificate_which_is_replaced(owner: Person) -> None:
    host = f"registry-{owner.language}.example.com"
    first, second = own_certificate(host), own_certificate(host)
    owner.open("certificates")
    owner.press("Upload a certificate")
    owner.page.locator('[data-field="Alias"] input').fill(owner.language)
    owner.page.locator('[data-field="CertificatePublicKey"] textarea').fill(first.chain.decode())
    owner.page.locator('[data-field="CertificatePrivateKey"] textarea').fill(second.key.decode())
    owner.press("Upload")
    # A key of another certificate is refused; what was typed stays.
    owner.page.locator("dialog .problem").wait_for()
    owner.page.locator('[data-field="CertificatePrivateKey"] textarea').fill(first.key.decode())
    owner.press("Upload")
    row = owner.page.get_by_role("row").filter(has_text=host)
    row.get_by_role("button", name=owner.say("Replace")).click()
    owner.page.locator('[data-field="CertificatePublicKey"] textarea').fill(second.chain.decode())
    owner.page.locator('[data-field="CertificatePrivateKey"] textarea').fill(second.key.decode())
    owner.press("Replace")
    owner.page.locator("dialog").wait_for(state="detached")
    certificate = row.locator("code").first.inner_text()
    owner.open("i/default/networks")
    owner.press("Add a host name")
    owner.page.locator('[data-field="DomainName"] input').fill(host)
    owner.page.locator('[data-field="CertificateId"] select').select_option(value=certificate)
    owner.press("Create")
    named = owner.page.get_by_role("row").filter(has_text=host)
    named.get_by_role("button", name=owner.say("Delete")).click()
    owner.press("Delete")
    expect(named).to_have_count(0)
    owner.open("certificates")
    row.get_by_role("button", name=owner.say("Delete")).click()
    owner.press("Delete")
    expect(row).to_have_count(0)


def test_an_instance_gets_a_rate_of_its_own(owner: Person) -> None:
    owner.open("i/default/networks")
    row = owner.page.locator(".plain-list li").filter(has_text=owner.say("Each address"))
    for typed, told in (("500", owner.say("of this instance")), ("-1", owner.say("any number of requests"))):
        row.get_by_role("button", name=owner.say("Edit")).click()
        owner.page.locator('[data-field="AddressRequests"] input').fill(typed)
        owner.page.locator('[data-field="AddressBytes"] input').fill("-1")
        owner.press("Save")
        expect(row).to_contain_text(told)
