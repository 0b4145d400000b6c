"""What a push or a deletion, by whatever door, does to the versions of a chart.

A chart's manifest that is pushed under the tag of its version makes that version, and the version goes with the tag
or the manifest. Image and chart of one name share a repository. Where both have the same tag, the tag stands for the
image; the chart's version stays, helm is given it all the same, and when the image's tag goes the chart has it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from roadstead.domain import charts as rules
from roadstead.domain.archives import ArchiveLimits
from roadstead.domain.charts import CONFIG_TYPE, Chart, Metadata, Parts
from roadstead.domain.manifest import Manifest
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.domain.versions import Version
from roadstead.errors import ChartTooLarge, ChartUnknown, ReferenceUnknown
from roadstead.metadata import artifacts, charts, repositories
from roadstead.metadata.access import StoredManifest
from roadstead.metadata.artifacts import HeldBlob
from roadstead.metadata.charts import ChartVersion
from roadstead.metadata.database import Tx
from roadstead.services.blob_contents import BlobContent
from roadstead.services.context import Context
from roadstead.services.events import ChartDeleted, ChartUploaded, Event, Place

_LARGEST_CONFIG = 1 << 20


@dataclass(frozen=True, slots=True)
class Arrived:
    """A chart that was pushed, checked: what it is and which blobs it is made of."""

    chart: Chart
    parts: Parts


def limits(ctx: Context) -> ArchiveLimits:
    """What an archive may be here."""
    rule = ctx.settings.charts
    return ArchiveLimits(rule.content_bytes, rule.file_bytes, rule.entries)


async def read(ctx: Context, archive: bytes, provenance: bytes | None) -> Chart:
    """The chart that the archive holds, for which its provenance file vouches if it has one. Raises ChartInvalid."""
    chart = await asyncio.to_thread(rules.read_chart, archive, limits(ctx))
    if provenance is not None:
        rules.check_provenance(provenance, chart, Digest.of(archive))
    return chart


async def read_blob(ctx: Context, region: str, blob_id: int, most: int) -> bytes:
    """The bytes of a blob; raises ChartTooLarge, or ReferenceUnknown when they have just gone."""
    async with ctx.database.read() as tx:
        blob = await artifacts.config_blob(tx, blob_id)
    if blob is None:
        raise ReferenceUnknown("a layer of the chart is not here any more; push the chart again")
    if blob.size > most:
        raise ChartTooLarge(f"{blob.digest} has {blob.size} bytes; {most} are allowed here")
    try:
        return await BlobContent(ctx, region, blob).read()
    except FileNotFoundError as error:
        raise ReferenceUnknown("a layer of the chart is not here any more; push the chart again") from error


async def inspect(
    ctx: Context,
    region: str,
    name: RepositoryName,
    manifest: Manifest,
    held: dict[str, HeldBlob],
    tags: tuple[str, ...],
) -> Arrived | None:
    """The chart that the manifest is, read and checked; None when it is none. Raises ChartInvalid."""
    if not rules.is_chart(manifest):
        return None
    parts = rules.parts(manifest)
    for part in (parts.archive, parts.provenance):
        if part is not None and str(part.digest) not in held:
            raise ReferenceUnknown(f"repository {name} lacks {part.digest}, a part of the chart; push it first")
    archive = await read_blob(ctx, region, held[str(parts.archive.digest)].id, ctx.settings.charts.archive_bytes)
    signed = None
    if parts.provenance is not None:
        signed = await read_blob(ctx, region, held[str(parts.provenance.digest)].id, rules.LARGEST_PROVENANCE)
    chart = await read(ctx, archive, signed)
    config = await read_blob(ctx, region, held[str(parts.config.digest)].id, _LARGEST_CONFIG)
    rules.check_config(rules.read_config(config), chart)
    rules.check_place(chart, str(name), tags)
    return Arrived(chart, parts)


async def standing(tx: Tx, repository_id: int, tag: str) -> StoredManifest | None:
    """The artifact of the chart's version that the tag is, though the tag may be an image's; None when it is none."""
    row = await charts.get(tx, repository_id, tag)
    return None if row is None else await artifacts.manifest_by_id(tx, row.manifest_id)


async def tags_to_move(tx: Tx, repository_id: int, arrived: Arrived | None, tags: Sequence[str]) -> list[str]:
    """The tags that shall stand for what was pushed: all, but for a chart's version that an image has as its tag."""
    if arrived is None or arrived.chart.version.tag not in tags:
        return list(tags)
    standing = await artifacts.tagged(tx, repository_id, arrived.chart.version.tag)
    taken = standing is not None and standing.artifact_type != CONFIG_TYPE
    return [tag for tag in tags if not (taken and tag == arrived.chart.version.tag)]


