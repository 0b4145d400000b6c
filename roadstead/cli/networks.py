"""`roadstead network`: who may reach an instance from other hosts, at its public entry and by private links."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Annotated, Any

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows, wire
from roadstead.cli.session import Options, Session, work
from roadstead.domain.network import exposure, parse_cidr
from roadstead.services import links, networks

commands = typer.Typer(help="The entries of an instance: allowlist and private links.", no_args_is_help=True)
Vpc = Annotated[str, typer.Argument(help="Id of the network, vpc-...")]
Subnet = Annotated[str, typer.Argument(help="Id of the subnet, subnet-...")]
_LINK_SECONDS, _LINK_PAUSE = 5.0, 0.1


class Form(Enum):
    """What the records are for."""

    HOSTS = "hosts"
    BIND = "bind"
    DNSMASQ = "dnsmasq"


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
    """Show which entries are open, and the allowlist of the public one."""
    status, allowed, loopback = work(context, _status)
    options: Options = context.obj
    if options.as_json:
        show(context, {**wire(status), **wire(allowed), "Loopback": wire(loopback)}, "")
        return
    typer.echo(f"Public entry: {'Closing' if status.status == 'Deleting' else status.status}")
    if status.reason:
        typer.echo(f"Note: {status.reason}.")
    typer.echo(f"Loopback entry: {_word(loopback)}")
    columns = [("CIDR", "cidr_block"), ("NOTE", "description")]
    show_rows(context, allowed.security_policy_set, columns, empty="The allowlist is empty: nobody is admitted.")


async def _status(session: Session) -> tuple[networks.EntryStatus, networks.SecurityPolicies, networks.LoopbackEntry]:
    return (
        await session.call(networks.describe_external_endpoint_status),
        await session.call(networks.describe_security_policies),
        await session.call(networks.describe_loopback_entry),
    )


def _word(loopback: networks.LoopbackEntry) -> str:
    """Whether the loopback entry is open, and what keeps it closed."""
    if loopback.reason:
        return f"Closed ({loopback.reason})"
    return "Open" if loopback.enabled else "Closed"


@commands.command(epilog="Example: roadstead network loopback --off")
def loopback(
    context: typer.Context,
    on: Annotated[bool, typer.Option("--on/--off", help="Whether clients on the serving host itself are let in.")],
) -> None:
    """Open or close the loopback entry, by which programs on the serving host come in."""
    found = work(context, lambda s: s.call(networks.modify_loopback_entry, enabled=on))
    said = f"Loopback entry: {_word(found)}."
    if not on:
        options: Options = context.obj
        again = "roadstead network loopback --on" + (f" --instance {options.instance}" if options.instance else "")
        said += f"\nPrograms on the serving host are refused now; run there, this lets them in again: {again}"
    show(context, found, said)


@commands.command(epilog="Example: roadstead network link vpc-build01 subnet-rack1")
def link(
    context: typer.Context,
    vpc: Vpc,
    subnet: Subnet,
    name: Annotated[bool, typer.Option(help="Whether the instance's own name leads to it in that network.")] = True,
) -> None:
    """Serve the instance at an address of a subnet, for the clients of its network only."""

    async def body(session: Session) -> links.AccessVpc:
        at = {"vpc_id": vpc, "subnet_id": subnet}
        await session.call(links.manage_internal_endpoint, operation="Create", named=name, **at)
        return await _served(session, vpc, subnet)

    found = work(context, body)
    said = found.access_ip or found.reason or "a serving host has to take it up"
    show(context, found, f"The private link is {found.status}: {said}.")


@commands.command(epilog="Example: roadstead network unlink vpc-build01 subnet-rack1 --yes")
def unlink(context: typer.Context, vpc: Vpc, subnet: Subnet, yes: Yes = False) -> None:
    """Take a private link away; its address admits nobody from now on and is given back."""
    sure(yes, f"Take the private link in {subnet} away? Its clients are refused, and its address is given back.")
    answer = work(
        context,
        lambda s: s.call(links.manage_internal_endpoint, operation="Delete", vpc_id=vpc, subnet_id=subnet),
    )
    show(
        context,
        answer,
        f"The private link in {subnet} is gone; the serving host takes its address off, or its log says how.",
    )


@commands.command("links", epilog="Example: roadstead network links")
def links_(context: typer.Context) -> None:
    """List the private links of the instance, and what keeps one from being served."""
    found = work(context, lambda s: s.call(links.describe_internal_endpoints))
    columns = [("VPC", "vpc_id"), ("SUBNET", "subnet_id"), ("STATUS", "status"), ("ADDRESS", "access_ip")]
    columns.append(("REASON", "reason"))
    show_rows(
        context, found.access_vpc_set, columns, empty="No private links: roadstead network link VPC-ID SUBNET-ID"
    )


@commands.command("name", epilog="Example: roadstead network name vpc-build01 10.7.1.2 --off")
def name_(
    context: typer.Context,
    vpc: Vpc,
    address: Annotated[str, typer.Argument(help="Address of the private link.")],
    own: Annotated[bool, typer.Option("--own/--vpc", help="The name NAME.DOMAIN, or NAME-vpc.DOMAIN.")] = True,
    on: Annotated[bool, typer.Option("--on/--off", help="Whether it leads to the link.")] = True,
) -> None:
    """Have a name of the instance lead to a private link in its network, or not."""
    answer = work(context, lambda s: _name(s, vpc, address, own=own, on=on))
    show(context, answer, f"The name {'leads' if on else 'does not lead'} to {address} in {vpc}.")


@commands.command(epilog="Example: roadstead network records --form dnsmasq")
def records(
    context: typer.Context,
    form: Annotated[Form, typer.Option(help="What it is for: hosts, bind or dnsmasq.")] = Form.HOSTS,
) -> None:
    """Print the records of the private names, to be copied into the name service of their networks."""
    found = work(context, lambda s: s.call(links.describe_internal_endpoint_records))
    lines = [f"# {each.vpc_id}\n{getattr(each, form.value)}" for each in found.records]
    show(context, found, "\n".join(lines) or "No name leads to a private link.")


async def _served(session: Session, vpc: str, subnet: str) -> links.AccessVpc:
    """The link as it stands once a serving host has taken it up, or has said why not; it is not waited for long."""
    rounds = int(_LINK_SECONDS / _LINK_PAUSE)
    for left in range(rounds, -1, -1):
        listed = (await session.call(links.describe_internal_endpoints)).access_vpc_set
        found = next(each for each in listed if (each.vpc_id, each.subnet_id) == (vpc, subnet))
        if found.status == "Running" or found.reason or not left:
            break
        await asyncio.sleep(_LINK_PAUSE)
    return found


async def _name(session: Session, vpc: str, address: str, *, own: bool, on: bool) -> Any:
    op = links.create_internal_endpoint_dns if on else links.delete_internal_endpoint_dns
    return await session.call(op, vpc_id=vpc, eni_lb_ip=address, use_public_domain=own)
