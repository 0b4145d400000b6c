"""The door of the cloud's API: what is asked for how, and that every answer has the one form that SDKs read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
import msgspec
import pytest
import sqlalchemy as sa

from roadstead.config import Limits
from roadstead.domain.signature import parameter_source
from roadstead.metadata.schema.access import api_keys
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.services.context import Context
from tests.factories.accounts import registry_id
from tests.factories.asgi import HOST, open_client
from tests.factories.contexts import initial_credentials
from tests.factories.signing import owner_calls, signed_headers
from tests.jobs.bench import FakeClock

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture
async def client(ctx: Context) -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client(ctx) as client:
        yield client


@pytest.fixture
async def instance(ctx: Context) -> str:
    return await registry_id(ctx)


def response(answer: httpx2.Response) -> dict[str, Any]:
    """The content of an answer, which has the one form."""
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["Response"]
    found: dict[str, Any] = body["Response"]
    assert UUID.fullmatch(found["RequestId"])
    assert found["RequestId"] == answer.headers["x-request-id"]
    if "Error" in found:
        assert list(found) == ["Error", "RequestId"]
        assert sorted(found["Error"]) == ["Code", "Message"]
        assert found["Error"]["Message"]
    return found


def code(found: dict[str, Any]) -> str:
    error: dict[str, str] = found.get("Error", {})
    return error.get("Code", "")


async def call(ctx: Context, client: httpx2.AsyncClient, action: str, **headers: str) -> dict[str, Any]:
    body = json.dumps({"RegistryId": await registry_id(ctx)}).encode()
    return await owner_calls(ctx, client, action, body, **headers)


async def test_a_signed_call_is_answered(ctx: Context, client: httpx2.AsyncClient) -> None:
    found = await call(ctx, client, "DescribeNamespaces")
    assert [entry["Name"] for entry in found["NamespaceList"]] == ["library"]
    assert UUID.fullmatch(found["RequestId"])
    assert "Last" not in found


@pytest.mark.parametrize("host", [HOST, f"http://{HOST}", "default.localhost", "unknown.test", "[::1]:5000"])
async def test_every_host_answers_and_is_signed_as_it_was_sent(
    ctx: Context, client: httpx2.AsyncClient, instance: str, host: str
) -> None:
    made, body = initial_credentials(ctx), json.dumps({"RegistryId": instance}).encode()
    sent = signed_headers(made.secret_id, made.secret_key, ctx.clock(), body, "DescribeNamespaces", host=host)
    assert "NamespaceList" in response(await client.post("/", content=body, headers=sent))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_without_an_action_the_page_says_what_this_is(client: httpx2.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_post_without_an_action_is_told_what_is_missing(client: httpx2.AsyncClient) -> None:
    assert code(response(await client.post("/"))) == "MissingParameter"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"authorization": ""}, "AuthFailure.InvalidAuthorization"),
        ({"authorization": "Basic YTpi"}, "AuthFailure.InvalidAuthorization"),
        ({"x_tc_timestamp": "yesterday"}, "AuthFailure.InvalidAuthorization"),
        ({"host": "other.test"}, "AuthFailure.SignatureFailure"),
        ({"x_tc_token": "token"}, "AuthFailure.TokenFailure"),
        ({"x_tc_action": "DescribeNamespace"}, "InvalidAction"),
        ({"x_tc_action": "CreateGCJob"}, "UnsupportedOperation"),
        ({"x_tc_action": "DescribeImagePersonal"}, "UnsupportedOperation"),
        ({"x_tc_version": "2018-01-01"}, "NoSuchVersion"),
        ({"x_tc_version": ""}, "MissingParameter"),
    ],
)
async def test_what_is_wrong_around_the_request_has_its_code(
    ctx: Context, client: httpx2.AsyncClient, changes: dict[str, str], expected: str
) -> None:
    assert code(await call(ctx, client, "DescribeNamespaces", **changes)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", "MissingParameter"),
        (b"", "MissingParameter"),
        (b'{"RegistryId": "tcr-none"}', "ResourceNotFound"),
        (b'{"RegistryId": 7}', "InvalidParameter"),
        (b'{"RegistryId": "tcr-none", "Nothing": 1}', "UnknownParameter"),
        (b"[]", "InvalidParameter"),
        (b"{", "InvalidParameter"),
        (b"\xff", "InvalidParameter"),
        (b'{"RegistryId": "a\\u0000b"}', "InvalidParameter"),
        (b" " * 20_000, "RequestSizeLimitExceeded"),
    ],
)
async def test_what_is_wrong_in_the_parameters_has_its_code(ctx: Context, body: bytes, expected: str) -> None:
    small = replace(ctx, settings=msgspec.structs.replace(ctx.settings, limits=Limits(request_body_bytes=10_000)))
    async with open_client(small) as client:
        assert code(await owner_calls(ctx, client, "DescribeNamespaces", body)) == expected


async def test_conditions_of_operations_have_the_clouds_codes(
    ctx: Context, client: httpx2.AsyncClient, instance: str
) -> None:
    async def ask(action: str, **parameters: Any) -> str:
        body = json.dumps({"RegistryId": instance, **parameters}).encode()
        return code(await owner_calls(ctx, client, action, body))

    assert await ask("CreateNamespace", NamespaceName="Bad", IsPublic="false") == (
        "InvalidParameter.ErrorTcrInvalidParameter"
    )
    assert await ask("CreateNamespace", NamespaceName="team", IsPublic="false") == ""
    assert await ask("CreateNamespace", NamespaceName="team", IsPublic=True) == (
        "FailedOperation.ErrorTcrResourceConflict"
    )
    assert await ask("CreateRepository", NamespaceName="team", RepositoryName="web") == ""
    assert await ask("DeleteNamespace", NamespaceName="team") == "FailedOperation.PreconditionFailed"
    assert await ask("DeleteNamespace", NamespaceName="none") == "ResourceNotFound.TcrResourceNotFound"


async def test_a_service_that_is_not_offered_is_named(ctx: Context, client: httpx2.AsyncClient) -> None:
    made = initial_credentials(ctx)
    sent = signed_headers(made.secret_id, made.secret_key, ctx.clock(), b"{}", "DescribeNamespaces", service="cam")
    sent["authorization"] = sent["authorization"]
    assert code(response(await client.post("/", content=b"{}", headers=sent))) == "InvalidAction"


async def test_an_old_signature_is_told_so(ctx: Context, clock: FakeClock, client: httpx2.AsyncClient) -> None:
    made = initial_credentials(ctx)
    sent = signed_headers(made.secret_id, made.secret_key, clock.now, b"{}", "DescribeNamespaces")
    clock.turn(seconds=301)
    found = response(await client.post("/", content=b"{}", headers=sent))
    assert code(found) == "AuthFailure.SignatureExpire"
    sent = signed_headers(
        made.secret_id, made.secret_key, clock.now + timedelta(hours=1), b"{}", "DescribeNamespaces"
    )
    assert code(response(await client.post("/", content=b"{}", headers=sent))) == "AuthFailure.SignatureExpire"


async def test_a_disabled_key_and_an_unknown_one_are_not_found(
    ctx: Context, clock: FakeClock, client: httpx2.AsyncClient
) -> None:
    sent = signed_headers("AKIDnobody", "x", clock.now, b"{}", "DescribeNamespaces")
    assert code(response(await client.post("/", content=b"{}", headers=sent))) == "AuthFailure.SecretIdNotFound"
    async with ctx.database.write() as tx:
        await tx.run(sa.update(api_keys).values(enabled=False))
    assert code(await call(ctx, client, "DescribeNamespaces")) == "AuthFailure.SecretIdNotFound"


async def test_other_methods_are_refused_in_the_same_form(ctx: Context, client: httpx2.AsyncClient) -> None:
    answer = await client.put("/", headers={"x-tc-action": "DescribeNamespaces"})
    assert code(response(answer)) == "UnsupportedOperation"


async def test_a_client_that_the_network_refuses_is_told_so_in_the_same_form(ctx: Context) -> None:
    async with open_client(ctx, address="192.0.2.9") as client:
        found = await call(ctx, client, "DescribeNamespaces")
    assert code(found) == "IpNotInWhitelist"
    assert found["Error"]["Message"].startswith("network: 192.0.2.9 ")


async def test_an_unforeseen_failure_is_told_without_a_trace(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a value that nobody may read")

    monkeypatch.setattr("roadstead.http.actions.run", fail)
    async with open_client(ctx) as client:
        found = await call(ctx, client, "DescribeNamespaces")
    assert code(found) == "InternalError"
    assert found["RequestId"] in found["Error"]["Message"]
    assert "nobody may read" not in json.dumps(found)


async def test_the_audit_knows_the_door_and_the_request(
    ctx: Context, client: httpx2.AsyncClient, instance: str
) -> None:
    body = json.dumps({"RegistryId": instance, "NamespaceName": "team", "IsPublic": True}).encode()
    found = await owner_calls(ctx, client, "CreateNamespace", body)
    async with ctx.database.read() as tx:
        (entry,) = await tx.all(
            sa.select(audit_entries.c.door, audit_entries.c.action).where(
                audit_entries.c.request_id == found["RequestId"]
            )
        )
    assert tuple(entry) == ("actions", "tcr:CreateNamespace")


def get_headers(ctx: Context, query: str) -> dict[str, str]:
    """The headers of a signed GET of DescribeNamespaces."""
    made, now = initial_credentials(ctx), ctx.clock()
    kind = "application/x-www-form-urlencoded"
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/\n{query}\ncontent-type:{kind}\nhost:{HOST}\n\ncontent-type;host\n{empty}"
    scope = f"{now:%Y-%m-%d}/tcr/tc3_request"
    text = f"TC3-HMAC-SHA256\n{int(now.timestamp())}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"TC3" + made.secret_key.encode()
    for part in (f"{now:%Y-%m-%d}", "tcr", "tc3_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return {
        "content-type": kind,
        "x-tc-action": "DescribeNamespaces",
        "x-tc-version": "2019-09-24",
        "x-tc-timestamp": str(int(now.timestamp())),
        "authorization": f"TC3-HMAC-SHA256 Credential={made.secret_id}/{scope}, SignedHeaders=content-type;host, "
        f"Signature={key.hex()}",
    }


async def test_get_carries_its_parameters_in_the_query(
    ctx: Context, client: httpx2.AsyncClient, instance: str
) -> None:
    query = urlencode({"RegistryId": instance, "NamespaceName": "lib", "Limit": 5})
    found = response(await client.get(f"/?{query}", headers=get_headers(ctx, query)))
    assert [entry["Name"] for entry in found["NamespaceList"]] == ["library"]
    other = response(await client.get(f"/?{query}0", headers=get_headers(ctx, query)))
    assert code(other) == "AuthFailure.SignatureFailure"


def older(ctx: Context, method: str, parameters: Mapping[str, str], **changes: str) -> dict[str, str]:
    """The parameters of a call in the older form, with their signature."""
    made = initial_credentials(ctx)
    given = {
        "Action": "DescribeNamespaces",
        "Version": "2019-09-24",
        "Region": "ap-guangzhou",
        "SecretId": made.secret_id,
        "Timestamp": str(int(ctx.clock().timestamp())),
        "Nonce": "11886",
        "SignatureMethod": "HmacSHA256",
        "RequestClient": "SDK_PYTHON_3.1.189",
        "Language": "en-US",
        **parameters,
        **changes,
    }
    source = parameter_source(method, HOST, given)
    digest = hmac.new(made.secret_key.encode(), source.encode(), "sha256").digest()
    return {**given, "Signature": base64.b64encode(digest).decode()}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_older_form_is_answered_once(
    ctx: Context, client: httpx2.AsyncClient, instance: str, method: str
) -> None:
    given = older(ctx, method, {"RegistryId": instance, "NamespaceName": "lib", "Limit": "5"})

    async def ask(parameters: dict[str, str]) -> dict[str, Any]:
        sent: dict[str, Any] = {"params": parameters} if method == "GET" else {"data": parameters}
        return response(await client.request(method, "/", **sent))

    assert [entry["Name"] for entry in (await ask(given))["NamespaceList"]] == ["library"]
    again = await ask(given)
    assert code(again) == "AuthFailure.SignatureFailure"
    assert "Nonce" in again["Error"]["Message"]
    assert code(await ask({**given, "NamespaceName": "x"})) == "AuthFailure.SignatureFailure"
    assert code(await ask(older(ctx, method, {}, Nonce="2"))) == "MissingParameter"
    assert code(await ask(older(ctx, method, {}, Nonce="3", Token="x"))) == "AuthFailure.TokenFailure"
    assert code(await ask(older(ctx, method, {}, Nonce="4", Action="Nothing"))) == "InvalidAction"
    assert code(await ask(older(ctx, method, {}, Nonce="five"))) == "AuthFailure.InvalidAuthorization"


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "text/plain", ""])
async def test_other_content_types_are_refused(ctx: Context, client: httpx2.AsyncClient, kind: str) -> None:
    found = await call(ctx, client, "DescribeNamespaces", content_type=kind)
    assert code(found) in {"AuthFailure.SignatureFailure", "InvalidParameter"}


@pytest.mark.parametrize("query", ["Action=%00", "Action=DescribeNamespaces&A=1&A.B=2", "Action=" + "&x=1" * 2000])
async def test_nonsense_is_refused_in_the_same_form(client: httpx2.AsyncClient, query: str) -> None:
    for answer in (
        await client.get(f"/?{query}"),
        await client.post("/", content=query.encode(), headers={"content-type": "application/x-www-form-urlencoded"}),
    ):
        assert code(response(answer)).startswith(("InvalidParameter", "AuthFailure"))
