"""How a client of the registry protocol pushes, for the tests of its addresses."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from roadstead.domain.reference import Digest
from tests.factories.pushes import CONFIG, descriptor, document, encode

NAME = "library/app"
APP = f"/v2/{NAME}"
ABSENT = f"sha256:{'0' * 64}"


def refused(answer: httpx2.Response, status: int, code: str) -> str:
    """The message of the one error of an answer with that status and code."""
    assert answer.status_code == status, answer.text
    (error,) = answer.json()["errors"]
    assert error["code"] == code
    return str(error["message"])


async def push_blob(client: httpx2.AsyncClient, data: bytes, name: str = NAME) -> str:
    digest = str(Digest.of(data))
    begun = await client.post(f"/v2/{name}/blobs/uploads/")
    assert begun.status_code == 202
    done = await client.put(begun.headers["location"], params={"digest": digest}, content=data)
    assert (done.status_code, done.headers["location"]) == (201, f"/v2/{name}/blobs/{digest}")
    assert done.headers["docker-content-digest"] == digest
    return digest


async def put(
    client: httpx2.AsyncClient, reference: str, body: bytes, name: str = NAME, **headers: str
) -> httpx2.Response:
    sent = {"content-type": json.loads(body)["mediaType"], **{key.replace("_", "-"): headers[key] for key in headers}}
    return await client.put(f"/v2/{name}/manifests/{reference}", content=body, headers=sent)


async def push_image(client: httpx2.AsyncClient, tag: str, name: str = NAME, **more: Any) -> bytes:
    """The image is pushed whole; its manifest."""
    config = encode({"os": "linux", "architecture": "amd64", "of": tag})
    for data in (config, b"layer"):
        await push_blob(client, data, name)
    body = document(descriptor(config, CONFIG), descriptor(b"layer"), **more)
    assert (await put(client, tag, body, name)).status_code == 201
    return body
