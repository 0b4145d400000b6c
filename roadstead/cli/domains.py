"""`roadstead domain`: host names that an instance has beside its own."""

from __future__ import annotations

from typing import Annotated

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows
from roadstead.cli.session import work
from roadstead.services import domains

commands = typer.Typer(help="Host names that an instance has beside its own.", no_args_is_help=True)
Host = Annotated[str, typer.Argument(help="Host name, for example images.example.com.")]


@commands.command("add", epilog="Example: roadstead domain add images.example.com --certificate k3f9w2m8")
def add(
    context: typer.Context,
    host: Host,
    certificate: Annotated[str, typer.Option(help="Id of a certificate that is for it: roadstead tls add.")],
) -> None:
    """Give the instance a further host name."""
    op = domains.create_instance_customized_domain
    answer = work(context, lambda s: s.call(op, domain_name=host, certificate_id=certificate))
    show(context, answer, f"{host} is served; have it resolve to this server.")


@commands.command("list", epilog="Example: roadstead domain list")
def list_(context: typer.Context) -> None:
    """List the further host names of the instance."""
    op = domains.describe_instance_customized_domain
    rows = work(context, lambda s: s.every(op, "domain_info_list"))
    show_rows(context, rows, [("HOST", "domain_name"), ("CERTIFICATE", "cert_id")], empty="There are none.")


@commands.command("delete", epilog="Example: roadstead domain delete images.example.com --yes")
def delete(context: typer.Context, host: Host, yes: Yes = False) -> None:
    """Take a further host name from the instance."""
    sure(yes, f"Take {host} from the instance? Clients that use this name reach it no more.")
    answer = work(context, lambda s: s.call(domains.delete_instance_customized_domain, domain_name=host))
    show(context, answer, f"{host} is served no more.")
