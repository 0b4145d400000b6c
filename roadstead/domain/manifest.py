"""Manifests as the registry reads them: what a document names, without fetching anything.

Accepted are OCI image manifests and indexes (image-spec 1.1), docker schema 2 manifests and lists. The bytes are
kept as they came; this module only reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from roadstead.domain.reference import Digest
from roadstead.errors import DigestInvalid, ManifestInvalid

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
# Layers of these types may live elsewhere (image-spec "Non-distributable layers"; docker's foreign layers).
_ELSEWHERE = (
    "application/vnd.oci.image.layer.nondistributable.",
    "application/vnd.docker.image.rootfs.foreign.",
)

# A weight of nothing in an Accept header: what stands before it is not wanted.
_REFUSED = re.compile(r"(?:^|;)\s*q\s*=\s*0(?:\.0*)?\s*(?:;|$)")
# What a database's integer holds; nothing real comes near.
_LARGEST_SUM = (1 << 63) - 1


_SCHEMA_1 = (
    "docker image manifest version 2, schema 1 is not supported: it was replaced in 2017; push the image again "
    "with a current client (docker schema 2 or OCI)"
)


class _Platform(Struct, frozen=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class _Descriptor(Struct, frozen=True, rename="camel"):
    media_type: str
    digest: str
    size: int
    urls: tuple[str, ...] | None = None
    platform: _Platform | None = None


class _Document(Struct, frozen=True, rename="camel"):
    schema_version: int | None = None
    media_type: str | None = None
    artifact_type: str | None = None
    config: _Descriptor | None = None
    layers: tuple[_Descriptor, ...] | None = None
    manifests: tuple[_Descriptor, ...] | None = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None


_decode = msgspec.json.Decoder(_Document).decode


@dataclass(frozen=True, slots=True)
class Part:
    """A blob or manifest that a manifest names."""

    digest: Digest
    size: int
    media_type: str
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest: what it is and what it names."""

    media_type: str
    artifact_type: str | None
    config: Part | None
    # Blobs that must be in the repository: the config and every layer that is not kept elsewhere.
    blobs: tuple[Part, ...]
    # Members of an index; they may be missing (a sparse index).
    members: tuple[Part, ...]
    subject: Digest | None
    annotations: dict[str, str]

    @property
    def referrer_type(self) -> str | None:
        """The artifact type that a list of referrers shows (distribution-spec "Listing Referrers")."""
        if self.artifact_type:
            return self.artifact_type
        return self.config.media_type if self.config is not None else None


def parse(body: bytes, content_type: str, most_entries: int) -> Manifest:
    """The manifest that `body` writes, pushed as `content_type` (which may be empty).

    Raises ManifestInvalid, naming the field, for anything that is not one of the accepted documents.
    """
    announced = content_type.partition(";")[0].strip().lower()
    if announced.startswith("application/vnd.docker.distribution.manifest.v1"):
        raise ManifestInvalid(_SCHEMA_1)
    try:
        document = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalid(f"the manifest does not parse: {error}") from error
    media_type = _media_type(document, announced)
    entries = document.manifests if media_type in INDEX_TYPES else document.layers
    if entries is not None and len(entries) > most_entries:
        raise ManifestInvalid(
            f"the manifest names {len(entries)} parts; this registry takes up to {most_entries} "
            "(setting limits.manifest_entries)"
        )
    manifest = (_index if media_type in INDEX_TYPES else _image)(document, media_type)
    if len(body) + sum(part.size for part in (*manifest.blobs, *manifest.members)) > _LARGEST_SUM:
        raise ManifestInvalid("the sizes that the manifest names add up to more than there can be")
    return manifest


def _media_type(document: _Document, announced: str) -> str:
    """What the document is: as it says itself, as it was pushed, or as its fields tell."""
    if document.schema_version == 1:
        raise ManifestInvalid(_SCHEMA_1)
    if document.schema_version != 2:
        raise ManifestInvalid("schemaVersion must be 2")
    own = document.media_type
    known = MANIFEST_TYPES | INDEX_TYPES
    if own and announced in known and own != announced:
        raise ManifestInvalid(f"the manifest says mediaType {own!r} but was pushed with Content-Type {announced!r}")
    if own and own not in known:
        raise ManifestInvalid(f"mediaType {own[:120]!r} is not a manifest type that this registry knows")
    found = own or (announced if announced in known else "")
    if not found:
        found = OCI_INDEX if document.manifests is not None and document.config is None else OCI_MANIFEST
    return found


