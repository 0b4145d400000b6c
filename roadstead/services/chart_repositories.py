"""A chart repository: the index, archives and provenance files of the charts in a folder, and uploads to it.

A folder is a namespace or a path inside one, and the chart `demo` in it is the repository FOLDER/demo: what helm
pushes to `oci://HOST/FOLDER` is what `/chartrepo/FOLDER` lists. An upload here is a push of the artifact that helm
would have made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roadstead.domain import charts as rules
from roadstead.domain.charts import Chart
from roadstead.domain.policy import UNNAMED, Action
from roadstead.domain.reference import Digest, RepositoryName, namespace_name, repository_name
from roadstead.domain.versions import Version, of_tag
from roadstead.errors import (
    AccessDenied,
    ChartExists,
    ChartUnknown,
    NamespaceUnknown,
    NotAuthenticated,
)
from roadstead.metadata import artifacts, charts, repositories
from roadstead.metadata.access import StoredBlob, Target
from roadstead.metadata.charts import ChartRow, ChartVersion
from roadstead.metadata.database import Tx
from roadstead.services import chart_versions, images, layers
from roadstead.services.access import Admitted, Asker, admit
from roadstead.services.blob_contents import BlobContent
from roadstead.services.chart_indexes import Document
from roadstead.services.context import Context
from roadstead.services.events import record
from roadstead.services.policies import chart_reaches, permit_chart, refusal
from roadstead.services.pulls import Pulled, client_of
from roadstead.services.repositories import admit_push

_ARCHIVE, _PROVENANCE = ".tgz", ".tgz.prov"
_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Folder:
    """Where charts lie: a namespace, or a path inside one."""

    path: str

    @classmethod
    def parse(cls, text: str) -> Folder:
        """The folder that the text names; raises NameInvalid."""
        namespace, slash, below = text.partition("/")
        namespace_name(namespace)
        if slash:
            repository_name(below)
        return cls(text)

    def chart(self, name: str) -> RepositoryName:
        """The repository of the chart of that name; raises NameInvalid."""
        return RepositoryName.parse(f"{self.path}/{name}")

    @property
    def somewhere(self) -> RepositoryName:
        """A repository in it that need not be there, to ask with for what stands around it."""
        namespace, _, below = self.path.partition("/")
        return RepositoryName(namespace, f"{below}/" if below else "")


async def index(ctx: Context, asker: Asker, folder: Folder) -> Document:
    """The folder's index, with the charts that the caller may pull; raises when it may pull none."""
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, folder.somewhere, None)
    shown = _shown(ctx, admitted, folder, Action.CHART_PULL)
    if admitted.facts.namespace_id is None:
        raise NamespaceUnknown(f"there is no namespace {folder.somewhere.namespace!r} in this instance")
    return await ctx.charts.get(ctx.database, admitted.instance.id, folder.path, shown)


def _shown(ctx: Context, admitted: Admitted, folder: Folder, action: Action) -> Callable[[str], bool] | None:
    """Which charts of the folder the caller may do the action on; None: all. Raises the refusal when none at all."""
    instance, caller, now = admitted.instance.row, admitted.caller, ctx.clock()
    if action == Action.CHART_PULL and admitted.facts.public and instance.anonymous_access and caller.scopes is None:
        return None
    if caller.owner and caller.scopes is None:
        return None
    head = f"repository/{instance.registry_id}/{folder.path}"
    reaches = chart_reaches(caller, action, instance, now=now)
    if not any(reach.sees_into(head) for reach in reaches):
        raise refusal(caller, action, f"{head}/*", UNNAMED)

    def shown(name: str) -> bool:
        try:
            permit_chart(caller, action, instance, folder.chart(name), now=now, public=admitted.facts.public)
        except (AccessDenied, NotAuthenticated):
            return False
        return True

    return shown


@dataclass(frozen=True, slots=True)
class Download:
    """A file of a chart repository: where its bytes are, and whose it is."""

    found: BlobContent
    chart: ChartVersion


