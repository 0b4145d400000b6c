"""Chart repositories as helm, its push plugin and scripts ask them, over the artifacts that `helm push` makes."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
import yaml

from roadstead.domain import charts as rules
from roadstead.domain.archives import ArchiveLimits
from roadstead.domain.reference import Digest
from roadstead.http.charts import Address, match
from roadstead.metadata.schema.content import tags
from roadstead.metadata.schema.delivery import events
from roadstead.services.chart_indexes import ChartIndexes
from roadstead.services.context import Context
from tests.factories.accounts import Login, add_sub_account
from tests.factories.asgi import open_client
from tests.factories.charts import chart, pack
from tests.factories.policies import allow, deny, give
from tests.http.pushing import push_blob, push_image
from tests.jobs.bench import FakeClock

INDEX = "/chartrepo/library/index.yaml"
API = "/api/chartrepo/library/charts"
HELM = {"user-agent": "Helm/4.3.1"}


@pytest.fixture
async def client(ctx: Context) -> AsyncIterator[httpx2.AsyncClient]:
    """The owner's client."""
    async with open_client(ctx, login=True) as client:
        yield client


async def upload(client: httpx2.AsyncClient, archive: bytes, **more: Any) -> httpx2.Response:
    """The answer to an upload as curl makes it."""
    return await client.post(API + more.pop("query", ""), files={"chart": ("demo.tgz", archive), **more})


async def push(
    client: httpx2.AsyncClient, archive: bytes, tag: str = "", name: str = "", signed: bytes | None = None
) -> httpx2.Response:
    """The answer to the last request of `helm push oci://HOST/library`; `signed` is the provenance file."""
    read = rules.read_chart(archive, ArchiveLimits())
    repository = f"library/{name or read.metadata.name}"
    for data in (read.config, archive, signed):
        if data is not None:
            await push_blob(client, data, repository)
    body = rules.document(read, archive, signed)
    where = f"/v2/{repository}/manifests"
    await client.put(f"{where}/{Digest.of(body)}", content=body)
    return await client.put(f"{where}/{tag or read.version.tag}", content=body)


async def listed(client: httpx2.AsyncClient) -> dict[str, list[str]]:
    """The charts and versions of the index, in its order."""
    answer = await client.get(INDEX)
    assert answer.status_code == 200, answer.text
    entries = yaml.safe_load(answer.text)["entries"]
    return {name: [each["version"] for each in versions] for name, versions in entries.items()}


async def told(ctx: Context) -> list[tuple[str, str, str]]:
    """Kind, repository and version of each event, in order."""
    await ctx.pulls.write_down(ctx)
    async with ctx.database.read() as tx:
        rows = await tx.all(sa.select(events.c.kind, events.c.data).order_by(events.c.id))
    found = []
    for row in rows:
        data = json.loads(row.data)
        if not row.kind.startswith("create"):
            found.append((row.kind, data["repository"], data.get("version") or ",".join(data.get("versions", []))))
    return found


def refused(answer: httpx2.Response, status: int) -> str:
    """What the refusal says, in the form that helm prints."""
    assert answer.status_code == status, answer.text
    [(word, message)] = answer.json().items()
    assert word == "error"
    if status in {401, 403}:
        assert message.endswith(f" (request {answer.headers['x-request-id']})")
    return str(message)


