"""Pulls that find nothing committed since one like them are let in without reading, and no change is ever missed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import AppError, BlobUnknown, ManifestUnknown, NetworkRefused, NotAuthenticated
from roadstead.metadata.schema.access import credentials
from roadstead.metadata.schema.content import namespaces, repository_blobs, tags
from roadstead.metadata.schema.tenancy import accounts, allowed_networks, instances
from roadstead.metadata.sqlite import SqliteDatabase
from roadstead.services import blob_contents, images
from roadstead.services.access import Asker, admit_pull
from roadstead.services.context import Context
from tests.factories.accounts import asker, owner_asker
from tests.factories.contexts import open_test_context
from tests.factories.pushes import CONFIG, descriptor, document, push_blob, push_manifest
from tests.jobs.bench import FakeClock

NAME = RepositoryName.parse("library/web")
LAYER = b"a layer"
MANIFEST = document(descriptor(b"{}", CONFIG), descriptor(LAYER))
LATER = document(descriptor(b"{}", CONFIG), descriptor(LAYER), annotations={"later": "yes"})


@pytest.fixture
async def other(ctx: Context, folder: Path, clock: FakeClock) -> AsyncIterator[Context]:
    """Another process on the same data."""
    async with open_test_context(folder, clock) as opened:
        yield opened


@pytest.fixture
async def owner(ctx: Context) -> Asker:
    """Who has pushed an image with the tag v1, and pulls."""
    found = await owner_asker(ctx)
    for data in (b"{}", LAYER):
        await push_blob(ctx, found, str(NAME), data)
    await push_manifest(ctx, found, str(NAME), "v1", MANIFEST)
    return found


class Reads:
    """Counts the transactions that are opened to read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = SqliteDatabase.read

        def read(database: SqliteDatabase) -> Any:
            self.count += 1
            return original(database)

        monkeypatch.setattr(SqliteDatabase, "read", read)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, owner: Asker) -> Reads:
    """How often the database is read from here on."""
    return Reads(monkeypatch)


async def pull(ctx: Context, who: Asker) -> tuple[bytes, int]:
    """What a client gets: the manifest's bytes and the layer's size."""
    _, body = await images.get(ctx, who, NAME, "v1", "")
    found = await blob_contents.find(ctx, who, NAME, Digest.of(LAYER))
    return body, found.blob.size


async def test_the_second_pull_reads_nothing(ctx: Context, owner: Asker, reads: Reads) -> None:
    assert await pull(ctx, owner) == (MANIFEST, len(LAYER))
    first = reads.count
    assert first > 0
    assert await pull(ctx, owner) == (MANIFEST, len(LAYER))
    assert (await images.head(ctx, owner, NAME, "v1", "")).size == len(MANIFEST)
    assert reads.count == first


async def test_after_a_second_it_reads_again(ctx: Context, owner: Asker, reads: Reads, clock: FakeClock) -> None:
    await pull(ctx, owner)
    first = reads.count
    clock.turn(seconds=1)
    await pull(ctx, owner)
    assert reads.count > first


async def test_each_request_keeps_its_own_origin(ctx: Context, owner: Asker) -> None:
    from roadstead.metadata.access import Target

    for number in range(3):
        who = replace(owner, origin=replace(owner.origin, request_id=f"request {number}"))
        admitted = await admit_pull(ctx, who, NAME, Target.TAG, "v1")
        assert admitted.caller.origin.request_id == f"request {number}"
        assert admitted.caller.owner


async def test_another_address_and_another_caller_are_asked_for_themselves(ctx: Context, owner: Asker) -> None:
    await pull(ctx, owner)
    with pytest.raises(NotAuthenticated):
        await pull(ctx, await asker(ctx))
    wrong = replace(owner, presented=replace(owner.presented, secret_hash="0" * 64))
    with pytest.raises(NotAuthenticated):
        await pull(ctx, wrong)
    await pull(ctx, owner)


Change = Callable[[], sa.Executable]

CHANGES: dict[str, tuple[Change, type[AppError]]] = {
    "the credential is disabled": (lambda: sa.update(credentials).values(enabled=False), NotAuthenticated),
    "the credential is deleted": (lambda: sa.delete(credentials), NotAuthenticated),
    "the account is disabled": (lambda: sa.update(accounts).values(enabled=False), NotAuthenticated),
    "the tag is deleted": (lambda: sa.delete(tags), ManifestUnknown),
    "the layer is let go": (lambda: sa.delete(repository_blobs), BlobUnknown),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("here", [True, False], ids=["in this process", "in another process"])
async def test_a_change_holds_from_the_next_request_on(
    ctx: Context, other: Context, owner: Asker, what: str, here: bool
) -> None:
    statement, refusal = CHANGES[what]
    await pull(ctx, owner)
    async with (ctx if here else other).database.write() as tx:
        await tx.run(statement())
    with pytest.raises(refusal):
        await pull(ctx, owner)


async def test_a_moved_tag_is_seen_at_once(ctx: Context, other: Context, owner: Asker) -> None:
    await pull(ctx, owner)
    await push_manifest(other, await owner_asker(other), str(NAME), "v1", LATER)
    assert (await pull(ctx, owner))[0] == LATER


async def test_a_namespace_made_private_is_closed_at_once(ctx: Context, other: Context, owner: Asker) -> None:
    async with other.database.write() as tx:
        await tx.run(sa.update(namespaces).values(public=True))
    nobody = await asker(ctx)
    await pull(ctx, nobody)
    async with other.database.write() as tx:
        await tx.run(sa.update(namespaces).values(public=False))
    with pytest.raises(NotAuthenticated):
        await pull(ctx, nobody)


async def test_an_address_taken_off_the_allowlist_is_refused_at_once(
    ctx: Context, other: Context, owner: Asker
) -> None:
    async def say(*statements: sa.Executable) -> None:
        async with other.database.write() as tx:
            for statement in (*statements, sa.update(instances).values(revision=instances.c.revision + 1)):
                await tx.run(statement)

    row = {"instance_id": owner.instance.id, "cidr": "192.0.2.0/24", "created_at": other.clock()}
    opened = sa.update(instances).values(public_entry="Opened")
    await say(opened, sa.insert(allowed_networks).values(row))
    office = replace(owner, origin=replace(owner.origin, address="192.0.2.7"))
    await pull(ctx, office)
    await say(sa.delete(allowed_networks))
    with pytest.raises(NetworkRefused):
        await pull(ctx, office)


async def test_what_was_committed_while_one_waited_is_seen_by_it(ctx: Context, other: Context, owner: Asker) -> None:
    """The version is asked for once per turn of the loop; a request of the next turn asks again."""
    await pull(ctx, owner)
    finished: list[Awaitable[Any]] = []
    async with other.database.write() as tx:
        await tx.run(sa.update(credentials).values(enabled=False))
        finished.append(pull(ctx, owner))  # begun only below, when the change is committed
    with pytest.raises(NotAuthenticated):
        await finished[0]
