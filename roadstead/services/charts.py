"""Charts by operation: listed with their versions, and deleted. What is in one, `chart_contents` shows."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.domain.charts import Metadata
from roadstead.domain.policy import Action
from roadstead.domain.reference import RepositoryName
from roadstead.errors import ChartUnknown, NamespaceUnknown, RepositoryUnknown
from roadstead.metadata import charts, namespaces, repositories
from roadstead.metadata.charts import ChartRow, ChartVersion
from roadstead.metadata.repositories import Repository
from roadstead.services import chart_versions
from roadstead.services.events import record
from roadstead.services.fields import Bytes, CreatedAt, NamespaceName, PullCount, RegistryId, UpdatedAt
from roadstead.services.operations import (
    Call,
    Done,
    PageAnswer,
    PageRequest,
    Wire,
    operation,
)

CHART = "repository/{registry_id}/{namespace_name}/{chart_name}"

ChartName = Annotated[
    str,
    Meta(
        description="Name of the chart; of one that lies deeper in the namespace, its path and name.",
        examples=["web", "team/web"],
    ),
]
ChartVersionText = Annotated[str, Meta(description="Version of the chart.", max_length=128, examples=["1.2.3"])]
AppVersion = Annotated[str, Meta(description="Version of what the chart installs.")]
ChartSummary = Annotated[str, Meta(description="One sentence on what the chart is.")]
Deprecated = Annotated[bool, Meta(description="Whether the chart should not be used any more.")]


class HelmChartInfo(Wire, frozen=True, kw_only=True):
    """One chart, as its newest version describes it; the newest is the highest that is no pre-release, if any is."""

    name: ChartName
    namespace: NamespaceName
    latest_version: ChartVersionText
    app_version: AppVersion
    description: ChartSummary
    icon: Annotated[str, Meta(description="Address of a picture.")]
    deprecated: Deprecated
    version_count: Annotated[int, Meta(description="How many versions there are.")]
    public: Annotated[bool, Meta(description="Whether anybody may pull it.")]
    creation_time: CreatedAt
    update_time: UpdatedAt
    pull_count: PullCount


class HelmChartPage(PageAnswer, frozen=True, kw_only=True):
    """A page of charts."""

    chart_list: Annotated[list[HelmChartInfo], Meta(description="The charts, by namespace and name.")]


class DescribeHelmCharts(PageRequest, frozen=True, kw_only=True):
    """Which page of which charts."""

    registry_id: RegistryId
    namespace_name: Annotated[str | None, Meta(description="Only charts of this namespace.")] = None
    chart_name: Annotated[str | None, Meta(description="Only charts whose name contains this.")] = None


@operation(
    resource="repository/{registry_id}/{namespace_name}/*",
    changes=False,
    filtered=True,
    paging="page",
    raises=(NamespaceUnknown,),
)
async def describe_helm_charts(call: Call, request: DescribeHelmCharts) -> HelmChartPage:
    """List Helm charts by name, of one namespace or all, those that contain a text if one is given."""
    reach, head = call.reach(Action.CHART_PULL), f"repository/{call.here.registry_id}/"
    namespace_id = None
    if request.namespace_name:
        namespace = await namespaces.get(call.tx, call.here.id, request.namespace_name)
        if namespace is None or not reach.sees_into(head + namespace.name):
            raise NamespaceUnknown(f"there is no namespace {request.namespace_name[:60]!r}")
        namespace_id = namespace.id
    which, containing, selection = call.slice(request), request.chart_name or "", reach.names(head)
    rows = await charts.charts_page(
        call.tx,
        call.here.id,
        last=which.last,
        most=which.most,
        skip=which.skip,
        namespace_id=namespace_id,
        containing=containing,
        selection=selection,
    )
    total = None
    if which.counted:
        total = await charts.chart_count(
            call.tx, call.here.id, namespace_id=namespace_id, containing=containing, selection=selection
        )
    return HelmChartPage(
        chart_list=[_info(row) for row in rows if reach.sees(head + row.repository)],
        total_count=total,
        last=which.next([row.repository for row in rows]),
    )


def _info(row: ChartRow) -> HelmChartInfo:
    namespace, _, name = row.repository.partition("/")
    metadata = described(row.newest)
    return HelmChartInfo(
        name=name,
        namespace=namespace,
        latest_version=row.newest.version,
        app_version=metadata.app_version,
        description=metadata.description,
        icon=metadata.icon,
        deprecated=metadata.deprecated,
        version_count=row.versions,
        public=row.public,
        creation_time=row.created_at,
        update_time=row.updated_at,
        pull_count=row.pulls,
    )


def described(row: ChartVersion) -> Metadata:
    """Chart.yaml of the version."""
    return msgspec.json.decode(row.description, type=Metadata)


class DescribeHelmChartVersions(PageRequest, frozen=True, kw_only=True):
    """Which page of the versions of which chart."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    chart_name: ChartName


