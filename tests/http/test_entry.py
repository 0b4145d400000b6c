"""Where requests come in: the instance by its host name, the client by its address, the door by the path."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from roadstead.app import open_context
from roadstead.config import Settings, Storage
from roadstead.domain.proxies import Proxies
from roadstead.metadata import instances
from roadstead.services import networks
from roadstead.services.context import Context
from tests.factories.accounts import registry_id
from tests.factories.asgi import open_client
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.factories.instances import ask
from tests.jobs.bench import FakeClock


async def add_instance(ctx: Context, name: str, registry_id: str) -> None:
    """Another instance beside the default one."""
    model = (await ctx.instances.find("default")).row
    async with ctx.database.write() as tx:
        assert await instances.add(tx, replace(model, name=name, registry_id=registry_id))


async def open_entry(ctx: Context, *cidrs: str) -> None:
    """The default instance's public entry is open for these networks."""
    instance = await ctx.instances.find("default")
    async with ctx.database.write() as tx:
        await instances.modify(tx, instance.id, public_entry="Opened")
        for cidr in cidrs:
            await instances.allow(tx, instance.id, cidr, "", ctx.clock())


def behind(ctx: Context, *proxies: str) -> Context:
    """The same process with these proxies named."""
    return replace(ctx, proxies=Proxies.of(proxies))


@pytest.mark.parametrize(
    ("host", "other"),
    [
        ("other.localhost:5000", True),
        ("other.localhost", True),
        ("OTHER.LocalHost:5000", True),
        ("default.localhost:5000", False),
        ("localhost:5000", False),
        ("127.0.0.1:5000", False),
        ("[::1]:5000", False),
        ("unknown.localhost", False),
        ("a.other.localhost", False),
        ("other.localhost.evil.test", False),
        ("other.elsewhere.test", False),
    ],
)
async def test_the_host_name_says_which_instance(ctx: Context, host: str, other: bool) -> None:
    await add_instance(ctx, "other", "tcr-other000")
    expected = "tcr-other000" if other else await registry_id(ctx)
    async with open_client(ctx) as client:
        answer = await client.get("/v2/", headers={"host": host})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (f'Bearer realm="http://{host}/service/token",service="{expected}"')


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
async def test_this_host_is_let_in(ctx: Context, address: str) -> None:
    async with open_client(ctx, address=address, login=True) as client:
        assert (await client.get("/v2/")).status_code == 200


@pytest.mark.parametrize("name", ["default", "other"])
async def test_this_host_is_refused_by_the_instance_whose_loopback_is_closed(
    ctx: Context, folder: Path, clock: FakeClock, name: str
) -> None:
    await add_instance(ctx, "other", "tcr-other000")
    registries = {"default": await registry_id(ctx), "other": "tcr-other000"}
    named = "" if name == "default" else f" --instance {name}"
    async with open_test_context(folder, clock) as serving, open_client(serving, address="127.0.0.1") as client:

        async def status(instance: str, path: str = "/v2/") -> httpx2.Response:
            return await client.get(path, headers={"host": f"{instance}.localhost"})

        assert (await status(name)).status_code == 401
        await ask(ctx, networks.modify_loopback_entry, registry_id=registries[name], enabled=False)
        refused = await status(name)
        assert refused.status_code == 403
        (error,) = refused.json()["errors"]
        assert (error["detail"]["entry"], error["detail"]["address"]) == ("loopback", "127.0.0.1")
        assert error["detail"]["remedy"] == f"roadstead network loopback --on{named}"
        assert (await status(name, "/api/v1/session")).status_code == 403
        other = next(each for each in registries if each != name)
        assert ((await status(other)).status_code, (await status(name, "/healthz")).status_code) == (401, 200)
        await ask(ctx, networks.modify_loopback_entry, registry_id=registries[name], enabled=True)
        assert (await status(name)).status_code == 401


PLACES = {
    "/v2/": ("connect", "instance/{}"),
    "/service/token": ("connect", "instance/{}"),
    "/": ("connect", "instance/{}"),
    "/nowhere": ("connect", "instance/{}"),
    "/v2/library/app/tags/list": ("tcr:PullRepository", "repository/{}/library/app"),
}


