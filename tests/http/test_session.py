"""Logging in at /api/v1/session as browsers do it, and what other sites' pages cannot do with it."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx2
import pyotp
import pytest

from roadstead.config import Network
from roadstead.services import users
from roadstead.services.context import Context
from tests.factories.asgi import open_client
from tests.factories.calls import call
from tests.factories.contexts import initial_credentials, open_test_context
from tests.jobs.bench import FakeClock

SESSION = "/api/v1/session"
PASSWORD, OTHER = "Correct-horse-7", "Battery-staple-8"


@pytest.fixture
async def alice(ctx: Context) -> Context:
    """The registry with a user who may log in."""
    await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
    return ctx


async def log_in(client: httpx2.AsyncClient, **more: Any) -> httpx2.Response:
    return await client.post(f"{SESSION}/login", json={"Name": "alice", "Password": PASSWORD, **more})


async def post(client: httpx2.AsyncClient, path: str, csrf: str, **body: Any) -> httpx2.Response:
    return await client.post(f"{SESSION}{path}", json=body, headers={"x-csrf-token": csrf})


def refused(answer: httpx2.Response, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert code in json.dumps(told)
    return json.dumps(told)


async def test_from_login_to_logout(alice: Context) -> None:
    async with open_client(alice) as client:
        refused(await client.get(SESSION), 401, "AuthFailure")
        begun = await log_in(client)
        assert begun.status_code == 200, begun.text
        assert (begun.json()["Name"], begun.json()["Owner"], begun.json()["Totp"]) == ("alice", False, False)
        shown = await client.get(SESSION)
        assert shown.json() == begun.json()
        assert shown.headers["cache-control"] == "no-store"
        ended = await post(client, "/logout", shown.json()["CsrfToken"])
        assert ended.status_code == 200
        assert "roadstead_session=;" in ended.headers["set-cookie"] and "Max-Age=0" in ended.headers["set-cookie"]
        refused(
            await client.get(SESSION, headers={"cookie": begun.headers["set-cookie"].split(";")[0]}), 401, "ended"
        )


@pytest.mark.parametrize("scheme", ["", "http", "https"])
async def test_the_cookie_is_for_this_server_alone(folder: Path, clock: FakeClock, scheme: Any) -> None:
    async with open_test_context(folder, clock, network=Network(scheme=scheme)) as ctx, open_client(ctx) as client:
        made = initial_credentials(ctx)
        answer = await client.post(f"{SESSION}/login", json={"Name": made.user_name, "Password": made.password})
        cookie = SimpleCookie(answer.headers["set-cookie"])["roadstead_session"]
        assert (cookie["path"], cookie["httponly"], cookie["samesite"], cookie["domain"]) == ("/", True, "Strict", "")
        assert bool(cookie["secure"]) is (scheme == "https")
        assert cookie["max-age"] == str(24 * 3600)
        assert made.password not in answer.text and cookie.value not in answer.text


@pytest.mark.parametrize(
    "path", ["/logout", "/end", "/password", "/totp/enrol", "/totp/confirm", "/totp/remove", "/totp/recovery"]
)
async def test_nothing_changes_without_the_token_of_the_session(alice: Context, path: str) -> None:
    async with open_client(alice) as client, open_client(alice) as other:
        await log_in(client)
        foreign = (await log_in(other)).json()["CsrfToken"]
        for token in ("", "x", foreign):
            refused(await post(client, path, token, Password=PASSWORD), 403, "X-CSRF-Token")
        refused(await client.post(f"{SESSION}{path}", json={}), 403, "X-CSRF-Token")
        assert (await client.get(SESSION)).status_code == 200


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
)
async def test_a_form_of_another_site_logs_nobody_in(alice: Context, kind: str) -> None:
    body = json.dumps({"Name": "alice", "Password": PASSWORD}).encode()
    async with open_client(alice) as client:
        headers = {"content-type": kind} if kind else {}
        answer = await client.post(f"{SESSION}/login", content=body, headers=headers)
        refused(answer, 400, "application/json")
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"Name":"alice"}',
        b'{"Name":1,"Password":"Correct-horse-7"}',
        b'{"Name":"alice","Password":["Correct-horse-7"]}',
        b'{"Name":"alice","Password":"' + b"x" * 2000 + b'"}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"Name":"alice","Password":"\\ud800"}',
        b'{"Name":"alice\\u0000","Password":"\\u0000"}',
        b"x" * (2 << 20),
    ],
)
async def test_hostile_bodies(alice: Context, body: bytes) -> None:
    async with open_client(alice) as client:
        answer = await client.post(
            f"{SESSION}/login", content=body, headers={"content-type": "application/json; charset=utf-8"}
        )
        assert answer.status_code in {400, 401, 413}, answer.text
        assert "Correct-horse" not in answer.text and "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("cookie", "status"),
    [
        ("{}", 200),
        ("a=b; {}", 200),
        ("a=b;{}; c=d", 200),
        ("{}; roadstead_session=x", 200),
        ("xroadstead_session=y; {}", 200),
        ("roadstead_session=x; {}", 401),
        ("x{}", 401),
        ("{}!", 401),
        ("roadstead_session=", 401),
        ("roadstead_session=" + "x" * 5000, 401),
        ("\xff\xfe", 401),
    ],
)
async def test_which_cookie_counts(alice: Context, cookie: str, status: int) -> None:
    async with open_client(alice) as client:
        kept = (await log_in(client)).headers["set-cookie"].split(";")[0]
        client.cookies.clear()
        sent = cookie.replace("{}", kept).encode("latin-1")
        answer = await client.get(SESSION, headers=[(b"cookie", sent)])
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "", 405),
        ("GET", "/login", 405),
        ("GET", "/logout", 405),
        ("DELETE", "/list", 405),
        ("GET", "/nothing", 400),
        ("GET", "/login/x", 400),
    ],
)
async def test_other_ways_to_ask(alice: Context, method: str, path: str, status: int) -> None:
    async with open_client(alice) as client:
        answer = await client.request(method, f"{SESSION}{path}")
        assert answer.status_code == status, answer.text
        if status == 405:
            assert answer.headers["allow"] in {"GET", "POST"}


async def test_own_logins(alice: Context) -> None:
    async with open_client(alice, address="127.0.0.1") as client, open_client(alice) as other:
        csrf = (await log_in(client)).json()["CsrfToken"]
        await log_in(other)
        listed = (await client.get(f"{SESSION}/list")).json()["Sessions"]
        assert sorted(each["Current"] for each in listed) == [False, True]
        foreign = next(each["Id"] for each in listed if not each["Current"])
        assert (await post(client, "/end", csrf, Id=foreign)).status_code == 200
        refused(await other.get(SESSION), 401, "ended")
        refused(await post(client, "/end", csrf, Id=foreign), 404, "ResourceNotFound")


async def test_own_password(alice: Context) -> None:
    async with open_client(alice) as client, open_client(alice) as other:
        csrf = (await log_in(client)).json()["CsrfToken"]
        await log_in(other)
        wrong = await post(client, "/password", csrf, OldPassword="x", NewPassword=OTHER)
        refused(wrong, 401, "password is wrong")
        done = await post(client, "/password", csrf, OldPassword=PASSWORD, NewPassword=OTHER)
        assert (done.status_code, done.json()) == (200, {})
        assert (await client.get(SESSION)).status_code == 200
        refused(await other.get(SESSION), 401, "ended")
        refused(await log_in(other), 401, "name or password")
        assert (await log_in(other, Password=OTHER)).status_code == 200


async def test_a_second_factor(alice: Context, clock: FakeClock) -> None:
    async with open_client(alice) as client:
        csrf = (await log_in(client)).json()["CsrfToken"]
        made = (await post(client, "/totp/enrol", csrf, Password=PASSWORD)).json()
        app = pyotp.TOTP(made["Secret"])
        assert made["Uri"].startswith("otpauth://totp/")
        refused(await post(client, "/totp/confirm", csrf, Code="000000"), 400, "not of this secret")
        confirmed = await post(client, "/totp/confirm", csrf, Code=app.at(clock()))
        first, second = confirmed.json()["RecoveryCodes"][:2]
        refused(await log_in(client), 401, "AuthFailure.MFAFailure")
        clock.turn(seconds=30)
        again = await log_in(client, Code=app.at(clock()))
        assert (again.json()["Totp"], again.json()["RecoveryCodes"]) == (True, 10)
        assert (await log_in(client, Code=first)).json()["RecoveryCodes"] == 9
        refused(await log_in(client, Code=first), 401, "AuthFailure.MFAFailure")
        again = await log_in(client, Code=second)
        clock.turn(seconds=30)
        csrf = again.json()["CsrfToken"]
        renewed = await post(client, "/totp/recovery", csrf, Password=PASSWORD, Code=app.at(clock()))
        assert len(renewed.json()["RecoveryCodes"]) == 10 and renewed.headers["cache-control"] == "no-store"
        clock.turn(seconds=30)
        done = await post(client, "/totp/remove", csrf, Password=PASSWORD, Code=app.at(clock()))
        assert done.status_code == 200, done.text
        assert (await log_in(client)).json()["Totp"] is False


async def test_one_code_changes_the_second_factor_without_a_login(alice: Context, clock: FakeClock) -> None:
    async with open_client(alice) as client:
        csrf = (await log_in(client)).json()["CsrfToken"]
        made = (await post(client, "/totp/enrol", csrf, Password=PASSWORD)).json()
        codes = (await post(client, "/totp/confirm", csrf, Code=pyotp.TOTP(made["Secret"]).at(clock()))).json()
        first, second = codes["RecoveryCodes"][:2]
    async with open_client(alice) as client:
        for path in ("/totp/recovery", "/totp/remove"):
            unknown = await post(client, path, "", Name="nobody", Password=PASSWORD, Code=first)
            wrong = await post(client, path, "", Name="alice", Password="x", Code=first)
            refused(wrong, 401, "name or password")
            assert unknown.json()["detail"] == wrong.json()["detail"]
            refused(await post(client, path, "", Name="alice", Password=PASSWORD), 401, "AuthFailure.MFAFailure")
            refused(await post(client, path, "", Name="alice", Password=PASSWORD, Code="000000"), 401, "is wrong")
        fresh = await post(client, "/totp/recovery", "", Name="alice", Password=PASSWORD, Code=first)
        assert len(fresh.json()["RecoveryCodes"]) == 10 and "set-cookie" not in fresh.headers
        refused(await post(client, "/totp/remove", "", Name="alice", Password=PASSWORD, Code=second), 401, "is wrong")
        code = fresh.json()["RecoveryCodes"][0]
        gone = await post(client, "/totp/remove", "", Name="alice", Password=PASSWORD, Code=code)
        assert (gone.status_code, gone.json()) == (200, {})
        refused(await post(client, "/totp/remove", "", Name="alice", Password=PASSWORD), 409, "no second factor")
        await call(alice, users.update_user, name="alice", need_reset_password=1)
        refused(await post(client, "/totp/remove", "", Name="alice", Password=PASSWORD), 401, "PasswordChangeNeeded")


async def test_a_password_that_must_be_changed(alice: Context) -> None:
    await call(alice, users.update_user, name="alice", need_reset_password=1)
    async with open_client(alice) as client:
        refused(await log_in(client), 401, "AuthFailure.PasswordChangeNeeded")
        refused(await log_in(client, Password="x", NewPassword=OTHER), 401, "name or password")
        refused(await log_in(client, NewPassword=PASSWORD), 400, "the old one")
        refused(await log_in(client, NewPassword="short"), 400, "8 to 128")
        assert (await log_in(client, NewPassword=OTHER)).status_code == 200
        refused(await log_in(client), 401, "name or password")
        assert (await log_in(client, Password=OTHER)).status_code == 200
        refused(await log_in(client, Password=OTHER, NewPassword=PASSWORD), 409, "need not be changed")


async def test_the_network_gate_stands_before_it(alice: Context) -> None:
    async with open_client(alice, address="192.0.2.1") as client:
        answer = await log_in(client)
        assert answer.status_code == 403 and "network" in answer.text


async def test_too_many_guesses(alice: Context) -> None:
    async with open_client(alice) as client:
        answers = [await log_in(client, Password=f"Guess-{number}") for number in range(11)]
        assert [each.status_code for each in answers] == [401] * 10 + [429]
        assert int(answers[-1].headers["retry-after"]) >= 1


async def test_the_same_cookie_opens_the_api(alice: Context) -> None:
    async with open_client(alice) as client:
        csrf = (await log_in(client)).json()["CsrfToken"]
        asked = "/api/v1/GetCallerIdentity"
        refused(await client.post(asked, json={}), 403, "X-CSRF-Token")
        shown = await client.post(asked, json={}, headers={"x-csrf-token": csrf})
        assert shown.json()["Type"] == "CAMUser", shown.text
        assert (await client.post("/api/v1/ListUsers", json={}, headers={"x-csrf-token": csrf})).status_code == 403
        await call(alice, users.modify_user_status, name="alice", enabled=False)
        refused(await client.post(asked, json={}, headers={"x-csrf-token": csrf}), 401, "AuthFailure")


async def test_a_page_that_looks_again_by_itself_does_not_keep_the_login_alive(
    alice: Context, clock: FakeClock
) -> None:
    async with open_client(alice) as client:
        csrf = (await log_in(client)).json()["CsrfToken"]
        headers = {"x-csrf-token": csrf}
        clock.turn(hours=1)
        assert (await client.post("/api/v1/GetCallerIdentity", json={}, headers=headers)).status_code == 200
        for _ in range(2):
            clock.turn(hours=1)
            alone = await client.post("/api/v1/GetCallerIdentity", json={}, headers={**headers, "x-unattended": "1"})
            assert alone.status_code == 200
        clock.turn(seconds=1)
        refused(await client.post("/api/v1/GetCallerIdentity", json={}, headers=headers), 401, "ended")