async def test_what_came_by_one_way_is_there_by_the_other(ctx: Context, client: httpx2.AsyncClient) -> None:
    first, second = chart(version="0.1.0"), chart(version="0.2.0+b.1")
    assert (await upload(client, first)).json() == {"saved": True}
    assert (await push(client, second)).status_code == 201
    assert await listed(client) == {"demo": ["0.2.0+b.1", "0.1.0"]}
    tags = await client.get("/v2/library/demo/tags/list")
    assert tags.json()["tags"] == ["0.1.0", "0.2.0_b.1"]
    for version, archive in (("0.1.0", first), ("0.2.0+b.1", second)):
        file = await client.get(f"/chartrepo/library/charts/demo-{version}.tgz")
        assert (file.content, file.headers["content-type"]) == (archive, "application/gzip")
        pulled = await client.get(f"/v2/library/demo/manifests/{version.replace('+', '_')}")
        [layer] = pulled.json()["layers"]
        assert layer["mediaType"] == rules.ARCHIVE_TYPE
        assert (await client.get(f"/v2/library/demo/blobs/{layer['digest']}")).content == archive
    assert (await client.delete(f"{API}/demo/0.2.0+b.1")).json() == {"deleted": True}
    assert (await client.get("/v2/library/demo/manifests/0.2.0_b.1")).status_code == 404
    assert (await client.delete("/v2/library/demo/manifests/0.1.0")).status_code == 202
    assert await listed(client) == {}
    assert (await told(ctx)) == [
        ("uploadChart", "library/demo", "0.1.0"),
        ("uploadChart", "library/demo", "0.2.0+b.1"),
        ("deleteChart", "library/demo", "0.2.0+b.1"),
        ("deleteChart", "library/demo", "0.1.0"),
        *[("downloadChart", "library/demo", version) for version in ("0.1.0", "0.1.0", "0.2.0+b.1", "0.2.0+b.1")],
    ]


async def test_views_agree_whatever_is_done(ctx: Context, client: httpx2.AsyncClient) -> None:
    """Charts come and go at random by both ways; index, tags and the index of another process stay the same."""
    chosen, there = random.Random(5), set[tuple[str, str]]()
    archives = {(name, version): chart(name, version) for name in ("aa", "bb") for version in ("1.0.0", "1.1.0-rc.1")}
    for _ in range(24):
        name, version = chosen.choice(list(archives))
        if (name, version) not in there:
            pushed = await chosen.choice([upload, push])(client, archives[name, version])
            assert pushed.status_code == 201, pushed.text
            there.add((name, version))
        else:
            manifest = f"/v2/library/{name}/manifests/{version}"
            digest = (await client.head(manifest)).headers["docker-content-digest"]
            ways = [f"{API}/{name}/{version}", manifest, f"/v2/library/{name}/manifests/{digest}"]
            assert (await client.delete(chosen.choice(ways))).status_code in {200, 202}
            there.discard((name, version))
        index = await listed(client)
        assert {(name, each) for name, versions in index.items() for each in versions} == there
        assert all(versions == sorted(versions, reverse=True) for versions in index.values())
        for name in index:
            tags = (await client.get(f"/v2/library/{name}/tags/list")).json()["tags"]
            assert sorted(tags) == sorted(index[name])
        instance = await ctx.instances.find(ctx.settings.default_instance)
        anew = await ChartIndexes().get(ctx.database, instance.id, "library", None)
        assert (await client.get(INDEX)).content == anew.plain