@pytest.mark.parametrize("path", PLACES)
async def test_others_are_refused_at_every_door_and_told_the_remedy(ctx: Context, path: str) -> None:
    async with open_client(ctx, address="192.0.2.9", login=True) as client:
        answer = await client.get(path)
    assert answer.status_code == 403
    (error,) = answer.json()["errors"]
    assert error["code"] == "DENIED"
    assert error["message"].startswith("network: 192.0.2.9 ")
    assert "roadstead network open && roadstead network allow 192.0.2.9" in error["message"]
    action, resource = PLACES[path]
    assert error["detail"] == {
        "gate": "network",
        "action": action,
        "resource": resource.format(await registry_id(ctx)),
        "entry": "public",
        "address": "192.0.2.9",
        "reason": "the public entry is closed",
        "remedy": "roadstead network open && roadstead network allow 192.0.2.9",
        "request_id": answer.headers["x-request-id"],
    }


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/DescribeNamespaces", "/openapi.json"])
async def test_others_are_refused_at_the_doors_of_the_api_in_its_own_form(ctx: Context, path: str) -> None:
    async with open_client(ctx, address="192.0.2.9") as client:
        answer = await client.post(path)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    problem = answer.json()
    assert problem["Gate"] == "network" and problem["Address"] == "192.0.2.9"
    assert (problem["Action"], problem["Resource"]) == ("connect", f"instance/{await registry_id(ctx)}")
    assert problem["Remedy"] == "roadstead network open && roadstead network allow 192.0.2.9"
    assert problem["RequestId"] == answer.headers["x-request-id"]


async def test_an_open_entry_admits_what_its_allowlist_names_at_once(ctx: Context) -> None:
    async with (
        open_client(ctx, address="192.0.2.9", login=True) as named,
        open_client(ctx, address="198.51.100.1", login=True) as unnamed,
    ):
        assert (await named.get("/v2/")).status_code == 403
        await open_entry(ctx, "192.0.2.0/24")
        assert (await named.get("/v2/")).status_code == 200
        refused = await unnamed.get("/v2/")
    assert refused.status_code == 403
    assert "not in the allowlist" in refused.json()["errors"][0]["detail"]["reason"]


DOORS = ["/v2/", "/v2/library/app/tags/list", "/v2/nowhere", "/service/token", "/", "/nowhere", "/openapi.json"]
DOORS += ["/api/v1/session", "/api/v1/DescribeNamespaces", "/api/v1/events", "/chartrepo/library/index.yaml"]


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("login", [True, False])
async def test_what_another_process_closes_is_closed_at_every_door_by_the_next_request(
    ctx: Context, folder: Path, clock: FakeClock, path: str, login: bool
) -> None:
    await open_entry(ctx, "192.0.2.0/24")
    async with (
        open_test_context(folder, clock) as other,
        open_client(other, address="192.0.2.9", login=login) as client,
    ):
        post = path == "/api/v1/events"  # a stream would go on for ever
        assert (await client.request("POST" if post else "GET", path)).status_code != 403
        await call(ctx, networks.manage_external_endpoint, operation="Delete")
        for _ in range(2):
            refused = await client.get(path)
            assert refused.status_code == 403, refused.text
            assert "192.0.2.9" in refused.text and "public entry is closed" in refused.text
        await call(ctx, networks.manage_external_endpoint, operation="Create")
        assert (await client.request("POST" if post else "GET", path)).status_code != 403


async def judged(ctx: Context, peer: str, *forwarded_for: str) -> str:
    """The address by which a forwarded request was judged and refused; empty when it was let in."""
    async with open_client(ctx, address=peer, login=True) as client:
        answer = await client.get("/v2/", headers=[("x-forwarded-for", text) for text in forwarded_for])
    if answer.status_code == 200:
        return ""
    assert answer.status_code == 403
    return str(answer.json()["errors"][0]["detail"]["address"])


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["127.0.0.1, 192.0.2.7"], "192.0.2.7"),
        (["127.0.0.1", "192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7, 10.1.1.1"], "192.0.2.7"),
        (["192.0.2.7", "10.1.1.1, 10.2.2.2"], "192.0.2.7"),
        (["10.1.1.1, 192.0.2.7, 10.2.2.2"], "192.0.2.7"),
        (["192.0.2.7, unknown"], "unknown"),
        (["203.0.113.5"], ""),
        (["192.0.2.7, 203.0.113.5, 10.1.1.1"], ""),
    ],
)
async def test_a_named_proxy_tells_the_client_at_the_right_end(
    ctx: Context, forwarded_for: list[str], client: str
) -> None:
    await open_entry(ctx, "203.0.113.5")
    assert await judged(behind(ctx, "10.0.0.0/8"), "10.9.9.9", *forwarded_for) == client


