"""The addresses of the registry protocol: what each means, who may ask there, and what is told to others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.reference import Digest, RepositoryName
from roadstead.http.oci import Address, match
from roadstead.services import namespaces
from roadstead.services.context import Context
from roadstead.services.operations import run
from tests.factories.accounts import owner_caller, registry_id
from tests.factories.asgi import open_client
from tests.factories.pushes import CONFIG, descriptor, document
from tests.http.pushing import ABSENT, APP, NAME, push_image, refused


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/v2/", Address("ping", "", "")),
        ("/v2/_catalog", Address("catalog", "", "")),
        ("/v2/a/b/manifests/v1", Address("manifests", "a/b", "v1")),
        ("/v2/a/manifests/manifests/manifests", Address("manifests", "a/manifests", "manifests")),
        ("/v2/a/blobs/uploads/manifests/v1", Address("manifests", "a/blobs/uploads", "v1")),
        ("/v2/a/b/blobs/sha256:00", Address("blobs", "a/b", "sha256:00")),
        ("/v2/a/blobs/blobs/sha256:00", Address("blobs", "a/blobs", "sha256:00")),
        ("/v2/a/b/blobs/uploads/", Address("uploads", "a/b", "")),
        ("/v2/a/b/blobs/uploads", Address("uploads", "a/b", "")),
        ("/v2/a/b/blobs/uploads/id", Address("upload", "a/b", "id")),
        ("/v2/a/blobs/blobs/uploads/id", Address("upload", "a/blobs", "id")),
        ("/v2/a/blobs/uploads/blobs/uploads/", Address("uploads", "a/blobs/uploads", "")),
        ("/v2/a/uploads/blobs/uploads/id", Address("upload", "a/uploads", "id")),
        ("/v2/a/b/tags/list", Address("tags", "a/b", "")),
        ("/v2/a/tags/tags/list", Address("tags", "a/tags", "")),
        ("/v2/a/tags/list/tags/list", Address("tags", "a/tags/list", "")),
        ("/v2/a/referrers/referrers/sha256:00", Address("referrers", "a/referrers", "sha256:00")),
        ("/v2/a/manifests/v1", Address("manifests", "a", "v1")),
        ("/v2/x", None),
        ("/v2//", None),
        ("/v2/a/b", None),
        ("/v2/manifests/v1", None),
        ("/v2//manifests/v1", None),
        ("/v2/a/b/manifests/", None),
        ("/v2/a/b/blobs/", None),
        ("/v2/a/b/tags/other", None),
        ("/v2/a/b/tags/list/", None),
        ("/v2/a/b/uploads/id", None),
        ("/v2/a/blobs/b/uploads/id", None),
        ("/v2/a/b/manifests/v1/", None),
        ("/v2/a/b/manifests/v\0", None),
    ],
)
def test_what_an_address_means(path: str, address: Address | None) -> None:
    assert match(path) == address


_word = st.sampled_from(["blobs", "manifests", "uploads", "tags", "list", "referrers", "v2", "app"]) | st.from_regex(
    r"[a-z0-9]{1,5}([._-][a-z0-9]{1,5})?", fullmatch=True
)
_names = (
    st.tuples(_word.filter(lambda word: len(word) > 1), st.lists(_word, min_size=1, max_size=6).map("/".join))
    .filter(lambda pair: len(pair[1]) > 1)
    .map("/".join)
)
_digests = st.binary().map(lambda data: str(Digest.of(data))) | st.binary().map(lambda d: str(Digest.of(d, "sha512")))
_tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)


@given(name=_names, digest=_digests, tag=_tags, upload=st.from_regex(r"[a-z0-9]{32}", fullmatch=True))
def test_every_legal_name_and_reference_is_found_again(name: str, digest: str, tag: str, upload: str) -> None:
    assert str(RepositoryName.parse(name)) == name
    assert match(f"/v2/{name}/manifests/{tag}") == Address("manifests", name, tag)
    assert match(f"/v2/{name}/tags/list") == Address("tags", name, "")
    assert match(f"/v2/{name}/blobs/uploads/") == Address("uploads", name, "")
    assert match(f"/v2/{name}/blobs/uploads/{upload}") == Address("upload", name, upload)
    for kind in ("manifests", "blobs", "referrers"):
        assert match(f"/v2/{name}/{kind}/{digest}") == Address(kind, name, digest)


@given(st.text(st.characters(codec="utf-8")))
def test_no_text_breaks_the_matcher(rest: str) -> None:
    address = match(f"/v2/{rest}")
    assert address is None or address.repository in rest


@pytest.fixture
async def client(ctx: Context) -> AsyncIterator[httpx2.AsyncClient]:
    """The owner's client."""
    async with open_client(ctx, login=True) as client:
        yield client


@pytest.fixture
async def anybody(ctx: Context) -> AsyncIterator[httpx2.AsyncClient]:
    """The client of somebody who has not logged in."""
    async with open_client(ctx) as client:
        yield client


