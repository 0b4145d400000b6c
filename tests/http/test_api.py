"""Our own door to the operations: who gets in, what is answered, and how everything that goes wrong is told."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import msgspec
import pytest
import sqlalchemy as sa

from roadstead.metadata.schema.access import api_keys
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.services.context import Context
from roadstead.services.table import OPERATIONS
from tests.factories.accounts import add_api_key, add_sub_account, owner_login, set_account_enabled
from tests.factories.asgi import open_client
from tests.factories.contexts import initial_credentials
from tests.factories.signing import signed_headers

EXPLAINED = {"Gate", "Action", "Resource", "Reason", "RequestId", "Remedy"}


@asynccontextmanager
async def key_client(ctx: Context, key: tuple[str, str] | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with this API key, the owner's if none is given."""
    made = initial_credentials(ctx)
    async with open_client(ctx) as client:
        client.auth = httpx2.BasicAuth(*(key or (made.secret_id, made.secret_key)))
        yield client


async def registry_id(ctx: Context) -> str:
    return (await ctx.instances.find("default")).row.registry_id


async def call(client: httpx2.AsyncClient, action: str, **fields: Any) -> httpx2.Response:
    return await client.post(f"/api/v1/{action}", json=fields)


def problem_of(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that the answer is, which names its request."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["Code"]) == (status, code)
    assert problem["RequestId"] == answer.headers["x-request-id"]
    assert problem["title"] and problem["detail"] and problem["Remedy"]
    return problem


async def test_a_signature_opens_it_as_a_key_does(ctx: Context) -> None:
    made, body = initial_credentials(ctx), json.dumps({"RegistryId": await registry_id(ctx)}).encode()
    sent = signed_headers(made.secret_id, made.secret_key, ctx.clock(), body, "DescribeNamespaces")
    async with open_client(ctx) as client:
        answer = await client.post("/api/v1/DescribeNamespaces", content=body, headers=sent)
        assert (answer.status_code, answer.json()["TotalCount"]) == (200, 1)
        changed = await client.post("/api/v1/DescribeNamespaces", content=body + b" ", headers=sent)
    problem = problem_of(changed, 401, "AuthFailure.SignatureFailure")
    assert "Host header" in problem["Remedy"]


async def test_the_owner_makes_and_lists_a_namespace(ctx: Context) -> None:
    registry = await registry_id(ctx)
    async with key_client(ctx) as client:
        made = await call(client, "CreateNamespace", RegistryId=registry, NamespaceName="prod", IsPublic=True)
        assert (made.status_code, made.json()) == (200, {})
        listed = await call(client, "DescribeNamespaces", RegistryId=registry)
    assert [each["Name"] for each in listed.json()["NamespaceList"]] == ["library", "prod"]
    assert listed.headers["content-type"] == "application/json"
    assert listed.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in listed.headers


async def test_the_audit_knows_the_door_and_the_request(ctx: Context) -> None:
    registry = await registry_id(ctx)
    async with key_client(ctx) as client:
        answer = await call(client, "CreateNamespace", RegistryId=registry, NamespaceName="prod")
    async with ctx.database.read() as tx:
        row = await tx.one(sa.select(audit_entries.c.door, audit_entries.c.request_id, audit_entries.c.address))
    assert row is not None
    assert tuple(row) == ("api", answer.headers["x-request-id"], "127.0.0.1")


async def test_a_wrong_key_is_audited_with_what_it_was_for(ctx: Context) -> None:
    async with key_client(ctx, ("AKIDguess", "wrong")) as client:
        answer = await call(client, "DescribeNamespaces", RegistryId=await registry_id(ctx))
    await ctx.refusals.write_down(ctx.database)
    async with ctx.database.read() as tx:
        row = await tx.one(
            sa.select(*(audit_entries.c[name] for name in ("operator", "door", "action", "resource", "request_id")))
        )
    assert row is not None
    expected = ("AKIDguess", "api", "tcr:DescribeNamespaces", "repository/*/*", answer.headers["x-request-id"])
    assert tuple(row) == expected


async def test_a_condition_of_the_operation_is_told_as_a_problem(ctx: Context) -> None:
    registry = await registry_id(ctx)
    async with key_client(ctx) as client:
        answer = await call(client, "CreateNamespace", RegistryId=registry, NamespaceName="library")
        problem = problem_of(answer, 409, "FailedOperation.ErrorTcrResourceConflict")
        explained = await client.get(problem["type"])
    assert "library" in problem["detail"]
    assert explained.json()["Description"] == "The name is taken."
    assert explained.json()["Status"] == 409


@pytest.mark.parametrize("name", ["Nothing", "AppError/x", ""])
async def test_a_problem_that_does_not_exist_is_not_explained(ctx: Context, name: str) -> None:
    async with open_client(ctx) as client:
        problem_of(await client.get(f"/api/v1/problems/{name}"), 404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("name", "near"),
    [("CreateNamespac", "CreateNamespace"), ("describenamespaces", "DescribeNamespaces"), ("Xyzzy", "")],
)
async def test_an_unknown_action_is_answered_with_those_near_it(ctx: Context, name: str, near: str) -> None:
    async with key_client(ctx) as client:
        problem = problem_of(await client.post(f"/api/v1/{name}"), 404, "InvalidAction")
    assert near in problem["detail"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_operations_are_only_posted(ctx: Context, method: str) -> None:
    async with key_client(ctx) as client:
        answer = await client.request(method, "/api/v1/DescribeNamespaces")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/"])
async def test_the_root_says_how_to_go_on(ctx: Context, path: str) -> None:
    async with open_client(ctx) as client:
        answer = await client.get(path)
        refused = await client.post(path)
    told = answer.json()
    assert told["OpenApi"] == "http://registry.test:5000/openapi.json"
    assert told["Instance"] == {"RegistryId": await registry_id(ctx), "Name": "default"}
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("body", "told", "code"),
    [
        ("{", "not JSON", "InvalidParameter"),
        ('"text"', "JSON object", "InvalidParameter"),
        ("[]", "JSON object", "InvalidParameter"),
        ("null", "JSON object", "InvalidParameter"),
        ("{}", "RegistryId", "MissingParameter"),
        ('{"RegistryId": 5}', "RegistryId", "InvalidParameter"),
        ('{"RegistryId": "x", "Limitt": 5}', "near it: Limit", "UnknownParameter"),
        ('{"registryid": "x"}', "near it: RegistryId", "UnknownParameter"),
        ('{"RegistryId": "x", "Limit": "5"}', "Limit", "InvalidParameter"),
        ('{"RegistryId": "x", "Limit": 99999999999999999999}', "64 bits", "InvalidParameter"),
        ('{"RegistryId": "x\\u0000"}', "NUL", "InvalidParameter"),
        ('{"RegistryId": "x", "x\\u0000": 1}', "NUL", "InvalidParameter"),
        ('{"RegistryId": "\\ud800"}', "not JSON", "InvalidParameter"),
        ('{"RegistryId": ' + "[" * 5000 + "]" * 5000 + "}", "", "InvalidParameter"),
    ],
)
async def test_what_is_not_understood_is_named(ctx: Context, body: str, told: str, code: str) -> None:
    async with key_client(ctx) as client:
        answer = await client.post(
            "/api/v1/DescribeNamespaces", content=body, headers={"content-type": "application/json"}
        )
    assert told in problem_of(answer, 400, code)["detail"]


async def test_bytes_that_are_no_text_are_refused(ctx: Context) -> None:
    async with key_client(ctx) as client:
        headers = {"content-type": "application/json; charset=utf-8"}
        answer = await client.post("/api/v1/DescribeNamespaces", content=b'{"RegistryId": "\xff"}', headers=headers)
    problem_of(answer, 400, "InvalidParameter")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
async def test_only_json_is_taken_so_that_no_form_of_another_site_gets_through(ctx: Context, kind: str) -> None:
    async with key_client(ctx) as client:
        content = json.dumps({"RegistryId": await registry_id(ctx)})
        answer = await client.post("/api/v1/DescribeNamespaces", content=content, headers={"content-type": kind})
    assert "application/json" in problem_of(answer, 400, "InvalidParameter")["detail"]


async def test_a_request_over_the_limit_is_refused(ctx: Context) -> None:
    limits = msgspec.structs.replace(ctx.settings.limits, request_body_bytes=1024)
    small = replace(ctx, settings=msgspec.structs.replace(ctx.settings, limits=limits))
    async with key_client(small) as client:
        problem_of(await call(client, "DescribeNamespaces", RegistryId="x" * 1024), 413, "RequestSizeLimitExceeded")


@pytest.mark.parametrize("name", OPERATIONS)
async def test_nobody_may_do_anything_and_is_told_why(ctx: Context, name: str) -> None:
    async with open_client(ctx) as client:
        answer = await client.post(f"/api/v1/{name}", json={"RegistryId": "whatever"})
    problem = problem_of(answer, 401, "AuthFailure")
    assert problem.keys() >= EXPLAINED
    assert (problem["Gate"], problem["Action"]) == ("credential", OPERATIONS[name].action)
    assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_a_stranger_is_told_the_whole_refusal(ctx: Context) -> None:
    registry = await registry_id(ctx)
    key = await add_api_key(ctx, (await add_sub_account(ctx)).username)
    async with key_client(ctx, key) as client:
        answer = await call(client, "CreateNamespace", RegistryId=registry, NamespaceName="prod")
    problem = problem_of(answer, 403, "UnauthorizedOperation")
    assert problem["Gate"] == "policy"
    assert problem["Action"] == "tcr:CreateNamespace"
    assert problem["Resource"] == f"repository/{registry}/prod"
    assert problem["Reason"]
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("authorization", ["Bearer x.y.z", "Basic !", "Basic Zm9v", "Digest x", "TC3-HMAC-SHA256"])
async def test_what_does_not_parse_opens_nothing(ctx: Context, authorization: str) -> None:
    async with open_client(ctx) as client:
        answer = await client.post("/api/v1/DescribeNamespaces", headers={"authorization": authorization})
    signed = authorization.startswith("TC3")
    problem = problem_of(answer, 401, "AuthFailure.InvalidAuthorization" if signed else "AuthFailure")
    assert problem.keys() >= EXPLAINED and problem["Gate"] == "credential"


async def test_a_credential_of_docker_does_not_open_the_api(ctx: Context) -> None:
    login = owner_login(ctx)
    async with key_client(ctx, (login.username, login.password)) as client:
        answer = await call(client, "DescribeNamespaces", RegistryId=await registry_id(ctx))
    assert "access credential" in problem_of(answer, 401, "AuthFailure")["detail"]


async def test_an_api_key_does_not_open_the_registry(ctx: Context) -> None:
    async with key_client(ctx) as client:
        answer = await client.get("/v2/library/app/tags/list")
    assert answer.status_code == 401
    detail = answer.json()["errors"][0]["detail"]
    assert detail["gate"] == "credential" and detail["action"] == "tcr:PullRepository"
    assert detail["resource"].endswith("/library/app") and detail["reason"] and detail["request_id"]


@pytest.mark.parametrize("wrong", ["wrong", "", "wr\u00f6ng", "\N{SNOWMAN}"])
async def test_wrong_and_unknown_keys_read_the_same(ctx: Context, wrong: str) -> None:
    told = set()
    for secret_id in (initial_credentials(ctx).secret_id, "AKIDnobody"):
        value = base64.b64encode(f"{secret_id}:{wrong}".encode()).decode()
        async with open_client(ctx) as client:
            answer = await client.post("/api/v1/DescribeNamespaces", headers={"authorization": f"Basic {value}"})
        told.add(problem_of(answer, 401, "AuthFailure")["detail"])
    assert len(told) == 1


async def test_guessing_has_to_wait_and_the_right_key_from_elsewhere_does_not(ctx: Context) -> None:
    made = initial_credentials(ctx)
    registry = await registry_id(ctx)
    async with key_client(ctx) as known, key_client(ctx, (made.secret_id, "wrong")) as guesser:
        assert (await call(known, "DescribeNamespaces", RegistryId=registry)).status_code == 200
        for _ in range(ctx.settings.login.free_failures):
            problem_of(await call(guesser, "DescribeNamespaces"), 401, "AuthFailure")
        problem = problem_of(await call(guesser, "DescribeNamespaces"), 429, "RequestLimitExceeded")
        assert problem["Gate"] == "limit"
        assert (await call(known, "DescribeNamespaces", RegistryId=registry)).status_code == 200


async def test_a_disabled_key_stops_working_at_once(ctx: Context) -> None:
    async with key_client(ctx) as client:
        assert (await call(client, "DescribeNamespaces", RegistryId=await registry_id(ctx))).status_code == 200
        async with ctx.database.write() as tx:
            await tx.run(sa.update(api_keys).values(enabled=False))
        answer = await call(client, "DescribeNamespaces", RegistryId=await registry_id(ctx))
    assert "disabled" in problem_of(answer, 401, "AuthFailure")["detail"]


async def test_the_keys_of_a_disabled_account_stop_working_at_once(ctx: Context) -> None:
    login = await add_sub_account(ctx)
    key = await add_api_key(ctx, login.username)
    await set_account_enabled(ctx, login.username, False)
    async with key_client(ctx, key) as client:
        answer = await call(client, "DescribeNamespaces", RegistryId=await registry_id(ctx))
    assert "disabled" in problem_of(answer, 401, "AuthFailure")["detail"]


@pytest.mark.parametrize("path", ["/api/v2/DescribeNamespaces", "/api/", "/api", "/openapi.yaml"])
async def test_other_addresses_are_not_of_this_door(ctx: Context, path: str) -> None:
    async with open_client(ctx) as client:
        answer = await client.get(path)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "UNSUPPORTED"
