"""`roadstead rate`: how much the clients of an instance may use in a second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import typer

from roadstead.cli.output import show, show_rows, size_text, wire
from roadstead.cli.session import Options, work
from roadstead.errors import InvalidInput
from roadstead.services import rates
from roadstead.services.rates import InstanceRates

commands = typer.Typer(help="How much clients may use in a second.", no_args_is_help=True)

_SIZE = re.compile(r"(\d+)([KMG]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_DEFAULT = "default"

_Requests = Annotated[
    str | None, typer.Option(help="Requests a second; 0 for no limit, `default` to go by the setting.", metavar="N")
]
_Bytes = Annotated[
    str | None, typer.Option(help="Bytes a second of transfers, like 20M; 0 or `default` as above.", metavar="SIZE")
]


@dataclass(frozen=True, slots=True)
class _Line:
    who: str
    requests: str
    bytes: str
    from_: str


@commands.command("show", epilog="Example: roadstead rate show --instance acme-eu")
def show_(context: typer.Context) -> None:
    """Show the rates that hold at an instance."""
    _print(context, work(context, lambda s: s.call(rates.describe_instance_rates)))


@commands.command("set", epilog="Example: roadstead rate set --address-requests 50 --credential-bytes 20M")
def set_(
    context: typer.Context,
    address_requests: _Requests = None,
    address_bytes: _Bytes = None,
    credential_requests: _Requests = None,
    credential_bytes: _Bytes = None,
    instance_requests: _Requests = None,
    instance_bytes: _Bytes = None,
) -> None:
    """Change rates of an instance: of one client address, of one credential, or of all its clients together."""
    given = {
        "address_requests": address_requests,
        "address_bytes": address_bytes,
        "credential_requests": credential_requests,
        "credential_bytes": credential_bytes,
        "instance_requests": instance_requests,
        "instance_bytes": instance_bytes,
    }
    changes = {name: _number(text) for name, text in given.items() if text is not None}
    if not changes:
        raise InvalidInput(
            "say which rate: for example --address-requests 50; `roadstead rate set --help` has them all"
        )
    _print(context, work(context, lambda s: s.call(rates.modify_instance_rates, **changes)))


def _number(text: str) -> int:
    if text == _DEFAULT:
        return -1
    found = _SIZE.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{text!r} is not a number like 50 or 20M, nor `{_DEFAULT}`")
    return int(found[1]) * _UNITS[found[2].upper()]


def _print(context: typer.Context, found: InstanceRates) -> None:
    options: Options = context.obj
    if options.as_json:
        show(context, wire(found), "")
        return
    lines = [
        _Line(
            {"address": "one address", "credential": "one credential", "instance": "all clients"}[row.who],
            f"{row.requests}/s" if row.requests else "no limit",
            f"{size_text(row.bytes)}/s" if row.bytes else "no limit",
            "instance" if row.own else "settings",
        )
        for row in found.rates
    ]
    columns = [("WHO", "who"), ("REQUESTS", "requests"), ("TRANSFERS", "bytes"), ("FROM", "from_")]
    show_rows(context, lines, columns, empty="")