@pytest.fixture
async def public(ctx: Context) -> str:
    """A repository name in a public namespace."""
    request = namespaces.CreateNamespace(registry_id=await registry_id(ctx), namespace_name="open", is_public=True)
    await run(ctx, await owner_caller(ctx), namespaces.create_namespace, request)
    return "open/app"


async def test_the_ping_challenges_and_lets_in(
    ctx: Context, client: httpx2.AsyncClient, anybody: httpx2.AsyncClient
) -> None:
    for path in ("/v2/", "/v2"):
        anonymous = await anybody.get(path)
        assert "log in" in refused(anonymous, 401, "UNAUTHORIZED")
        realm = "http://registry.test:5000/service/token"
        assert anonymous.headers["www-authenticate"] == f'Bearer realm="{realm}",service="{await registry_id(ctx)}"'
        assert anonymous.headers["docker-distribution-api-version"] == "registry/2.0"
        assert (await client.get(path)).json() == {}
        assert (await client.head(path)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "manifests/v1", "pull"),
        ("PUT", "manifests/v1", "pull,push"),
        ("DELETE", "manifests/v1", "delete"),
        ("HEAD", f"blobs/{ABSENT}", "pull,push"),
        ("GET", f"blobs/{ABSENT}", "pull"),
        ("POST", "blobs/uploads/", "pull,push"),
        ("GET", "tags/list", "pull"),
    ],
)
async def test_a_challenge_names_the_scope(anybody: httpx2.AsyncClient, method: str, path: str, scope: str) -> None:
    body = document(descriptor(b"x", CONFIG)) if method == "PUT" else b""
    answer = await anybody.request(method, f"{APP}/{path}", content=body)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].endswith(f',scope="repository:{NAME}:{scope}"')


async def test_a_mount_asks_for_the_scope_of_its_source_too(anybody: httpx2.AsyncClient) -> None:
    answer = await anybody.post(f"{APP}/blobs/uploads/?mount={ABSENT}&from=library/base")
    assert f'scope="repository:{NAME}:pull,push repository:library/base:pull"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v2/", "GET, HEAD"),
        ("/v2/_catalog", "GET"),
        (f"{APP}/manifests/v1", "GET, HEAD, PUT, DELETE"),
        (f"{APP}/tags/list", "GET"),
        (f"{APP}/referrers/{ABSENT}", "GET"),
        (f"{APP}/blobs/{ABSENT}", "GET, HEAD, DELETE"),
        (f"{APP}/blobs/uploads/", "POST"),
        (f"{APP}/blobs/uploads/id", "GET, HEAD, PATCH, PUT, DELETE"),
    ],
)
async def test_another_method_is_told_those_that_exist(client: httpx2.AsyncClient, path: str, allowed: str) -> None:
    answer = await client.options(path)
    refused(answer, 405, "UNSUPPORTED")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v2/Upper/app/tags/list", "NAME_INVALID"),
        ("/v2/alone/tags/list", "NAME_INVALID"),
        (f"{APP}/blobs/sha256:short", "DIGEST_INVALID"),
        (f"{APP}/blobs/md5:{'0' * 32}", "DIGEST_INVALID"),
        (f"{APP}/manifests/sha256:short", "DIGEST_INVALID"),
        (f"{APP}/referrers/v1", "DIGEST_INVALID"),
    ],
)
async def test_a_name_that_breaks_the_rules_is_refused(client: httpx2.AsyncClient, path: str, code: str) -> None:
    refused(await client.get(path), 400, code)


async def test_a_push_to_no_namespace_is_told_how_to_make_one(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v2/prod/web/blobs/uploads/")
    assert refused(answer, 404, "NAME_UNKNOWN").endswith("roadstead namespace create prod")


async def test_the_catalog_shows_what_may_be_seen(
    client: httpx2.AsyncClient, anybody: httpx2.AsyncClient, public: str
) -> None:
    for name in (NAME, public):
        await push_image(client, "v1", name)
    assert (await client.get("/v2/_catalog")).json() == {"repositories": [NAME, public]}
    token = (await anybody.get("/service/token?scope=registry:catalog:*")).json()["token"]
    anonymous = await anybody.get("/v2/_catalog", headers={"authorization": f"Bearer {token}"})
    assert anonymous.json() == {"repositories": [public]}
    unasked = await anybody.get("/v2/_catalog")
    assert unasked.headers["www-authenticate"].endswith(',scope="registry:catalog:*"')


async def test_what_is_public_is_pulled_and_not_pushed_by_anybody(
    client: httpx2.AsyncClient, anybody: httpx2.AsyncClient, public: str
) -> None:
    body = await push_image(client, "v1", public)
    assert (await anybody.get(f"/v2/{public}/manifests/v1")).content == body
    assert (await anybody.post(f"/v2/{public}/blobs/uploads/")).status_code == 401
    assert (await anybody.delete(f"/v2/{public}/manifests/v1")).status_code == 401
