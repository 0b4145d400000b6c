"""The `roadstead` command as typer sees it: its sub-commands and the options that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import roadstead
from roadstead.cli import audit, credentials, namespaces, networks, repositories, serve, storage, tags
from roadstead.cli.session import Options

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
