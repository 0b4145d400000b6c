"""Manifests, tags and referrers, as a client that follows distribution-spec 1.1 sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx2
import pytest

from roadstead.domain.manifest import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from roadstead.domain.reference import Digest
from roadstead.services.context import Context
from tests.factories.asgi import open_client
from tests.factories.pushes import CONFIG, EMPTY, descriptor, document, index
from tests.http.pushing import ABSENT, APP, NAME, push_blob, push_image, put, refused


@pytest.fixture
async def client(ctx: Context) -> AsyncIterator[httpx2.AsyncClient]:
    """The owner's client."""
    async with open_client(ctx, login=True) as client:
        yield client


async def test_a_pushed_image_is_pulled_as_it_was(client: httpx2.AsyncClient) -> None:
    body = await push_image(client, "v1")
    digest = str(Digest.of(body))
    for reference in ("v1", digest):
        got = await client.get(f"{APP}/manifests/{reference}")
        head = await client.head(f"{APP}/manifests/{reference}")
        assert (got.status_code, got.content) == (200, body)
        assert (head.status_code, head.content) == (200, b"")
        for answer in (got, head):
            assert answer.headers["content-type"] == OCI_MANIFEST
            assert answer.headers["docker-content-digest"] == digest
            assert answer.headers["etag"] == f'"{digest}"'
            assert answer.headers["content-length"] == str(len(body))
    layer = f"{APP}/blobs/{Digest.of(b'layer')}"
    assert (await client.get(layer)).content == b"layer"
    assert (await client.head(layer)).headers["content-length"] == "5"
    part = await client.get(layer, headers={"range": "bytes=1-3"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"aye", "bytes 1-3/5")
    outside = await client.get(layer, headers={"range": "bytes=5-"})
    assert (outside.status_code, outside.headers["content-range"]) == (416, "bytes */5")


async def test_a_push_on_condition(client: httpx2.AsyncClient) -> None:
    first = await push_image(client, "v1")
    second = await push_image(client, "v2")
    tag, other = f'"{Digest.of(first)}"', f'"{Digest.of(second)}"'
    refused(await put(client, "v1", second, if_match=other), 412, "DENIED")
    refused(await put(client, "v1", second, if_none_match="*"), 412, "DENIED")
    refused(await put(client, "v3", second, if_match="*"), 412, "DENIED")
    assert (await client.get(f"{APP}/manifests/v1")).content == first
    assert (await client.get(f"{APP}/manifests/v3")).status_code == 404
    assert (await put(client, "v3", second, if_none_match="*")).status_code == 201
    moved = await put(client, "v1", second, if_match=tag)
    assert (moved.status_code, moved.headers["etag"]) == (201, other)
    assert (await client.get(f"{APP}/manifests/v1")).content == second


async def test_a_push_by_digest_sets_several_tags(client: httpx2.AsyncClient) -> None:
    body = await push_image(client, "v1")
    answer = await put(client, f"{Digest.of(body)}?tag=v2&tag=v3&tag=v2", body)
    assert (answer.status_code, answer.headers["oci-tag"]) == (201, "v2, v3")
    assert answer.headers["location"] == f"{APP}/manifests/{Digest.of(body)}"
    assert (await client.get(f"{APP}/tags/list")).json()["tags"] == ["v1", "v2", "v3"]
    refused(await put(client, "v4?tag=v5", body), 400, "MANIFEST_INVALID")
    refused(await put(client, f"{Digest.of(body)}?tag=-", body), 400, "MANIFEST_INVALID")
    refused(await put(client, ABSENT, body), 400, "DIGEST_INVALID")
    assert (await client.get(f"{APP}/tags/list")).json()["tags"] == ["v1", "v2", "v3"]


async def test_an_image_without_its_layers_is_taken_with_a_warning_each(client: httpx2.AsyncClient) -> None:
    await push_blob(client, b"{}")
    body = document(descriptor(b"{}", EMPTY), descriptor(b"one"), descriptor(b"two"))
    answer = await put(client, "sparse", body)
    assert answer.status_code == 201
    warnings = answer.headers.get_list("warning")
    assert [str(Digest.of(data)) in warning for data, warning in zip((b"one", b"two"), warnings, strict=True)] == [
        True,
        True,
    ]
    assert all(warning.startswith('299 - "') for warning in warnings)
    without_config = document(descriptor(b"never pushed", CONFIG))
    refused(await put(client, "v1", without_config), 404, "MANIFEST_BLOB_UNKNOWN")


async def test_deletion_of_tags_manifests_and_blobs(client: httpx2.AsyncClient) -> None:
    digest = Digest.of(await push_image(client, "v1"))
    layer = f"{APP}/blobs/{Digest.of(b'layer')}"
    assert (await client.delete(f"{APP}/manifests/v1")).status_code == 202
    refused(await client.delete(f"{APP}/manifests/v1"), 404, "MANIFEST_UNKNOWN")
    assert (await client.get(f"{APP}/manifests/{digest}")).status_code == 200
    refused(await client.delete(layer), 405, "UNSUPPORTED")
    assert (await client.delete(f"{APP}/manifests/{digest}")).status_code == 202
    refused(await client.get(f"{APP}/manifests/{digest}"), 404, "MANIFEST_UNKNOWN")
    assert (await client.delete(layer)).status_code == 202
    refused(await client.get(layer), 404, "BLOB_UNKNOWN")
    refused(await client.delete(layer), 404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("reference", ["-v1", ".v1", "v" * 129, "v 1"])
async def test_what_cannot_be_a_tag_is_not_found_and_not_pushed(client: httpx2.AsyncClient, reference: str) -> None:
    body = await push_image(client, "v1")
    refused(await client.get(f"{APP}/manifests/{reference}"), 404, "MANIFEST_UNKNOWN")
    refused(await put(client, reference, body), 400, "MANIFEST_INVALID")


async def pages(client: httpx2.AsyncClient, url: str, field: str) -> list[list[Any]]:
    """What each page of a list shows, by way of its links."""
    found: list[list[Any]] = []
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200
        found.append(answer.json()[field])
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    return found


async def test_tags_come_in_pages_by_code_point(client: httpx2.AsyncClient) -> None:
    body = await push_image(client, "b")
    for tag in ("a", "B", "_", "a.1"):
        await put(client, tag, body)
    url = f"{APP}/tags/list"
    assert (await client.get(url)).json() == {"name": NAME, "tags": ["B", "_", "a", "a.1", "b"]}
    assert await pages(client, f"{url}?n=2", "tags") == [["B", "_"], ["a", "a.1"], ["b"]]
    assert await pages(client, f"{url}?n=5", "tags") == [["B", "_", "a", "a.1", "b"]]
    assert await pages(client, f"{url}?last=a", "tags") == [["a.1", "b"]]
    assert await pages(client, f"{url}?n=0", "tags") == [[]]
    refused(await client.get(f"{url}?n=-1"), 400, "PAGINATION_NUMBER_INVALID")
    refused(await client.get("/v2/library/none/tags/list"), 404, "NAME_UNKNOWN")


async def refer(client: httpx2.AsyncClient, subject: bytes, kind: str, note: str) -> str:
    """An artifact of that kind refers to the subject; its digest."""
    body = document(
        descriptor(b"{}", EMPTY),
        artifactType=kind,
        subject=descriptor(subject, OCI_MANIFEST),
        annotations={"note": note},
    )
    answer = await put(client, str(Digest.of(body)), body)
    assert (answer.status_code, answer.headers["oci-subject"]) == (201, str(Digest.of(subject)))
    return str(Digest.of(body))


async def test_referrers_are_listed_filtered_and_paged(client: httpx2.AsyncClient) -> None:
    subject = await push_image(client, "v1")
    await push_blob(client, b"{}")
    signature, report = "application/vnd.test.signature+json", "application/vnd.test.report"
    signatures = sorted([await refer(client, subject, signature, note) for note in "abc"])
    reports = [await refer(client, subject, report, "d")]
    url = f"{APP}/referrers/{Digest.of(subject)}"
    answer = await client.get(url)
    assert answer.headers["content-type"] == OCI_INDEX
    assert answer.json()["mediaType"] == OCI_INDEX
    assert [each["digest"] for each in answer.json()["manifests"]] == sorted([*signatures, *reports])
    assert "oci-filters-applied" not in answer.headers
    filtered = await client.get(url, params={"artifactType": report})
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    (found,) = filtered.json()["manifests"]
    assert (found["digest"], found["artifactType"], found["annotations"]) == (reports[0], report, {"note": "d"})
    for kind in (signature, signature.replace("+", "%2B")):
        shown = await pages(client, f"{url}?artifactType={kind}&n=2", "manifests")
        assert [[each["digest"] for each in page] for page in shown] == [signatures[:2], signatures[2:]]
    assert (await client.get(f"{APP}/referrers/{ABSENT}")).json()["manifests"] == []
    assert (await client.get(f"/v2/library/none/referrers/{ABSENT}")).json()["manifests"] == []


async def push_index(client: httpx2.AsyncClient, media_type: str, architectures: Sequence[str]) -> dict[str, bytes]:
    """An index of images for these architectures is tagged `multi`; their manifests and, as "", the index."""
    images: dict[str, bytes] = {}
    for architecture in architectures:
        images[architecture] = await push_image(client, architecture)
    members = [
        descriptor(body, OCI_MANIFEST, platform={"os": "linux", "architecture": architecture})
        for architecture, body in images.items()
    ]
    images[""] = index(*members, media_type=media_type)
    assert (await put(client, "multi", images[""])).status_code == 201
    return images


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        (OCI_INDEX, ""),
        ("*/*", ""),
        ("", ""),
        (f"{OCI_MANIFEST}, {OCI_INDEX};q=0.5", ""),
        (OCI_MANIFEST, "amd64"),
        ("application/vnd.docker.distribution.manifest.v2+json", "amd64"),
        ("text/html", ""),
    ],
)
async def test_a_client_that_knows_no_index_gets_the_usual_member(
    client: httpx2.AsyncClient, accept: str, given: str
) -> None:
    images = await push_index(client, OCI_INDEX, ["arm64", "amd64"])
    headers = {"accept": accept}
    for answer in (
        await client.get(f"{APP}/manifests/multi", headers=headers),
        await client.head(f"{APP}/manifests/multi", headers=headers),
    ):
        assert answer.headers["docker-content-digest"] == str(Digest.of(images[given]))
        assert answer.headers["content-type"] == (OCI_MANIFEST if given else OCI_INDEX)
        assert answer.content in {images[given], b""}
    by_digest = await client.get(f"{APP}/manifests/{Digest.of(images[''])}", headers=headers)
    assert by_digest.content == images[""]


async def test_without_the_usual_member_the_index_is_given(client: httpx2.AsyncClient) -> None:
    images = await push_index(client, DOCKER_LIST, ["arm64"])
    answer = await client.get(f"{APP}/manifests/multi", headers={"accept": OCI_MANIFEST})
    assert (answer.content, answer.headers["content-type"]) == (images[""], DOCKER_LIST)


@pytest.mark.parametrize("what", ["manifest", "blob"])
async def test_what_the_client_has_is_not_sent_again(client: httpx2.AsyncClient, what: str) -> None:
    digest = (
        str(Digest.of(await push_image(client, "v1"))) if what == "manifest" else await push_blob(client, b"layer")
    )
    url = f"{APP}/{what}s/{digest}"
    for value in (f'"{digest}"', f'W/"{digest}"', f'"sha256:other", "{digest}"', "*"):
        answer = await client.get(url, headers={"if-none-match": value})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", f'"{digest}"')
    assert (await client.get(url, headers={"if-none-match": '"sha256:other"'})).status_code == 200
