"""Blobs and uploads, as a client that follows distribution-spec 1.1 sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from roadstead.domain.reference import Digest
from roadstead.services.context import Context
from tests.factories.asgi import open_client
from tests.http.pushing import ABSENT, APP, push_blob, refused


@pytest.fixture
async def client(ctx: Context) -> AsyncIterator[httpx2.AsyncClient]:
    """The owner's client."""
    async with open_client(ctx, login=True) as client:
        yield client


@pytest.mark.parametrize("source", ["?mount={digest}&from=library/base", "?mount={digest}", "?from=&mount={digest}"])
async def test_a_blob_is_mounted_from_another_repository(client: httpx2.AsyncClient, source: str) -> None:
    digest = await push_blob(client, b"layer", "library/base")
    answer = await client.post(f"{APP}/blobs/uploads/{source.format(digest=digest)}")
    assert (answer.status_code, answer.headers["location"]) == (201, f"{APP}/blobs/{digest}")
    assert (await client.get(f"{APP}/blobs/{digest}")).content == b"layer"


@pytest.mark.parametrize("source", [f"?mount={ABSENT}&from=library/base", f"?mount={ABSENT}"])
async def test_a_mount_of_what_is_not_there_begins_an_upload(client: httpx2.AsyncClient, source: str) -> None:
    answer = await client.post(f"{APP}/blobs/uploads/{source}")
    assert answer.status_code == 202
    done = await client.put(answer.headers["location"], params={"digest": str(Digest.of(b"x"))}, content=b"x")
    assert done.status_code == 201


async def test_a_blob_in_a_single_post(client: httpx2.AsyncClient) -> None:
    for data, algorithm in ((b"small", "sha256"), (b"small", "sha512"), (b"", "sha256")):
        digest = Digest.of(data, algorithm)
        answer = await client.post(f"{APP}/blobs/uploads/?digest={digest}", content=data)
        assert (answer.status_code, answer.headers["location"]) == (201, f"{APP}/blobs/{digest}")
        assert (await client.get(f"{APP}/blobs/{digest}")).content == data
    answer = await client.post(f"{APP}/blobs/uploads/?digest={ABSENT}", content=b"other")
    refused(answer, 400, "DIGEST_INVALID")
    refused(await client.get(f"{APP}/blobs/{ABSENT}"), 404, "BLOB_UNKNOWN")


async def append(client: httpx2.AsyncClient, url: str, data: bytes, at: int | None = None) -> httpx2.Response:
    headers = {} if at is None else {"content-range": f"{at}-{at + len(data) - 1}"}
    return await client.patch(url, content=data, headers=headers)


async def test_an_upload_in_chunks_tells_where_it_stands(client: httpx2.AsyncClient) -> None:
    begun = await client.post(f"{APP}/blobs/uploads/")
    url = begun.headers["location"]
    assert (begun.headers["range"], url.rpartition("/")[2]) == ("0-0", begun.headers["docker-upload-uuid"])
    first = await append(client, url, b"one", 0)
    assert (first.status_code, first.headers["range"], first.headers["location"]) == (202, "0-2", url)
    again = await append(client, url, b"one", 0)
    refused(again, 416, "BLOB_UPLOAD_INVALID")
    assert (again.headers["range"], again.headers["location"]) == ("0-2", url)
    for status in (await client.get(url), await client.head(url)):
        assert (status.status_code, status.headers["range"], status.headers["location"]) == (204, "0-2", url)
    assert (await append(client, url, b"two")).headers["range"] == "0-5"
    digest = str(Digest.of(b"onetwothree"))
    refused(await client.put(url, content=b"three"), 400, "DIGEST_INVALID")
    refused(await client.put(url, params={"digest": ABSENT}, content=b"three"), 400, "DIGEST_INVALID")
    assert (await client.get(url)).headers["range"] == "0-5"
    done = await client.put(url, params={"digest": digest}, content=b"three", headers={"content-range": "6-10"})
    assert done.status_code == 201
    refused(await client.get(url), 404, "BLOB_UPLOAD_UNKNOWN")
    assert (await client.get(f"{APP}/blobs/{digest}")).content == b"onetwothree"


async def test_a_stream_without_length_is_taken(client: httpx2.AsyncClient) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"abc" * 100_000

    url = (await client.post(f"{APP}/blobs/uploads/")).headers["location"]
    answer = await client.patch(url, content=stream())
    assert answer.headers["range"] == "0-899999"
    digest = str(Digest.of(b"abc" * 300_000))
    assert (await client.put(url, params={"digest": digest})).status_code == 201


@pytest.mark.parametrize(
    ("content_range", "status", "code"),
    [
        ("nonsense", 400, "BLOB_UPLOAD_INVALID"),
        ("5-2", 400, "BLOB_UPLOAD_INVALID"),
        ("0-99", 400, "SIZE_INVALID"),
        ("1-3", 416, "BLOB_UPLOAD_INVALID"),
    ],
)
async def test_a_chunk_that_is_not_as_announced_changes_nothing(
    client: httpx2.AsyncClient, content_range: str, status: int, code: str
) -> None:
    url = (await client.post(f"{APP}/blobs/uploads/")).headers["location"]
    answer = await client.patch(url, content=b"abc", headers={"content-range": content_range})
    refused(answer, status, code)
    digest = str(Digest.of(b"abc"))
    assert (await client.put(url, params={"digest": digest}, content=b"abc")).status_code == 201


async def test_a_cancelled_upload_is_gone(client: httpx2.AsyncClient) -> None:
    url = (await client.post(f"{APP}/blobs/uploads/")).headers["location"]
    await append(client, url, b"one")
    assert (await client.delete(url)).status_code == 204
    for answer in (await client.get(url), await client.delete(url), await append(client, url, b"two")):
        refused(answer, 404, "BLOB_UPLOAD_UNKNOWN")


async def test_an_upload_belongs_to_its_repository(client: httpx2.AsyncClient) -> None:
    url = (await client.post(f"{APP}/blobs/uploads/")).headers["location"]
    refused(await client.get(url.replace("app", "other")), 404, "BLOB_UPLOAD_UNKNOWN")
