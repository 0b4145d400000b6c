"""`roadstead call`, for every operation there is, and `roadstead login` and `logout` for doing it elsewhere."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from roadstead.cli import profile as profiles
from roadstead.cli import single_sign_on
from roadstead.cli.arguments import request_tree
from roadstead.cli.options import Options
from roadstead.cli.output import show, show_rows
from roadstead.cli.session import work
from roadstead.config import load
from roadstead.errors import AccessDenied, AppError, InvalidInput, NotAuthenticated
from roadstead.services.openapi import document, example
from roadstead.services.operations import AnyOperation
from roadstead.services.requests import named
from roadstead.services.table import OPERATIONS

# A server that is away does not keep anybody from logging out.
_LOGOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    about: str


def _complete(incomplete: str) -> list[tuple[str, str]]:
    return [(name, op.summary) for name, op in sorted(OPERATIONS.items()) if name.startswith(incomplete)]


def call(
    context: typer.Context,
    action: Annotated[
        str, typer.Argument(help="Name of the operation; without it, all are listed.", autocompletion=_complete)
    ] = "",
    fields: Annotated[
        list[str] | None,
        typer.Argument(
            help="Name=text, Filters.0.Name=text, Name:=JSON, Name=@FILE, or @FILE with the whole request."
        ),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what the operation takes and answers.")] = False,
) -> None:
    """Call any management operation; its answer is printed as JSON.

    RegistryId is the instance that --instance names, unless it is given.
    """
    if not action:
        lines = [_Line(name, op.summary) for name, op in sorted(OPERATIONS.items())]
        show_rows(context, lines, [("OPERATION", "name"), ("DOES", "about")], empty="There are no operations.")
    elif explain:
        _explain(context, named(OPERATIONS, action))
    else:
        answer = work(context, lambda session: session.send(action, request_tree(fields or ())))
        typer.echo(msgspec.json.format(answer).decode())


def _explain(context: typer.Context, op: AnyOperation) -> None:
    """The declaration of the operation is printed: its part of the OpenAPI document with --json, else as text."""
    schemas = document([op], "")["components"]["schemas"]
    words = [f"{name}={value}" if isinstance(value, str) else _as_json(name, value) for name, value in _given(op)]
    text = [op.summary, "", f"Example: roadstead call {op.name} {' '.join(words)}".rstrip()]
    for title, kind in (("Takes", op.request), ("Answers", op.answer)):
        schema = schemas[kind.__name__]
        if not schema["properties"]:
            text += ["", f"{title}: an empty object"]
            continue
        needed = set(schema.get("required", ())) if kind is op.request else set()
        text += ["", f"{title}:"]
        for name, told in schema["properties"].items():
            must = " (required)" if name in needed and name != "RegistryId" else ""
            text.append(f"  {name}{must}  {told.get('description', '')}".rstrip())
    show(context, schemas, "\n".join(text))


def _given(op: AnyOperation) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in example(op.request).items() if name != "RegistryId"]


def _as_json(name: str, value: Any) -> str:
    return f"{name}:='{msgspec.json.encode(value).decode()}'"


def login(
    context: typer.Context,
    server: Annotated[str, typer.Argument(help="Address of the server, https://HOST.")],
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Read the SecretKey from standard input instead of asking.")
    ] = False,
    sso: Annotated[
        bool, typer.Option("--sso", help="Log in at the identity provider with the browser; holds for an hour.")
    ] = False,
) -> None:
    """Log in to a server, with an API key or by single sign-on; commands go to it until logout.

    The key is checked, then kept in ~/.config/roadstead, readable by you only. --key names the SecretId; the
    SecretKey is asked for, or comes from ROADSTEAD_CLIENT_SECRET. --sso gets a temporary key instead.
    """
    options: Options = context.obj
    address = profiles.address(server)
    if sso and (options.key or secret_stdin):
        raise InvalidInput("--sso gets a key by itself: leave out --key and --secret-stdin")
    known = _by_browser(address) if sso else _by_key(address, options, secret_stdin)
    told = asyncio.run(_check(known))
    path = profiles.profile_file()
    profiles.write(path, known)
    if not profiles.is_private(address):
        typer.echo("Warning: over http:// the key travels unencrypted; use https:// between machines.", err=True)
    show(context, told, f"Logged in to {address}. Commands go there until: roadstead logout")


def _by_key(address: str, options: Options, secret_stdin: bool) -> profiles.Profile:
    client = load(options.config).client
    secret_id = options.key or client.key or typer.prompt("SecretId", err=True)
    secret = sys.stdin.readline().strip() if secret_stdin else client.secret
    if not secret and not secret_stdin:
        secret = typer.prompt("SecretKey", hide_input=True, err=True)
    return profiles.Profile(address, secret_id.strip(), secret)


def _by_browser(address: str) -> profiles.Profile:
    key = single_sign_on.log_in(address)
    return profiles.Profile(address, key.tmp_secret_id, key.tmp_secret_key, key.token, key.expired_time)


async def _check(known: profiles.Profile) -> dict[str, str]:
    """The server is a Roadstead and knows the key; what it says of itself."""
    from roadstead.clients.api import open_api

    async with open_api(known.server, known.secret_id, known.secret_key, token=known.token) as client:
        root = await client.root()
        if root.product != "Roadstead":
            raise InvalidInput(f"{known.server} is not a Roadstead server")
        # The key of somebody who may not list namespaces holds all the same.
        with suppress(AccessDenied):
            await client.call("DescribeNamespaces", msgspec.json.encode({"RegistryId": root.instance["RegistryId"]}))
    return {"Server": known.server, "SecretId": known.secret_id, "Version": root.version}


def logout(context: typer.Context) -> None:
    """Forget the login; commands go to the registry on this machine again.

    The temporary key of a login by --sso ends at the server too; an API key stays what it was.
    """
    known = profiles.forget(profiles.profile_file())
    ended = known is not None and asyncio.run(_end_key(known))
    text = "Not logged in." if known is None else f"Logged out of {known.server}.".replace(" of .", ".")
    show(context, {"Server": known.server if known else "", "KeyEnded": ended}, text)


async def _end_key(known: profiles.Profile) -> bool:
    """Whether the key of the login holds nowhere any more; a line says it if a temporary one may."""
    from roadstead.clients.api import open_api

    if not known.token or 0 < known.ends_at <= time.time():
        return bool(known.token)
    client = open_api(known.server, known.secret_id, known.secret_key, token=known.token, seconds=_LOGOUT_SECONDS)
    try:
        async with client as api:
            await api.end_key()
    except NotAuthenticated:
        return True
    except AppError as error:
        until = f"{datetime.fromtimestamp(known.ends_at, UTC):%H:%M} UTC" if known.ends_at else "its hour is over"
        typer.echo(
            f"Warning: the server could not be told to end the temporary key, which holds there until {until}: "
            f"{error}",
            err=True,
        )
        return False
    return True
