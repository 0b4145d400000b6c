"""`roadstead account`: one's own password and second factor, which only the person itself may change.

No key does for this: the commands ask for the password and log in as the console does, for as long as they take. They
talk to a server that is running, the one on this machine if no other is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any

import typer

from roadstead.cli import profile, served
from roadstead.cli.options import Options
from roadstead.cli.output import show
from roadstead.cli.session import configured
from roadstead.clients.people import Person, logged_in, somebody
from roadstead.domain.counts import counted
from roadstead.errors import Conflict, PasswordChangeNeeded, SecondFactorFailure

commands = typer.Typer(help="One's own password and second factor, as the console has them.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name or number of one's own account.")]
Body = Callable[[Person, str], Awaitable[Any]]
Once = Callable[[str, Mapping[str, str]], Coroutine[Any, Any, Any]]

_APP = """Enter this secret in your authenticator app, or open the address on the device that has it:

{Secret}
{Uri}
"""
_CODES = """{title}

{codes}

Each of these lets you in once in place of a code, if the app is lost. They are shown this once: keep them
apart from it."""


@commands.command("show", epilog="Example: roadstead account show alice")
def show_(context: typer.Context, name: Name) -> None:
    """Show whether one's account has a second factor, and how many recovery codes are left."""

    async def told(person: Person, password: str) -> Mapping[str, Any]:
        return {key: value for key, value in person.told.items() if key != "CsrfToken"}

    told_ = _as_person(context, name, told)
    factor = f"on, {counted(told_['RecoveryCodes'], 'recovery code')} left" if told_["Totp"] else "off"
    show(context, told_, f"Name           {told_['Name']}\nNumber         {told_['Uin']}\nSecond factor  {factor}")


@commands.command(epilog="Example: roadstead account password alice --server https://registry.example.com")
def password(context: typer.Context, name: Name) -> None:
    """Change one's own password, also when the next login must bring another one; one's other logins end."""

    async def change(person: Person, old: str) -> None:
        await person.ask("/password", OldPassword=old, NewPassword=_new_password())

    _as_person(context, name, change, changes=True)
    show(context, {}, f"The password of {name} is changed; other logins have ended.")


@commands.command("second-factor", epilog="Example: roadstead account second-factor alice")
def second_factor(
    context: typer.Context,
    name: Name,
    remove: Annotated[bool, typer.Option("--remove", help="Log in with the password alone from now on.")] = False,
) -> None:
    """Set up a second factor and get recovery codes for it, or remove it."""

    async def set_up(person: Person, password: str) -> Mapping[str, Any]:
        typer.echo(_APP.format(**await person.ask("/totp/enrol", Password=password)), err=True)
        return await person.ask("/totp/confirm", Code=typer.prompt("Code that the app shows", err=True))

    if remove:
        _proving(context, name, "/totp/remove")
        show(context, {}, f"{name} has no second factor any more.")
    else:
        _show_codes(context, _as_person(context, name, set_up), f"{name} logs in with a second factor from now on.")


@commands.command("recovery-codes", epilog="Example: roadstead account recovery-codes alice")
def recovery_codes(context: typer.Context, name: Name) -> None:
    """Make new recovery codes for one's second factor; the earlier ones count no more."""
    _show_codes(context, _proving(context, name, "/totp/recovery"), f"{name} has new recovery codes.")


def _show_codes(context: typer.Context, answer: Mapping[str, Any], title: str) -> None:
    codes: Sequence[str] = answer["RecoveryCodes"]
    show(context, answer, _CODES.format(title=title, codes="\n".join(codes)))


def _as_person(context: typer.Context, name: str, body: Body, *, changes: bool = False) -> Any:
    """What `body` finds, logged in as the person; it need not run for a password that the login has `changes`-d."""

    async def once(server: str, fields: Mapping[str, str]) -> Any:
        async with logged_in(server, fields) as person:
            skip = changes and "NewPassword" in fields
            return None if skip else await body(person, fields.get("NewPassword", fields["Password"]))

    return _typed(context, name, once)


def _proving(context: typer.Context, name: str, path: str) -> dict[str, Any]:
    """The answer there to one request that brings the password and a code itself: a login would spend the code."""

    async def once(server: str, fields: Mapping[str, str]) -> dict[str, Any]:
        async with somebody(server) as person:
            try:
                return await person.ask(path, **fields)
            except PasswordChangeNeeded as error:
                raise Conflict(f"the password must be changed first: roadstead account password {name}") from error

    answer: dict[str, Any] = _typed(context, name, once)
    return answer


def _typed(context: typer.Context, name: str, once: Once) -> Any:
    """What `once` finds at the server with what the person types: the password, and whatever else is asked for."""
    options: Options = context.obj
    server = profile.where(options) or served.url(configured(options))
    if not profile.is_private(server):
        typer.echo("Warning: over http:// the password travels unencrypted; use https:// between machines.", err=True)
    fields = {"Name": name, "Password": typer.prompt("Password", hide_input=True, err=True)}
    while True:
        try:
            return asyncio.run(once(server, fields))
        except PasswordChangeNeeded:
            typer.echo("The password must be changed before it opens anything.", err=True)
            fields["NewPassword"] = _new_password()
        except SecondFactorFailure:
            if "Code" in fields:
                raise
            fields["Code"] = typer.prompt("Code of the second factor, or a recovery code", err=True)


def _new_password() -> str:
    return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
