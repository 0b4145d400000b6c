"""`roadstead namespace`: create, list, modify, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows
from roadstead.cli.session import work
from roadstead.services import namespaces

commands = typer.Typer(help="Namespaces: where repositories live.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the namespace.")]


@commands.command(epilog="Example: roadstead namespace create prod --public")
def create(
    context: typer.Context,
    name: Name,
    public: Annotated[bool, typer.Option("--public", help="Let anybody pull without logging in.")] = False,
) -> None:
    """Create a namespace, private unless --public is given."""
    answer = work(context, lambda s: s.call(namespaces.create_namespace, namespace_name=name, is_public=public))
    show(context, answer, f"Namespace {name} created ({'public' if public else 'private'}).")


@commands.command("list", epilog="Example: roadstead namespace list --json")
def list_(
    context: typer.Context,
    search: Annotated[str, typer.Option(help="Only names that contain this.")] = "",
) -> None:
    """List namespaces."""
    rows = work(
        context, lambda s: s.every(namespaces.describe_namespaces, "namespace_list", namespace_name=search or None)
    )
    columns = [("NAME", "name"), ("PUBLIC", "public"), ("CREATED", "creation_time")]
    show_rows(context, rows, columns, empty="No namespaces yet. Create one: roadstead namespace create NAME")


@commands.command(epilog="Example: roadstead namespace modify prod --private")
def modify(
    context: typer.Context,
    name: Name,
    public: Annotated[bool | None, typer.Option("--public/--private", help="Who may pull.")] = None,
    scan: Annotated[
        bool | None, typer.Option("--scan/--no-scan", help="Whether each pushed image is scanned.")
    ] = None,
) -> None:
    """Make a namespace public or private, or switch its scans, at once for all its repositories and charts."""
    answer = work(
        context,
        lambda s: s.call(namespaces.modify_namespace, namespace_name=name, is_public=public, is_auto_scan=scan),
    )
    show(context, answer, f"Namespace {name} changed.")


@commands.command(epilog="Example: roadstead namespace delete old-team --yes")
def delete(context: typer.Context, name: Name, yes: Yes = False) -> None:
    """Delete an empty namespace."""
    sure(yes, f"Delete namespace {name} with its settings and triggers? It must be empty.")
    answer = work(context, lambda s: s.call(namespaces.delete_namespace, namespace_name=name))
    show(context, answer, f"Namespace {name} deleted.")