async def accept(
    tx: Tx,
    place: Place,
    repository_id: int,
    name: RepositoryName,
    arrived: Arrived,
    manifest_id: int,
    now: datetime,
) -> ChartUploaded:
    """The version stands and the index says so; what happened, to be recorded."""
    chart, parts = arrived.chart, arrived.parts
    row = ChartVersion(
        repository_id=repository_id,
        tag=chart.version.tag,
        index_id=0,
        manifest_id=manifest_id,
        name=chart.metadata.name,
        version=chart.version.text,
        precedence=chart.version.order,
        prerelease=chart.version.prerelease,
        file=chart.file,
        archive_digest=str(parts.archive.digest),
        archive_size=parts.archive.size,
        provenance_digest=None if parts.provenance is None else str(parts.provenance.digest),
        description=chart.config.decode(),
        created_at=now,
    )
    standing = await charts.get(tx, repository_id, row.tag)
    if standing is None or standing.manifest_id != manifest_id:
        await _stand(tx, place.instance_id, name, row, chart, now)
    return ChartUploaded(namespace=name.namespace, repository=str(name), version=row.version)


async def copied(tx: Tx, manifest_id: int, target: RepositoryName, tag: str) -> ChartVersion | None:
    """The chart's version that a copy of the manifest would be; None for what is no chart.

    Raises ChartInvalid where the chart cannot stand.
    """
    rows = await charts.of_manifests(tx, [manifest_id])
    if not rows:
        return None
    chart = Chart(msgspec.json.decode(rows[0].description, type=Metadata), Version.parse(rows[0].version))
    rules.check_place(chart, str(target), (tag,))
    return rows[0]


async def copy(
    tx: Tx,
    instance_id: int,
    source: ChartVersion,
    repository_id: int,
    name: RepositoryName,
    manifest_id: int,
    now: datetime,
) -> ChartUploaded:
    """The version stands in another repository too; what happened, to be recorded."""
    chart = Chart(msgspec.json.decode(source.description, type=Metadata), Version.parse(source.version))
    row = replace(source, repository_id=repository_id, manifest_id=manifest_id, created_at=now)
    await _stand(tx, instance_id, name, row, chart, now)
    return ChartUploaded(namespace=name.namespace, repository=str(name), version=row.version)


async def _stand(
    tx: Tx, instance_id: int, name: RepositoryName, row: ChartVersion, chart: Chart, now: datetime
) -> None:
    folder = str(name).rpartition("/")[0]
    state = await charts.open_index(tx, instance_id, folder, now)
    line = rules.index_line(chart, row.archive_digest, now.isoformat().replace("+00:00", "Z"))
    await charts.put(tx, replace(row, index_id=state.id), line)
    await charts.note(tx, state, row.name, row.tag)


async def forget(tx: Tx, row: ChartVersion, now: datetime) -> None:
    """The version stands no more and the index says so; its artifact is untouched."""
    await charts.remove(tx, row.repository_id, row.tag)
    await charts.note(tx, await charts.next_revision(tx, row.index_id, now), row.name, row.tag)


