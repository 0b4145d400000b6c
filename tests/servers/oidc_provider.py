"""A real OpenID provider, and a browser's way through its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.requirements import missing
from tests.servers.ports import free_port
from tests.servers.process import Process
from tests.servers.roadstead import RoadsteadServer
from tests.system import oidc


@dataclass(frozen=True)
class OidcServer:
    """The running provider; `registry` with `registry-secret` is registered there for one callback."""

    process: Process
    port: int

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.process.stop()


def start(place: Path, callback: str) -> OidcServer:
    """The provider answers; the test is skipped on a machine that could not install it."""
    program, installed = oidc.node(), oidc.folder()
    if program is None or not installed.exists():
        missing("oidc-provider is not installed; `python -m tests.system.oidc` does it")
    port, log = free_port(), place / "oidc-provider.log"
    process = Process([program, installed / "provider.mjs", str(port), callback], log=log, folder=installed)
    process.wait_until(lambda: log.exists() and "ready" in log.read_text())
    return OidcServer(process, port)


@contextmanager
def registered(server: RoadsteadServer, place: Path) -> Iterator[None]:
    """The product runs and is registered with a provider of its own, whose log is in `place`."""
    provider = start(place, f"{server.url}/api/v1/session/oidc/callback")
    server.environment |= {
        "ROADSTEAD_OIDC_ISSUER": provider.issuer,
        "ROADSTEAD_OIDC_CLIENT_ID": "registry",
        "ROADSTEAD_OIDC_CLIENT_SECRET": "registry-secret",
        "ROADSTEAD_OIDC_SCOPES": "openid,profile,email,groups",
    }
    try:
        server.start()
        yield
        assert server.stop() == 0, server.log.read_text()
    finally:
        provider.stop()


def log_in(browser: httpx2.Client, url: str, name: str, callback: str) -> str:
    """The address to which the provider sends somebody back who logs in by that name and agrees to everything."""
    for _ in range(12):
        if url.startswith(callback):
            return url
        answer = browser.get(url)
        if answer.status_code in {302, 303}:
            url = str(answer.url.join(answer.headers["location"]))
            continue
        assert answer.status_code == 200, answer.text
        form = re.search(r'<form[^>]* action="([^"]+)"', answer.text)
        prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
        assert form and prompt, answer.text
        typed = {"login": name, "password": "any"} if prompt[1] == "login" else {}
        sent = browser.post(form[1], data={"prompt": prompt[1], **typed})
        assert sent.status_code in {302, 303}, sent.text
        url = str(sent.url.join(sent.headers["location"]))
    raise AssertionError(f"the provider goes in circles: {url}")
