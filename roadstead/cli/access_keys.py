"""`roadstead key`: API keys (SecretId and SecretKey) for the SDKs, tccli and scripts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows
from roadstead.cli.session import Session, work
from roadstead.services import access_keys, users

commands = typer.Typer(help="API keys for SDKs, tccli and scripts.", no_args_is_help=True)
User = Annotated[str, typer.Option("--user", help="Whose key; one's own if left out.")]
Id = Annotated[str, typer.Argument(help="SecretId of the key.")]

_SHOWN = """SecretId   {access_key_id}
SecretKey  {secret_access_key}

This is shown once."""


async def _of(session: Session, user: str) -> dict[str, Any]:
    """The field that names whose key is meant."""
    if not user:
        return {}
    return {"target_uin": (await session.call(users.get_user, name=user)).uin}


@commands.command(epilog="Example: roadstead key create --user alice")
def create(context: typer.Context, user: User = "") -> None:
    """Create an API key; an account has two active ones at most."""

    async def make(session: Session) -> Any:
        return await session.call(access_keys.create_access_key, **await _of(session, user))

    answer = work(context, make)
    key = answer.access_key
    shown = _SHOWN.format(access_key_id=key.access_key_id, secret_access_key=key.secret_access_key)
    show(context, answer, shown)


@commands.command("list", epilog="Example: roadstead key list --user alice")
def list_(context: typer.Context, user: User = "") -> None:
    """List API keys with their last use; their secrets are not known any more."""
    show_keys(context, user)


def show_keys(context: typer.Context, user: str) -> None:
    """The keys of the user have been printed; one's own for an empty name."""

    async def found(session: Session) -> Any:
        return (await session.call(access_keys.list_access_keys, **await _of(session, user))).access_keys

    columns = [
        ("SECRETID", "access_key_id"),
        ("STATUS", "status"),
        ("CREATED", "create_time"),
        ("LAST USED", "last_used_time"),
    ]
    show_rows(context, work(context, found), columns, empty="No API keys yet. Create one: roadstead key create")


def _change(context: typer.Context, key: str, user: str, status: str) -> Any:
    async def change(session: Session) -> Any:
        whose = await _of(session, user)
        return await session.call(access_keys.update_access_key, access_key_id=key, status=status, **whose)

    return work(context, change)


@commands.command(epilog="Example: roadstead key disable AKID3f9k2m8x1c7v5b0n4q6w")
def disable(context: typer.Context, key: Id, user: User = "") -> None:
    """Disable an API key; it stops working at once."""
    show(context, _change(context, key, user, "Inactive"), f"Key {key} disabled.")


@commands.command(epilog="Example: roadstead key enable AKID3f9k2m8x1c7v5b0n4q6w")
def enable(context: typer.Context, key: Id, user: User = "") -> None:
    """Enable a disabled API key."""
    show(context, _change(context, key, user, "Active"), f"Key {key} enabled.")


@commands.command(epilog="Example: roadstead key delete AKID3f9k2m8x1c7v5b0n4q6w --yes")
def delete(context: typer.Context, key: Id, user: User = "", yes: Yes = False) -> None:
    """Delete an API key; it stops working at once."""
    sure(yes, f"Delete the key {key}? Whatever uses it is refused from then on.")

    async def remove(session: Session) -> Any:
        return await session.call(access_keys.delete_access_key, access_key_id=key, **await _of(session, user))

    show(context, work(context, remove), f"Key {key} deleted.")
