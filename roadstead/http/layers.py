"""Blobs and upload sessions of the registry protocol."""

from __future__ import annotations

import re
from collections.abc import Sequence

from roadstead.blobs.store import Body, LocalFile, Redirect, Sink
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import AppError, BlobUnknown, DigestInvalid, RangeInvalid, UploadInvalid
from roadstead.http.bodies import pause, request_body, send_file
from roadstead.http.exchange import Exchange, Headers
from roadstead.http.ranges import requested_range
from roadstead.metadata.layers import Upload
from roadstead.services import blob_contents, layers
from roadstead.services.blob_contents import BlobContent
from roadstead.services.images import matches
from roadstead.services.layers import Chunk

_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d+|\*))?")


async def get_blob(exchange: Exchange, name: RepositoryName, digest: str) -> None:
    """Distribution-spec "Pulling blobs", with Range (RFC 9110 section 14) and conditional requests."""
    found = await blob_contents.find(exchange.ctx, exchange.asker, name, Digest.parse(digest))
    await send_blob(exchange, found, _blob_headers(digest))


async def send_blob(exchange: Exchange, found: BlobContent, headers: Headers) -> None:
    """The blob has been sent, or the part of it that was asked for, or where it is, or that it is known."""
    blob, digest = found.blob, str(found.blob.digest)
    if matches(exchange.header(b"if-none-match"), digest):
        await exchange.answer(304, headers)
        return
    part = requested_range(exchange.header(b"range"), exchange.header(b"if-range"), blob.size, digest)
    if part is None:
        await exchange.answer(416, [*headers, (b"content-range", b"bytes */%d" % blob.size)])
        return
    small = await found.in_row()
    place = None if small is not None else await found.place()
    if isinstance(place, Redirect):
        await exchange.answer(307, [*headers, (b"location", place.url.encode())])
        return
    status = 200
    if part.partial:
        status = 206
        headers.append((b"content-range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, blob.size)))
    if small is not None:
        exchange.begin_transfer()
        await exchange.answer(status, headers, small[part.start : part.stop])
        return
    headers.append((b"content-length", b"%d" % (part.stop - part.start)))
    exchange.begin_transfer()
    if isinstance(place, LocalFile):
        await exchange.start(status, headers)
        await send_file(exchange.scope, exchange.send, place.path, part.start, part.stop)
        return
    pieces = found.stored(part.start, part.stop)
    try:
        # Before the head is sent: when the bytes are missing, that can still be said.
        piece = await anext(pieces, None)
    except FileNotFoundError as error:
        raise BlobUnknown(
            f"the bytes of blob {digest} are missing; the owner can have it pushed again after: "
            "roadstead storage check --quarantine"
        ) from error
    await exchange.start(status, headers)
    while piece is not None:
        await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
        await pause(exchange.scope, len(piece))
        piece = await anext(pieces, None)
    await exchange.send({"type": "http.response.body", "body": b""})


async def head_blob(exchange: Exchange, name: RepositoryName, digest: str) -> None:
    """Distribution-spec "Checking if content exists in the registry"."""
    found = await blob_contents.find(exchange.ctx, exchange.asker, name, Digest.parse(digest))
    await exchange.answer(200, _blob_headers(digest), length=found.blob.size)


def _blob_headers(digest: str) -> Headers:
    text = digest.encode()
    return [
        (b"content-type", b"application/octet-stream"),
        (b"docker-content-digest", text),
        (b"etag", b'"' + text + b'"'),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, max-age=31536000, immutable"),
    ]


async def delete_blob(exchange: Exchange, name: RepositoryName, digest: str) -> None:
    """Distribution-spec "Deleting Blobs"."""
    await layers.remove(exchange.ctx, exchange.asker, name, Digest.parse(digest))
    await exchange.answer(202, [])


async def begin_upload(exchange: Exchange, name: RepositoryName, _rest: str) -> None:
    """Distribution-spec "Pushing blobs": a session, a mount (also without `from`), or the whole blob at once."""
    query = exchange.query()
    if "mount" in query:
        digest = Digest.parse(query["mount"][0])
        source = RepositoryName.parse(query["from"][0]) if query.get("from", [""])[0] else None
        if await layers.mount(exchange.ctx, exchange.asker, name, digest, source):
            await _created(exchange, name, digest)
            return
    whole = _single(query.get("digest"))
    wanted = Digest.parse(whole) if whole else None
    algorithm = wanted.algorithm if wanted else (_single(query.get("digest-algorithm")) or "sha256")
    upload = await layers.begin(exchange.ctx, exchange.asker, name, algorithm)
    if wanted is None:
        await exchange.answer(202, _session_headers(name, upload))
        return
    try:
        await layers.finish(exchange.ctx, exchange.asker, name, upload.id, wanted, Chunk(_body(exchange)))
    except (AppError, ConnectionError):
        await layers.discard(exchange.ctx, upload.region, upload.id)
        raise
    await _created(exchange, name, wanted)


def _single(values: Sequence[str] | None) -> str:
    return values[0] if values else ""


async def _created(exchange: Exchange, name: RepositoryName, digest: Digest) -> None:
    headers: Headers = [
        (b"location", f"/v2/{name}/blobs/{digest}".encode()),
        (b"docker-content-digest", str(digest).encode()),
    ]
    await exchange.answer(201, headers)


def _session_headers(name: RepositoryName, upload: Upload) -> Headers:
    return [
        (b"location", _location(name, upload.id).encode()),
        (b"range", b"0-%d" % max(0, upload.size - 1)),
        (b"docker-upload-uuid", upload.id.encode()),
    ]


def _location(name: RepositoryName, upload_id: str) -> str:
    return f"/v2/{name}/blobs/uploads/{upload_id}"


async def upload_status(exchange: Exchange, name: RepositoryName, upload_id: str) -> None:
    """Distribution-spec "Pushing a blob in chunks": where the session stands."""
    upload = await layers.session(exchange.ctx, exchange.asker, name, upload_id)
    await exchange.answer(204, _session_headers(name, upload))


async def append_chunk(exchange: Exchange, name: RepositoryName, upload_id: str) -> None:
    """Distribution-spec "Pushing a blob in chunks": the next chunk, or a stream without Content-Range."""
    try:
        upload = await layers.append(exchange.ctx, exchange.asker, name, upload_id, _chunk(exchange))
    except RangeInvalid as error:
        raise _located(error, name, upload_id) from error
    await exchange.answer(202, _session_headers(name, upload))


async def finish_upload(exchange: Exchange, name: RepositoryName, upload_id: str) -> None:
    """Distribution-spec "Pushing blobs": the session is closed, with or without a last chunk."""
    text = _single(exchange.query().get("digest"))
    if not text:
        raise DigestInvalid("the parameter digest is missing: PUT needs ?digest=sha256:… of the whole blob")
    digest = Digest.parse(text)
    try:
        await layers.finish(exchange.ctx, exchange.asker, name, upload_id, digest, _chunk(exchange))
    except RangeInvalid as error:
        raise _located(error, name, upload_id) from error
    await _created(exchange, name, digest)


def _located(error: RangeInvalid, name: RepositoryName, upload_id: str) -> RangeInvalid:
    """The same condition with the session's address, which the answer's headers tell the client."""
    if error.detail is None or "offset" not in error.detail:
        return error
    return type(error)(error.message, detail={**error.detail, "location": _location(name, upload_id)})


async def cancel_upload(exchange: Exchange, name: RepositoryName, upload_id: str) -> None:
    """Distribution-spec "Cancel a blob upload"."""
    await layers.cancel(exchange.ctx, exchange.asker, name, upload_id)
    await exchange.answer(204, [])


class _NoBody:
    """The body of a request that announces none."""

    length = 0

    async def at_once(self, most: int) -> bytes:
        return b""

    async def into(self, sink: Sink, limit: int) -> int:
        return 0


def _body(exchange: Exchange) -> Body:
    names = {name for name, _ in exchange.scope["headers"]}
    if b"content-length" not in names and b"transfer-encoding" not in names:
        return _NoBody()
    exchange.begin_transfer()
    return request_body(exchange.scope, exchange.receive)


def _chunk(exchange: Exchange) -> Chunk:
    """The request's body and where Content-Range puts it; raises UploadInvalid when the header does not parse."""
    text = exchange.header(b"content-range").strip()
    body = _body(exchange)
    if not text:
        return Chunk(body)
    found = _CONTENT_RANGE.fullmatch(text)
    if found is None:
        raise UploadInvalid(f"Content-Range must be FIRST-LAST, for example 0-1023, not {text[:60]!r}")
    first, last = int(found[1]), int(found[2])
    if last + 1 < first:
        raise UploadInvalid(f"Content-Range {text[:60]!r} ends before it begins")
    return Chunk(body, first, last - first + 1)