async def download(ctx: Context, asker: Asker, folder: Folder, file: str, *, counted: bool = True) -> Download:
    """The archive or provenance file of that name; a download of an archive is counted. Raises ChartUnknown."""
    archive = file.removesuffix(".prov") if file.endswith(_PROVENANCE) else file
    async with ctx.database.read() as tx:
        found = await charts.by_file(tx, asker.instance.id, folder.path, archive)
        name = RepositoryName.parse(found[0]) if found is not None else _guessed(folder, archive)
        wanted = "" if found is None else _digest_of(found[1], file)
        admitted = await admit(ctx, tx, asker, name, None, Target.BLOB, wanted or str(_NOTHING))
        _permit(ctx, admitted, Action.CHART_PULL, name)
        if found is None or not isinstance(admitted.found, StoredBlob) or admitted.facts.repository_id is None:
            raise ChartUnknown(f"there is no file {file[:200]!r} in the chart repository {folder.path}")
        stored = await artifacts.manifest_by_id(tx, found[1].manifest_id)
        tagged = await artifacts.tag_target(tx, found[1].repository_id, found[1].tag)
    if counted and file == archive and stored is not None:
        # The tag may be an image's, whose pull this is not.
        tag = found[1].tag if tagged is not None and tagged[0] == stored.id else ""
        pulled = Pulled(admitted.place, admitted.caller, admitted.facts.repository_id, name, stored, tag)
        ctx.pulls.note(client_of(asker), pulled, ctx.clock())
    return Download(BlobContent(ctx, admitted.instance.row.region, admitted.found), found[1])


_NOTHING = Digest("sha256", "0" * 64)


def _digest_of(chart: ChartVersion, file: str) -> str:
    return (chart.provenance_digest or "") if file.endswith(_PROVENANCE) else chart.archive_digest


def _guessed(folder: Folder, archive: str) -> RepositoryName:
    """The chart that a file which is not there would be of; raises ChartUnknown when it cannot be any."""
    text = archive.removesuffix(_ARCHIVE)
    for place in (place for place, char in enumerate(text) if char == "-"):
        if of_tag(text[place + 1 :].replace("+", "_")) is not None:
            return folder.chart(text[:place])
    raise ChartUnknown(f"{archive[:200]!r} cannot be the name of a chart's archive: that is NAME-VERSION.tgz")


def _permit(ctx: Context, admitted: Admitted, action: Action, name: RepositoryName) -> None:
    permit_chart(
        admitted.caller,
        action,
        admitted.instance.row,
        name,
        now=ctx.clock(),
        public=admitted.facts.public,
    )


async def admit_upload(ctx: Context, asker: Asker, folder: Folder) -> None:
    """Returns when the caller may upload some chart to the folder, so that nobody sends one for nothing."""
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, folder.somewhere, None)
    _shown(ctx, admitted, folder, Action.CHART_PUSH)


async def upload(
    ctx: Context, asker: Asker, folder: Folder, archive: bytes, provenance: bytes | None, *, force: bool
) -> Chart:
    """The folder has the chart that the archive holds; the same archive again changes nothing.

    Raises ChartInvalid for what is no chart, and ChartExists for other content of a version that is there, unless
    forced.
    """
    chart = await chart_versions.read(ctx, archive, provenance)
    name = folder.chart(chart.metadata.name)
    async with ctx.database.read() as tx:
        admitted = await admit_push(ctx, tx, asker, name, chart=True)
        standing = await _standing(tx, admitted, chart.version)
    if standing is not None and standing.archive_digest == str(Digest.of(archive)):
        if provenance is None or standing.provenance_digest == str(Digest.of(provenance)):
            return chart
    elif standing is not None and not (force or ctx.settings.charts.overwrite):
        raise ChartExists(f"chart already exists: {name} has version {chart.version.text}, with other content")
    await _push(ctx, asker, name, chart, archive, provenance)
    return chart


async def _standing(tx: Tx, admitted: Admitted, version: Version) -> ChartVersion | None:
    if admitted.facts.repository_id is None:
        return None
    return await charts.get(tx, admitted.facts.repository_id, version.tag)


async def _push(
    ctx: Context, asker: Asker, name: RepositoryName, chart: Chart, archive: bytes, provenance: bytes | None
) -> None:
    async with ctx.database.read() as tx:
        admitted = await admit_push(ctx, tx, asker, name, chart=True)
    for data in (chart.config, archive, provenance):
        if data is not None:
            await layers.store(ctx, admitted, name, data)
    async with ctx.database.read() as tx:
        admitted = await admit_push(ctx, tx, asker, name, chart=True)
    body = rules.document(chart, archive, provenance)
    await images.place(ctx, admitted, name, images.Incoming(chart.version.tag, (), "", body))


