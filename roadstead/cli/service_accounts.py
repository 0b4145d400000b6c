"""`roadstead serviceaccount`: logins for machines, with permissions per namespace."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows
from roadstead.cli.session import Session, work
from roadstead.cli.users import asked
from roadstead.errors import InvalidInput
from roadstead.services import service_accounts

commands = typer.Typer(help="Service accounts: logins for machines.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the service account, with or without `tcr$`.")]
May = Annotated[
    list[str],
    typer.Option(
        "--may",
        help="NAMESPACE:pull,push,create; the namespace * is every one, and charts adds uploading and listing "
        "charts. May be given several times.",
    ),
]
Days = Annotated[int | None, typer.Option(min=1, help="For how many days from now it holds.")]

_ACTIONS = {
    "pull": ("tcr:PullRepository",),
    "push": ("tcr:PushRepository",),
    "create": ("tcr:CreateRepository",),
    "charts": ("tcr:CreateHelmChart", "tcr:DescribeHelmCharts"),
}
_SHOWN = """Username   {name}
Password   {password}

This is shown once. Log in with:
  docker login {host} --username '{name}' --password {password}"""


def _permissions(may: list[str]) -> list[service_accounts.Permission]:
    found = []
    for text in may:
        namespace, _, words = text.partition(":")
        actions: list[str] = []
        for word in words.split(","):
            if word not in _ACTIONS:
                raise InvalidInput(f"--may {text}: write NAMESPACE:{','.join(_ACTIONS)}, or some of them")
            actions += _ACTIONS[word]
        found.append(service_accounts.Permission(resource=namespace, actions=actions))
    return found


@commands.command(epilog="Example: roadstead serviceaccount create ci --may prod:pull,push --days 90")
def create(
    context: typer.Context,
    name: Name,
    may: May,
    days: Days = 365,
    purpose: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Create a service account; its password is shown this once."""
    fields: dict[str, Any] = {"permissions": _permissions(may), "duration": days, "description": purpose}

    async def body(s: Session) -> tuple[Any, str]:
        # Asked for first: what is shown once must not be lost to a failure after it.
        host = await s.login_host()
        return await s.call(service_accounts.create_service_account, name=name, **fields), host

    answer, host = work(context, body)
    show(context, answer, _SHOWN.format(host=host, name=answer.name, password=answer.password))


@commands.command("list", epilog="Example: roadstead serviceaccount list --json")
def list_(context: typer.Context) -> None:
    """List service accounts and what each may do."""
    op = service_accounts.describe_service_accounts
    rows = work(context, lambda s: s.every(op, "service_accounts", embed_permission=True, limit=100))
    columns = [
        ("NAME", "name"),
        ("DISABLED", "disable"),
        ("CREATED", "create_time"),
        ("CHANGED", "update_time"),
        ("PURPOSE", "description"),
    ]
    empty = "No service accounts yet. Create one: roadstead serviceaccount create NAME --may NAMESPACE:pull"
    show_rows(context, rows, columns, empty=empty)


@commands.command(epilog="Example: roadstead serviceaccount modify ci --may prod:pull --days 30")
def modify(
    context: typer.Context,
    name: Name,
    may: May = [],  # noqa: B006  typer makes a list of its own
    days: Days = None,
    purpose: Annotated[str | None, typer.Option(help="What it is for.")] = None,
) -> None:
    """Change what a service account may do, or until when; what --may lists replaces what it had."""
    fields: dict[str, Any] = {"permissions": _permissions(may) or None, "duration": days, "description": purpose}
    answer = work(context, lambda s: s.call(service_accounts.modify_service_account, name=name, **fields))
    show(context, answer, f"Service account {name} changed.")


@commands.command(epilog="Example: roadstead serviceaccount disable ci")
def disable(context: typer.Context, name: Name) -> None:
    """Disable a service account; it and its tokens stop working at once."""
    answer = work(context, lambda s: s.call(service_accounts.modify_service_account, name=name, disable=True))
    show(context, answer, f"Service account {name} disabled.")


@commands.command(epilog="Example: roadstead serviceaccount enable ci")
def enable(context: typer.Context, name: Name) -> None:
    """Enable a disabled service account."""
    answer = work(context, lambda s: s.call(service_accounts.modify_service_account, name=name, disable=False))
    show(context, answer, f"Service account {name} enabled.")


@commands.command(epilog="Example: roadstead serviceaccount password ci")
def password(
    context: typer.Context,
    name: Name,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for it on the terminal instead of making one.")] = False,
) -> None:
    """Give a service account another password; the old one stops working at once."""
    chosen = asked(ask)
    op = service_accounts.modify_service_account_password
    answer = work(context, lambda s: s.call(op, name=name, random=not chosen, password=chosen))
    shown = "" if chosen else f"\nPassword   {answer.password}\nThis is shown once."
    show(context, answer, f"Service account {name} has another password.{shown}")


@commands.command(epilog="Example: roadstead serviceaccount delete ci --yes")
def delete(context: typer.Context, name: Name, yes: Yes = False) -> None:
    """Delete a service account; it stops working at once."""
    sure(yes, f"Delete service account {name}? Whatever logs in with it is refused from then on.")
    answer = work(context, lambda s: s.call(service_accounts.delete_service_account, name=name))
    show(context, answer, f"Service account {name} deleted.")
