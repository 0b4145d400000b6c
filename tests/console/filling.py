"""What the console shows in its tests and pictures: a company's registry, filled by pushes as clients push."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import yaml

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = b"{}"
# The commands of an ordinary image with the sizes of what they made; those of size 0 made no layer.
STEPS = (
    ("ADD alpine-minirootfs-3.22.2-x86_64.tar.gz / # buildkit", 90_000),
    ('CMD ["/bin/sh"]', 0),
    ("RUN /bin/sh -c apk add --no-cache nodejs tini # buildkit", 260_000),
    ("WORKDIR /srv/shop", 0),
    ("COPY package.json package-lock.json ./ # buildkit", 4_000),
    ("RUN /bin/sh -c npm ci --omit=dev # buildkit", 140_000),
    ("COPY dist ./dist # buildkit", 37_000),
    ('ENTRYPOINT ["tini", "--", "node", "dist/server.js"]', 0),
)


class Filler:
    """Pushes as a client would, by the registry protocol."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.client = httpx2.Client(base_url=url, auth=(user, password), timeout=60)

    def blob(self, repository: str, data: bytes, media_type: str) -> dict[str, Any]:
        """The repository holds the bytes; their descriptor."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        where = self.client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status().headers["location"]
        joined = "&" if "?" in where else "?"
        self.client.put(f"{where}{joined}digest={digest}", content=data).raise_for_status()
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, repository: str, reference: str, document: dict[str, Any]) -> dict[str, Any]:
        """The repository has the manifest under the tag, or by its digest where the reference is empty."""
        data = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        kind = document["mediaType"]
        answer = self.client.put(
            f"/v2/{repository}/manifests/{reference or digest}", content=data, headers={"content-type": kind}
        )
        answer.raise_for_status()
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def image(self, repository: str, tag: str, *, seed: str, architecture: str = "amd64") -> dict[str, Any]:
        """The repository has an image with layers and the commands that made them."""
        layers = [
            self.blob(repository, gzip.compress(_noise(f"{seed}/{command}", size), 0), LAYER)
            for command, size in STEPS
            if size
        ]
        config = {
            "created": "2026-11-20T09:14:00Z",
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": {"org.opencontainers.image.source": "https://git.example.com/shop"}, "seed": seed},
            "rootfs": {"type": "layers", "diff_ids": [each["digest"] for each in layers]},
            "history": [
                {"created": "2026-11-20T09:14:00Z", "created_by": command, "empty_layer": not size}
                for command, size in STEPS
            ],
        }
        described = self.blob(repository, json.dumps(config).encode(), CONFIG)
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
        return self.manifest(repository, tag, document)

    def index(self, repository: str, tag: str, *, seed: str) -> dict[str, Any]:
        """The repository has an index of two images under the tag."""
        members = [
            {
                **self.image(repository, "", seed=f"{seed}/{each}", architecture=each),
                "platform": {"os": "linux", "architecture": each},
            }
            for each in ("amd64", "arm64")
        ]
        return self.manifest(repository, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": members})

    def attach(self, repository: str, subject: dict[str, Any], kind: str, content: bytes) -> None:
        """The repository has an artifact of that kind about the subject."""
        empty = self.blob(repository, EMPTY, "application/vnd.oci.empty.v1+json")
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": empty,
            "layers": [self.blob(repository, content, kind)],
            "subject": subject,
        }
        self.manifest(repository, "", document)

    def chart(self, repository: str, version: str, replicas: int) -> None:
        """The repository has a version of a Helm chart, as helm pushes it."""
        name = repository.rpartition("/")[2]
        about = {
            "apiVersion": "v2",
            "name": name,
            "version": version,
            "appVersion": "2.0.0",
            "description": "The shop as it runs in our clusters",
            "maintainers": [{"name": "Shop team"}],
            "dependencies": [{"name": "redis", "version": "~20.1", "repository": "oci://charts.example.com/data"}],
        }
        files = {
            "Chart.yaml": yaml.safe_dump(about, sort_keys=False),
            "values.yaml": f'# How many run at once\nreplicas: {replicas}\nimage:\n  tag: "2.0.0"\n  pull: true\n',
            "README.md": f"# {name}\n\nInstalls **the shop**.\n",
            "templates/deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\n"
            "metadata:\n  name: {{ .Release.Name }}\nspec:\n  replicas: {{ .Values.replicas }}\n",
        }
        written = io.BytesIO()
        with tarfile.open(fileobj=written, mode="w:gz") as archive:
            for path, text in files.items():
                entry = tarfile.TarInfo(f"{name}/{path}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(repository, json.dumps(about).encode(), "application/vnd.cncf.helm.config.v1+json"),
            "layers": [
                self.blob(repository, written.getvalue(), "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
            ],
        }
        self.manifest(repository, version, document)

    def pull(self, repository: str, reference: str) -> None:
        """The manifest has been asked for, as a pull does."""
        accept = {"accept": f"{MANIFEST}, {INDEX}"}
        self.client.get(f"/v2/{repository}/manifests/{reference}", headers=accept).raise_for_status()


def _noise(seed: str, size: int) -> bytes:
    """The same bytes for the same seed, which cannot be compressed."""
    return hashlib.shake_256(seed.encode()).digest(size)


@contextmanager
def open_filler(url: str, user: str, password: str) -> Iterator[Filler]:
    """A filler that is closed at the end."""
    filler = Filler(url, user, password)
    try:
        yield filler
    finally:
        filler.client.close()


def fill(filler: Filler, namespace: str = "library") -> None:
    """A registry as a small company has it."""
    shop = f"{namespace}/shop/frontend"
    for version in ("1.18.0", "1.18.1", "1.19.0", "2.0.0-rc.1"):
        filler.image(shop, version, seed=version)
    index = filler.index(shop, "2.0.0", seed="2.0.0")
    filler.index(shop, "latest", seed="2.0.0")
    filler.attach(shop, index, "application/spdx+json", b'{"spdxVersion": "SPDX-2.3"}')
    filler.attach(shop, index, "application/vnd.dev.sigstore.bundle.v0.3+json", b"{}")
    filler.image(f"{namespace}/shop/orders", "3.2.1", seed="orders")
    filler.image(f"{namespace}/tools/backup", "nightly", seed="backup")
    filler.chart(f"{namespace}/webshop", "1.4.0", 2)
    filler.chart(f"{namespace}/webshop", "1.5.0", 3)
    for _ in range(3):
        filler.pull(shop, "2.0.0")
    filler.pull(shop, "1.19.0")
    filler.pull(f"{namespace}/shop/orders", "3.2.1")
