"""`roadstead vpc`: networks of whose clients private links let in, and their subnets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows
from roadstead.cli.session import Options, work
from roadstead.services import vpcs

commands = typer.Typer(help="Networks (VPCs) and subnets in which private links are made.", no_args_is_help=True)
Vpc = Annotated[str, typer.Argument(help="Id of the network, vpc-...")]
Subnet = Annotated[str, typer.Argument(help="Id of the subnet, subnet-...")]


@dataclass(frozen=True, slots=True)
class _Line:
    vpc: str
    name: str
    cidrs: list[str]
    subnet: str
    subnet_cidr: str
    interface: str
    by: str


@commands.command(epilog="Example: roadstead vpc create vpc-build01 10.7.0.0/16 --name builders")
def create(
    context: typer.Context,
    vpc: Vpc,
    cidrs: Annotated[list[str], typer.Argument(help="CIDRs of its clients, IPv4 and IPv6.")],
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
) -> None:
    """Declare a network; nothing is changed in the network itself."""
    answer = work(context, lambda s: s.call(vpcs.create_vpc, vpc_id=vpc, vpc_name=name, cidr_blocks=cidrs))
    text = f"{answer.vpc_id} is declared. Next: roadstead vpc add-subnet {answer.vpc_id} subnet-ID CIDR INTERFACE"
    show(context, answer, text)


@commands.command(epilog="Example: roadstead vpc delete vpc-build01 --yes")
def delete(context: typer.Context, vpc: Vpc, yes: Yes = False) -> None:
    """Forget a network that has no subnets."""
    sure(yes, f"Forget the network {vpc} with its CIDRs?")
    show(context, work(context, lambda s: s.call(vpcs.delete_vpc, vpc_id=vpc)), f"{vpc} is forgotten.")


@commands.command("add-subnet", epilog="Example: roadstead vpc add-subnet vpc-build01 subnet-rack1 10.7.1.0/24 eth1")
def add_subnet(
    context: typer.Context,
    vpc: Vpc,
    subnet: Subnet,
    cidr: Annotated[str, typer.Argument(help="Its CIDR, inside one of the network's.")],
    interface: Annotated[str, typer.Argument(help="Interface of the serving host that is in the subnet.")],
) -> None:
    """Declare a subnet of which private links take addresses."""
    answer = work(
        context,
        lambda s: s.call(vpcs.create_subnet, vpc_id=vpc, subnet_id=subnet, cidr_block=cidr, interface=interface),
    )
    show(context, answer, f"{answer.subnet_id} is declared. Next: roadstead network link {vpc} {answer.subnet_id}")


@commands.command("remove-subnet", epilog="Example: roadstead vpc remove-subnet subnet-rack1 --yes")
def remove_subnet(context: typer.Context, subnet: Subnet, yes: Yes = False) -> None:
    """Forget a subnet in which no private link is."""
    sure(yes, f"Forget the subnet {subnet} with its CIDR and interface?")
    answer = work(context, lambda s: s.call(vpcs.delete_subnet, subnet_id=subnet))
    show(context, answer, f"{subnet} is forgotten.")


@commands.command("list", epilog="Example: roadstead vpc list --json")
def list_(context: typer.Context) -> None:
    """List networks and their subnets."""
    rows = work(context, lambda s: s.every(vpcs.describe_vpcs, "vpc_set"))
    options: Options = context.obj
    lines = [line for row in rows for line in _lines(row)]
    columns = [("VPC", "vpc"), ("NAME", "name"), ("CIDRS", "cidrs"), ("SUBNET", "subnet"), ("CIDR", "subnet_cidr")]
    columns += [("INTERFACE", "interface"), ("DECLARED BY", "by")]
    shown = rows if options.as_json else lines
    show_rows(context, shown, columns, empty="No network is declared yet: roadstead vpc create vpc-ID CIDR")


def _lines(row: vpcs.VpcInfo) -> list[_Line]:
    head = (row.vpc_id, row.vpc_name, list(row.cidr_blocks))
    lines = [
        _Line(*head, each.subnet_id, each.cidr_block, each.interface, _by(each.declared)) for each in row.subnets
    ]
    return lines or [_Line(*head, "", "", "", _by(row.declared))]


def _by(declared: bool) -> str:
    return "settings" if declared else "operation"
