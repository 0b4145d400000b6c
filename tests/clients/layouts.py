"""Images made on the spot as OCI layouts: a folder that every client can read, by itself or as an archive.

The content is random, so no two images share a layer: a push really transfers, a pull really fetches, and equality
of digests at the end says that every byte survived.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KIB, MIB = 1 << 10, 1 << 20
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
REFERENCE = "org.opencontainers.image.ref.name"
# The second is one that the registry does not keep in a row.
SMALL = (300, 50 * KIB, 7 * KIB)
LARGE = (20 * KIB, 1 * KIB, 20 * MIB)

Descriptor = dict[str, Any]


def native_architecture() -> str:
    """This machine's architecture in the words of the image specification."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@dataclass(frozen=True)
class Image:
    """What identifies one image, whichever client carries it."""

    architecture: str
    manifest: str
    config: str
    diffs: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """An OCI layout with one image, or with an index and its images.

    The name `all` stands for the image or the index; in an index each architecture names its own image.
    """

    folder: Path
    digest: str
    media_type: str
    images: tuple[Image, ...]

    @property
    def image(self) -> Image:
        """The image that clients on this machine choose."""
        return next(each for each in self.images if each.architecture == native_architecture())

    @property
    def oci(self) -> str:
        """The whole as the containers tools name it."""
        return f"oci:{self.folder}:all"

    def oci_of(self, image: Image) -> str:
        """One image as the containers tools name it."""
        return f"oci:{self.folder}:{image.architecture}"

    def blob(self, digest: str) -> bytes:
        """The bytes of one blob."""
        return (self.folder / "blobs" / digest.replace(":", "/")).read_bytes()

    def oci_archive(self, path: Path, name: str) -> None:
        """A tar file of the whole, which containerd imports under this name."""
        entry = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.blob(self.digest)),
            "annotations": {"io.containerd.image.name": name},
        }
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
        with tarfile.open(path, "w") as archive:
            archive.add(self.folder / "oci-layout", "oci-layout")
            archive.add(self.folder / "blobs", "blobs")
            _add(archive, "index.json", json.dumps(index).encode())

    def docker_archive(self, path: Path, image: Image, name: str) -> None:
        """A tar file of one image as `docker save` writes it, which docker loads under this name."""
        manifest = json.loads(self.blob(image.manifest))
        layers = [gzip.decompress(self.blob(each["digest"])) for each in manifest["layers"]]
        names = [f"{number}/layer.tar" for number in range(len(layers))]
        entry = {"Config": "config.json", "RepoTags": [name], "Layers": names}
        with tarfile.open(path, "w") as archive:
            _add(archive, "config.json", self.blob(image.config))
            for layer, content in zip(names, layers, strict=True):
                _add(archive, layer, content)
            _add(archive, "manifest.json", json.dumps([entry]).encode())


def make_image(folder: Path, sizes: Sequence[int] = SMALL) -> Layout:
    """A layout of one image for this machine, with one layer per size."""
    _begin(folder)
    descriptor, image = _write_image(folder, native_architecture(), sizes)
    _finish(folder, [_named(descriptor, "all"), _named(descriptor, image.architecture)])
    return Layout(folder, descriptor["digest"], MANIFEST, (image,))


def make_index(folder: Path, sizes: Sequence[int] = SMALL) -> Layout:
    """A layout of an index over images for two architectures, this machine's among them."""
    _begin(folder)
    other = "arm64" if native_architecture() == "amd64" else "amd64"
    made = [_write_image(folder, each, sizes) for each in (native_architecture(), other)]
    members = [
        {**descriptor, "platform": {"os": "linux", "architecture": image.architecture}} for descriptor, image in made
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": members}
    descriptor = _write(folder, INDEX, json.dumps(index).encode())
    _finish(folder, [_named(descriptor, "all"), *(_named(each, image.architecture) for each, image in made)])
    return Layout(folder, descriptor["digest"], INDEX, tuple(image for _, image in made))


def digest_of(content: bytes) -> str:
    """The sha256 digest as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _write_image(folder: Path, architecture: str, sizes: Sequence[int]) -> tuple[Descriptor, Image]:
    layers, diffs = [], []
    for number, size in enumerate(sizes):
        content = _layer(f"file-{number}", os.urandom(size))
        diffs.append(digest_of(content))
        # Random bytes cannot be compressed; level 0 keeps this quick and the format right.
        layers.append(_write(folder, LAYER, gzip.compress(content, compresslevel=0, mtime=0)))
    config = {
        "created": "2026-01-02T03:04:05Z",
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/file-0"], "Labels": {"made-by": "tests"}},
        "rootfs": {"type": "layers", "diff_ids": diffs},
        "history": [{"created": "2026-01-02T03:04:05Z", "created_by": f"layer {n}"} for n in range(len(sizes))],
    }
    described = _write(folder, CONFIG, json.dumps(config).encode())
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
    descriptor = _write(folder, MANIFEST, json.dumps(manifest).encode())
    return descriptor, Image(architecture, descriptor["digest"], described["digest"], tuple(diffs))


def _layer(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        _add(archive, name, content)
    return written.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o755
    archive.addfile(entry, io.BytesIO(content))


def _begin(folder: Path) -> None:
    (folder / "blobs" / "sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _write(folder: Path, media_type: str, content: bytes) -> Descriptor:
    digest = digest_of(content)
    (folder / "blobs" / digest.replace(":", "/")).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _named(descriptor: Descriptor, name: str) -> Descriptor:
    return {**descriptor, "annotations": {REFERENCE: name}}


def _finish(folder: Path, entries: list[Descriptor]) -> None:
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))
