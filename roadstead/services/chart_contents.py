"""What is in a chart, by operation: description, read-me, values, every file, and how two versions differ.

Archives are read and unpacked before the operation's transaction opens, and unpacked in a thread.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from roadstead.domain import charts as rules
from roadstead.domain.archives import File
from roadstead.domain.charts import Contents
from roadstead.errors import ChartUnknown
from roadstead.metadata import artifacts, charts
from roadstead.metadata.charts import ChartVersion
from roadstead.services import chart_details, chart_versions
from roadstead.services.charts import (
    CHART,
    ChartName,
    ChartVersionText,
    HelmChartVersion,
    described,
    found_version,
    version_info,
)
from roadstead.services.fields import Bytes, ManifestDigest, NamespaceName, RegistryId
from roadstead.services.operations import Call, Preparation, Wire, operation
from roadstead.services.triggering import host

FilePath = Annotated[str, Meta(description="Path of the file in the chart.", examples=["templates/service.yaml"])]


class DescribeHelmChartVersion(Wire, frozen=True, kw_only=True):
    """Which version of which chart."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    chart_name: ChartName
    chart_version: ChartVersionText


class HelmMaintainer(Wire, frozen=True, kw_only=True):
    """Who looks after a chart."""

    name: Annotated[str, Meta(description="Name.")]
    email: Annotated[str, Meta(description="Address for mail.")]
    url: Annotated[str, Meta(description="Address of a page.")]


class HelmDependency(Wire, frozen=True, kw_only=True):
    """A chart that a chart needs."""

    name: Annotated[str, Meta(description="Name of the chart.")]
    version: Annotated[str, Meta(description="Which versions will do.")]
    repository: Annotated[str, Meta(description="Address of the chart repository; empty: it comes with the chart.")]
    condition: Annotated[str, Meta(description="Value that switches it on.")]
    alias: Annotated[str, Meta(description="Name under which it is used.")]


class HelmChartFile(Wire, frozen=True, kw_only=True):
    """One file of a chart."""

    path: FilePath
    size: Bytes


class HelmCommand(Wire, frozen=True, kw_only=True):
    """Commands that install the chart one way."""

    way: Annotated[
        Literal["oci", "repository"],
        Meta(description="`oci`: from the registry itself; `repository`: from the chart repository."),
    ]
    commands: Annotated[list[str], Meta(description="The commands, in order.")]


class HelmChartDetails(Wire, frozen=True, kw_only=True):
    """All that a version of a chart says of itself."""

    version: Annotated[HelmChartVersion, Meta(description="The version as lists show it.")]
    manifest_digest: ManifestDigest
    type: Annotated[str, Meta(description="`application` or `library`.")]
    api_version: Annotated[str, Meta(description="Version of the form of Chart.yaml, `v1` or `v2`.")]
    kube_version: Annotated[str, Meta(description="Versions of Kubernetes that will do.")]
    home: Annotated[str, Meta(description="Address of the project's page.")]
    icon: Annotated[str, Meta(description="Address of a picture.")]
    sources: Annotated[list[str], Meta(description="Addresses of the source.")]
    keywords: Annotated[list[str], Meta(description="Keywords.")]
    annotations: Annotated[dict[str, str], Meta(description="Annotations.")]
    maintainers: Annotated[list[HelmMaintainer], Meta(description="Who looks after it.")]
    dependencies: Annotated[list[HelmDependency], Meta(description="Which charts it needs.")]
    chart_yaml: Annotated[str, Meta(description="Chart.yaml as it was packed.")]
    readme: Annotated[str, Meta(description="The read-me, Markdown as it was packed; empty when there is none.")]
    values: Annotated[str, Meta(description="The default values, YAML as it was packed.")]
    values_schema: Annotated[str, Meta(description="JSON Schema of the values; empty when there is none.")]
    files: Annotated[list[HelmChartFile], Meta(description="Every file of the chart, by path.")]
    install: Annotated[list[HelmCommand], Meta(description="How it is installed, each way.")]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A version with what its archive holds."""

    row: ChartVersion
    contents: Contents


async def _archive(before: Preparation, namespace: str, chart: str, version: str) -> tuple[ChartVersion, bytes]:
    """The version and its archive, read while no transaction waits."""
    async with before.reading() as call:
        row = await found_version(call, namespace, chart, version)
        region = call.here.region
        held = await artifacts.held_blobs(call.tx, row.repository_id, region, [row.archive_digest], before.now)
    if row.archive_digest not in held:
        raise ChartUnknown(f"the archive of {namespace}/{chart} {version[:130]} is not here any more")
    most = before.ctx.settings.charts.archive_bytes
    return row, await chart_versions.read_blob(before.ctx, region, held[row.archive_digest].id, most)


async def _open(before: Preparation, request: DescribeHelmChartVersion) -> _Opened:
    row, archive = await _archive(before, request.namespace_name, request.chart_name, request.chart_version)
    return _Opened(row, await asyncio.to_thread(chart_details.contents, before.ctx, archive, rules.is_shown))


@operation(resource=CHART, changes=False, raises=(ChartUnknown,), prepare=_open)
async def describe_helm_chart_version(call: Call, request: DescribeHelmChartVersion) -> HelmChartDetails:
    """Show a version of a chart: description, read-me, values, files, and how to install it."""
    opened = call.prepared(_Opened)
    row, contents, metadata = opened.row, opened.contents, described(opened.row)
    manifest = await artifacts.manifest_by_id(call.tx, row.manifest_id)
    if manifest is None:
        raise ChartUnknown(f"{request.chart_name} {request.chart_version} has just been deleted")
    pulled = await charts.tags_pulled(call.tx, row.repository_id, [row.tag])
    return HelmChartDetails(
        version=version_info(row, pulled.get(row.tag, 0)),
        manifest_digest=manifest.digest,
        type=metadata.type or "application",
        api_version=metadata.api_version,
        kube_version=metadata.kube_version,
        home=metadata.home,
        icon=metadata.icon,
        sources=metadata.sources,
        keywords=metadata.keywords,
        annotations=metadata.annotations,
        maintainers=[HelmMaintainer(name=each.name, email=each.email, url=each.url) for each in metadata.maintainers],
        dependencies=[
            HelmDependency(
                name=each.name,
                version=each.version,
                repository=each.repository,
                condition=each.condition,
                alias=each.alias,
            )
            for each in metadata.dependencies
        ],
        chart_yaml=contents.text("Chart.yaml"),
        readme=contents.readme,
        values=contents.values,
        values_schema=contents.schema,
        files=_files(contents),
        install=_install(call, request, row),
    )


def _files(contents: Contents) -> list[HelmChartFile]:
    return [HelmChartFile(path=path, size=contents.files[path].size) for path in sorted(contents.files)]


def _install(call: Call, request: DescribeHelmChartVersion, row: ChartVersion) -> list[HelmCommand]:
    """What to type to install the chart; plain HTTP has to be named to helm."""
    where, scheme = host(call.ctx, call.here.name), call.ctx.settings.network.scheme or "http"
    full = f"{request.namespace_name}/{request.chart_name}"
    folder = full.rpartition("/")[0]
    local = f"{call.here.name}-{folder.replace('/', '-')}"
    plain = " --plain-http" if scheme == "http" else ""
    return [
        HelmCommand(
            way="oci",
            commands=[
                f"helm registry login {where}{plain}",
                f"helm install {row.name} oci://{where}/{full} --version {row.version}{plain}",
            ],
        ),
        HelmCommand(
            way="repository",
            commands=[
                f"helm repo add {local} {scheme}://{where}/chartrepo/{folder} --username USER --password PASSWORD",
                "helm repo update",
                f"helm install {row.name} {local}/{row.name} --version {row.version}",
            ],
        ),
    ]


class DescribeHelmChartFile(Wire, frozen=True, kw_only=True):
    """Which file of which version."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    chart_name: ChartName
    chart_version: ChartVersionText
    path: FilePath


