"""`roadstead chart`: list Helm charts and their versions, look into one, compare two versions, delete."""

from __future__ import annotations

import base64
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows, size_text
from roadstead.cli.session import Options, work
from roadstead.domain.reference import RepositoryName
from roadstead.services import chart_contents, charts

commands = typer.Typer(help="Helm charts; `helm push` and `helm cm-push` bring them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Full name, NAMESPACE/CHART.")]
Version = Annotated[str, typer.Argument(help="Version of the chart.")]


def fields(name: str) -> dict[str, str]:
    """The request fields of a full name."""
    parsed = RepositoryName.parse(name)
    return {"namespace_name": parsed.namespace, "chart_name": parsed.name}


@dataclass(frozen=True, slots=True)
class _Chart:
    name: str
    latest: str
    app: str
    versions: int
    updated: datetime
    description: str


@dataclass(frozen=True, slots=True)
class _Version:
    version: str
    app: str
    size: str
    signed: bool
    created: datetime
    pulls: int


@commands.command("list", epilog="Example: roadstead chart list --namespace prod --search web")
def list_(
    context: typer.Context,
    namespace: Annotated[str, typer.Option(help="Only of this namespace.")] = "",
    search: Annotated[str, typer.Option(help="Only names that contain this.")] = "",
) -> None:
    """List charts with their newest versions."""
    rows: list[Any] = work(
        context,
        lambda s: s.every(
            charts.describe_helm_charts,
            "chart_list",
            namespace_name=namespace or None,
            chart_name=search or None,
        ),
    )
    options: Options = context.obj
    shown = rows if options.as_json else [_chart(row) for row in rows]
    columns = [
        ("NAME", "name"),
        ("LATEST", "latest"),
        ("APP", "app"),
        ("VERSIONS", "versions"),
        ("UPDATED", "updated"),
        ("DESCRIPTION", "description"),
    ]
    show_rows(context, shown, columns, empty="No charts yet. `helm push CHART.tgz oci://HOST/NAMESPACE` brings one.")


def _chart(row: Any) -> _Chart:
    name = f"{row.namespace}/{row.name}" + (" (deprecated)" if row.deprecated else "")
    return _Chart(name, row.latest_version, row.app_version, row.version_count, row.update_time, row.description)


@commands.command(epilog="Example: roadstead chart versions prod/web")
def versions(context: typer.Context, name: Name) -> None:
    """List the versions of a chart, the highest first."""
    rows: list[Any] = work(
        context, lambda s: s.every(charts.describe_helm_chart_versions, "version_list", **fields(name))
    )
    options: Options = context.obj
    shown = rows if options.as_json else [_version(row) for row in rows]
    columns = [
        ("VERSION", "version"),
        ("APP", "app"),
        ("SIZE", "size"),
        ("SIGNED", "signed"),
        ("CREATED", "created"),
        ("DOWNLOADS", "pulls"),
    ]
    show_rows(context, shown, columns, empty=f"No versions of {name}.")


def _version(row: Any) -> _Version:
    version = row.version + (" (deprecated)" if row.deprecated else "")
    return _Version(version, row.app_version, size_text(row.size), row.signed, row.creation_time, row.pull_count)


@commands.command("show", epilog="Example: roadstead chart show prod/web 1.2.3")
def show_(context: typer.Context, name: Name, version: Version) -> None:
    """Show a version: its description, how to install it, its read-me and its default values."""
    answer = work(
        context,
        lambda s: s.call(chart_contents.describe_helm_chart_version, **fields(name), chart_version=version),
    )
    show(context, answer, _told(answer))


def _told(answer: chart_contents.HelmChartDetails) -> str:
    parts = [answer.chart_yaml.rstrip()]
    parts += ["\n".join(each.commands) for each in answer.install]
    parts += [text.rstrip() for text in (answer.readme, answer.values) if text]
    return "\n\n---\n\n".join(parts)


@commands.command(epilog="Example: roadstead chart files prod/web 1.2.3 templates/service.yaml")
def files(
    context: typer.Context,
    name: Name,
    version: Version,
    path: Annotated[str, typer.Argument(help="File to print; left out: all files are listed.")] = "",
) -> None:
    """List the files of a version, or print one of them."""
    which = {**fields(name), "chart_version": version}
    options: Options = context.obj
    if not path:
        answer = work(context, lambda s: s.call(chart_contents.describe_helm_chart_version, **which))
        show_rows(context, answer.files, [("PATH", "path"), ("BYTES", "size")], empty="No files.")
        return
    file = work(context, lambda s: s.call(chart_contents.describe_helm_chart_file, **which, path=path))
    if options.as_json or file.encoding == "text":
        show(context, file, file.content.removesuffix("\n"))
    else:
        sys.stdout.buffer.write(base64.b64decode(file.content))


@commands.command(epilog="Example: roadstead chart diff prod/web 1.2.2 1.2.3")
def diff(
    context: typer.Context,
    name: Name,
    version: Version,
    other: Annotated[str, typer.Argument(help="Version that it is compared with.")],
) -> None:
    """Show what differs between two versions in Chart.yaml, values and templates."""
    answer = work(
        context,
        lambda s: s.call(
            chart_contents.describe_helm_chart_difference,
            **fields(name),
            chart_version=version,
            other_version=other,
        ),
    )
    text = "".join(each.difference for each in answer.files).rstrip("\n")
    show(context, answer, text or f"{name} {version} and {other} do not differ in what is installed.")


@commands.command(epilog="Example: roadstead chart delete prod/web 1.2.2 --yes")
def delete(
    context: typer.Context,
    name: Name,
    versions: Annotated[
        list[str] | None, typer.Argument(help="Versions; left out: the chart with all of them.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Delete versions of a chart, or all of it."""
    sure(yes, f"Delete {' and '.join(versions)} of {name}?" if versions else f"Delete {name} with all its versions?")
    answer = work(context, lambda s: s.call(charts.delete_helm_chart, **fields(name), chart_versions=versions or []))
    show(context, answer, f"{' and '.join(versions)} of {name} deleted." if versions else f"{name} deleted.")
