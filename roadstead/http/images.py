"""Manifests, tags and referrers of the registry protocol."""

from __future__ import annotations

import msgspec

from roadstead.domain.manifest import OCI_INDEX
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import ManifestTooLarge, ManifestUnknown
from roadstead.http.bodies import read_small
from roadstead.http.exchange import JSON, Exchange, Headers
from roadstead.http.paging import next_link, page_query
from roadstead.metadata.access import StoredManifest
from roadstead.metadata.artifacts import Referrer
from roadstead.services import images

# A page of referrers is an index, and indexes are limited like manifests.
_REFERRER_BYTES = 4 << 20


async def get_manifest(exchange: Exchange, name: RepositoryName, reference: str) -> None:
    """Distribution-spec "Pulling manifests"."""
    _check_reference(name, reference)
    accept, condition = exchange.header(b"accept"), exchange.header(b"if-none-match")
    client = exchange.header(b"user-agent")
    stored, body = await images.pull(exchange.ctx, exchange.asker, name, reference, accept, condition, client)
    await exchange.answer(304 if body is None else 200, _manifest_headers(stored), body or b"")


async def head_manifest(exchange: Exchange, name: RepositoryName, reference: str) -> None:
    """Distribution-spec "Checking if content exists in the registry"."""
    _check_reference(name, reference)
    accept, client = exchange.header(b"accept"), exchange.header(b"user-agent")
    stored = await images.head(exchange.ctx, exchange.asker, name, reference, accept, client)
    condition = exchange.header(b"if-none-match")
    status = 304 if condition and images.matches(condition, stored.digest) else 200
    await exchange.answer(status, _manifest_headers(stored), length=stored.size)


def _check_reference(name: RepositoryName, reference: str) -> None:
    if not images.is_reference(reference):
        raise ManifestUnknown(f"repository {name} has no tag {reference[:150]!r}: that cannot be a tag")


def _manifest_headers(stored: StoredManifest) -> Headers:
    digest = stored.digest.encode()
    return [
        (b"content-type", stored.media_type.encode("latin-1", "replace")),
        (b"docker-content-digest", digest),
        (b"etag", b'"' + digest + b'"'),
    ]


async def put_manifest(exchange: Exchange, name: RepositoryName, reference: str) -> None:
    """Distribution-spec "Pushing Manifests"."""
    limit = exchange.ctx.settings.limits.manifest_bytes

    def too_large() -> ManifestTooLarge:
        return ManifestTooLarge(f"a manifest may have {limit} bytes here (setting limits.manifest_bytes)")

    body = await read_small(exchange.scope, exchange.receive, limit, too_large)
    incoming = images.Incoming(
        reference=reference,
        extra_tags=tuple(exchange.query().get("tag", ())),
        content_type=exchange.header(b"content-type"),
        body=body,
        if_match=exchange.header(b"if-match"),
        if_none_match=exchange.header(b"if-none-match"),
    )
    pushed = await images.put(exchange.ctx, exchange.asker, name, incoming)
    digest = str(pushed.digest).encode()
    headers: Headers = [
        (b"location", f"/v2/{name}/manifests/{pushed.digest}".encode()),
        (b"docker-content-digest", digest),
        (b"etag", b'"' + digest + b'"'),
    ]
    if pushed.subject is not None:
        headers.append((b"oci-subject", str(pushed.subject).encode()))
    if incoming.extra_tags:
        headers.append((b"oci-tag", ", ".join(pushed.tags).encode()))
    headers += [
        (b"warning", f'299 - "layer {digest} is named by the manifest and was never pushed here"'.encode())
        for digest in pushed.missing[:10]
    ]
    await exchange.answer(201, headers)


async def delete_manifest(exchange: Exchange, name: RepositoryName, reference: str) -> None:
    """Distribution-spec "Deleting tags" and "Deleting Manifests"."""
    _check_reference(name, reference)
    await images.remove(exchange.ctx, exchange.asker, name, reference)
    await exchange.answer(202, [])


async def list_tags(exchange: Exchange, name: RepositoryName, _rest: str) -> None:
    """Distribution-spec "Listing Tags"."""
    page = page_query(exchange)
    found = await images.tag_page(exchange.ctx, exchange.asker, name, page.last, page.most + 1 if page.most else 0)
    shown = found[: page.most]
    headers: Headers = [JSON]
    if len(found) > page.most:
        headers.append(next_link(f"/v2/{name}/tags/list", n=page.most, last=shown[-1]))
    await exchange.answer(200, headers, msgspec.json.encode({"name": str(name), "tags": shown}))


async def list_referrers(exchange: Exchange, name: RepositoryName, digest: str) -> None:
    """Distribution-spec "Listing Referrers"."""
    subject = Digest.parse(digest)
    page = page_query(exchange)
    # A media type holds no blank: one that was sent is a plus sign that the client did not escape.
    kind = exchange.query().get("artifactType", [""])[0].replace(" ", "+")
    found = await images.referrer_page(
        exchange.ctx, exchange.asker, name, subject, kind, page.last, page.most + 1 if page.most else 0
    )
    shown = _fitting(found[: page.most])
    headers: Headers = [(b"content-type", OCI_INDEX.encode())]
    if kind:
        headers.append((b"oci-filters-applied", b"artifactType"))
    if len(found) > len(shown) and shown:
        parameters: dict[str, str | int] = {"n": page.most, "last": found[len(shown) - 1].digest}
        if kind:
            parameters["artifactType"] = kind
        headers.append(next_link(f"/v2/{name}/referrers/{digest}", **parameters))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": shown}
    await exchange.answer(200, headers, msgspec.json.encode(index))


def _fitting(referrers: list[Referrer]) -> list[dict[str, object]]:
    """Descriptors of the first referrers, as many as one answer may hold, at least one."""
    shown: list[dict[str, object]] = []
    size = 0
    for referrer in referrers:
        size += 400 + len(referrer.annotations or "")
        if shown and size > _REFERRER_BYTES:
            break
        shown.append(_descriptor(referrer))
    return shown


def _descriptor(referrer: Referrer) -> dict[str, object]:
    descriptor: dict[str, object] = {
        "mediaType": referrer.media_type,
        "digest": referrer.digest,
        "size": referrer.size,
    }
    if referrer.artifact_type:
        descriptor["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        descriptor["annotations"] = msgspec.Raw(referrer.annotations.encode())
    return descriptor