async def test_index_is_not_sent_again_unchanged(client: httpx2.AsyncClient) -> None:
    await upload(client, chart())
    plain = await client.get(INDEX, headers={"accept-encoding": "identity"})
    packed = await client.get(INDEX, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert (packed.headers["content-encoding"], packed.content) == ("gzip", plain.content)
    assert plain.headers["etag"] != packed.headers["etag"]
    for etag in (plain.headers["etag"], packed.headers["etag"], f'"other", {plain.headers["etag"]}'):
        again = await client.get(INDEX, headers={"if-none-match": etag})
        assert (again.status_code, again.content) == (304, b"")
    assert (await client.get(INDEX)).content == plain.content
    await upload(client, chart(version="0.2.0"))
    assert (await client.get(INDEX, headers={"if-none-match": plain.headers["etag"]})).status_code == 200
    head = await client.head(INDEX)
    assert (head.status_code, head.content) == (200, b"")


async def test_an_older_index_catches_up_or_is_read_anew(ctx: Context, client: httpx2.AsyncClient) -> None:
    other, instance = ChartIndexes(), await ctx.instances.find(ctx.settings.default_instance)
    for version in ("0.1.0", "0.2.0"):
        await upload(client, chart(version=version))
        assert (await other.get(ctx.database, instance.id, "library", None)).plain == (
            await client.get(INDEX)
        ).content
    await client.delete(f"{API}/demo")
    await upload(client, chart("other"))
    assert (await other.get(ctx.database, instance.id, "library", None)).plain == (await client.get(INDEX)).content
    assert await listed(client) == {"other": ["0.1.0"]}


async def test_chart_and_image_of_one_name_and_tag(ctx: Context, client: httpx2.AsyncClient) -> None:
    archive = chart(version="1.0.0")
    image = await push_image(client, "1.0.0", "library/demo")
    assert (await push(client, archive)).status_code == 201
    manifest = "/v2/library/demo/manifests/1.0.0"
    assert (await client.get(manifest)).content == image
    for method in ("HEAD", "GET", "GET"):
        pulled = await client.request(method, manifest, headers=HELM)
    assert pulled.json()["config"]["mediaType"] == rules.CONFIG_TYPE
    await client.get(f"/v2/library/demo/manifests/{Digest.of(pulled.content)}", headers=HELM)
    assert [kind for kind, _, _ in await told(ctx)].count("downloadChart") == 3
    async with ctx.database.read() as tx:
        assert await tx.scalar(sa.select(tags.c.pulls)) == 1, "the tag is the image's, which was pulled once"
    assert await listed(client) == {"demo": ["1.0.0"]}
    image = await push_image(client, "1.0.0", "library/demo", annotations={"again": "yes"})
    assert (await client.get(manifest)).content == image
    assert (await client.delete(manifest)).status_code == 202
    assert (await client.get(manifest)).json()["config"]["mediaType"] == rules.CONFIG_TYPE
    assert (await client.delete(f"{API}/demo")).status_code == 200
    assert (await client.get(manifest)).status_code == 404
    assert (await client.get(f"/v2/library/demo/manifests/{Digest.of(image)}")).status_code == 200
    kinds = [kind for kind, _, _ in await told(ctx)]
    assert [kind for kind in kinds if kind.startswith(("push", "upload", "delete"))] == [
        *("pushImage", "uploadChart", "pushImage", "deleteImage", "deleteChart"),
    ]


async def test_same_version_again(client: httpx2.AsyncClient) -> None:
    archive, other = chart(), chart(description="changed")
    assert (await upload(client, archive)).status_code == 201
    assert (await upload(client, archive)).status_code == 201
    assert "already exists" in refused(await upload(client, other), 409)
    assert (await upload(client, other, query="?force")).status_code == 201
    assert (await client.get("/chartrepo/library/charts/demo-0.1.0.tgz")).content == other
    assert await listed(client) == {"demo": ["0.1.0"]}


async def test_requests_of_the_push_plugin_as_they_are_on_the_wire(client: httpx2.AsyncClient) -> None:
    """helm-push 0.10.4: chunked, one part with the full path of a temporary file, `?force` without a value."""
    archive, boundary = chart(version="0.3.0"), "5f" * 30
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="chart"; '
        'filename="/tmp/helm-push-1234/demo-0.3.0.tgz"\r\nContent-Type: application/octet-stream\r\n\r\n'
    ).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (body, archive[:100], archive[100:], f"\r\n--{boundary}--\r\n".encode()):
            yield piece

    headers = {
        "user-agent": "Go-http-client/1.1",
        "accept-encoding": "gzip",
        "content-type": f"multipart/form-data; boundary={boundary}",
    }
    assert (await client.get(INDEX, headers={"accept-encoding": "gzip"})).status_code == 200
    for path in (API, f"{API}?force", "/chartrepo/api/library/charts"):
        answer = await client.post(path, content=pieces(), headers=headers)
        assert (answer.status_code, answer.json()) == (201, {"saved": True})
    assert (await client.get("/chartrepo/library/charts/demo-0.3.0.tgz")).content == archive


