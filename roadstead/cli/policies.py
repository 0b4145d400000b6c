"""`roadstead policy`: what users and groups may do, written in CAM form, given and taken."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.options import Options
from roadstead.cli.output import show, show_rows
from roadstead.cli.people import group_of, policy_of, user_of
from roadstead.cli.session import Session, work
from roadstead.domain.counts import counted
from roadstead.domain.presets import TEMPLATES, from_template
from roadstead.errors import InvalidInput
from roadstead.services import attachments, policy_documents

commands = typer.Typer(help="Policies: what users and groups may do.", no_args_is_help=True)
Policy = Annotated[str, typer.Argument(help="Name or number of the policy.")]
File = Annotated[str, typer.Option("--file", help="The policy as JSON; - reads standard input.")]
Template = Annotated[
    str, typer.Option("--template", help=f"Write it from a template: {', '.join(each.name for each in TEMPLATES)}.")
]
On = Annotated[
    str, typer.Option("--on", help="What the template is for: NAMESPACE or NAMESPACE/REPOSITORY of the instance.")
]
ToUser = Annotated[str, typer.Option("--user", help="Name or number of the user.")]
ToGroup = Annotated[str, typer.Option("--group", help="Name or number of the group.")]


@dataclass(frozen=True, slots=True)
class _Holder:
    """One user or group that has a policy, as a line of a table."""

    name: str
    kind: str
    number: str
    since: datetime


async def _document(session: Session, file: str, template: str, on: str) -> str:
    """The document that the options name."""
    if bool(file) == bool(template):
        raise InvalidInput("say where the policy stands, with --file FILE or with --template NAME [--on WHAT]")
    if template:
        return from_template(template, await session.registry_id(), on)
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from error


@commands.command(epilog="Example: roadstead policy create read-web --template read-repository --on shop/web")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the new policy.")],
    file: File = "",
    template: Template = "",
    on: On = "",
    description: Annotated[str, typer.Option(help="What the policy is for.")] = "",
) -> None:
    """Create a policy from a file or a template; it does nothing until it is attached."""

    async def body(s: Session) -> Any:
        document = await _document(s, file, template, on)
        return await s.call(
            policy_documents.create_policy, policy_name=name, policy_document=document, description=description
        )

    answer = work(context, body)
    show(context, answer, f"Policy {name} created (number {answer.policy_id}).")


@commands.command("list", epilog="Example: roadstead policy list --json")
def list_(
    context: typer.Context,
    search: Annotated[str, typer.Option(help="Only names that contain this.")] = "",
) -> None:
    """List policies, presets too."""
    rows = work(context, lambda s: s.every(policy_documents.list_policies, "list_", keyword=search))
    columns = [("NAME", "policy_name"), ("NUMBER", "policy_id"), ("HOLDERS", "attachments"), ("FOR", "description")]
    show_rows(context, rows, columns, empty="No policy is called so. Create one: roadstead policy create NAME")


@commands.command("show", epilog="Example: roadstead policy show QcloudTCRReadOnlyAccess")
def show_(context: typer.Context, policy: Policy) -> None:
    """Show the document of a policy that is in force."""

    async def body(s: Session) -> Any:
        return await s.call(policy_documents.get_policy, policy_id=await policy_of(s, policy))

    answer = work(context, body)
    show(context, answer, answer.policy_document)


@commands.command(epilog="Example: roadstead policy template read-repository --on shop/frontend > policy.json")
def template(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the template.")] = "",
    on: On = "",
) -> None:
    """Print the document of a template, or the templates that there are."""
    if not name:
        show_rows(context, TEMPLATES, [("NAME", "name"), ("FOR", "description")], empty="")
        return

    async def body(s: Session) -> str:
        return from_template(name, await s.registry_id(), on)

    typer.echo(work(context, body))


@commands.command(epilog="Example: roadstead policy update read-frontend --file policy.json")
def update(context: typer.Context, policy: Policy, file: File = "", template: Template = "", on: On = "") -> None:
    """Change a policy's document, at once for all that have it."""

    async def body(s: Session) -> Any:
        document = await _document(s, file, template, on)
        number = await policy_of(s, policy)
        return await s.call(policy_documents.update_policy, policy_id=number, policy_document=document)

    show(context, work(context, body), f"Policy {policy} changed.")


