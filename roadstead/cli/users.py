"""`roadstead user`: the people and programs that work with the registry besides its owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from roadstead.cli.access_keys import show_keys
from roadstead.cli.asking import Yes, sure
from roadstead.cli.options import Options
from roadstead.cli.output import show, show_rows, time_text
from roadstead.cli.session import work
from roadstead.services import users

commands = typer.Typer(help="Users: who may log in besides the owner.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the user.")]
_PHONE = typer.Option(help="Telephone number, for people who look the user up.")
_COUNTRY_CODE = typer.Option(help="Country code of the telephone number.")
_EMAIL = typer.Option(help="Mail address, for people who look the user up.")
MustChange = Annotated[
    bool, typer.Option("--must-change", help="The user must choose another password at the next login.")
]
Ask = Annotated[
    bool, typer.Option("--ask", help="Ask for the password on the terminal instead of making one that is shown.")
]

_NEXT = "It may do nothing until a policy is attached to it."


def asked(wanted: bool) -> str:
    """The password that was typed twice; empty when none shall be asked for. It never stands on a command line."""
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)) if wanted else ""


@commands.command(epilog="Example: roadstead user create alice --console --remark 'shop team'")
def create(
    context: typer.Context,
    name: Name,
    remark: Annotated[str, typer.Option(help="What the user is for.")] = "",
    console: Annotated[bool, typer.Option("--console", help="May log in to the console, with a password.")] = False,
    ask: Ask = False,
    must_change: MustChange = False,
    key: Annotated[bool, typer.Option("--api-key", help="Make an API key too; it is shown this once.")] = False,
    phone: Annotated[str, _PHONE] = "",
    country_code: Annotated[str, _COUNTRY_CODE] = "",
    email: Annotated[str, _EMAIL] = "",
) -> None:
    """Create a user, with a console password and an API key if asked for."""
    fields: dict[str, Any] = {
        "remark": remark,
        "console_login": int(console or ask or must_change),
        "need_reset_password": int(must_change),
        "use_api": int(key),
        "phone_num": phone,
        "country_code": country_code,
        "email": email,
    }
    password = asked(ask)
    answer = work(context, lambda s: s.call(users.add_user, name=name, password=password, **fields))
    shown = {
        "Password": answer.password,
        "SecretId": answer.secret_id,
        "SecretKey": answer.secret_key,
    }
    secrets = "".join(f"\n{label:<11}{value}" for label, value in shown.items() if value)
    once = "\nWhat is secret is shown this once." if secrets else ""
    show(context, answer, f"User {name} created.\nNumber     {answer.uin}{secrets}{once}\n{_NEXT}")


@commands.command("list", epilog="Example: roadstead user list --json")
def list_(context: typer.Context) -> None:
    """List users."""
    options: Options = context.obj
    rows = work(context, lambda s: s.every(users.list_users, "data"))
    columns = [
        ("NAME", "name"),
        ("NUMBER", "uin"),
        ("ENABLED", "enabled"),
        ("CONSOLE", "console"),
        ("CREATED", "created"),
        ("REMARK", "remark"),
    ]
    lines = rows if options.as_json else [_line(row) for row in rows]
    show_rows(context, lines, columns, empty="No users yet. Create one: roadstead user create NAME")


@dataclass(frozen=True, slots=True)
class _Line:
    """One user as a line of the table."""

    name: str
    uin: int
    enabled: bool
    console: str
    created: datetime
    remark: str


def _line(row: users.UserInfo) -> _Line:
    return _Line(row.name, row.uin, row.enabled, _console(row), row.create_time, row.remark)


def _console(row: users.UserInfo) -> str:
    """How the user logs in to the console."""
    if not row.console_login:
        return "no"
    parts = ["password"]
    if row.totp:
        parts.append("second factor")
    if row.need_reset_password:
        parts.append("to be changed")
    return ", ".join(parts)


@commands.command("show", epilog="Example: roadstead user show alice")
def show_(context: typer.Context, name: Name) -> None:
    """Show a user: how it logs in to the console, when it did last, and how the person is reached."""
    found = work(context, lambda s: s.call(users.get_user, name=name))
    seen = found.recently_login_time
    telephone = f"+{found.country_code} {found.phone_num}" if found.country_code else found.phone_num
    facts = {
        "Number": str(found.uin),
        "Enabled": "yes" if found.enabled else "no",
        "Console": _console(found),
        "Last login": f"{time_text(seen)} from {found.recently_login_ip}" if seen else "",
        "Created": time_text(found.create_time),
        "Remark": found.remark,
        "Email": found.email,
        "Telephone": telephone,
    }
    show(context, found, "\n".join(f"{label:<11}{value}" for label, value in facts.items() if value))


@commands.command(epilog="Example: roadstead user modify alice --email alice@example.com --remark 'shop team'")
def modify(
    context: typer.Context,
    name: Name,
    remark: Annotated[str | None, typer.Option(help="What the user is for.")] = None,
    phone: Annotated[str | None, _PHONE] = None,
    country_code: Annotated[str | None, _COUNTRY_CODE] = None,
    email: Annotated[str | None, _EMAIL] = None,
) -> None:
    """Change what is known of a user; what is left out stays."""
    fields: dict[str, Any] = {
        "remark": remark,
        "phone_num": phone,
        "country_code": country_code,
        "email": email,
    }
    answer = work(context, lambda s: s.call(users.update_user, name=name, **fields))
    show(context, answer, f"User {name} changed.")


@commands.command(epilog="Example: roadstead user disable alice")
def disable(context: typer.Context, name: Name) -> None:
    """Disable a user; its credentials, keys, tokens and logins stop working at once."""
    answer = work(context, lambda s: s.call(users.modify_user_status, name=name, enabled=False))
    show(context, answer, f"User {name} disabled.")


@commands.command(epilog="Example: roadstead user enable alice")
def enable(context: typer.Context, name: Name) -> None:
    """Enable a disabled user; it has to log in to the console again."""
    answer = work(context, lambda s: s.call(users.modify_user_status, name=name, enabled=True))
    show(context, answer, f"User {name} enabled.")


@commands.command(epilog="Example: roadstead user delete alice --yes")
def delete(
    context: typer.Context,
    name: Name,
    yes: Yes = False,
) -> None:
    """Delete a user with its access credentials, keys and logins."""
    sure(yes, f"Delete user {name} with its credentials, keys and logins?")
    answer = work(context, lambda s: s.call(users.delete_user, name=name, force=1))
    show(context, answer, f"User {name} deleted.")


@commands.command(epilog="Example: roadstead user password alice --ask")
def password(
    context: typer.Context,
    name: Name,
    ask: Ask = False,
    must_change: MustChange = False,
    reset_totp: Annotated[
        bool, typer.Option("--reset-second-factor", help="Remove its second factor too, if it has lost it.")
    ] = False,
) -> None:
    """Give a user another console password; its logins end. The owner's own is given with the name `admin`."""
    from roadstead.services.secrets import random_password

    chosen = asked(ask)
    given = chosen or random_password(20, "-_=+")
    more: dict[str, Any] = {"need_reset_password": 1} if must_change else {}

    async def change(session: Any) -> Any:
        answer = await session.call(users.update_user, name=name, console_login=1, password=given, **more)
        if reset_totp:
            await session.call(users.modify_user_status, name=name, reset_totp=True)
        return users.UpdatedUser(password="" if chosen else given) if answer is not None else answer

    answer = work(context, change)
    secret = f"\nPassword   {answer.password}\nThis is shown once." if answer.password else ""
    show(context, answer, f"User {name} has another password; its logins have ended.{secret}")


@commands.command(epilog="Example: roadstead user keys alice")
def keys(context: typer.Context, name: Name) -> None:
    """List a user's API keys with their last use."""
    show_keys(context, name)
