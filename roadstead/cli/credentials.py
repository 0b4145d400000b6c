"""`roadstead credential`: usernames and passwords for docker and helm."""

from __future__ import annotations

from typing import Annotated

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows
from roadstead.cli.people import user_of
from roadstead.cli.session import Session, work
from roadstead.services import credentials

commands = typer.Typer(help="Access credentials for docker, podman, helm and the like.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="Id of the credential, as `credential list` shows it.")]

_SHOWN = """Username   {username}
Password   {token}

This is shown once. Log in with:
  docker login {host} --username {username} --password {token}"""


@commands.command(epilog="Example: roadstead credential create --purpose 'build server'")
def create(
    context: typer.Context,
    purpose: Annotated[str, typer.Option(help="What it is for.")] = "",
    temporary: Annotated[bool, typer.Option("--temporary", help="Valid for an hour, cannot be revoked.")] = False,
    user: Annotated[str, typer.Option("--user", help="Whose it is, by name or number; else the owner's.")] = "",
) -> None:
    """Create an access credential: long-term, or for an hour with --temporary. It may do what its user may."""
    kind = "temp" if temporary else "longterm"

    async def body(s: Session) -> tuple[credentials.CreatedToken, str]:
        whose = await s.of_user(await user_of(s, user)) if user else s
        # Asked for first: what is shown once must not be lost to a failure after it.
        host = await s.login_host()
        return await whose.call(credentials.create_instance_token, token_type=kind, desc=purpose), host

    answer, host = work(context, body)
    show(context, answer, _SHOWN.format(host=host, username=answer.username, token=answer.token))


@commands.command("list", epilog="Example: roadstead credential list --json")
def list_(context: typer.Context) -> None:
    """List long-term credentials; their passwords are not known any more."""
    rows = work(context, lambda s: s.every(credentials.describe_instance_token, "tokens"))
    columns = [("ID", "id"), ("ENABLED", "enabled"), ("CREATED", "created_at"), ("PURPOSE", "desc")]
    show_rows(context, rows, columns, empty="No credentials yet. Create one: roadstead credential create")


@commands.command(epilog="Example: roadstead credential disable 3f9k2m8x1c7v5b0n4q6w")
def disable(context: typer.Context, credential: Id) -> None:
    """Disable a credential; it stops working at once."""
    answer = work(context, lambda s: s.call(credentials.modify_instance_token, token_id=credential, enable=False))
    show(context, answer, f"Credential {credential} disabled.")


@commands.command(epilog="Example: roadstead credential enable 3f9k2m8x1c7v5b0n4q6w")
def enable(context: typer.Context, credential: Id) -> None:
    """Enable a disabled credential."""
    answer = work(context, lambda s: s.call(credentials.modify_instance_token, token_id=credential, enable=True))
    show(context, answer, f"Credential {credential} enabled.")


@commands.command(epilog="Example: roadstead credential delete 3f9k2m8x1c7v5b0n4q6w --yes")
def delete(context: typer.Context, credential: Id, yes: Yes = False) -> None:
    """Delete a credential; it stops working at once."""
    sure(yes, f"Delete the credential {credential}? Whatever logs in with it is refused from then on.")
    answer = work(context, lambda s: s.call(credentials.delete_instance_token, token_id=credential))
    show(context, answer, f"Credential {credential} deleted.")
