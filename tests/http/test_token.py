"""The token service: who gets a token, for what, and in which form it is asked for and given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest

from roadstead.services import namespaces
from roadstead.services.context import Context
from roadstead.services.operations import run
from roadstead.services.tokens import Access
from tests.factories.accounts import (
    Login,
    add_sub_account,
    owner_asker,
    owner_caller,
    owner_login,
    registry_id,
    set_account_enabled,
)
from tests.factories.asgi import open_client
from tests.factories.pushes import push_image
from tests.jobs.bench import FakeClock

_URL = "/service/token"
_PULL = "repository:library/app:pull"


@pytest.fixture
async def client(ctx: Context) -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client(ctx) as client:
        yield client


@pytest.fixture
async def content(ctx: Context) -> None:
    """One private and one public repository."""
    registry = await registry_id(ctx)
    request = namespaces.CreateNamespace(registry_id=registry, namespace_name="open", is_public=True)
    await run(ctx, await owner_caller(ctx), namespaces.create_namespace, request)
    asker = await owner_asker(ctx)
    for name in ("library/app", "open/app"):
        await push_image(ctx, asker, name, "v1")


def pair(login: Login) -> tuple[str, str]:
    return login.username, login.password


def form(login: Login, **more: str) -> dict[str, str]:
    return {"grant_type": "password", "username": login.username, "password": login.password, **more}


async def ask(client: httpx2.AsyncClient, login: Login | None = None, *scopes: str, **more: str) -> Mapping[str, Any]:
    """The answer to a GET that must succeed."""
    parameters: list[tuple[str, str | int | float | bool | None]] = [
        ("service", "any"),
        *(("scope", scope) for scope in scopes),
        *more.items(),
    ]
    answer = await client.get(_URL, params=parameters, auth=None if login is None else pair(login))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    found: Mapping[str, Any] = answer.json()
    return found


async def refusal(answer: httpx2.Response, status: int, code: str) -> str:
    """The message of the one error in an answer of that status."""
    assert answer.status_code == status, answer.text
    (error,) = answer.json()["errors"]
    assert error["code"] == code
    return str(error["message"])


async def pull(client: httpx2.AsyncClient, token: str, repository: str = "library/app") -> int:
    url = f"/v2/{repository}/manifests/v1"
    return (await client.get(url, headers={"authorization": f"Bearer {token}"})).status_code


async def test_get_with_basic_gives_a_token_in_both_fields(ctx: Context, client: httpx2.AsyncClient) -> None:
    answer = await ask(client, owner_login(ctx), _PULL)
    assert set(answer) == {"token", "access_token", "expires_in", "issued_at", "scope"}
    assert answer["token"] == answer["access_token"]
    assert answer["expires_in"] == ctx.settings.tokens.access_seconds
    assert answer["issued_at"] == ctx.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert answer["scope"] == _PULL


@pytest.mark.usefixtures("content")
async def test_a_token_is_good_for_its_scope_alone_until_it_ends(
    ctx: Context, client: httpx2.AsyncClient, clock: FakeClock
) -> None:
    token = (await ask(client, owner_login(ctx), _PULL))["token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert await pull(client, token) == 200
    assert await pull(client, token, "open/app") == 401
    assert (await client.post("/v2/library/app/blobs/uploads/", headers=bearer)).status_code == 401
    refused = await client.get("/v2/_catalog", headers=bearer)
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    clock.turn(seconds=ctx.settings.tokens.access_seconds + 1)
    ended = await client.get("/v2/library/app/manifests/v1", headers=bearer)
    assert "the token has ended" in await refusal(ended, 401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("scopes", "granted"),
    [
        ([], ""),
        (["repository:library/app:pull,push"], "repository:library/app:pull,push"),
        (["repository:library/app:push,pull"], "repository:library/app:pull,push"),
        (["repository:library/app:*"], "repository:library/app:pull,push,delete"),
        (["repository:library/app:pull,fly"], _PULL),
        (["repository:library/app:fly"], ""),
        (["repository:library/app:pull", "repository:library/app:push"], "repository:library/app:pull,push"),
        (["repository:library/app:pull repository:open/app:pull"], f"{_PULL} repository:open/app:pull"),
        (["registry:catalog:*"], "registry:catalog:*"),
        (["registry:catalog:pull"], ""),
        (["repository:Not A Name:pull"], ""),
        (["repository:short:pull", _PULL], _PULL),
        (["wheel:library/app:pull"], ""),
        (["nonsense", ":::", _PULL], _PULL),
    ],
)
async def test_scopes_are_narrowed_to_what_is_known(
    ctx: Context, client: httpx2.AsyncClient, scopes: list[str], granted: str
) -> None:
    assert (await ask(client, owner_login(ctx), *scopes))["scope"] == granted
    answer = await client.post(_URL, data=form(owner_login(ctx), scope=" ".join(scopes)))
    assert answer.json()["scope"] == granted


@pytest.mark.usefixtures("content")
@pytest.mark.parametrize("who", ["nobody", "a sub-account"])
async def test_without_a_policy_only_what_is_public_may_be_pulled(
    ctx: Context, client: httpx2.AsyncClient, who: str
) -> None:
    login = None if who == "nobody" else await add_sub_account(ctx)
    asked = ["repository:open/app:pull,push,delete", "repository:library/app:*", "repository:open/none:pull"]
    answer = await ask(client, login, *asked)
    assert answer["scope"] == "repository:open/app:pull repository:open/none:pull"
    assert await pull(client, answer["token"], "open/app") == 200
    assert await pull(client, answer["token"], "library/app") in {401, 403}
    assert "refresh_token" not in answer


async def test_nobody_gets_no_refresh_token(client: httpx2.AsyncClient) -> None:
    assert "refresh_token" not in await ask(client, None, offline_token="true")


@pytest.mark.parametrize(("offline", "given"), [("true", True), ("1", True), ("false", False), ("", False)])
async def test_a_refresh_token_comes_only_when_asked_for(
    ctx: Context, client: httpx2.AsyncClient, offline: str, given: bool
) -> None:
    assert ("refresh_token" in await ask(client, owner_login(ctx), offline_token=offline)) == given


@pytest.mark.parametrize(("access", "given"), [("offline", True), ("online", False)])
async def test_a_form_asks_for_a_refresh_token_by_access_type(
    ctx: Context, client: httpx2.AsyncClient, access: str, given: bool
) -> None:
    answer = await client.post(_URL, data=form(owner_login(ctx), access_type=access, scope=_PULL))
    assert answer.status_code == 200
    assert answer.json()["scope"] == _PULL
    assert "token" not in answer.json()
    assert ("refresh_token" in answer.json()) == given


@pytest.mark.usefixtures("content")
async def test_a_refresh_token_gets_the_next_tokens_until_its_credential_ends(
    ctx: Context, client: httpx2.AsyncClient, clock: FakeClock
) -> None:
    login = await add_sub_account(ctx)
    refresh = (await ask(client, login, offline_token="true"))["refresh_token"]
    clock.turn(days=20)
    request = {"grant_type": "refresh_token", "refresh_token": refresh, "scope": "repository:open/app:pull"}
    answer = await client.post(_URL, data=request)
    assert answer.status_code == 200
    assert "refresh_token" in answer.json()
    assert await pull(client, answer.json()["access_token"], "open/app") == 200
    await set_account_enabled(ctx, login.username, False)
    assert "is disabled" in await refusal(await client.post(_URL, data=request), 401, "UNAUTHORIZED")


async def test_a_refresh_token_ends(ctx: Context, client: httpx2.AsyncClient, clock: FakeClock) -> None:
    refresh = (await ask(client, owner_login(ctx), offline_token="true"))["refresh_token"]
    clock.turn(seconds=ctx.settings.tokens.refresh_seconds + 1)
    answer = await client.post(_URL, data={"grant_type": "refresh_token", "refresh_token": refresh})
    assert "has ended" in await refusal(answer, 401, "UNAUTHORIZED")


async def test_an_access_token_is_no_refresh_token(ctx: Context, client: httpx2.AsyncClient) -> None:
    token = (await ask(client, owner_login(ctx)))["token"]
    answer = await client.post(_URL, data={"grant_type": "refresh_token", "refresh_token": token})
    assert "not a refresh token" in await refusal(answer, 401, "UNAUTHORIZED")


async def test_a_token_gets_no_other_token(ctx: Context, client: httpx2.AsyncClient) -> None:
    token = (await ask(client, owner_login(ctx), _PULL))["token"]
    answer = await client.get(_URL, headers={"authorization": f"Bearer {token}"})
    assert "a token gets no other one" in await refusal(answer, 401, "UNAUTHORIZED")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_wrong_password_gets_no_token(ctx: Context, client: httpx2.AsyncClient, method: str) -> None:
    wrong = Login(owner_login(ctx).username, "rs1.unknown.secret")
    if method == "GET":
        answer = await client.get(_URL, auth=pair(wrong), params={"scope": _PULL})
    else:
        answer = await client.post(_URL, data=form(wrong, scope=_PULL))
    assert "username or password is wrong" in await refusal(answer, 401, "UNAUTHORIZED")


async def test_who_guesses_has_to_wait_and_may_then_go_on(
    ctx: Context, client: httpx2.AsyncClient, clock: FakeClock
) -> None:
    wrong = Login(owner_login(ctx).username, "guess")
    for _ in range(ctx.settings.login.free_failures):
        assert (await client.get(_URL, auth=pair(wrong))).status_code == 401
    answer = await client.get(_URL, auth=pair(owner_login(ctx)))
    await refusal(answer, 429, "TOOMANYREQUESTS")
    clock.turn(seconds=int(answer.headers["retry-after"]))
    assert (await client.get(_URL, auth=pair(owner_login(ctx)))).status_code == 200


@pytest.mark.parametrize("kind", ["", "authorization_code", "Password"])
async def test_another_kind_of_grant_is_refused(ctx: Context, client: httpx2.AsyncClient, kind: str) -> None:
    answer = await client.post(_URL, data={**form(owner_login(ctx)), "grant_type": kind})
    assert await refusal(answer, 400, "UNSUPPORTED") == "grant_type must be password or refresh_token"


async def test_an_empty_form_is_refused(client: httpx2.AsyncClient) -> None:
    await refusal(await client.post(_URL), 400, "UNSUPPORTED")


async def test_a_form_over_the_limit_is_refused(ctx: Context, client: httpx2.AsyncClient) -> None:
    limit = ctx.settings.limits.request_body_bytes
    start = b"grant_type=password&username=a&password="
    at_it = start + b"x" * (limit - len(start))
    await refusal(await client.post(_URL, content=at_it), 401, "UNAUTHORIZED")
    message = await refusal(await client.post(_URL, content=at_it + b"x"), 400, "UNSUPPORTED")
    assert message == f"a token request may have {limit} bytes"


async def test_a_form_that_is_no_text_is_refused(client: httpx2.AsyncClient) -> None:
    assert "do not parse" in await refusal(await client.post(_URL, content=b"a=\xff"), 400, "UNSUPPORTED")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
async def test_other_methods_are_told_which_exist(client: httpx2.AsyncClient, method: str) -> None:
    answer = await client.request(method, _URL)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_the_token_names_registry_account_and_access(ctx: Context, client: httpx2.AsyncClient) -> None:
    """Docker token specification, "Requesting a Token": the claims that a registry reads."""
    token = (await ask(client, owner_login(ctx), _PULL))["token"]
    claims = await ctx.keys.check(token, await registry_id(ctx))
    assert (claims.iss, claims.sub) == (await registry_id(ctx), owner_login(ctx).username)
    assert claims.access == (Access("repository", "library/app", ("pull",)),)
    assert claims.exp - claims.nbf == ctx.settings.tokens.access_seconds
