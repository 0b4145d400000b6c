"""What is pushed: layers that differ from one another, made faster than they can be sent, and one small image.

All layers of one size share their random bytes up to the last 64, and the hash of what they share is made once. So a
new layer costs microseconds, in time and in memory, and neither server can recognise it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from benchmarks.client import Buffer, Connection, head_of

KIB, MIB = 1 << 10, 1 << 20

_TAIL = 64
# docker, podman and skopeo copy through Go's io.Copy, whose pieces become chunks of this size.
_CHUNK = 32 * KIB

IMAGE = "application/vnd.oci.image.manifest.v1+json"
ACCEPT = f"Accept: {IMAGE}, application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Layers:
    """New layers of one size."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.shared = memoryview(os.urandom(size - _TAIL))
        self._hash = hashlib.sha256(self.shared)

    @cached_property
    def chunks(self) -> memoryview:
        """The shared bytes in chunks, as they go over the wire."""
        return memoryview(_in_chunks(self.shared))

    def new(self) -> Layer:
        """A layer like no other."""
        tail = os.urandom(_TAIL)
        whole = self._hash.copy()
        whole.update(tail)
        return Layer(f"sha256:{whole.hexdigest()}", self, tail)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its digest, and the bytes that it shares and has alone."""

    digest: str
    family: Layers
    tail: bytes

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.family.size

    def body(self, *, chunked: bool) -> tuple[Buffer, Buffer]:
        """What a request with this layer sends after its head, whole or in chunks."""
        if not chunked:
            return self.family.shared, self.tail
        return self.family.chunks, b"%x\r\n%b\r\n0\r\n\r\n" % (_TAIL, self.tail)


def _in_chunks(data: memoryview) -> bytes:
    pieces = (bytes(data[start : start + _CHUNK]) for start in range(0, len(data), _CHUNK))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def push_layer(connection: Connection, repository: str, headers: bytes, layer: Layer, *, chunked: bool) -> None:
    """The server has the layer, by the three requests of docker, podman and skopeo: POST, PATCH, PUT.

    They send the layer chunked, because they compress it on the way; tools that push files say its length.
    """
    begin = head_of("POST", f"/v2/{repository}/blobs/uploads/", headers, "Content-Length: 0")
    answer = connection.ask(begin)
    answer.expect(202)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {layer.size}"
    kind = "Content-Type: application/octet-stream"
    fill = head_of("PATCH", answer.location, headers, kind, framing)
    answer = connection.ask(fill, layer.body(chunked=chunked))
    answer.expect(202)
    connection.ask(finish_of(answer.location, layer.digest, headers)).expect(201)


def finish_of(location: str, digest: str, headers: bytes) -> bytes:
    """The PUT that closes an upload."""
    joint = "&" if "?" in location else "?"
    return head_of("PUT", f"{location}{joint}digest={digest}", headers, "Content-Length: 0")


def layer_entry(layer: Layer, *, config: bool = False) -> dict[str, object]:
    """The layer as a manifest names it."""
    return {"mediaType": _CONFIG if config else _LAYER, "digest": layer.digest, "size": layer.size}


def push_image(connection: Connection, repository: str, headers: bytes, tags: Sequence[str]) -> int:
    """The repository has an image of three small layers under the tags; the size of its manifest."""
    layers = Layers(10 * KIB)
    pushed = [layers.new() for _ in range(4)]
    for layer in pushed:
        push_layer(connection, repository, headers, layer, chunked=False)
    config, *rest = [layer_entry(layer, config=layer is pushed[0]) for layer in pushed]
    manifest = {"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": rest}
    body = json.dumps(manifest).encode()
    more = (f"Content-Type: {IMAGE}", f"Content-Length: {len(body)}")
    for tag in tags:
        head = head_of("PUT", f"/v2/{repository}/manifests/{tag}", headers, *more)
        connection.ask(head, [body]).expect(201)
    return len(body)