async def test_what_helm_4_gets_while_it_pushes_is_no_download(ctx: Context, client: httpx2.AsyncClient) -> None:
    pushed = await push(client, chart())
    manifest = f"/v2/library/demo/manifests/{pushed.headers['docker-content-digest']}"
    for actions, downloads in (("pull,push", 0), ("pull", 1)):
        scope = {"scope": f"repository:library/demo:{actions}", "service": "any"}
        token = (await client.get("/service/token", params=scope)).json()["token"]
        async with open_client(ctx) as helm:
            got = await helm.get(manifest, headers={**HELM, "authorization": f"Bearer {token}"})
            assert got.status_code == 200
        kinds = [kind for kind, _, _ in await told(ctx)]
        assert kinds == ["uploadChart", *["downloadChart"] * downloads]


async def test_the_two_halves_of_a_pull_that_verifies_are_one_download(
    ctx: Context, client: httpx2.AsyncClient, clock: FakeClock
) -> None:
    archives = chart(), chart(version="0.2.0")
    pushed = await push(client, archives[0], signed=provenance(archives[0])), await push(client, archives[1])
    paths = [f"/v2/library/demo/manifests/{answer.headers['docker-content-digest']}" for answer in pushed]
    by_tag = "/v2/library/demo/manifests/0.1.0"
    for path, seconds, downloads in ((paths[0], 1, 2), (by_tag, 0, 2), (paths[0], 6, 3), (paths[1], 1, 3)):
        clock.turn(seconds=6)
        before = len(await told(ctx))
        for _ in range(3):
            await client.get(path, headers=HELM)
            clock.turn(seconds=seconds)
        assert len(await told(ctx)) - before == downloads
    before = len(await told(ctx))
    for _ in range(2):
        await client.get(paths[0])
    assert len(await told(ctx)) - before == 2


