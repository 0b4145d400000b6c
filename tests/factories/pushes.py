"""Images and artifacts pushed through the services, small and each different when told so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from roadstead.domain.manifest import OCI_INDEX, OCI_MANIFEST
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.services import images, layers
from roadstead.services.access import Asker
from roadstead.services.context import Context
from roadstead.services.images import Incoming, Pushed
from roadstead.services.layers import Chunk
from tests.factories.bodies import BytesBody

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"


def descriptor(data: bytes, media_type: str = LAYER, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
    """The descriptor of those bytes."""
    return {"mediaType": media_type, "digest": str(Digest.of(data, algorithm)), "size": len(data), **more}


def document(
    config: Mapping[str, Any], *layers_: Mapping[str, Any], media_type: str = OCI_MANIFEST, **more: Any
) -> bytes:
    """An image manifest of those descriptors."""
    return encode({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": list(layers_), **more})


def index(*members: Mapping[str, Any], media_type: str = OCI_INDEX, **more: Any) -> bytes:
    """An index of those descriptors."""
    return encode({"schemaVersion": 2, "mediaType": media_type, "manifests": list(members), **more})


def encode(value: Mapping[str, Any]) -> bytes:
    """The JSON text of a document."""
    return json.dumps(value).encode()


async def push_blob(ctx: Context, asker: Asker, repository: str, data: bytes) -> Digest:
    """The repository holds the bytes."""
    name, digest = RepositoryName.parse(repository), Digest.of(data)
    upload = await layers.begin(ctx, asker, name, "sha256")
    await layers.finish(ctx, asker, name, upload.id, digest, Chunk(BytesBody(data)))
    return digest


async def push_manifest(
    ctx: Context, asker: Asker, repository: str, reference: str, body: bytes, **more: Any
) -> Pushed:
    """The repository has the manifest; an empty `reference` means its digest."""
    incoming = Incoming(reference or str(Digest.of(body)), more.pop("extra_tags", ()), "", body, **more)
    return await images.put(ctx, asker, RepositoryName.parse(repository), incoming)


async def push_image(
    ctx: Context,
    asker: Asker,
    repository: str,
    *tags: str,
    config: Mapping[str, Any] | None = None,
    contents: Sequence[bytes] = (b"layer",),
    **more: Any,
) -> Digest:
    """The repository has an image of those layers under the tags (none: by digest only); its digest."""
    configuration = encode({"os": "linux", "architecture": "amd64"} if config is None else config)
    for data in (configuration, *contents):
        await push_blob(ctx, asker, repository, data)
    body = document(descriptor(configuration, CONFIG), *map(descriptor, contents), **more)
    for tag in tags or ("",):
        await push_manifest(ctx, asker, repository, tag, body)
    return Digest.of(body)
