"""Which requests at the registry's doors reach the audit as refused attempts, and that none waits for it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import msgspec
import pytest

from roadstead.errors import Unavailable
from roadstead.metadata import audit
from roadstead.metadata.audit import AuditEntry
from roadstead.services.context import Context
from tests.factories.accounts import Login, add_sub_account, owner_login
from tests.factories.asgi import open_client
from tests.factories.contexts import initial_credentials
from tests.factories.signing import signed_headers


async def audited(ctx: Context) -> list[AuditEntry]:
    await ctx.refusals.write_down(ctx.database)
    async with ctx.database.read() as tx:
        found = await audit.search(tx, audit.Search(outcome="refused"), 0, 100)
    return [entry for _, entry in reversed(found.entries)]


Ask = Callable[[httpx2.AsyncClient], Coroutine[Any, Any, httpx2.Response]]


async def test_a_wrong_password_is_audited_with_the_name_that_it_came_with(ctx: Context) -> None:
    login = owner_login(ctx)
    async with open_client(ctx) as client:
        wrong = await client.get("/v2/", auth=(login.username, "wrong"))
        token = await client.get("/service/token", auth=(login.username, "wrong"))
        junk = await client.get("/v2/", headers={"authorization": "Bearer junk"})
    assert [wrong.status_code, token.status_code, junk.status_code] == [401, 401, 401]
    found = await audited(ctx)
    assert [entry.request_id for entry in found] == [each.headers["x-request-id"] for each in (wrong, token, junk)]
    assert [entry.operator for entry in found] == [login.username, login.username, "anonymous"]
    assert [(entry.door, entry.action, entry.resource) for entry in found[:2]] == [
        ("registry", "http:GET", "/v2/"),
        ("token", "token", f"instance/{(await ctx.instances.find('default')).row.registry_id}"),
    ]
    assert all(msgspec.json.decode(entry.decision)["gate"] == "credential" for entry in found)


async def test_a_wrong_key_is_audited_with_its_id_and_a_wrong_login_with_its_name(ctx: Context) -> None:
    made, body, json = initial_credentials(ctx), b"{}", {"content-type": "application/json"}
    async with open_client(ctx) as client:
        for path, headers in (
            ("/", signed_headers(made.secret_id, "wrong", ctx.clock(), body, "DescribeInstances")),
            ("/", signed_headers("AKIDnobody", "wrong", ctx.clock(), body, "DescribeInstances")),
            ("/api/v1/DescribeInstances", signed_headers(made.secret_id, "wrong", ctx.clock(), body, "")),
        ):
            await client.post(path, headers=headers, content=body)
        await client.post("/api/v1/DescribeInstances", auth=("AKIDother", "wrong"), headers=json, content=body)
        await client.post("/api/v1/session/login", json={"Name": "somebody", "Password": "wrong"})
    found = await audited(ctx)
    assert [entry.operator for entry in found] == [
        made.secret_id,
        "AKIDnobody",
        made.secret_id,
        "AKIDother",
        "somebody",
    ]
    assert "wrong" not in "".join(entry.resource + entry.data for entry in found)


async def test_being_asked_to_log_in_is_not_a_refusal(ctx: Context) -> None:
    async with open_client(ctx) as client:
        assert (await client.get("/v2/")).status_code == 401
        assert (await client.get("/v2/library/web/manifests/1")).status_code == 401
        token = (await client.get("/service/token")).json()["access_token"]
        bearer = {"authorization": f"Bearer {token}"}
        assert (await client.get("/v2/library/web/manifests/1", headers=bearer)).status_code == 401
    assert await audited(ctx) == []


async def test_a_token_for_less_is_not_a_refusal(ctx: Context) -> None:
    login = owner_login(ctx)
    async with open_client(ctx) as client:
        asked = {"scope": "repository:library/web:pull"}
        answer = await client.get("/service/token", params=asked, auth=(login.username, login.password))
        bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
        assert (await client.post("/v2/library/web/blobs/uploads/", headers=bearer)).status_code == 401
    assert await audited(ctx) == []


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_what_the_policies_do_not_allow(ctx: Context, method: str) -> None:
    login: Login = await add_sub_account(ctx)
    async with open_client(ctx) as client:
        answer = await client.request(
            method, "/v2/library/web/manifests/1", auth=(login.username, login.password), content=b"{}"
        )
    assert answer.status_code == 403
    (entry,) = await audited(ctx)
    assert entry.operator == login.username
    assert entry.instance_id is not None
    assert entry.action in {"tcr:PullRepository", "tcr:PushRepository", "tcr:CreateRepository"}
    assert entry.resource.endswith("/library/web")
    said = msgspec.json.decode(entry.decision)
    assert (said["gate"], said["reason"]) == ("policy", "no policy of the account allows it")


async def test_an_address_that_is_not_admitted(ctx: Context) -> None:
    async with open_client(ctx, address="192.0.2.9") as client:
        answer = await client.get("/v2/library/web/manifests/1")
    (entry,) = await audited(ctx)
    assert (entry.address, entry.request_id) == ("192.0.2.9", answer.headers["x-request-id"])
    assert entry.instance_id is not None
    assert msgspec.json.decode(entry.decision)["gate"] == "network"


async def test_who_has_to_wait(ctx: Context) -> None:
    login = owner_login(ctx)
    async with open_client(ctx) as client:
        statuses = [(await client.get("/v2/", auth=(login.username, "no"))).status_code for _ in range(14)]
    assert 429 in statuses
    assert "limit" in {msgspec.json.decode(entry.decision)["gate"] for entry in await audited(ctx)}


async def test_an_audit_that_cannot_be_written_fails_no_request(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("the database is away")

    monkeypatch.setattr(audit, "add_entries", away)
    login = await add_sub_account(ctx)
    async with open_client(ctx) as client:
        first = await client.get("/v2/library/web/manifests/1", auth=(login.username, login.password))
        with pytest.raises(Unavailable):
            await ctx.refusals.write_down(ctx.database)
        second = await client.get("/v2/library/web/manifests/1", auth=(login.username, login.password))
    assert [first.status_code, second.status_code] == [403, 403]
    monkeypatch.undo()
    assert len(await audited(ctx)) == 2
