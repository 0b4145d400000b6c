"""The storage check finds what is broken and nothing else, and what it puts aside the next push heals everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from roadstead.config import Settings
from roadstead.domain.reference import Digest
from roadstead.errors import AppError, BlobUnknown, UploadUnknown
from roadstead.metadata.schema.content import blobs, manifests, small_blobs
from roadstead.services import gc, storage
from roadstead.services.repositories import delete_repository
from roadstead.services.storage import Finding, Progress
from tests.factories.asgi import open_client
from tests.factories.shops import Shop, image, lay_out, open_shop
from tests.factories.stores import HeldStore, begin, go_on, kill
from tests.jobs.bench import FakeClock

REPOSITORIES = ("library/one", "library/two", "library/three")
LAYER = b"what everybody has" * 2000
DIGEST = Digest.of(LAYER)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder of a registry that was started once."""
    lay_out(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
async def shop(data: Path) -> AsyncIterator[Shop]:
    """A registry whose three repositories have an image each, all with one layer in common."""
    settings = Settings(data=str(data))
    async with open_shop(settings, FakeClock()) as opened:
        await opened.push_image(REPOSITORIES[0], "v1", b"{}", LAYER)
        for repository in REPOSITORIES[1:]:
            await opened.push_blob(repository, b"{}")
            assert await opened.mount(repository, DIGEST, REPOSITORIES[0])
            await opened.push_manifest(repository, image(b"{}", LAYER), "v1")
        yield opened


@pytest.fixture
async def file(shop: Shop, data: Path) -> Path:
    """The file of the common layer."""
    [key] = [key for key in await shop.keys() if DIGEST.hex in key]
    return data / "storage" / key


def flip(file: Path) -> None:
    """One bit of the file is another."""
    written = bytearray(file.read_bytes())
    written[len(written) // 2] ^= 1
    file.write_bytes(written)


def truncate(file: Path) -> None:
    """The file's last byte is gone."""
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file: Path) -> None:
    """The file has a byte too many."""
    file.write_bytes(file.read_bytes() + b"!")


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (flip, "its bytes have the digest sha256:"),
    (truncate, f"it has {len(LAYER) - 1} bytes instead of {len(LAYER)}"),
    (lengthen, f"it has {len(LAYER) + 1} bytes instead of {len(LAYER)}"),
    (Path.unlink, "its bytes are missing"),
]
damaged = pytest.mark.parametrize(("damage", "problem"), DAMAGES, ids=["flipped", "truncated", "longer", "missing"])


async def broken(shop: Shop, *, quarantine: bool = False) -> list[Finding]:
    """The blobs that the check finds broken."""
    return [found for found in await shop.findings(quarantine=quarantine) if found.kind == "blob"]


async def refusal(shop: Shop, repository: str) -> type[AppError] | None:
    """The condition that a pull of the common layer meets, if any."""
    try:
        await shop.read_blob(repository, DIGEST)
    except AppError as error:
        return type(error)
    return None


async def test_nothing_is_found_where_nothing_is_wrong(shop: Shop) -> None:
    progress = Progress()
    assert [found async for found in storage.check(shop.ctx, progress, quarantine=True)] == []
    assert progress == Progress(blobs=2, bytes=len(LAYER) + 2, manifests=3, keys=1)


@damaged
async def test_a_broken_blob_is_found_once_and_still_served(
    shop: Shop, file: Path, damage: Callable[[Path], None], problem: str
) -> None:
    damage(file)
    [found] = await shop.findings()
    assert (found.kind, found.subject, found.put_aside) == ("blob", str(DIGEST), False)
    assert found.problem.startswith(problem)
    assert await broken(shop) == [found]


@damaged
async def test_what_is_put_aside_is_served_nowhere_and_healed_everywhere_by_one_push(
    shop: Shop, file: Path, data: Path, damage: Callable[[Path], None], problem: str
) -> None:
    damage(file)
    spoiled = file.read_bytes() if file.exists() else None
    [found] = await broken(shop, quarantine=True)
    assert found.put_aside
    assert not file.exists()
    aside = data / "storage" / "quarantine" / file.relative_to(data / "storage" / "blobs")
    assert (aside.read_bytes() if aside.exists() else None) == spoiled
    for repository in REPOSITORIES:
        assert await refusal(shop, repository) is BlobUnknown
        assert not await shop.mount("library/other", DIGEST, repository)
    named = [each for each in await shop.findings() if each.kind == "manifest"]
    assert len(named) == len(REPOSITORIES)

    await shop.push_blob("library/other", LAYER)
    for repository in (*REPOSITORIES, "library/other"):
        assert await shop.read_blob(repository, DIGEST) == LAYER
    assert await shop.findings() == []
    await everything_goes(shop)


async def everything_goes(shop: Shop) -> None:
    """When all is deleted, no bytes stay but what was put aside."""
    for repository in REPOSITORIES:
        await shop.call(delete_repository, repository)
    for _ in range(2):
        shop.clock.turn(days=2)
        await gc.collect(shop.ctx)
    assert [key for key in await shop.keys() if not key.startswith("quarantine/")] == []
    assert not {"blobs", "repository_blobs", "uploads"} & set(await shop.rows())


async def test_a_broken_blob_that_nobody_names_any_more_goes_like_any_other(shop: Shop, file: Path) -> None:
    flip(file)
    await broken(shop, quarantine=True)
    await everything_goes(shop)


