"""A registry without its doors: the services' own Context over real stores, an owner who asks, a clock to turn.

What a door would do between request and service is a line here: `Shop` pushes and pulls as the owner, so that tests of
the services say what happens and not how it is asked for.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from roadstead.app import open_context
from roadstead.blobs.store import BlobStore
from roadstead.config import Settings
from roadstead.domain.identity import CredentialKind, Door, Origin, Presented
from roadstead.domain.manifest import OCI_MANIFEST
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.services import images, layers
from roadstead.services.access import Asker
from roadstead.services.accounts import first_start, local_owner
from roadstead.services.context import Context
from roadstead.services.images import Incoming, Pushed
from roadstead.services.layers import Chunk
from roadstead.services.operations import Operation, Wire, run
from roadstead.services.secrets import secret_hash
from tests.factories.bodies import BytesBody
from tests.jobs.bench import FakeClock

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Shop:
    """One process of a registry, and the owner at its door."""

    ctx: Context
    clock: FakeClock
    asker: Asker

    @property
    def store(self) -> BlobStore:
        """The bytes."""
        return self.ctx.store(self.ctx.settings.region)

    async def push_blob(self, repository: str, data: bytes, *, chunks: int = 0, algorithm: str = "sha256") -> Digest:
        """The repository holds `data`, sent as a session of so many chunks (0: with the closing request)."""
        name, digest = RepositoryName.parse(repository), Digest.of(data, algorithm)
        upload = await layers.begin(self.ctx, self.asker, name, algorithm)
        step = -(-len(data) // chunks) if chunks else 0
        for place in range(chunks):
            piece = data[place * step : (place + 1) * step]
            await layers.append(self.ctx, self.asker, name, upload.id, Chunk(BytesBody(piece)))
        rest = Chunk(BytesBody(b"" if chunks else data))
        await layers.finish(self.ctx, self.asker, name, upload.id, digest, rest)
        return digest

    async def mount(self, repository: str, digest: Digest, source: str | None) -> bool:
        """Whether the repository now holds the blob of `source` (None: of any)."""
        origin = None if source is None else RepositoryName.parse(source)
        return await layers.mount(self.ctx, self.asker, RepositoryName.parse(repository), digest, origin)

    async def push_manifest(self, repository: str, body: bytes, reference: str = "") -> Pushed:
        """The manifest is pushed as `reference` (its own digest when that is empty)."""
        incoming = Incoming(reference or str(Digest.of(body)), (), OCI_MANIFEST, body)
        return await images.put(self.ctx, self.asker, RepositoryName.parse(repository), incoming)

    async def push_image(self, repository: str, tag: str, config: bytes, *contents: bytes) -> Digest:
        """The image of these layers is pushed whole; its digest."""
        for data in (config, *contents):
            await self.push_blob(repository, data)
        return (await self.push_manifest(repository, image(config, *contents), tag)).digest

    async def read_blob(self, repository: str, digest: Digest) -> bytes:
        """The bytes that the repository gives for the digest. Raises what the services and the store raise."""
        store, key, blob = await layers.find(self.ctx, self.asker, RepositoryName.parse(repository), digest)
        data = b"".join([piece async for piece in store.open(key)])
        assert len(data) == blob.size
        return data

    async def read_manifest(self, repository: str, reference: str) -> bytes:
        """The bytes of the manifest that the reference stands for."""
        name = RepositoryName.parse(repository)
        _, body = await images.get(self.ctx, self.asker, name, reference, "")
        return body

    async def remove(self, repository: str, reference: str) -> None:
        """The tag or manifest is gone."""
        await images.remove(self.ctx, self.asker, RepositoryName.parse(repository), reference)

    async def call(self, operation: Operation[Wire, Wire], repository: str, **fields: object) -> Wire:
        """The answer of an operation on the repository, asked by the owner on this machine."""
        name = RepositoryName.parse(repository)
        request = operation.request(
            registry_id=self.asker.instance.row.registry_id,
            namespace_name=name.namespace,
            repository_name=name.name,
            **fields,
        )
        return await run(self.ctx, await local_owner(self.ctx), operation, request)

    async def keys(self) -> list[str]:
        """Every key of the store, sorted."""
        return sorted([entry.key async for entry in self.store.list("")])


def image(config: bytes, *contents: bytes) -> bytes:
    """The manifest of an image of these layers."""
    return msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(CONFIG_TYPE, config),
            "layers": [descriptor(LAYER_TYPE, data) for data in contents],
        }
    )


def descriptor(media_type: str, data: bytes) -> dict[str, object]:
    """What a manifest says of one blob."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


@asynccontextmanager
async def open_shop(settings: Settings, clock: FakeClock) -> AsyncIterator[Shop]:
    """A registry over these settings, started for the first time if it never was."""
    async with open_context(settings, clock) as ctx:
        yield await shop(ctx, clock)


async def shop(ctx: Context, clock: FakeClock) -> Shop:
    """The owner at the door of this process. The first owner's credential is in the data folder."""
    await first_start(ctx)
    made = msgspec.json.decode((ctx.settings.folder / "initial-credentials.json").read_bytes())
    credential, _, secret = made["RegistryToken"].removeprefix("rs1.").partition(".")
    presented = Presented(CredentialKind.LONG_TERM, made["RegistryUser"], credential, secret_hash(secret))
    instance = await ctx.instances.find(ctx.settings.default_instance)
    return Shop(ctx, clock, Asker(instance, presented, Origin(Door.REGISTRY, "127.0.0.1", "test")))


def copy_data(template: Path, folder: Path) -> None:
    """`folder` is a data folder like `template`, of which no process is running."""
    shutil.copytree(template, folder)
