"""Broken, oversized and malicious blobs and manifests: refused as the specification says, and nothing stays."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.resilience.hostile import BLOB_LIMIT, REPOSITORY, UPLOAD_LIMIT, UPLOADS, Client, digest_of, raw

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


def test_a_blob_with_a_wrong_digest_is_not_stored(client: Client, session: str) -> None:
    data, wrong = b"what was sent", digest_of(b"what was meant")
    assert client.ask("PUT", f"{session}?digest={wrong}", data).refusal == (400, "DIGEST_INVALID")
    assert client.ask("POST", f"{UPLOADS}?digest={wrong}", data).refusal == (400, "DIGEST_INVALID")
    for digest in (wrong, digest_of(data)):
        assert client.ask("GET", f"/v2/{REPOSITORY}/blobs/{digest}").refusal == (404, "BLOB_UNKNOWN")
        assert not list((client.server.folder / "storage" / "blobs").rglob(f"{digest[7:]}*"))
    assert client.stands(session) == "0-0"
    assert client.ask("PUT", f"{session}?digest={digest_of(data)}", data).status == 201


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "sha256:",
        "sha256:00",
        "md5:" + "0" * 32,
        "sha256:" + "G" * 64,
        "sha256:" + "A" * 64,
        "x" * 3000,
        "%00",
        "%ff",
    ],
)
def test_what_is_no_digest_is_refused(client: Client, session: str, digest: str) -> None:
    answer = client.ask("PUT", f"{session}?digest={digest}", b"data")
    assert (answer.status, answer.code in {"DIGEST_INVALID", "UNSUPPORTED"}) == (400, True)


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ("Content-Length: 1000", bytes(400)),
        ("Content-Length: 1000000", bytes(300_000)),
        ("Transfer-Encoding: chunked", b"3E8\r\n" + bytes(400)),
        ("Transfer-Encoding: chunked", b"186A0\r\n" + bytes(100_000) + b"\r\n186A0\r\n" + bytes(50_000)),
    ],
    ids=["small", "large", "small chunked", "large chunked"],
)
def test_a_body_that_breaks_off_leaves_the_session_where_it_stood(
    client: Client, session: str, framing: str, body: bytes
) -> None:
    assert client.ask("PATCH", session, b"0123456789", Content_Range="0-9").status == 202
    head = f"PATCH {session} HTTP/1.1\nHost: x\nAuthorization: {client.login}\n{framing}\n\n"
    with client.open(head, body) as connection:
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    assert client.stands(session) == "0-9"
    whole = b"0123456789abc"
    assert client.ask("PATCH", session, b"abc", Content_Range="10-12").status == 202
    assert client.ask("PUT", f"{session}?digest={digest_of(whole)}").status == 201
    assert client.ask("GET", f"/v2/{REPOSITORY}/blobs/{digest_of(whole)}").body == whole


@pytest.mark.parametrize("pieces", [[bytes(20)], [bytes(4)], [b"x" * 90_000, b"y" * 90_000]])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_chunk_of_another_length_than_it_says_is_refused(
    client: Client, session: str, pieces: list[bytes], chunked: bool
) -> None:
    body = iter(pieces) if chunked else b"".join(pieces)
    more = {"Transfer_Encoding": "chunked"} if chunked else {}
    answer = client.ask("PATCH", session, body, Content_Range="0-9", **more)
    assert answer.refusal == (400, "SIZE_INVALID")
    assert client.stands(session) == "0-0"


@pytest.mark.parametrize("place", ["0-9", "5-14", "11-20", "999999999999-1000000000008"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_chunk_in_another_place_is_refused(client: Client, session: str, place: str, method: str) -> None:
    assert client.ask("PATCH", session, bytes(10), Content_Range="0-9").status == 202
    query = f"?digest={digest_of(bytes(20))}" if method == "PUT" else ""
    answer = client.ask(method, session + query, bytes(10), Content_Range=place)
    assert answer.refusal == (416, "BLOB_UPLOAD_INVALID")
    assert (answer.headers["Range"], answer.headers["Location"]) == ("0-9", session)
    assert (
        client.ask("PUT", f"{session}?digest={digest_of(bytes(20))}", bytes(10), Content_Range="10-19").status == 201
    )


@pytest.mark.parametrize(
    "text",
    ["bytes", "a-b", "0-", "-9", "9-0", "0-9-9", "0-9,10-19", "0-" + "9" * 30, "\xb2-\xb3", "0x0-0x9", "0 - 9"],
)
def test_a_malformed_content_range_is_refused(client: Client, session: str, text: str) -> None:
    assert client.ask("PATCH", session, bytes(10), Content_Range=text).refusal == (400, "BLOB_UPLOAD_INVALID")
    assert client.stands(session) == "0-0"


def test_a_blob_over_the_limit_is_refused(client: Client, session: str) -> None:
    head = f"PATCH {session} HTTP/1.1\nHost: x\nAuthorization: {client.login}\nContent-Length: {BLOB_LIMIT + 1}\n\n"
    with client.open(head, bytes(10)) as connection:
        assert raw(connection).refusal == (413, "SIZE_INVALID")
    chunked = iter([bytes(100_000)] * (BLOB_LIMIT // 100_000) + [b"x"])
    assert client.ask("PATCH", session, chunked, Transfer_Encoding="chunked").refusal == (413, "SIZE_INVALID")
    assert client.stands(session) == "0-0"
    assert client.ask("PATCH", session, bytes(BLOB_LIMIT)).status == 202
    assert client.ask("PATCH", session, b"x").refusal == (413, "SIZE_INVALID")
    assert client.ask("PUT", f"{session}?digest={digest_of(b'x')}", b"x").refusal == (413, "SIZE_INVALID")
    assert client.stands(session) == f"0-{BLOB_LIMIT - 1}"


def test_too_many_uploads_are_refused_until_some_end(client: Client) -> None:
    opened: list[str] = []
    answer = client.ask("POST", UPLOADS)
    while answer.status == 202 and len(opened) < UPLOAD_LIMIT:
        opened.append(answer.headers["Location"])
        answer = client.ask("POST", UPLOADS)
    assert len(opened) == UPLOAD_LIMIT
    assert answer.refusal == (429, "TOOMANYREQUESTS")
    assert int(answer.headers["Retry-After"]) > 0
    for session in opened:
        assert client.ask("DELETE", session).status == 204
    client.ask("DELETE", client.begin())


@pytest.mark.parametrize("upload", ["x", "../../etc/passwd", "%2e%2e", "0" * 40, "a" * 5000, "%00", "%ff"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_an_upload_that_was_never_begun_is_unknown(client: Client, upload: str, method: str) -> None:
    query = f"?digest={digest_of(b'x')}" if method == "PUT" else ""
    assert client.ask(method, f"{UPLOADS}{upload}{query}").status in {400, 404}


# Manifests


def _descriptor(data: bytes = b"{}", **other: Any) -> dict[str, Any]:
    return {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(data), "size": len(data), **other}


def _image(**other: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": _MANIFEST, "config": _descriptor(), "layers": [], **other}


_DEEP = b"[" * 10_000 + b"]" * 10_000
_INVALID: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"\x1f\x8b\x08 not JSON",
    "cut off": json.dumps(_image()).encode()[:-9],
    "two documents": json.dumps(_image()).encode() * 2,
    "null": b"null",
    "list": b"[]",
    "no fields": b"{}",
    "deep": _DEEP,
    "deep unknown field": json.dumps(_image()).encode()[:-1] + b', "x": ' + _DEEP + b"}",
    "deep annotations": json.dumps(_image()).encode()[:-1] + b', "annotations": ' + _DEEP + b"}",
    "deep objects": b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
    "invalid UTF-8": json.dumps(_image(artifactType="a?")).encode().replace(b"?", b"\xff\xfe"),
    "lone surrogate": json.dumps(_image(artifactType="\ud800")).encode(),
    "UTF-16": json.dumps(_image()).encode("utf-16"),
    "huge version": b'{"schemaVersion": ' + b"9" * 5000 + b"}",
    "infinite version": b'{"schemaVersion": 1e999}',
    "huge size": json.dumps(_image(config=_descriptor(size=1 << 70))).encode(),
    "sizes that overflow": json.dumps(_image(layers=[_descriptor(b"1", size=(1 << 63) - 1)] * 3)).encode(),
    "fractional size": json.dumps(_image(config=_descriptor(size=1.5))).encode(),
    "negative size": json.dumps(_image(config=_descriptor(size=-2))).encode(),
    "size in words": json.dumps(_image(config=_descriptor(size="2"))).encode(),
    "config as text": json.dumps(_image(config="{}")).encode(),
    "layers as object": json.dumps(_image(layers={})).encode(),
    "layers of numbers": json.dumps(_image(layers=[1, 2])).encode(),
    "no config": json.dumps({"schemaVersion": 2, "layers": []}).encode(),
    "digest with a path": json.dumps(_image(config=_descriptor(digest="sha256:../../../etc/passwd"))).encode(),
    "digest with a NUL": json.dumps(_image(config=_descriptor(digest="sha256:\0" + "0" * 63))).encode(),
    "control characters": json.dumps(_image(artifactType="a\r\nX-Evil: 1")).encode(),
    "annotations of lists": json.dumps(_image(annotations={"a": []})).encode(),
    "schema 1": json.dumps({"schemaVersion": 1, "name": REPOSITORY, "fsLayers": [], "signatures": []}).encode(),
    "version 3": json.dumps(_image(schemaVersion=3)).encode(),
    "mixed kinds": json.dumps(_image(manifests=[_descriptor()])).encode(),
    "index with layers": json.dumps(_image(mediaType=_INDEX, manifests=[])).encode(),
    "subject as text": json.dumps(_image(subject=digest_of(b""))).encode(),
}


@pytest.mark.parametrize("body", _INVALID.values(), ids=_INVALID.keys())
def test_what_is_no_manifest_is_refused(client: Client, body: bytes) -> None:
    for kind in ("", _MANIFEST):
        answer = client.ask("PUT", f"/v2/{REPOSITORY}/manifests/bad", body, Content_Type=kind)
        assert answer.refusal == (400, "MANIFEST_INVALID"), answer.body
    assert client.ask("GET", f"/v2/{REPOSITORY}/manifests/bad").refusal == (404, "MANIFEST_UNKNOWN")


def test_a_manifest_is_what_its_digest_says_and_not_too_large(client: Client) -> None:
    target, wrong = f"/v2/{REPOSITORY}/manifests/", digest_of(b"another")
    body = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": []}).encode()
    assert client.ask("PUT", target + wrong, body).refusal == (400, "DIGEST_INVALID")
    for digest in (wrong, digest_of(body)):
        assert client.ask("GET", target + digest).refusal == (404, "MANIFEST_UNKNOWN")
    head = f"PUT {target}large HTTP/1.1\nHost: x\nAuthorization: {client.login}\nContent-Length: 5000000\n\n"
    with client.open(head, b"{") as connection:
        assert raw(connection).refusal == (413, "MANIFEST_INVALID")
    spaces = iter([body[:-1], *[b" " * 100_000] * 43, b"}"])
    answer = client.ask("PUT", f"{target}large", spaces, Transfer_Encoding="chunked")
    assert answer.refusal == (413, "MANIFEST_INVALID")


def test_the_entries_of_an_index_are_limited(client: Client) -> None:
    def index(count: int) -> bytes:
        members = [_descriptor(str(number).encode(), mediaType=_MANIFEST) for number in range(count)]
        return json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": members}).encode()

    accepted, target = index(10_000), f"/v2/{REPOSITORY}/manifests/many"
    assert client.ask("PUT", target, accepted, Content_Type=_INDEX).status == 201
    assert client.ask("GET", target).body == accepted
    refused = client.ask("PUT", target, index(20_001), Content_Type=_INDEX)
    assert refused.refusal == (400, "MANIFEST_INVALID")
    assert client.ask("GET", target).body == accepted
