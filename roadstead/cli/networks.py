"""`roadstead network`: who may reach an instance from other hosts."""

from __future__ import annotations

from typing import Annotated

import typer

from roadstead.cli.output import show, show_rows, wire
from roadstead.cli.session import Options, Session, work
from roadstead.domain.network import exposure, parse_cidr
from roadstead.services import networks

commands = typer.Typer(help="The public entry of an instance and its allowlist.", no_args_is_help=True)
Cidr = Annotated[str, typer.Argument(help="IPv4 or IPv6 address or CIDR.")]


@commands.command("open", epilog="Example: roadstead network open && roadstead network allow 192.0.2.0/24")
def open_(context: typer.Context) -> None:
    """Open the public entry; it admits only what the allowlist names."""
    answer = work(context, lambda s: s.call(networks.manage_external_endpoint, operation="Create"))
    show(context, answer, "The public entry is open for what the allowlist names.")


@commands.command(epilog="Example: roadstead network close")
def close(context: typer.Context) -> None:
    """Close the public entry."""
    answer = work(context, lambda s: s.call(networks.manage_external_endpoint, operation="Delete"))
    show(context, answer, "The public entry is closed: whoever it admitted is refused from now on.")


@commands.command(epilog="Example: roadstead network allow 192.0.2.0/24 --note office")
def allow(
    context: typer.Context, cidr: Cidr, note: Annotated[str, typer.Option(help="Whose address it is.")] = ""
) -> None:
    """Add an address or CIDR to the allowlist."""
    answer = work(context, lambda s: s.call(networks.create_security_policy, cidr_block=cidr, description=note))
    warning = exposure([parse_cidr(cidr)])
    show(context, answer, f"{cidr} is on the allowlist." + (f"\nWarning: {warning}." if warning else ""))


@commands.command(epilog="Example: roadstead network deny 192.0.2.0/24")
def deny(context: typer.Context, cidr: Cidr) -> None:
    """Remove an address or CIDR from the allowlist."""
    answer = work(context, lambda s: s.call(networks.delete_security_policy, cidr_block=cidr))
    show(context, answer, f"{cidr} is not on the allowlist any more.")


@commands.command("show", epilog="Example: roadstead network show")
def show_(context: typer.Context) -> None:
    """Show whether the public entry is open, and its allowlist."""
    status, allowed = work(context, _status)
    options: Options = context.obj
    if options.as_json:
        show(context, {**wire(status), **wire(allowed)}, "")
        return
    typer.echo(f"Public entry: {'Closing' if status.status == 'Deleting' else status.status}")
    if status.reason:
        typer.echo(f"Note: {status.reason}.")
    columns = [("CIDR", "cidr_block"), ("NOTE", "description")]
    show_rows(context, allowed.security_policy_set, columns, empty="The allowlist is empty: nobody is admitted.")


async def _status(session: Session) -> tuple[networks.EntryStatus, networks.SecurityPolicies]:
    return (
        await session.call(networks.describe_external_endpoint_status),
        await session.call(networks.describe_security_policies),
    )
