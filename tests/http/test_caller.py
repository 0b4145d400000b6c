"""The Authorization header: what is read from it, and what is told to those whose header does not hold."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.errors import NotAuthenticated
from roadstead.http.caller import basic
from roadstead.services.context import Context
from tests.factories.accounts import Login, owner_login
from tests.factories.asgi import open_client


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_plain = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(username=_plain.filter(lambda text: ":" not in text), password=_plain)
def test_username_and_password_come_back_whatever_they_hold(username: str, password: str) -> None:
    assert basic(encoded(f"{username}:{password}")) == (username, password)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "no password"),
        (encoded("name"), "no password"),
        (encoded("na\0me:word"), "NUL"),
        ("***", "does not parse"),
        ("YTpi!", "does not parse"),
        ("YTp", "does not parse"),
        (base64.b64encode(b"\xff\xfe:x").decode(), "does not parse"),
        ("ä", "does not parse"),
    ],
)
def test_a_value_that_is_no_basic_authorization_is_refused(value: str, reason: str) -> None:
    with pytest.raises(NotAuthenticated, match=reason):
        basic(value)


@pytest.fixture
async def client(ctx: Context) -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client(ctx) as client:
        yield client


@pytest.fixture
def login(ctx: Context) -> Login:
    return owner_login(ctx)


async def ping(client: httpx2.AsyncClient, authorization: str) -> httpx2.Response:
    return await client.get("/v2/", headers={"authorization": authorization})


async def access_token(client: httpx2.AsyncClient, login: Login) -> str:
    answer = await client.get("/service/token", auth=(login.username, login.password))
    return str(answer.json()["token"])


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
async def test_basic_in_any_spelling_logs_in(client: httpx2.AsyncClient, login: Login, scheme: str) -> None:
    answer = await ping(client, f"{scheme} {encoded(f'{login.username}:{login.password}')}")
    assert answer.status_code == 200
    assert answer.json() == {}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_bearer_token_of_the_token_service_logs_in(
    client: httpx2.AsyncClient, login: Login, scheme: str
) -> None:
    assert (await ping(client, f"{scheme} {await access_token(client, login)}")).status_code == 200


async def test_a_refresh_token_is_no_access_token(client: httpx2.AsyncClient, login: Login) -> None:
    answer = await client.get("/service/token?offline_token=true", auth=(login.username, login.password))
    refused = await ping(client, f"Bearer {answer.json()['refresh_token']}")
    assert refused.status_code == 401
    assert "not an access token" in refused.json()["errors"][0]["message"]


async def test_an_access_token_is_no_password(client: httpx2.AsyncClient, login: Login) -> None:
    token = await access_token(client, login)
    assert (await ping(client, f"Basic {encoded(f'{login.username}:{token}')}")).status_code == 401


async def test_empty_basic_is_nobody(client: httpx2.AsyncClient) -> None:
    answer = await ping(client, f"Basic {encoded(':')}")
    assert answer.status_code == 401
    assert "log in with an access credential" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("Digest username=me", "scheme 'Digest' is not known"),
        ("nonsense", "scheme 'nonsense' is not known"),
        ("Basic", "no password"),
        ("Basic %%%", "does not parse"),
        ("Bearer", "was not issued by this registry"),
        ("Bearer nonsense", "was not issued by this registry"),
        ("Bearer a.b.c", "was not issued by this registry"),
        ("Bearer eyJhbGciOiJub25lIn0.e30.", "was not issued by this registry"),
        ("Bearer bnVsbA.e30.x", "was not issued by this registry"),
        (f"Basic {encoded('someone:word')}", "username or password is wrong"),
        (f"Basic {encoded('someone:rs1.')}", "username or password is wrong"),
        (f"Basic {encoded('someone:rs1.x.y')}", "username or password is wrong"),
        (f"Basic {encoded('someone:a.b.c')}", "was not issued by this registry"),
    ],
)
async def test_what_does_not_hold_is_refused_with_its_reason(
    client: httpx2.AsyncClient, authorization: str, reason: str
) -> None:
    answer = await ping(client, authorization)
    assert answer.status_code == 401
    (error,) = answer.json()["errors"]
    assert error["code"] == "UNAUTHORIZED"
    assert error["message"].startswith("credential: ") and reason in error["message"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_the_right_password_of_another_account_is_refused(client: httpx2.AsyncClient, login: Login) -> None:
    answer = await ping(client, f"Basic {encoded(f'100000000000:{login.password}')}")
    assert answer.status_code == 401
    assert "username or password is wrong" in answer.json()["errors"][0]["message"]


async def test_one_changed_character_of_the_password_is_refused(client: httpx2.AsyncClient, login: Login) -> None:
    last = "b" if login.password.endswith("a") else "a"
    answer = await ping(client, f"Basic {encoded(f'{login.username}:{login.password[:-1]}{last}')}")
    assert answer.status_code == 401
