"""What people do for themselves and for one another at the console: logins, keys, rights, and what was refused."""

from __future__ import annotations

import json
import re

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from tests.console.browser import Person, person
from tests.console.logins import chooses_a_password, has_a_second_factor
from tests.servers.roadstead import RoadsteadServer

pytestmark = pytest.mark.xdist_group("console-people")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_somebody_signs_in_and_out(browser: Browser, registry: RoadsteadServer, language: str) -> None:
    made = registry.credentials
    with person(browser, registry, language) as somebody:
        somebody.open("i/default/namespaces", "Roadstead")
        somebody.fill(somebody.say("Account name or number"), made.user_name)
        somebody.fill(somebody.say("Password"), "wrong")
        somebody.press("Sign in")
        problem = somebody.page.get_by_role("alert")
        expect(problem).to_contain_text("AuthFailure")
        # In the reader's language, and with the gate that says it.
        expect(problem).to_contain_text({"en": "the name or password is wrong", "zh": "账号名或密码错误"}[language])
        expect(problem).to_contain_text({"en": "Log in, or send", "zh": "请登录，或使用"}[language])
        expect(problem).to_contain_text(somebody.say("Gate: credential"))
        expect(problem).to_contain_text(somebody.say("Request"))
        somebody.fill(somebody.say("Password"), made.password)
        somebody.press("Sign in")
        # Where one wanted to go before.
        somebody.page.get_by_role("heading", name=somebody.say("Namespaces"), level=1).wait_for()
        somebody.page.locator(".account summary").click()
        somebody.press("Sign out")
        somebody.page.get_by_label(somebody.say("Account name or number")).wait_for()


def test_a_window_goes_on_after_a_new_login_in_another(browser: Browser, registry: RoadsteadServer) -> None:
    with person(browser, registry, "en") as somebody:
        somebody.sign_in()
        somebody.open("i/default/namespaces")
        somebody.sign_in()
        somebody.page.get_by_role("button", name="Load again").click()
        expect(somebody.page.locator("tbody tr").first).to_be_visible()
        assert not somebody.page.locator(".problem").count()