async def test_raw_upload(client: httpx2.AsyncClient) -> None:
    answer = await client.post(API, content=chart(), headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 201
    assert await listed(client) == {"demo": ["0.1.0"]}


def provenance(archive: bytes, file: str = "demo-0.1.0.tgz") -> bytes:
    """A provenance file of that archive whose signature nobody can check."""
    digest = Digest.of(archive).hex
    return (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\napiVersion: v2\nname: demo\n\n...\nfiles:\n"
        f"  {file}: sha256:{digest}\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
    ).encode()


async def test_provenance_comes_with_the_chart_or_after_it(client: httpx2.AsyncClient) -> None:
    archive = chart()
    signed = provenance(archive)
    file = "/chartrepo/library/charts/demo-0.1.0.tgz.prov"
    assert "does not vouch" in refused(await upload(client, archive, prov=("p", provenance(b"other"))), 400)
    assert refused(await client.post("/api/chartrepo/library/prov", content=signed), 404)
    assert (await upload(client, archive)).status_code == 201
    assert refused(await client.get(file), 404)
    assert (await client.post("/api/chartrepo/library/prov", files={"prov": ("x", signed)})).status_code == 201
    assert (await client.get(file)).content == signed
    assert (await upload(client, archive)).status_code == 201
    assert (await client.get(file)).content == signed
    layers = (await client.get("/v2/library/demo/manifests/0.1.0")).json()["layers"]
    assert [layer["mediaType"] for layer in layers] == [rules.ARCHIVE_TYPE, rules.PROVENANCE_TYPE]
    details = (await client.get(f"{API}/demo/0.1.0")).json()
    assert details["security"]["signature"]["signed"] is True
    assert refused(await client.post("/api/chartrepo/library/prov", content=b"no"), 400)
    assert "does not vouch" in refused(
        await client.post("/api/chartrepo/library/prov", content=provenance(b"other")), 400
    )


async def test_provenance_that_is_pushed_is_checked_too(client: httpx2.AsyncClient) -> None:
    archive, manifest = chart(), "/v2/library/demo/manifests/0.1.0"
    for signed, said in (
        (provenance(b"other"), "does not vouch for demo-0.1.0.tgz with sha256:"),
        (provenance(archive, "demo-0.2.0.tgz"), "but for demo-0.2.0.tgz with sha256:"),
        (b"no", "no PGP signed message"),
        (b"x" * (rules.LARGEST_PROVENANCE + 1), f"{rules.LARGEST_PROVENANCE} are allowed"),
    ):
        answer = await push(client, archive, signed=signed)
        [error] = answer.json()["errors"]
        assert answer.status_code in {400, 413} and error["code"] == "MANIFEST_INVALID", error
        assert said in error["message"]
        assert (await client.get(manifest)).status_code == 404
    never = rules.document(rules.read_chart(archive, ArchiveLimits()), archive, provenance(archive))
    assert (await client.put(manifest, content=never)).json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"
    assert (await push(client, archive, signed=provenance(archive))).status_code == 201
    assert (await client.get("/chartrepo/library/charts/demo-0.1.0.tgz.prov")).content == provenance(archive)


async def test_charts_are_listed_and_described(client: httpx2.AsyncClient) -> None:
    values = "image: {tag: v1}\nreplicas: 2\n"
    for version in ("0.1.0", "0.2.0-rc.1"):
        await upload(
            client, chart(version=version, files={"README.md": "# Demo", "values.yaml": values}, icon="i.png")
        )
    [one] = (await client.get(API)).json()
    assert (one["name"], one["total_versions"], one["latest_version"], one["icon"]) == ("demo", 2, "0.1.0", "i.png")
    assert [each["version"] for each in (await client.get(f"{API}/demo")).json()] == ["0.2.0-rc.1", "0.1.0"]
    details = (await client.get(f"{API}/demo/0.1.0")).json()
    assert details["metadata"]["urls"] == ["charts/demo-0.1.0.tgz"]
    assert details["values"] == {"image.tag": "v1", "replicas": 2}
    assert details["files"]["README.md"] == "# Demo"
    assert (await client.get("/api/chartrepo/health")).json() == {"healthy": True}
    for path in (f"{API}/none", f"{API}/demo/9.9.9", "/chartrepo/library/charts/demo-9.9.9.tgz"):
        assert refused(await client.get(path), 404)


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (b"no archive", "not a gzip archive"),
        (pack({"values.yaml": ""}), r"Chart.yaml file is missing"),
        (chart(version="latest"), "semantic version"),
        (chart("Demo"), "not a repository name"),
        (b"", "no package"),
    ],
)
async def test_what_is_no_chart_is_refused(client: httpx2.AsyncClient, archive: bytes, reason: str) -> None:
    assert reason in refused(await upload(client, archive), 400)


async def test_pushed_artifacts_that_only_say_they_are_charts_are_refused(client: httpx2.AsyncClient) -> None:
    def message(answer: httpx2.Response) -> str:
        assert answer.status_code == 400
        [error] = answer.json()["errors"]
        assert error["code"] == "MANIFEST_INVALID"
        return str(error["message"])

    assert "named 'demo'" in message(await push(client, chart(), name="other"))
    assert "cannot be pushed as 0.1.1" in message(await push(client, chart(), "0.1.1"))
    read = rules.read_chart(chart(version="0.1.0"), ArchiveLimits())
    other = chart(version="0.2.0")
    for data in (read.config, other):
        await push_blob(client, data, "library/demo")
    body = rules.document(read, other, None)
    assert "must be the same" in message(await client.put("/v2/library/demo/manifests/0.1.0", content=body))
    assert (await push(client, chart(), "latest")).status_code == 201
    assert await listed(client) == {}


def logged_in(login: Login) -> dict[str, Any]:
    return {"auth": (login.username, login.password)}