@commands.command(epilog="Example: roadstead policy attach read-frontend --user alice")
def attach(context: typer.Context, policy: Policy, user: ToUser = "", group: ToGroup = "") -> None:
    """Give a policy to a user or a group, from their next requests on."""
    show(context, work(context, lambda s: _attachment(s, policy, user, group, gives=True)), f"{policy} attached.")


@commands.command(epilog="Example: roadstead policy detach read-frontend --group readers")
def detach(context: typer.Context, policy: Policy, user: ToUser = "", group: ToGroup = "") -> None:
    """Take a policy from a user or a group."""
    show(context, work(context, lambda s: _attachment(s, policy, user, group, gives=False)), f"{policy} detached.")


async def _attachment(session: Session, policy: str, user: str, group: str, *, gives: bool) -> Any:
    if bool(user) == bool(group):
        raise InvalidInput("say who is meant, with --user USER or with --group GROUP")
    number = await policy_of(session, policy)
    if user:
        uin = await user_of(session, user)
        if gives:
            return await session.call(attachments.attach_user_policy, policy_id=number, attach_uin=uin)
        return await session.call(attachments.detach_user_policy, policy_id=number, detach_uin=uin)
    group_id = await group_of(session, group)
    if gives:
        return await session.call(attachments.attach_group_policy, policy_id=number, attach_group_id=group_id)
    return await session.call(attachments.detach_group_policy, policy_id=number, detach_group_id=group_id)


@commands.command(epilog="Example: roadstead policy holders read-frontend")
def holders(context: typer.Context, policy: Policy) -> None:
    """List who has a policy."""

    async def body(s: Session) -> list[Any]:
        number = await policy_of(s, policy)
        rows = await s.every(attachments.list_entities_for_policy, "list_", policy_id=number)
        return rows if options.as_json else [_holder(row) for row in rows]

    options: Options = context.obj
    columns = [("NAME", "name"), ("KIND", "kind"), ("NUMBER", "number"), ("SINCE", "since")]
    show_rows(context, work(context, body), columns, empty="Nobody has this policy.")


def _holder(row: attachments.Entity) -> _Holder:
    user = row.related_type == 1
    return _Holder(row.name, "user" if user else "group", str(row.uin) if user else row.id, row.attachment_time)


@commands.command("of", epilog="Example: roadstead policy of --user alice")
def of_whom(context: typer.Context, user: ToUser = "", group: ToGroup = "") -> None:
    """List the policies that a user or a group has itself."""

    async def body(s: Session) -> list[Any]:
        if bool(user) == bool(group):
            raise InvalidInput("say who is meant, with --user USER or with --group GROUP")
        if user:
            uin = await user_of(s, user)
            return await s.every(attachments.list_attached_user_policies, "list_", target_uin=uin)
        number = await group_of(s, group)
        return await s.every(attachments.list_attached_group_policies, "list_", target_group_id=number)

    columns = [("NAME", "policy_name"), ("NUMBER", "policy_id"), ("SINCE", "add_time"), ("FOR", "remark")]
    show_rows(context, work(context, body), columns, empty="No policy is attached.")


@commands.command(epilog="Example: roadstead policy delete read-frontend --yes")
def delete(context: typer.Context, policy: Policy, yes: Yes = False) -> None:
    """Delete a policy; whoever had it has it no more."""

    async def body(s: Session) -> Any:
        number = await policy_of(s, policy)
        if not yes:
            holders = await s.call(attachments.list_entities_for_policy, policy_id=number, rp=1)
            held = counted(holders.total_num or 0, "holder")
            sure(yes, f"Delete policy {policy} with all its versions? It has {held}.")
        return await s.call(policy_documents.delete_policy, policy_id=[number])

    show(context, work(context, body), f"Policy {policy} deleted.")