async def remove_repository(tx: Tx, repository_id: int, now: datetime) -> list[str]:
    """The repository is gone with all that it held; the versions of the chart that went with it."""
    rows = await charts.page(tx, repository_id, most=1)
    versions = await charts.versions(tx, repository_id)
    await repositories.remove(tx, repository_id, now)
    # The index is locked last, because a push locks it after blobs too.
    if rows:
        await charts.note(tx, await charts.next_revision(tx, rows[0].index_id, now), rows[0].name, "")
    return versions


async def tag_gone(
    tx: Tx, name: RepositoryName, repository_id: int, tag: str, manifest_id: int, now: datetime
) -> Event | None:
    """What became of the chart whose version is the tag, after the tag has gone from the manifest.

    The version goes with its own tag. When it was an image's, the tag stands for the chart again, and None is the
    answer, as when there is no such version.
    """
    row = await charts.get(tx, repository_id, tag)
    if row is None:
        return None
    if row.manifest_id != manifest_id:
        await artifacts.put_tag(tx, repository_id, tag, row.manifest_id, now)
        return None
    await forget(tx, row, now)
    return ChartDeleted(namespace=name.namespace, repository=str(name), versions=[row.version])


async def manifest_going(tx: Tx, name: RepositoryName, manifest_id: int, now: datetime) -> ChartDeleted | None:
    """The versions that the manifest is stand no more; what happened, None when it is no chart."""
    rows = await charts.of_manifests(tx, [manifest_id])
    for row in rows:
        await forget(tx, row, now)
    if not rows:
        return None
    return ChartDeleted(namespace=name.namespace, repository=str(name), versions=[row.version for row in rows])


async def tags_gone(tx: Tx, repository_id: int, tags: Sequence[str], now: datetime) -> None:
    """Tags that went with an image stand again for the charts whose versions they are."""
    for tag in tags:
        row = await charts.get(tx, repository_id, tag)
        if row is not None:
            await artifacts.put_tag(tx, repository_id, tag, row.manifest_id, now)


async def remove(
    ctx: Context, tx: Tx, name: RepositoryName, repository_id: int, tags: Sequence[str], now: datetime
) -> list[ChartDeleted]:
    """These versions of the chart (none said: all) are gone with their artifacts; what happened, to be recorded.

    A repository that held nothing but them goes too. Raises ChartUnknown. The caller holds the repository's row.
    """
    if not tags and not await charts.holds_more(tx, repository_id):
        return _deleted(name, await remove_repository(tx, repository_id, now))
    rows = [] if tags else await charts.every(tx, repository_id)
    for tag in tags:
        found = await charts.get(tx, repository_id, tag)
        if found is None:
            raise ChartUnknown(f"chart {name} has no version {tag.replace('_', '+')[:130]!r}")
        rows.append(found)
    for row in rows:
        await _remove_one(ctx, tx, row, now)
    if not await artifacts.any_manifest(tx, repository_id):
        await repositories.remove(tx, repository_id, now)
    for row in rows:
        await forget(tx, row, now)
    return _deleted(name, [row.version for row in rows])


async def _remove_one(ctx: Context, tx: Tx, row: ChartVersion, now: datetime) -> None:
    """The version is gone, its tag if that stood for it, and its artifact unless something else names it.

    What the index says of it is the caller's to change, when all else is done.
    """
    await charts.remove(tx, row.repository_id, row.tag)
    target = await artifacts.tag_target(tx, row.repository_id, row.tag)
    if target is not None and target[0] == row.manifest_id:
        await artifacts.remove_tag(tx, row.repository_id, row.tag)
    if await artifacts.is_tagged(tx, row.manifest_id):
        return
    ends_at = now + timedelta(seconds=ctx.settings.collection.grace_seconds)
    await artifacts.remove_manifest(tx, row.repository_id, row.manifest_id, ends_at)


# Versions that one event tells.
_TOLD = 1000


def _deleted(name: RepositoryName, versions: Sequence[str]) -> list[ChartDeleted]:
    return [
        ChartDeleted(namespace=name.namespace, repository=str(name), versions=list(versions[start : start + _TOLD]))
        for start in range(0, len(versions), _TOLD)
    ]
