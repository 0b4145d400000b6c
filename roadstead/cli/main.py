"""The `roadstead` command: its sub-commands, the options they share, and how failures end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import roadstead
from roadstead.cli import audit, credentials, namespaces, networks, repositories, serve, storage, tags
from roadstead.cli.session import Options
from roadstead.errors import AppError

_SHARED_VALUES = ("--data", "--config", "--instance")

app = typer.Typer(
    name="roadstead",
    help="A self-hosted container registry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="The options --data, --config, --instance and --json may also stand after a command.",
)
app.command("serve")(serve.serve)
app.add_typer(namespaces.commands, name="namespace")
app.add_typer(credentials.commands, name="credential")
app.add_typer(repositories.commands, name="repository")
app.add_typer(tags.commands, name="tag")
app.add_typer(networks.commands, name="network")
app.add_typer(storage.commands, name="storage")
app.add_typer(audit.commands, name="audit")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(roadstead.__version__)
        raise typer.Exit


@app.callback()
def shared(
    context: typer.Context,
    data: Annotated[str | None, typer.Option(help="Data folder of the registry.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
    instance: Annotated[
        str | None, typer.Option(help="Instance to work on; the default instance if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of tables.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A self-hosted container registry.

    Commands work on the database directly and may be used while the server runs: what they change holds at once.
    """
    context.obj = Options(data, config, instance, as_json)


def hoist(arguments: Sequence[str]) -> list[str]:
    """The arguments with the shared options first, wherever they stood; those of `serve` stay its own."""
    if "serve" in arguments[:1]:
        return list(arguments)
    shared_ones: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument in _SHARED_VALUES:
            shared_ones += [argument, *([value] if (value := next(remaining, None)) is not None else [])]
        elif argument == "--json" or argument.startswith(tuple(f"{option}=" for option in _SHARED_VALUES)):
            shared_ones.append(argument)
        else:
            rest.append(argument)
    if "serve" in rest[:1]:  # its own options of the same names come after it
        return [*rest[:1], *(word for word in shared_ones if word != "--json"), *rest[1:]]
    return [*shared_ones, *rest]


def run(arguments: Sequence[str] | None = None) -> None:
    """The command has run; a condition of the product is one line on standard error and exit code 1."""
    try:
        app(hoist(sys.argv[1:] if arguments is None else arguments))
    except AppError as error:
        typer.echo(f"roadstead: {error.message}", err=True)
        raise SystemExit(1) from None