async def upload_provenance(ctx: Context, asker: Asker, folder: Folder, provenance: bytes) -> None:
    """The version that the provenance file vouches for has it; raises ChartUnknown when that is not there."""
    for file in rules.signed_files(provenance):
        async with ctx.database.read() as tx:
            found = await charts.by_file(tx, asker.instance.id, folder.path, file)
            name = RepositoryName.parse(found[0]) if found is not None else _guessed(folder, file)
            admitted = await admit_push(ctx, tx, asker, name, chart=True)
            held = {} if found is None else await _archive_of(ctx, tx, admitted, found[1])
        if found is None or not held:
            raise ChartUnknown(f"there is no {file[:200]!r} in the chart repository {folder.path}; upload it first")
        blob = held[found[1].archive_digest]
        most = ctx.settings.charts.archive_bytes
        archive = await chart_versions.read_blob(ctx, admitted.instance.row.region, blob.id, most)
        chart = await chart_versions.read(ctx, archive, provenance)
        await _push(ctx, asker, name, chart, archive, provenance)


async def _archive_of(ctx: Context, tx: Tx, admitted: Admitted, chart: ChartVersion) -> dict[str, artifacts.HeldBlob]:
    region, now = admitted.instance.row.region, ctx.clock()
    return await artifacts.held_blobs(tx, chart.repository_id, region, [chart.archive_digest], now)


async def listed(ctx: Context, asker: Asker, folder: Folder, last: str = "") -> list[ChartRow]:
    """The charts of the folder that the caller may see, by name, up to a thousand after the repository `last`."""
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, folder.somewhere, None)
        shown = _shown(ctx, admitted, folder, Action.CHART_PULL)
        rows = await charts.charts_page(tx, admitted.instance.id, last=last, most=_LISTED, folder=folder.path)
    return [row for row in rows if shown is None or shown(row.newest.name)]


async def versions(ctx: Context, asker: Asker, folder: Folder, chart: str, version: str = "") -> list[ChartVersion]:
    """The versions of the chart, the highest first, or that one; raises ChartUnknown when there is none."""
    name = folder.chart(chart)
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, name, None)
        _permit(ctx, admitted, Action.CHART_PULL, name)
        return await _versions(tx, admitted.facts.repository_id, name, version)


async def _versions(tx: Tx, repository_id: int | None, name: RepositoryName, version: str) -> list[ChartVersion]:
    found: list[ChartVersion] = []
    if repository_id is not None and version:
        one = await charts.get(tx, repository_id, version.replace("+", "_"))
        found = [one] if one is not None else []
    elif repository_id is not None:
        found = await charts.page(tx, repository_id, most=_LISTED)
    if not found:
        what = f"chart {name} has no version {version[:130]!r}" if version else f"there is no chart {name}"
        raise ChartUnknown(what)
    return found


async def archive_of(ctx: Context, asker: Asker, folder: Folder, chart: ChartVersion) -> bytes:
    """The archive of a version that the caller was given."""
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, folder.chart(chart.name), None)
        held = await _archive_of(ctx, tx, admitted, chart)
    blob = held.get(chart.archive_digest)
    if blob is None:
        raise ChartUnknown(f"chart {chart.name} {chart.version} has just been deleted")
    return await chart_versions.read_blob(
        ctx, admitted.instance.row.region, blob.id, ctx.settings.charts.archive_bytes
    )


async def remove(ctx: Context, asker: Asker, folder: Folder, chart: str, version: str = "") -> None:
    """The version, or with none said the chart with all its versions, is gone; raises ChartUnknown."""
    name = folder.chart(chart)
    async with ctx.database.read() as tx:
        admitted = await admit(ctx, tx, asker, name, None)
        _permit(ctx, admitted, Action.CHART_DELETE, name)
        await _versions(tx, admitted.facts.repository_id, name, version)
    now = ctx.clock()
    async with ctx.database.write() as tx:
        repository_id = admitted.facts.repository_id
        if repository_id is None or not await repositories.lock(tx, repository_id):
            raise ChartUnknown(f"there is no chart {name}")
        tags = [] if not version else [version.replace("+", "_")]
        for event in await chart_versions.remove(ctx, tx, name, repository_id, tags, now):
            await record(ctx, tx, admitted.place, admitted.caller, event, now)