async def test_permissions_are_those_of_repositories(ctx: Context, client: httpx2.AsyncClient) -> None:
    for name in ("aa", "bb"):
        await upload(client, chart(name))
    reader, writer, nothing = [await add_sub_account(ctx, name) for name in ("reader", "writer", "nothing")]
    await give(ctx, reader, allow("tcr:PullRepository", "repository/*/library/aa"))
    await give(
        ctx,
        writer,
        allow("tcr:CreateHelmChart", "repository/*/library/*"),
        deny("tcr:CreateHelmChart", "repository/*/library/bb"),
        name="writes",
    )
    async with open_client(ctx) as sub:
        sub.auth = (reader.username, reader.password)
        assert await listed(sub) == {"aa": ["0.1.0"]}
        assert (await sub.get("/chartrepo/library/charts/aa-0.1.0.tgz")).status_code == 200
        assert "policy" in refused(await sub.get("/chartrepo/library/charts/bb-0.1.0.tgz"), 403)
        assert "policy" in refused(await upload(sub, chart("aa", "0.2.0")), 403)
        assert "policy" in refused(await sub.delete(f"{API}/aa"), 403)
        assert [each["name"] for each in (await sub.get(API)).json()] == ["aa"]
        sub.auth = (writer.username, writer.password)
        assert (await upload(sub, chart("cc"))).status_code == 201
        assert "policy" in refused(await upload(sub, chart("bb", "0.2.0")), 403)
        assert "policy" in refused(await sub.get(INDEX), 403)
        sub.auth = (nothing.username, nothing.password)
        assert "policy" in refused(await sub.get(INDEX), 403)
        sub.auth = None
        unknown = await sub.get(INDEX)
        assert "log in" in refused(unknown, 401)
        assert unknown.headers["www-authenticate"].startswith("Basic ")
        sub.auth = (reader.username, "wrong")
        assert "credential" in refused(await sub.get(INDEX), 401)


async def test_a_namespace_that_is_not_there(client: httpx2.AsyncClient) -> None:
    assert "namespace" in refused(await client.get("/chartrepo/nowhere/index.yaml"), 404)
    answer = await client.post("/api/chartrepo/nowhere/charts", files={"chart": ("c", chart())})
    assert "roadstead namespace create" in refused(answer, 404)


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("GET", "/chartrepo/ns/index.yaml", Address("index", "ns")),
        ("GET", "/chartrepo/ns/charts/index.yaml", Address("index", "ns/charts")),
        ("GET", "/chartrepo/ns/charts/charts/a-1.tgz", Address("file", "ns/charts", "a-1.tgz")),
        ("POST", "/api/chartrepo/ns/charts/charts", Address("charts", "ns/charts")),
        ("GET", "/api/chartrepo/ns/charts/charts", Address("chart", "ns", "charts")),
        ("GET", "/api/chartrepo/ns/sub/charts", Address("charts", "ns/sub")),
        ("DELETE", "/api/chartrepo/ns/charts/a/1.0.0", Address("version", "ns", "a", "1.0.0")),
        ("POST", "/chartrepo/api/ns/charts", Address("charts", "ns")),
        ("POST", "/api/chartrepo/ns/prov", Address("provenance", "ns")),
        ("GET", "/api/chartrepo/ns/charts/a/1/x", None),
        ("GET", "/chartrepo/index.yaml", None),
        ("POST", "/api/chartrepo/charts", None),
        ("GET", "/chartrepo/ns/charts/", None),
    ],
)
def test_addresses_are_taken_apart(method: str, path: str, meant: Address | None) -> None:
    assert match(method, path) == meant


async def test_what_means_nothing_is_refused(client: httpx2.AsyncClient) -> None:
    assert refused(await client.get("/chartrepo/library/x"), 400)
    assert refused(await client.put(INDEX), 405)
    assert refused(await client.get("/chartrepo/NS/index.yaml"), 400)
    assert refused(await client.post(API, content=b"x", headers={"content-type": "multipart/form-data"}), 400)