def _index(document: _Document, media_type: str) -> Manifest:
    if document.manifests is None:
        raise ManifestInvalid("an index needs the list manifests")
    if document.layers is not None or document.config is not None:
        raise ManifestInvalid("an index has no config and no layers: the document mixes two kinds of manifest")
    members = tuple(_part(entry, f"manifests[{place}]") for place, entry in enumerate(document.manifests))
    return Manifest(
        media_type=media_type,
        artifact_type=_artifact_type(document),
        config=None,
        blobs=(),
        members=members,
        subject=_subject(document),
        annotations=document.annotations or {},
    )


def _image(document: _Document, media_type: str) -> Manifest:
    if document.config is None:
        raise ManifestInvalid("an image manifest needs config")
    if document.manifests is not None:
        raise ManifestInvalid("an image manifest has no list manifests: the document mixes two kinds of manifest")
    if document.layers is None:
        raise ManifestInvalid("an image manifest needs the list layers, which may be empty")
    config = _part(document.config, "config")
    layers = [_part(entry, f"layers[{place}]") for place, entry in enumerate(document.layers)]
    stored = [part for part in layers if not part.media_type.startswith(_ELSEWHERE)]
    unique = {config.digest: config}
    for part in stored:
        if unique.setdefault(part.digest, part).size != part.size:
            raise ManifestInvalid(f"the manifest says two sizes of {part.digest}")
    return Manifest(
        media_type=media_type,
        artifact_type=_artifact_type(document),
        config=config,
        blobs=tuple(unique.values()),
        members=(),
        subject=_subject(document),
        annotations=document.annotations or {},
    )


def _subject(document: _Document) -> Digest | None:
    return _part(document.subject, "subject").digest if document.subject is not None else None


def _artifact_type(document: _Document) -> str | None:
    _check_printable(document.artifact_type or "", "artifactType")
    return document.artifact_type or None


def _check_printable(text: str, field: str) -> None:
    """Returns when `text` can stand in a list or a database; raises ManifestInvalid for control characters."""
    if not text.isprintable():
        raise ManifestInvalid(f"{field} must not hold control characters")


def _part(entry: _Descriptor, field: str) -> Part:
    if entry.size < 0:
        raise ManifestInvalid(f"{field}.size must not be negative")
    if not entry.media_type:
        raise ManifestInvalid(f"{field}.mediaType must not be empty")
    platform = str(entry.platform or "")
    _check_printable(entry.media_type, f"{field}.mediaType")
    _check_printable(platform, f"{field}.platform")
    try:
        digest = Digest.parse(entry.digest)
    except DigestInvalid as error:
        raise ManifestInvalid(f"{field}.digest: {error.message}") from error
    return Part(digest, entry.size, entry.media_type, platform)


def platforms(manifest: Manifest) -> str:
    """The platforms of an index, joined with commas; empty for an image, whose config says it."""
    found = dict.fromkeys(
        part.platform for part in manifest.members if part.platform and not part.platform.startswith("unknown")
    )
    return ",".join(found)


def accepts(header: str, media_type: str) -> bool:
    """Whether an Accept header admits the media type; an empty header admits all (RFC 9110 section 12.5.1)."""
    if not header:
        return True
    named: dict[str, bool] = {}
    for part in header.lower().split(","):
        kind, _, parameters = part.partition(";")
        named[kind.strip()] = not _REFUSED.search(parameters)
    # What names the type itself counts before what names many.
    return next((named[kind] for kind in (media_type, "application/*", "*/*") if kind in named), False)


def member_digests(body: bytes) -> list[str]:
    """The digests of the members of an index that was accepted once."""
    document: Any = _decode(body)
    return [str(entry.digest) for entry in document.manifests or ()]


def child_for(body: bytes, platform: str) -> str | None:
    """The digest of the member of an index for a platform, for clients that know no indexes."""
    document: Any = _decode(body)
    for entry in document.manifests or ():
        if str(entry.platform or "") == platform:
            return str(entry.digest)
    return None
