"""A registry without its doors, and the owner who pushes and pulls: what a door would do is a line here.

Tests of what the services keep and lose say what happens, and not how it is asked for.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from roadstead.app import open_context
from roadstead.blobs.store import BlobStore
from roadstead.config import Settings
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import AppError
from roadstead.metadata.schema.content import (
    blobs,
    manifest_blobs,
    manifests,
    missing_blobs,
    repositories,
    repository_blobs,
    small_blobs,
    upload_parts,
    uploads,
)
from roadstead.metadata.schema.networks import link_addresses, private_links, subnets, vpcs
from roadstead.metadata.schema.usage import stored_days
from roadstead.services import blob_contents, gc, images, layers, storage
from roadstead.services.access import Asker
from roadstead.services.accounts import first_start, local_owner
from roadstead.services.context import Context
from roadstead.services.layers import Chunk
from roadstead.services.memory import Recent
from roadstead.services.operations import AnyOperation, Wire, run
from tests.factories.accounts import owner_asker
from tests.factories.bodies import BytesBody, TricklingBody
from tests.factories.pushes import CONFIG, descriptor, document, push_manifest
from tests.jobs.bench import FakeClock

# Longer than anything that may keep bytes: a claim, an upload session, grace and margin.
LONG = timedelta(days=4)
# In the order in which they refer to one another.
CONTENT_TABLES = (
    blobs,
    small_blobs,
    repositories,
    repository_blobs,
    manifests,
    manifest_blobs,
    missing_blobs,
    uploads,
    upload_parts,
)


_NETWORK_TABLES = (link_addresses, private_links, subnets, vpcs)


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

    def over(self, store: BlobStore) -> Shop:
        """Another process of the same registry, which reaches the bytes through `store`."""
        return replace(self, ctx=replace(self.ctx, stores={self.ctx.settings.region: store}))

    async def push_blob(self, repository: str, data: bytes, *, chunks: int = 0, at_once: bool = True) -> Digest:
        """The repository holds `data`, sent in so many chunks; 0: with the request that closes the session.

        What is not sent at once gets a place in the store, however few bytes it has.
        """
        body = BytesBody if at_once else TricklingBody
        name, digest = RepositoryName.parse(repository), Digest.of(data)
        upload = await layers.begin(self.ctx, self.asker, name, "sha256")
        step = -(-len(data) // max(chunks, 1))
        for place in range(chunks):
            piece = data[place * step : (place + 1) * step]
            await layers.append(self.ctx, self.asker, name, upload.id, Chunk(body(piece)))
        rest = b"" if chunks else data
        await layers.finish(self.ctx, self.asker, name, upload.id, digest, Chunk(body(rest)))
        return digest

    async def mount(self, repository: str, digest: Digest, source: str | None) -> bool:
        """Whether the repository now holds the blob of `source` (None: of any)."""
        origin = None if source is None else RepositoryName.parse(source)
        return await layers.mount(self.ctx, self.asker, RepositoryName.parse(repository), digest, origin)

    async def push_manifest(self, repository: str, body: bytes, reference: str = "") -> images.Pushed:
        """The manifest is pushed as `reference`; as its own digest when that is empty."""
        return await push_manifest(self.ctx, self.asker, repository, reference, body)

    async def push_image(self, repository: str, tag: str, *contents: bytes) -> Digest:
        """The image of these layers is pushed whole, the first of them as its config; its digest."""
        for data in contents:
            await self.push_blob(repository, data)
        return (await self.push_manifest(repository, image(*contents), tag)).digest

    async def read_blob(self, repository: str, digest: Digest) -> bytes:
        """The bytes that the repository gives for the digest. Raises what the services and the store raise."""
        # As another process, which remembers none of what this one has read.
        ctx = replace(self.ctx, recent=Recent())
        found = await blob_contents.find(ctx, self.asker, RepositoryName.parse(repository), digest)
        data = await found.read()
        assert len(data) == found.blob.size
        return data

    async def read_manifest(self, repository: str, reference: str) -> bytes:
        """The bytes of the manifest that the reference stands for."""
        return (await images.get(self.ctx, self.asker, RepositoryName.parse(repository), reference, ""))[1]

    async def remove(self, repository: str, reference: str) -> None:
        """The tag or manifest is gone."""
        await images.remove(self.ctx, self.asker, RepositoryName.parse(repository), reference)

    async def remove_blob(self, repository: str, digest: Digest) -> None:
        """The repository no longer holds the blob."""
        await layers.remove(self.ctx, self.asker, RepositoryName.parse(repository), digest)

    async def call(self, operation: AnyOperation, repository: str, **fields: Any) -> Wire:
        """The answer of an operation on the repository, asked by the owner on this machine."""
        name = RepositoryName.parse(repository)
        registry_id = self.asker.instance.row.registry_id
        place = {"registry_id": registry_id, "namespace_name": name.namespace, "repository_name": name.name}
        asked = {field: value for field, value in place.items() if field in operation.request.__struct_fields__}
        answer: Wire = await run(
            self.ctx, await local_owner(self.ctx), operation, operation.request(**asked, **fields)
        )
        return answer

    async def keys(self) -> list[str]:
        """Every key of the store, sorted."""
        return sorted([entry.key async for entry in self.store.list("")])

    async def kept(self) -> int:
        """How many blobs have bytes, in the store or in a row."""
        return len(await self.keys()) + (await self.rows()).get("small_blobs", 0)

    async def findings(self, *, quarantine: bool = False) -> list[storage.Finding]:
        """All that the storage check finds."""
        return [found async for found in storage.check(self.ctx, storage.Progress(), quarantine=quarantine)]

    async def clear(self) -> None:
        """Every row of contents is gone, whatever it held, and so are measures, private networks and their links."""
        async with self.ctx.database.write(durable=False) as tx:
            for table in (stored_days, *_NETWORK_TABLES, *reversed(CONTENT_TABLES)):
                await tx.run(sa.delete(table))

    async def rows(self) -> Mapping[str, int]:
        """How many rows each table of contents has, empty ones left out."""
        async with self.ctx.database.read() as tx:
            counts = {
                table.name: await tx.scalar(sa.select(sa.func.count()).select_from(table)) for table in CONTENT_TABLES
            }
        return {name: count for name, count in counts.items() if count}


def image(config: bytes, *contents: bytes) -> bytes:
    """The manifest of an image of these layers."""
    return document(descriptor(config, CONFIG), *map(descriptor, contents))


async def refusal(work: Coroutine[Any, Any, Any]) -> type[AppError] | None:
    """The condition that the work met, if any."""
    try:
        await work
    except AppError as error:
        return type(error)
    return None


async def nothing_stays(shop: Shop) -> None:
    """Time passes, and neither bytes nor rows are left of what nobody names."""
    for _ in range(2):
        shop.clock.now += LONG
        await gc.collect(shop.ctx)
    assert await shop.keys() == []
    assert not {"blobs", "small_blobs", "repository_blobs", "uploads", "upload_parts"} & set(await shop.rows())
    assert await shop.findings() == []


@asynccontextmanager
async def open_shop(settings: Settings, clock: FakeClock) -> AsyncIterator[Shop]:
    """A registry over these settings, started for the first time if it never was."""
    async with open_context(settings, clock) as ctx:
        await first_start(ctx)
        yield Shop(ctx, clock, await owner_asker(ctx))


def lay_out(folder: Path) -> None:
    """`folder` is the data folder of a registry that was started once and never used; at once, as a copy."""
    folder.mkdir()
    for name, data in _started_once().items():
        (folder / name).write_bytes(data)


@cache
def _started_once() -> Mapping[str, bytes]:
    async def start(folder: Path) -> None:
        async with open_shop(Settings(data=str(folder)), FakeClock()):
            pass

    with tempfile.TemporaryDirectory(prefix="roadstead-template-") as place:
        folder = Path(place)
        asyncio.run(start(folder))
        return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}