async def test_a_healing_that_breaks_off_leaves_the_blob_broken_and_the_next_heals_it(shop: Shop, file: Path) -> None:
    flip(file)
    await broken(shop, quarantine=True)
    store = HeldStore(shop.store, "assemble")
    healing = await begin(store, shop.over(store).push_blob(REPOSITORIES[1], LAYER))
    await kill(healing)
    shop.clock.turn(days=2)
    await gc.collect(shop.ctx)
    for repository in REPOSITORIES:
        assert await refusal(shop, repository) is BlobUnknown
    await shop.push_blob(REPOSITORIES[2], LAYER)
    for repository in REPOSITORIES:
        assert await shop.read_blob(repository, DIGEST) == LAYER
    assert await shop.findings() == []


async def test_a_push_that_began_before_the_damage_does_not_call_a_healing_done(shop: Shop, file: Path) -> None:
    early, late = HeldStore(shop.store, "assemble", after=True), HeldStore(shop.store, "assemble")
    other = b"another layer" * 4000
    slow = await begin(early, shop.over(early).push_blob(REPOSITORIES[0], other))
    await shop.push_blob(REPOSITORIES[1], other)
    [key] = [key for key in await shop.keys() if Digest.of(other).hex in key]
    flip(file.parents[3] / key)
    assert len(await broken(shop, quarantine=True)) == 1
    healing = await begin(late, shop.over(late).push_blob(REPOSITORIES[2], other))
    with pytest.raises(UploadUnknown):
        await go_on(early, slow)
    assert await broken(shop) == []
    await go_on(late, healing)
    for repository in REPOSITORIES[1:]:
        assert await shop.read_blob(repository, Digest.of(other)) == other


# Small blobs, whose bytes are a row


@pytest.mark.parametrize("row", [b"[]", b"{", None], ids=["other", "truncated", "missing"])
async def test_a_broken_small_blob_is_put_aside_and_healed_everywhere_by_one_push(
    shop: Shop, row: bytes | None
) -> None:
    digest = Digest.of(b"{}")
    which = small_blobs.c.blob_id == sa.select(blobs.c.id).where(blobs.c.digest == str(digest)).scalar_subquery()
    async with shop.ctx.database.write() as tx:
        if row is None:
            await tx.run(sa.delete(small_blobs).where(which))
        else:
            await tx.run(sa.update(small_blobs).where(which).values(data=row))
    [found] = await broken(shop, quarantine=True)
    assert (found.subject, found.put_aside) == (str(digest), True)
    for repository in REPOSITORIES:
        with pytest.raises(BlobUnknown):
            await shop.read_blob(repository, digest)
    await shop.push_blob(REPOSITORIES[1], b"{}")
    for repository in REPOSITORIES:
        assert await shop.read_blob(repository, digest) == b"{}"
    assert await shop.findings() == []
    await everything_goes(shop)


async def test_a_pull_of_missing_bytes_is_refused_and_not_broken_off(shop: Shop, file: Path) -> None:
    file.unlink()
    async with open_client(shop.ctx, login=True) as client:
        answer = await client.get(f"/v2/{REPOSITORIES[0]}/blobs/{DIGEST}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("name", ["blobs/sha256/00/nonsense", "blobs/readme", f"blobs/sha256/00/{'0' * 64}.7"])
async def test_bytes_that_nothing_knows_are_told_and_left_alone(shop: Shop, data: Path, name: str) -> None:
    orphan = data / "storage" / name
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"lost")
    [found] = await shop.findings(quarantine=True)
    assert (found.kind, found.subject, found.put_aside) == ("leftover", name, False)
    assert orphan.exists()


async def test_a_manifest_whose_own_bytes_are_wrong_is_found(shop: Shop) -> None:
    async with shop.ctx.database.write() as tx:
        await tx.run(sa.update(manifests).where(manifests.c.id == 1).values(body=b"{}"))
    [found] = await shop.findings()
    assert found.kind == "manifest"
    assert found.subject.startswith(f"{REPOSITORIES[0]}@sha256:")


async def test_layers_that_were_never_pushed_are_told_apart_from_what_is_broken(shop: Shop) -> None:
    await shop.push_manifest(REPOSITORIES[0], image(b"{}", b"never pushed"), "sparse")
    [found] = await shop.findings()
    assert (found.kind, str(Digest.of(b"never pushed")) in found.problem) == ("sparse", True)


@pytest.mark.parametrize("call", ["open", "list"])
async def test_what_a_collector_takes_meanwhile_is_not_called_broken(shop: Shop, file: Path, call: str) -> None:
    store = HeldStore(shop.store, "open" if call == "open" else "list")
    checking = await begin(store, shop.over(store).findings(quarantine=True))
    for repository in REPOSITORIES:
        await shop.call(delete_repository, repository)
    await gc.collect(shop.ctx)
    assert not file.exists()
    assert await go_on(store, checking) == []


async def test_what_is_pushed_anew_meanwhile_is_not_put_aside(shop: Shop, file: Path) -> None:
    flip(file)
    store = HeldStore(shop.store, "open")
    checking = await begin(store, shop.over(store).findings(quarantine=True))
    await broken(shop, quarantine=True)
    await shop.push_blob(REPOSITORIES[0], LAYER)
    assert [each for each in await go_on(store, checking) if each.put_aside] == []
    for repository in REPOSITORIES:
        assert await shop.read_blob(repository, DIGEST) == LAYER
