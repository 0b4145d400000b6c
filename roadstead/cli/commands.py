"""The `roadstead` command as typer sees it: its sub-commands and the options that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import roadstead
from roadstead.cli import (
    access,
    access_keys,
    audit,
    call,
    credentials,
    events,
    groups,
    instances,
    jobs,
    namespaces,
    networks,
    policies,
    repositories,
    serve,
    service_accounts,
    storage,
    tags,
    tls,
    triggers,
    users,
    worker,
)
from roadstead.cli.options import Options

app = typer.Typer(
    name="roadstead",
    help="A self-hosted container registry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="The options --data, --config, --instance, --server, --key and --json may also stand after a command.",
)
app.command("serve")(serve.serve)
app.command("call", epilog="Example: roadstead call DescribeImages NamespaceName=prod RepositoryName=web Limit=20")(
    call.call
)
app.command("login", epilog="Example: roadstead login https://registry.example.com --key AKID3f9k2m")(call.login)
app.command("logout", epilog="Example: roadstead logout")(call.logout)
app.add_typer(instances.commands, name="instance")
app.add_typer(namespaces.commands, name="namespace")
app.add_typer(credentials.commands, name="credential")
app.add_typer(repositories.commands, name="repository")
app.add_typer(tags.commands, name="tag")
app.add_typer(networks.commands, name="network")
app.add_typer(tls.commands, name="tls")
app.add_typer(storage.commands, name="storage")
app.add_typer(groups.commands, name="group")
app.add_typer(policies.commands, name="policy")
app.command("can-i", epilog="Example: roadstead can-i alice pull shop/frontend")(access.can_i)
app.add_typer(users.commands, name="user")
app.add_typer(access_keys.commands, name="key")
app.add_typer(service_accounts.commands, name="serviceaccount")
app.add_typer(triggers.commands, name="trigger")
app.add_typer(audit.commands, name="audit")
app.add_typer(events.commands, name="events")
app.add_typer(jobs.commands, name="job")
app.command("worker", epilog="Example: roadstead worker --data /srv/registry")(worker.worker)


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