async def test_a_named_proxy_tells_by_which_name_and_scheme_the_client_came(ctx: Context) -> None:
    await add_instance(ctx, "other", "tcr-other000")
    told = {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": "other.localhost:8443"}
    async with open_client(behind(ctx, "127.0.0.1")) as client:
        answer = await client.get("/v2/", headers=told)
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="https://other.localhost:8443/service/token",service="tcr-other000"'
    )


async def test_a_named_proxy_that_says_nothing_or_nonsense_is_refused(ctx: Context) -> None:
    async with open_client(behind(ctx, "127.0.0.1"), login=True) as client:
        silent = await client.get("/v2/")
        broken = await client.get("/v2/", headers={"x-forwarded-for": "nonsense"})
        by_api = await client.get("/openapi.json", headers={"x-forwarded-for": "nonsense"})
    assert (silent.status_code, silent.json()["errors"][0]["detail"]["reason"]) == (403, "silent proxy")
    assert broken.status_code == by_api.status_code == 400
    detail = broken.json()["errors"][0]["detail"]
    assert (detail["gate"], detail["address"]) == ("network", "127.0.0.1")
    assert "'nonsense'" in by_api.json()["detail"]


async def test_a_named_proxy_may_be_on_this_host(ctx: Context) -> None:
    assert await judged(behind(ctx, "127.0.0.1"), "127.0.0.1", "192.0.2.7") == "192.0.2.7"


async def test_what_others_say_of_themselves_counts_for_nothing(ctx: Context) -> None:
    assert await judged(behind(ctx, "10.0.0.0/8"), "192.0.2.7", "127.0.0.1") == "192.0.2.7"


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_a_proxy_on_this_host_that_is_not_named_is_refused(ctx: Context, peer: str) -> None:
    async with open_client(ctx, address=peer, login=True) as client:
        answer = await client.get("/v2/", headers={"x-forwarded-for": "127.0.0.1"})
    assert answer.status_code == 403
    (error,) = answer.json()["errors"]
    assert "network.proxies" in error["message"]
    assert error["detail"]["reason"] == "unnamed proxy"


async def test_each_answer_has_a_request_id_of_its_own(ctx: Context) -> None:
    seen: set[str] = set()
    paths = ["/", "/v2/", "/v2", "/v2/_catalog", "/service/token", "/nowhere", "/v2/nowhere", "/v2/a/b/tags/list"]
    async with open_client(ctx) as client:
        for path in paths:
            seen.add((await client.get(path)).headers["x-request-id"])
    assert len(seen) == len(paths)
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in seen)


async def test_a_client_does_not_choose_its_request_id(ctx: Context) -> None:
    async with open_client(ctx) as client:
        answer = await client.get("/", headers={"x-request-id": "mine"})
    assert answer.headers["x-request-id"] != "mine"


@pytest.mark.parametrize("path", ["/nowhere", "/v1/", "/v2x", "/v2/nowhere", "/v2/a/b/c", "/service/token/", "//"])
async def test_an_unknown_address_is_told_as_one(ctx: Context, path: str) -> None:
    async with open_client(ctx, login=True) as client:
        answer = await client.get(f"http://registry.test:5000{path}")
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["code"] == "UNSUPPORTED"
    assert repr(path) in error["message"] and "/v2/" in error["message"]


async def test_the_first_page_says_how_to_go_on(ctx: Context) -> None:
    async with open_client(ctx) as client:
        answer = await client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "docker login registry.test:5000" in answer.text
    assert "http://registry.test:5000/v2/" in answer.text
    assert await registry_id(ctx) in answer.text


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.9"])
async def test_the_health_is_told_to_everybody(ctx: Context, address: str) -> None:
    async with open_client(ctx, address=address) as client:
        answer = await client.get("/healthz")
        head = await client.head("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (head.status_code, head.content) == (200, b"")


async def test_before_its_first_start_the_registry_is_not_healthy(tmp_path: Path) -> None:
    async with (
        open_context(Settings(data=str(tmp_path), storage=Storage(kind="memory"))) as ctx,
        open_client(ctx) as client,
    ):
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "starting"})
