"""`roadstead group`: users who are given policies together."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows
from roadstead.cli.people import group_of, user_of
from roadstead.cli.session import Session, work
from roadstead.domain.counts import counted
from roadstead.services import groups
from roadstead.services.groups import Membership

commands = typer.Typer(help="Groups: users who are given policies together.", no_args_is_help=True)
Group = Annotated[str, typer.Argument(help="Name or number of the group.")]
User = Annotated[str, typer.Argument(help="Name or number of the user.")]


@commands.command(epilog="Example: roadstead group create readers")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the new group.")],
    remark: Annotated[str, typer.Option(help="What the group is for.")] = "",
) -> None:
    """Create an empty group."""
    answer = work(context, lambda s: s.call(groups.create_group, group_name=name, remark=remark))
    show(context, answer, f"Group {name} created (number {answer.group_id}).")


@commands.command("list", epilog="Example: roadstead group list --json")
def list_(
    context: typer.Context,
    search: Annotated[str, typer.Option(help="Only names that contain this.")] = "",
) -> None:
    """List groups."""
    rows = work(context, lambda s: s.every(groups.list_groups, "group_info", keyword=search))
    columns = [("NAME", "group_name"), ("NUMBER", "group_id"), ("CREATED", "create_time"), ("FOR", "remark")]
    show_rows(context, rows, columns, empty="No groups yet. Create one: roadstead group create NAME")


@commands.command(epilog="Example: roadstead group members readers")
def members(context: typer.Context, group: Group) -> None:
    """List the users of a group."""

    async def body(s: Session) -> list[Any]:
        return await s.every(groups.list_users_for_group, "user_info", group_id=await group_of(s, group))

    columns = [("NAME", "name"), ("ACCOUNT", "uin"), ("FOR", "remark")]
    show_rows(context, work(context, body), columns, empty="Nobody is in this group.")


@commands.command(epilog="Example: roadstead group add readers alice")
def add(context: typer.Context, group: Group, user: User) -> None:
    """Put a user into a group; it has what the group has, from its next request on."""
    answer = work(context, lambda s: _change(s, groups.add_user_to_group, group, user))
    show(context, answer, f"{user} is in {group}.")


@commands.command(epilog="Example: roadstead group remove readers alice")
def remove(context: typer.Context, group: Group, user: User) -> None:
    """Take a user out of a group."""
    answer = work(context, lambda s: _change(s, groups.remove_user_from_group, group, user))
    show(context, answer, f"{user} is not in {group}.")


async def _change(session: Session, op: Any, group: str, user: str) -> Any:
    member = Membership(group_id=await group_of(session, group), uin=await user_of(session, user))
    return await session.call(op, info=[member])


@commands.command(epilog="Example: roadstead group delete readers --yes")
def delete(context: typer.Context, group: Group, yes: Yes = False) -> None:
    """Delete a group; its members keep what they have themselves and by other groups."""

    async def body(s: Session) -> Any:
        number = await group_of(s, group)
        if not yes:
            held = (await s.call(groups.get_group, group_id=number)).group_num
            sure(yes, f"Delete group {group} with its policies? It has {counted(held, 'member')}.")
        return await s.call(groups.delete_group, group_id=number)

    show(context, work(context, body), f"Group {group} deleted.")