class HelmChartFileContent(Wire, frozen=True, kw_only=True):
    """A file of a chart."""

    path: FilePath
    size: Bytes
    encoding: Annotated[Literal["text", "base64"], Meta(description="`text`, or `base64` for what is no UTF-8 text.")]
    content: Annotated[str, Meta(description="The content.")]


async def _open_file(before: Preparation, request: DescribeHelmChartFile) -> File:
    _, archive = await _archive(before, request.namespace_name, request.chart_name, request.chart_version)
    wanted = {request.path}.__contains__
    contents = await asyncio.to_thread(chart_details.contents, before.ctx, archive, wanted)
    found = contents.files.get(request.path)
    if found is None:
        raise ChartUnknown(f"{request.chart_name} {request.chart_version} has no file {request.path[:200]!r}")
    return found


@operation(resource=CHART, changes=False, raises=(ChartUnknown,), prepare=_open_file)
async def describe_helm_chart_file(call: Call, request: DescribeHelmChartFile) -> HelmChartFileContent:
    """Show one file of a chart, for example a template."""
    found = call.prepared(File)
    content = found.content or b""
    try:
        return HelmChartFileContent(path=found.path, size=found.size, encoding="text", content=content.decode())
    except UnicodeDecodeError:
        text = base64.b64encode(content).decode()
        return HelmChartFileContent(path=found.path, size=found.size, encoding="base64", content=text)


class DescribeHelmChartDifference(Wire, frozen=True, kw_only=True):
    """Which versions of which chart."""

    registry_id: RegistryId
    namespace_name: NamespaceName
    chart_name: ChartName
    chart_version: ChartVersionText
    other_version: Annotated[str, Meta(description="Version that it is compared with.", max_length=128)]


class HelmFileDifference(Wire, frozen=True, kw_only=True):
    """How one file differs."""

    path: FilePath
    change: Annotated[Literal["added", "removed", "changed"], Meta(description="`added`, `removed` or `changed`.")]
    difference: Annotated[str, Meta(description="The changed lines, as `diff -u` writes them.")]


class HelmChartDifference(Wire, frozen=True, kw_only=True):
    """What differs between two versions of a chart."""

    files: Annotated[
        list[HelmFileDifference],
        Meta(description="Files that differ, of Chart.yaml, values, their schema, templates and CRDs, by path."),
    ]


async def _compare(before: Preparation, request: DescribeHelmChartDifference) -> HelmChartDifference:
    place = request.namespace_name, request.chart_name
    _, old = await _archive(before, *place, request.chart_version)
    _, new = await _archive(before, *place, request.other_version)
    found = await asyncio.to_thread(chart_details.differences, before.ctx, old, new)
    return HelmChartDifference(
        files=[HelmFileDifference(path=each.path, change=each.change, difference=each.text) for each in found]
    )


@operation(resource=CHART, changes=False, raises=(ChartUnknown,), prepare=_compare)
async def describe_helm_chart_difference(call: Call, request: DescribeHelmChartDifference) -> HelmChartDifference:
    """Compare values and templates of two versions of a chart."""
    return call.prepared(HelmChartDifference)
