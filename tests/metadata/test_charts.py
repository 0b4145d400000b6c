"""Versions of charts on both databases: their order, their pages, the notes of changes, and what goes with what."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from roadstead.domain.versions import Version
from roadstead.metadata import artifacts, charts, repositories
from roadstead.metadata.charts import ChartVersion
from roadstead.metadata.database import Database, Tx
from roadstead.metadata.schema.charts import chart_changes
from tests.metadata.scene import NOW, Scene, set_up, store_manifest

VERSIONS = ("1.9.0", "1.10.0", "2.0.0-rc.1", "2.0.0-rc.1+b", "0.9.0")
HIGHEST_FIRST = ["2.0.0-rc.1+b", "2.0.0-rc.1", "1.10.0", "1.9.0", "0.9.0"]


async def add(tx: Tx, scene: Scene, manifest_id: int, text: str, name: str = "web") -> ChartVersion:
    """The scene's repository has the version."""
    version = Version.parse(text)
    state = await charts.open_index(tx, scene.instance, "prod", NOW)
    row = ChartVersion(
        repository_id=scene.repository,
        tag=version.tag,
        index_id=state.id,
        manifest_id=manifest_id,
        name=name,
        version=text,
        precedence=version.order,
        prerelease=version.prerelease,
        file=f"{name}-{text}.tgz",
        archive_digest="sha256:1",
        archive_size=5,
        provenance_digest=None,
        description="{}",
        created_at=NOW,
    )
    await charts.put(tx, row, f"line {text}".encode())
    await charts.note(tx, state, name, version.tag)
    return row


async def stock(database: Database) -> tuple[Scene, int]:
    """A scene with all versions, of one artifact; the artifact's id."""
    scene = await set_up(database)
    async with database.write() as tx:
        manifest_id, _ = await store_manifest(tx, scene.repository, b"layer", body=b"manifest")
        for text in VERSIONS:
            await add(tx, scene, manifest_id, text)
    return scene, manifest_id


async def test_versions_have_their_order_on_every_page(database: Database) -> None:
    scene, _ = await stock(database)
    async with database.read() as tx:
        found, last = [], ""
        while rows := await charts.page(tx, scene.repository, last=last, most=2):
            found += [row.version for row in rows]
            last = rows[-1].precedence
        assert found == HIGHEST_FIRST == await charts.versions(tx, scene.repository)
        assert await charts.count(tx, scene.repository) == 5
        [row] = await charts.charts_page(tx, scene.instance, last="", most=5)
        assert (row.repository, row.newest.version, row.versions) == ("prod/web", "1.10.0", 5)
        assert await charts.chart_count(tx, scene.instance) == 1
        assert not await charts.charts_page(tx, scene.instance, last="prod/web", most=5)
        assert not await charts.charts_page(tx, scene.instance, last="", most=5, folder="pro_")
        assert len(await charts.charts_page(tx, scene.instance, last="", most=5, folder="prod")) == 1


async def test_changes_are_noted_and_the_oldest_forgotten(database: Database) -> None:
    scene, _ = await stock(database)
    async with database.write() as tx:
        state = await charts.index_state(tx, scene.instance, "prod")
        assert state is not None and state.revision == 5
        assert [tag for _, _, tag in await charts.changes(tx, state.id, 3)] == ["2.0.0-rc.1_b", "0.9.0"]
        lines = await charts.changed_lines(tx, state.id, "web", {"1.9.0", "none"})
        assert [line.line for line in lines] == [b"line 1.9.0"]
        first = await charts.index_lines(tx, state.id, ("", ""), 3)
        rest = await charts.index_lines(tx, state.id, (first[-1].name, first[-1].tag), 3)
        assert len({line.tag for line in (*first, *rest)}) == 5
        later = await charts.next_revision(tx, state.id, NOW + timedelta(seconds=1))
        assert later.revision == 6
        await charts.note(tx, charts.IndexState(state.id, 1004, NOW), "web", "")
        assert await tx.scalar(sa.select(sa.func.min(chart_changes.c.revision))) == 5


async def test_a_version_goes_with_its_artifact_and_its_repository(database: Database) -> None:
    scene, manifest_id = await stock(database)
    async with database.write() as tx:
        assert len(await charts.of_manifests(tx, [manifest_id])) == 5
        found = await charts.by_file(tx, scene.instance, "prod", "web-1.9.0.tgz")
        assert found is not None and (found[0], found[1].version) == ("prod/web", "1.9.0")
        assert await charts.by_file(tx, scene.instance, "other", "web-1.9.0.tgz") is None
        await charts.remove(tx, scene.repository, "1.9.0")
        assert await charts.get(tx, scene.repository, "1.9.0") is None
        await artifacts.remove_manifest(tx, scene.repository, manifest_id, NOW)
        assert await charts.count(tx, scene.repository) == 0
        manifest_id, _ = await store_manifest(tx, scene.repository, b"other", body=b"again")
        await add(tx, scene, manifest_id, "1.0.0")
        assert await charts.holds_more(tx, scene.repository)
        await repositories.remove(tx, scene.repository, NOW)
        assert not await charts.every(tx, scene.repository)