def test_a_credential_is_shown_once_and_opens_the_registry(owner: Person, fresh: str) -> None:
    owner.open("i/default/credentials")
    owner.press("New credential")
    owner.page.locator('[data-field="Desc"] input').fill(fresh)
    owner.press("Create")
    lines = owner.page.locator("dialog .command pre")
    expect(lines).to_have_count(3)
    name, password = (lines.nth(place).inner_text().strip() for place in (0, 1))
    with owner.page.expect_download() as saved:
        owner.press("Download")
    assert saved.value.suggested_filename == f"{fresh}.txt"
    owner.press("Done")
    url = f"{owner.server.url}/v2/"
    assert httpx2.get(url, auth=(name, password)).status_code == 200
    row = owner.page.get_by_role("row").filter(has_text=fresh)
    row.get_by_role("switch").click()
    expect(row.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    assert httpx2.get(url, auth=(name, password)).status_code == 401
    row.get_by_role("button", name=owner.say("Delete")).click()
    owner.press("Delete")
    expect(row).to_have_count(0)


def test_a_login_for_an_hour_counts_down(owner: Person) -> None:
    owner.open("i/default/credentials")
    owner.press("Login for one hour")
    expect(owner.page.get_by_role("timer")).to_have_text(re.compile(r"\b5\d:\d\d"))
    owner.press("Done")


def test_a_user_gets_a_policy_and_it_is_said_what_the_user_may_do(owner: Person, fresh: str) -> None:
    owner.open("users")
    owner.press("New user")
    owner.page.locator('[data-field="Name"] input').fill(fresh)
    owner.press("Create")
    owner.sees(owner.say("What is secret here is shown this once."))
    password = owner.page.locator("dialog .command pre").first.inner_text().strip()
    owner.press("Give it a policy")
    owner.page.get_by_label(owner.say("Give a policy")).select_option(index=3)
    owner.page.locator("tbody tr").first.wait_for()
    uin = next(each["Uin"] for each in owner.ask("ListUsers", Limit=500)["Data"] if each["Name"] == fresh)
    owner.open(f"access?who={uin}&on=library/shop/frontend")
    asked = owner.page.get_by_text("tcr:PullRepository", exact=True)
    verdict = owner.page.locator(".verdicts summary").filter(has=asked)
    expect(verdict).to_contain_text(owner.say("may"))
    expect(verdict).to_contain_text({"en": "of the policy", "zh": "条语句允许此操作"}[owner.language])
    browser = owner.context.browser
    assert browser is not None
    with person(browser, owner.server, owner.language) as newcomer:
        newcomer.open("audit", "Roadstead")
        chooses_a_password(newcomer, fresh, password)
        problem = newcomer.page.locator(".problem").first
        expect(problem).to_contain_text(newcomer.say("Gate: policy"))
        expect(problem).to_contain_text("cloudaudit:LookUpEvents")
        why = {"en": "no policy of the account allows it", "zh": "该账号的策略均未允许此操作"}
        expect(problem).to_contain_text(why[newcomer.language])
        has_a_second_factor(newcomer, fresh)
        owner.open(f"users/{fresh}")
        owner.press("Remove, it is lost")
        owner.page.get_by_role("button", name=owner.say("Remove, it is lost")).wait_for(state="detached")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_may_do_what_is_told_before_any_instance_was_opened(
    browser: Browser, registry: RoadsteadServer, language: str
) -> None:
    with person(browser, registry, language) as newcomer:
        newcomer.sign_in()
        newcomer.open("access")
        expect(newcomer.page.locator("#content").get_by_label(newcomer.say("Instance"))).to_have_value("default")
        expect(newcomer.page.locator(".verdicts summary").first).to_contain_text(newcomer.say("may"))
        # The menu leads to the instance too.
        newcomer.page.get_by_role("link", name=newcomer.say("Image repositories")).click()
        newcomer.page.get_by_role("link", name="library/shop/frontend").wait_for()


def test_a_temporary_key_is_made_that_may_do_less(owner: Person) -> None:
    owner.open("account")
    owner.press("Temporary key")
    policy = {"effect": "allow", "action": "tcr:DescribeInstances", "resource": "*"}
    field = owner.page.locator('[data-field="Policy"] textarea')
    field.fill("nonsense")
    owner.press("Create")
    expect(owner.page.locator("dialog[open] .problem")).to_contain_text("InvalidParameter.PolicyDocumentError")
    field.fill(json.dumps({"version": "2.0", "statement": [policy]}))
    owner.press("Create")
    owner.page.get_by_role("timer").wait_for()
    assert not owner.findings()
    assert not owner.overflows()
    shown = owner.page.locator("dialog[open] .command pre").all_inner_texts()
    secret_id, secret_key, token = (each.strip() for each in shown[:3])
    headers = {"x-tc-token": token}
    allowed, refused = (
        httpx2.post(f"{owner.server.url}/api/v1/{action}", json={}, auth=(secret_id, secret_key), headers=headers)
        for action in ("DescribeInstances", "ListUsers")
    )
    assert allowed.status_code == 200, allowed.text
    assert refused.status_code == 403, refused.text
    owner.press("Done")


def test_groups_and_policies_are_written(owner: Person, fresh: str) -> None:
    owner.open("groups")
    owner.press("New group")
    owner.page.locator('[data-field="GroupName"] input').fill(fresh)
    owner.press("Create")
    owner.page.get_by_role("link", name=fresh).wait_for()
    owner.open("policies")
    owner.press("New policy")
    owner.press("Push and pull in one namespace")
    owner.page.locator('[data-field="PolicyName"] input').fill(fresh)
    owner.press("Create")
    owner.page.get_by_role("heading", name=fresh, level=1).wait_for()
    owner.sees('"tcr:PushRepository"')
    owner.page.get_by_role("tab", name=owner.say("Versions")).click()
    owner.sees(owner.say("in force"))


def test_a_service_account_is_made(owner: Person, fresh: str) -> None:
    owner.open("i/default/service-accounts")
    owner.press("New service account")
    owner.page.locator('[data-field="Name"] input').fill(fresh)
    owner.press("Create")
    owner.sees(f"tcr${fresh}")
    owner.press("Done")
    row = owner.page.get_by_role("row").filter(has_text=fresh)
    expect(row).to_contain_text(owner.say("Pull images"))


def test_what_was_refused_is_found_in_the_audit(owner: Person) -> None:
    url = f"{owner.server.url}/v2/library/shop/frontend/tags/list"
    assert httpx2.get(url, auth=("100000000001", "wrong")).status_code == 401
    # Refusals are written within a second.
    for _ in range(100):
        if owner.ask("LookUpEvents", Outcome="refused", Limit=1)["Events"]:
            break
        owner.page.wait_for_timeout(100)
    owner.open("audit?outcome=refused")
    row = owner.page.locator("tbody tr").first
    row.wait_for()
    row.get_by_role("button").click()
    owner.page.locator("dialog .link").click()
    owner.sees(owner.say("What helps:"))


def test_language_theme_and_keys_go_with_the_person(owner: Person) -> None:
    owner.open("i/default/overview")
    other = "中文" if owner.language == "en" else "English"
    owner.page.get_by_role("button", name=other).click()
    expected = "命名空间" if owner.language == "en" else "Namespaces"
    owner.page.get_by_role("link", name=expected).first.wait_for()
    owner.page.get_by_role("button", name="English" if owner.language == "en" else "中文").click()
    owner.page.get_by_role("link", name=owner.say("Namespaces")).first.wait_for()
    owner.press("Dark")
    assert owner.page.locator("html").get_attribute("theme-mode") == "dark"
    owner.press("Light")
    owner.page.keyboard.press("Control+k")
    # One types into the window at once, as into every form.
    expect(owner.page.get_by_role("combobox", name=owner.say("A page or a repository"))).to_be_focused()
    owner.page.keyboard.type("orders")
    owner.page.get_by_role("option", name="library/shop/orders").wait_for()
    owner.page.keyboard.press("Enter")
    owner.page.get_by_role("heading", name="library/shop/orders", level=1).wait_for()
