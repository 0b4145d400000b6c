"""The door of the console: what browsers get, under which policy, and what they are told when it is not built."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from roadstead.http import console
from roadstead.services.context import Context
from tests.factories.asgi import open_client

PAGE = "<!doctype html><script type=module src=/console/assets/app-1234.js></script>"
SCRIPT = "console.log('hello');" * 100


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A console as the build leaves it, small."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "secret.txt").write_text("not handed out")
    (tmp_path / "assets" / "app-1234.js").write_text(SCRIPT)
    (tmp_path / "assets" / "app-1234.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    monkeypatch.setattr(console, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "path", ["/console/", "/console/i/default/repositories", "/console/x.y", "/console/secret.txt"]
)
async def test_every_address_of_the_console_is_its_page(ctx: Context, built: Path, path: str) -> None:
    async with open_client(ctx) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


async def test_no_script_of_others_may_run(ctx: Context, built: Path) -> None:
    async with open_client(ctx) as client:
        answer = await client.get("/console/")
    policy = dict(each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"], policy["connect-src"]) == ("'self'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["base-uri"]) == ("'none'", "'none'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_assets_are_kept_for_ever_and_come_compressed(ctx: Context, built: Path) -> None:
    async with open_client(ctx) as client:
        plain = await client.get("/console/assets/app-1234.js", headers={"accept-encoding": "identity"})
        packed = await client.get("/console/assets/app-1234.js", headers={"accept-encoding": "gzip, br"})
        same = await client.get(
            "/console/assets/app-1234.js",
            headers={"if-none-match": packed.headers["etag"], "accept-encoding": "gzip"},
        )
    assert plain.text == packed.text == SCRIPT
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(SCRIPT)
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"].startswith("text/javascript")
    assert plain.headers["etag"] != packed.headers["etag"]
    assert (same.status_code, same.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["missing.js", "../index.html", "..%2fsecret.txt", "app-1234.js.gz", ".hidden", "deeper/app-1234.js", ""]
)
async def test_only_files_of_the_build_are_handed_out(ctx: Context, built: Path, path: str) -> None:
    async with open_client(ctx) as client:
        answer = await client.get(f"/console/assets/{path}")
    # The client takes `..` apart itself; what it asks for then is the page.
    assert answer.status_code == 404 or answer.text == PAGE


async def test_without_a_build_the_page_says_how_to_make_one(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "FOLDER", tmp_path / "nothing")
    async with open_client(ctx) as client:
        answer = await client.get("/console/")
    assert answer.status_code == 200
    assert "make console" in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_it_is_only_read(ctx: Context, built: Path) -> None:
    async with open_client(ctx) as client:
        posted = await client.post("/console/")
        moved = await client.get("/console")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
    assert (moved.status_code, moved.headers["location"]) == (308, "/console/")


@pytest.mark.parametrize(
    ("accept", "status"), [("text/html,application/xhtml+xml", 302), ("*/*", 200), ("application/json", 200)]
)
async def test_browsers_are_led_to_the_console(ctx: Context, accept: str, status: int) -> None:
    async with open_client(ctx) as client:
        answer = await client.get("/", headers={"accept": accept})
    assert answer.status_code == status
    assert answer.headers.get("location", "/console/") == "/console/"
    if status == 200:
        assert "docker login" in answer.text


async def test_a_page_is_not_asked_for_a_key(ctx: Context) -> None:
    """A browser would open a window of its own at such a header, before anybody could sign in."""
    async with open_client(ctx) as client:
        asked = await client.post("/api/v1/DescribeInstances", json={})
        page = await client.post("/api/v1/DescribeInstances", json={}, headers={"x-requested-with": "console"})
    assert (asked.status_code, page.status_code) == (401, 401)
    assert "www-authenticate" in asked.headers
    assert "www-authenticate" not in page.headers
