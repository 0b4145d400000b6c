"""A browser logs in through a real OpenID provider, at the product as users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from roadstead.cli import single_sign_on
from roadstead.errors import Unavailable
from roadstead.services.single_sign_on import challenge
from tests.servers import oidc_provider
from tests.servers.roadstead import RoadsteadServer

PATH = "/api/v1/session/oidc/"


@pytest.fixture(scope="module")
def served(session_folder: Path) -> Iterator[RoadsteadServer]:
    """The product, registered with a provider."""
    place = session_folder / "single-sign-on"
    place.mkdir()
    server = RoadsteadServer(place / "data", {"ROADSTEAD_OUTBOUND_ALLOW": "127.0.0.1/32"})
    with oidc_provider.registered(server, place):
        yield server


def log_in(served: RoadsteadServer, browser: httpx2.Client, name: str, **parameters: str) -> httpx2.Response:
    begun = browser.get(f"{served.url}{PATH}login", params=parameters)
    assert begun.status_code == 302, begun.text
    callback = f"{served.url}{PATH}callback"
    return browser.get(oidc_provider.log_in(browser, begun.headers["location"], name, callback))


def test_a_person_logs_in_with_a_browser(served: RoadsteadServer) -> None:
    with httpx2.Client(timeout=30, trust_env=False) as browser:
        answer = log_in(served, browser, "alice", next="/console")
        assert answer.status_code == 200, answer.text
        assert "url=/console" in answer.text
        assert browser.cookies.get("roadstead_session")
    exported = served.command("audit", "export", "--action", "cam:SingleSignOn").splitlines()
    said = [json.loads(line)["Data"] for line in exported]
    # Other tests of this server log alice in too.
    assert {tuple(entry["Groups"]) for entry in said if entry["Subject"] == "alice"} == {("admins", "dev")}
    assert not served.command("audit", "export", "--action", "cam:Login")


def test_a_command_line_gets_a_key(served: RoadsteadServer) -> None:
    verifier = "v" * 43
    with httpx2.Client(timeout=30, trust_env=False) as browser:
        answer = log_in(served, browser, "bob", port="40123", state="mine", challenge=challenge(verifier))
        assert answer.status_code == 303, answer.text
        target = urlsplit(answer.headers["location"])
        assert target.netloc == "127.0.0.1:40123"
        code = parse_qs(target.query)["code"][0]
        taken = browser.post(f"{served.url}{PATH}key", json={"Code": code, "Verifier": verifier})
    assert taken.status_code == 200, taken.text
    assert set(taken.json()) == {"TmpSecretId", "TmpSecretKey", "Token", "ExpiredTime"}


def test_the_command_line_waits_on_the_loopback(served: RoadsteadServer) -> None:
    pages: list[str] = []

    def browse(url: str) -> None:
        with httpx2.Client(timeout=30, trust_env=False) as browser:
            # What other pages of the same browser send to the port does not end the wait.
            port = parse_qs(urlsplit(url).query)["port"][0]
            pages.append(browser.get(f"http://127.0.0.1:{port}/?code=forged&state=x").text)
            begun = browser.get(url)
            callback = f"{served.url}{PATH}callback"
            back = browser.get(oidc_provider.log_in(browser, begun.headers["location"], "bob", callback))
            pages.append(browser.get(back.headers["location"]).text)

    key = single_sign_on.log_in(served.url, browse, 60)
    assert key.tmp_secret_id.startswith("AKID") and key.tmp_secret_key and key.token
    assert ["not the login" in pages[0], "logged in" in pages[1]] == [True, True]


def test_commands_go_to_the_server_after_a_login_in_the_browser(served: RoadsteadServer, tmp_path: Path) -> None:
    environment = {name: value for name, value in served.environment.items() if not name.startswith("ROADSTEAD_")}
    environment |= {"XDG_CONFIG_HOME": str(tmp_path), "BROWSER": "true"}
    command = [sys.executable, "-m", "roadstead"]
    process = subprocess.Popen(
        [*command, "login", served.url, "--sso"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    url = process.stderr.readline().removeprefix("Log in with your browser: ").strip()
    with httpx2.Client(timeout=30, trust_env=False) as browser:
        begun = browser.get(url)
        callback = f"{served.url}{PATH}callback"
        back = browser.get(oidc_provider.log_in(browser, begun.headers["location"], "alice", callback))
        assert "logged in" in browser.get(back.headers["location"]).text
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and f"Logged in to {served.url}" in out

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=False)

    listed = run("--json", "namespace", "list")
    assert (listed.returncode, json.loads(listed.stdout)) == (0, []), listed
    refused = run("namespace", "create", "mine")
    assert refused.returncode == 1 and "tcr:CreateNamespace" in refused.stderr
    kept = tmp_path / "roadstead" / "profile.json"
    login = json.loads(kept.read_text())
    kept.write_text(json.dumps({**login, "Token": "of another key"}))
    ended = run("namespace", "list")
    assert ended.returncode == 1 and "log in again" in ended.stderr
    # A server that cannot be reached is told as that, and the login is forgotten all the same.
    kept.write_text(json.dumps({**login, "Server": "http://127.0.0.1:1"}))
    away = run("logout")
    assert (away.returncode, away.stdout) == (0, "Logged out of http://127.0.0.1:1.\n")
    assert "holds there until" in away.stderr and "cannot be reached" in away.stderr and not kept.exists()
    kept.write_text(json.dumps(login))
    kept.chmod(0o600)
    assert json.loads(run("--json", "logout").stdout) == {"Server": served.url, "KeyEnded": True}
    kept.write_text(json.dumps(login))
    kept.chmod(0o600)
    ended = run("namespace", "list")
    assert ended.returncode == 1 and "log in again" in ended.stderr
    assert json.loads(run("--json", "logout").stdout)["KeyEnded"] is True


def test_nobody_logs_in_at_the_browser(served: RoadsteadServer) -> None:
    with pytest.raises(Unavailable, match="nobody has logged in"):
        single_sign_on.log_in(served.url, lambda url: None, 0.2)


def test_somebody_whom_the_provider_does_not_know(served: RoadsteadServer) -> None:
    with httpx2.Client(timeout=30, trust_env=False) as browser:
        begun = browser.get(f"{served.url}{PATH}login")
        provider = urlsplit(begun.headers["location"])
        made_up = {
            "state": parse_qs(provider.query)["state"][0],
            "code": "made-up",
            "iss": f"http://{provider.netloc}",
        }
        answer = browser.get(f"{served.url}{PATH}callback", params=made_up)
    assert answer.status_code == 401
    assert "does not take the code" in answer.text
