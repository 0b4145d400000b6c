"""The `roadstead` command as typer sees it: its sub-commands and the options that they share."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

import roadstead
from roadstead.cli.options import Options

# Each group's module, and each single command's with its example. A module is imported, and its commands are put
# together, only when they are asked for: all of them would take longer than what most commands do.
_GROUPS = {
    "instance": "instances",
    "namespace": "namespaces",
    "credential": "credentials",
    "repository": "repositories",
    "tag": "tags",
    "chart": "charts",
    "network": "networks",
    "vpc": "vpcs",
    "rate": "rates",
    "tls": "tls",
    "domain": "domains",
    "storage": "storage",
    "group": "groups",
    "policy": "policies",
    "user": "users",
    "account": "own_account",
    "key": "access_keys",
    "serviceaccount": "service_accounts",
    "trigger": "triggers",
    "audit": "audit",
    "events": "events",
    "job": "jobs",
}
_SINGLE = {
    "serve": ("serve", "serve", None),
    "call": ("call", "call", "roadstead call DescribeImages NamespaceName=prod RepositoryName=web Limit=20"),
    "login": ("call", "login", "roadstead login https://registry.example.com --key AKID3f9k2m"),
    "logout": ("call", "logout", "roadstead logout"),
    "can-i": ("access", "can_i", "roadstead can-i alice pull shop/frontend"),
    "worker": ("worker", "worker", "roadstead worker --data /srv/registry"),
}


def app(word: str = "") -> typer.Typer:
    """The command line: all of it, or only the command or group of that name."""
    made = typer.Typer(
        name="roadstead",
        help="A self-hosted container registry.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        epilog="The options --data, --config, --instance, --server, --key and --json may also stand after a command.",
        callback=shared,
    )
    whole = word not in _GROUPS and word not in _SINGLE
    for name, (module, function, example) in _SINGLE.items():
        if whole or word == name:
            epilog = f"Example: {example}" if example else None
            made.command(name, epilog=epilog)(getattr(import_module(f"roadstead.cli.{module}"), function))
    for name, module in _GROUPS.items():
        if whole or word == name:
            made.add_typer(import_module(f"roadstead.cli.{module}").commands, name=name)
    return made


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(roadstead.__version__)
        raise typer.Exit


def shared(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(help="Data folder of the registry.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
    instance: Annotated[
        str | None, typer.Option(help="Instance to work on; the default instance if left out.")
    ] = None,
    server: Annotated[str | None, typer.Option(help="Server to work on over its API, https://HOST.")] = None,
    key: Annotated[
        str | None, typer.Option(help="SecretId of the API key for it; its secret is in ROADSTEAD_CLIENT_SECRET.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of tables.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A self-hosted container registry.

    Commands work on the data folder directly and may be used while the server runs: what they change holds at once.
    With --server, or after `roadstead login`, they work on another server over its API.
    """
    context.obj = Options(data, config, instance, as_json, server, key)