class HelmChartVersion(Wire, frozen=True, kw_only=True):
    """One version of a chart."""

    version: ChartVersionText
    app_version: AppVersion
    description: ChartSummary
    prerelease: Annotated[bool, Meta(description="Whether it is a pre-release, such as 1.0.0-rc.1.")]
    deprecated: Deprecated
    digest: Annotated[str, Meta(description="Digest of the archive.")]
    size: Bytes
    signed: Annotated[bool, Meta(description="Whether it has a provenance file.")]
    creation_time: CreatedAt
    pull_count: PullCount


class HelmChartVersionPage(PageAnswer, frozen=True, kw_only=True):
    """A page of versions."""

    version_list: Annotated[list[HelmChartVersion], Meta(description="The versions, the highest first.")]


@operation(resource=CHART, changes=False, paging="page", raises=(RepositoryUnknown, ChartUnknown))
async def describe_helm_chart_versions(call: Call, request: DescribeHelmChartVersions) -> HelmChartVersionPage:
    """List the versions of a chart in the order of semantic versions, the highest first."""
    found = await _chart(call, request.namespace_name, request.chart_name)
    which = call.slice(request)
    rows = await charts.page(call.tx, found.id, last=which.last, most=which.most, skip=which.skip)
    pulled = await charts.tags_pulled(call.tx, found.id, [row.tag for row in rows])
    return HelmChartVersionPage(
        version_list=[version_info(row, pulled.get(row.tag, 0)) for row in rows],
        total_count=await charts.count(call.tx, found.id) if which.counted else None,
        last=which.next([row.precedence for row in rows]),
    )


def version_info(row: ChartVersion, pulls: int) -> HelmChartVersion:
    """The version as answers show it."""
    metadata = described(row)
    return HelmChartVersion(
        version=row.version,
        app_version=metadata.app_version,
        description=metadata.description,
        prerelease=row.prerelease,
        deprecated=metadata.deprecated,
        digest=row.archive_digest,
        size=row.archive_size,
        signed=row.provenance_digest is not None,
        creation_time=row.created_at,
        pull_count=pulls,
    )


async def _chart(call: Call, namespace: str, chart: str) -> Repository:
    """The repository of the chart; raises ChartUnknown."""
    name = RepositoryName.parse(f"{namespace}/{chart}")
    found = await repositories.get(call.tx, call.here.id, str(name))
    if found is None or not await charts.page(call.tx, found.id, most=1):
        raise ChartUnknown(f"there is no chart {name} in instance {call.here.name!r}")
    return found


async def found_version(call: Call, namespace: str, chart: str, version: str) -> ChartVersion:
    """The version of the chart; raises ChartUnknown."""
    found = await _chart(call, namespace, chart)
    row = await charts.get(call.tx, found.id, version.replace("+", "_"))
    if row is None:
        raise ChartUnknown(f"chart {found.name} has no version {version[:130]!r}")
    return row


class DeleteHelmChart(Wire, frozen=True, kw_only=True):
    """Which chart, or which versions of it."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    chart_name: ChartName
    chart_versions: Annotated[
        list[str], Meta(description="Versions to delete; empty: the chart with all of them.", max_length=100)
    ] = msgspec.field(default_factory=list)


@operation(resource=CHART, changes=True, raises=(ChartUnknown,))
async def delete_helm_chart(call: Call, request: DeleteHelmChart) -> Done:
    """Delete versions of a chart, or all of it, from registry and chart repository alike."""
    found = await _chart(call, request.namespace_name, request.chart_name)
    await repositories.lock(call.tx, found.id)
    tags = list(dict.fromkeys(each.replace("+", "_") for each in request.chart_versions))
    name = RepositoryName.parse(found.name)
    for event in await chart_versions.remove(call.ctx, call.tx, name, found.id, tags, call.now):
        await record(call.ctx, call.tx, call.place, call.caller, event, call.now, audited=False)
    return Done()
