"""`roadstead instance`: create, list, show, modify, delete; each an isolated registry at its own host name.

Creation and deletion are jobs. Over a data folder the command works them off itself while it waits, so that it needs
no running server; where one runs, whoever is first does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows, size_text
from roadstead.cli.session import Options, Session, work
from roadstead.domain.counts import counted
from roadstead.errors import InstanceUnknown, InvalidInput, Unavailable
from roadstead.services import deletions, deployments, quotas, registries
from roadstead.services.fields import Filter, Tag, TagSpecification

commands = typer.Typer(help="Instances: isolated registries, each at its own host name.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Name of the instance.")]
Specification = Annotated[str, typer.Option(help="basic, standard or premium: how much it may hold.")]

_POLL_SECONDS = 0.1
_WAIT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    id: str
    host: str
    specification: str
    region: str
    status: str


@dataclass(frozen=True, slots=True)
class _Fact:
    fact: str
    value: str


@commands.command(epilog="Example: roadstead instance create acme-eu --specification standard")
def create(
    context: typer.Context,
    name: Name,
    specification: Specification = "basic",
    protect: Annotated[bool, typer.Option("--protect", help="Refuse its deletion.")] = False,
    tag: Annotated[list[str] | None, typer.Option(help="Label, KEY=VALUE; may be given several times.")] = None,
) -> None:
    """Create an instance and wait until it is running."""
    specified = TagSpecification(tags=[_tag(text) for text in tag or ()])

    async def body(session: Session) -> tuple[registries.RegistryInfo, str]:
        made = await session.call(
            deployments.create_instance,
            registry_name=name,
            registry_type=_specification(specification),
            deletion_protection=protect,
            tag_specification=specified,
        )
        found = await _followed(session, made.registry_id, _progress(context), "Running")
        if found is None or found.status != "Running":
            reasons = [step.reason for step in found.conditions if step.reason] if found is not None else []
            raise Unavailable(f"instance {name!r} could not be created: {'; '.join(reasons) or 'it is gone'}")
        info = await _registry(session, name)
        return info, session.host(info.public_domain)

    info, host = work(context, body)
    show(
        context,
        info,
        f"Instance {name} ({info.registry_id}) is running at {host}.\n"
        f"  Namespace   roadstead namespace create NAMESPACE --instance {name}\n"
        f"  Credential  roadstead credential create --instance {name}\n"
        f"  Push        docker push {host}/NAMESPACE/REPOSITORY:TAG\n"
        f"  Outside     roadstead network open --instance {name}",
    )


@commands.command("list", epilog="Example: roadstead instance list --json")
def list_(context: typer.Context) -> None:
    """List instances."""
    options: Options = context.obj

    async def body(session: Session) -> Sequence[Any]:
        rows = await session.every(registries.describe_instances, "registries")
        return rows if options.as_json else [_line(row, session.host(row.public_domain)) for row in rows]

    lines = work(context, body)
    columns = [
        ("NAME", "name"),
        ("ID", "id"),
        ("HOST", "host"),
        ("SPECIFICATION", "specification"),
        ("REGION", "region"),
        ("STATUS", "status"),
    ]
    show_rows(context, lines, columns, empty="No instances. Create one: roadstead instance create NAME")


def _line(row: registries.RegistryInfo, host: str) -> _Line:
    return _Line(row.registry_name, row.registry_id, host, row.registry_type, row.region_name, row.status)


@commands.command("show", epilog="Example: roadstead instance show acme-eu")
def show_(context: typer.Context, name: Name) -> None:
    """Show an instance, its limits and how much of them is used."""
    options: Options = context.obj

    async def body(session: Session) -> tuple[registries.RegistryInfo, quotas.InstanceQuotas, str]:
        info = await _registry(session, name)
        limits = await session.call(quotas.describe_instance_quotas, registry_id=info.registry_id)
        return info, limits, session.host(info.public_domain)

    info, limits, host = work(context, body)
    if options.as_json:
        show(context, {"Registry": info, "Quotas": limits.quotas}, "")
        return
    tags = ", ".join(f"{tag.key}={tag.value}" for tag in info.tag_specification.tags)
    facts = {
        "Id": info.registry_id,
        "Host": host,
        "Specification": info.registry_type,
        "Region": info.region_name,
        "Status": info.status,
        "Created": info.created_at.isoformat(timespec="seconds"),
        "Protected": "yes" if info.deletion_protection else "no",
        **({"Tags": tags} if tags else {}),
        **{each.name.capitalize(): f"{each.used} of {each.limit}" for each in limits.quotas},
    }
    show_rows(context, [_Fact(*each) for each in facts.items()], [("", "fact"), (name, "value")], empty="")


@commands.command(epilog="Example: roadstead instance status acme-eu")
def status(context: typer.Context, name: Name) -> None:
    """Show what an instance does, and how far its creation or deletion is."""

    async def body(session: Session) -> registries.RegistryStatus:
        info = await _registry(session, name)
        found = await _status(session, info.registry_id)
        if found is None:
            raise InstanceUnknown(f"there is no instance {name!r}")
        return found

    found = work(context, body)
    steps = [f"  {step.type:<10} {step.status:<10} {step.reason}".rstrip() for step in found.conditions]
    show(context, found, "\n".join([f"{name}: {found.status}", *steps]))


@commands.command(epilog="Example: roadstead instance modify acme-eu --specification premium --protect")
def modify(
    context: typer.Context,
    name: Name,
    specification: Annotated[str, typer.Option(help="A larger specification: standard or premium.")] = "",
    protect: Annotated[
        bool | None, typer.Option("--protect/--unprotect", help="Whether its deletion is refused.")
    ] = None,
) -> None:
    """Upgrade an instance, or switch its deletion protection."""
    larger = _specification(specification) if specification else None

    async def body(session: Session) -> object:
        info = await _registry(session, name)
        return await session.call(
            registries.modify_instance,
            registry_id=info.registry_id,
            registry_type=larger,
            deletion_protection=protect,
        )

    show(context, work(context, body), f"Instance {name} changed.")


@commands.command(epilog="Example: roadstead instance delete acme-eu --dry-run")
def delete(
    context: typer.Context,
    name: Name,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Delete an instance with all it holds, after saying what that is, and wait until it is gone."""

    async def body(session: Session) -> deletions.InstanceDeletion:
        info = await _registry(session, name)
        told = await session.call(deletions.delete_instance, registry_id=info.registry_id, dry_run=True)
        if dry_run:
            return told
        sure(yes, f"Delete instance {name} with {_content(told.content)}?")
        gone = await session.call(deletions.delete_instance, registry_id=info.registry_id)
        await _followed(session, info.registry_id, _progress(context), "")
        return gone

    told = work(context, body)
    what = _content(told.content)
    show(context, told, f"Would delete {what}." if dry_run else f"Instance {name} deleted: {what}.")


def _content(told: deletions.DeletedContent) -> str:
    return (
        f"{counted(told.namespaces, 'namespace')}, {counted(told.repositories, 'repository')}, "
        f"{counted(told.images, 'image')} ({counted(told.tags, 'tag')}), "
        f"{counted(told.credentials, 'credential')}, {size_text(told.freed_bytes)} that nobody else holds"
    )


def _tag(text: str) -> Tag:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InvalidInput(f"{text[:60]!r} is no label; write it as KEY=VALUE")
    return Tag(key=key, value=value)


def _specification(text: str) -> str:
    if text not in {"basic", "standard", "premium"}:
        raise InvalidInput(f"{text[:40]!r} is no specification; it is basic, standard or premium")
    return text


def _progress(context: typer.Context) -> Callable[[str], None]:
    options: Options = context.obj
    return (lambda line: None) if options.as_json else typer.echo


async def _registry(session: Session, name: str) -> registries.RegistryInfo:
    """The instance of that name; raises InstanceUnknown."""
    named = Filter(name="RegistryName", values=[name])
    answer = await session.call(registries.describe_instances, filters=[named])
    if not answer.registries:
        raise InstanceUnknown(f"there is no instance {name!r}; see: roadstead instance list")
    return answer.registries[0]


async def _status(session: Session, registry_id: str) -> registries.RegistryStatus | None:
    answer = await session.call(registries.describe_instance_status, registry_ids=[registry_id])
    return answer.registry_status_set[0] if answer.registry_status_set else None


async def _followed(
    session: Session, registry_id: str, tell: Callable[[str], None], wanted: str
) -> registries.RegistryStatus | None:
    """What the instance does when it has come to an end: running, failed, or gone (None). Each step is told once."""
    told = ""
    async with session.working("instances"):
        for _ in range(int(_WAIT_SECONDS / _POLL_SECONDS)):
            found = await _status(session, registry_id)
            if found is None or found.status in {wanted, "FailedCreated"}:
                return found
            now = " ".join([found.status, *(step.type for step in found.conditions if step.status == "Running")])
            if now != told:
                tell(f"{now} …")
                told = now
            await asyncio.sleep(_POLL_SECONDS)
    raise Unavailable(f"instance {registry_id} is still {told}; look again with: roadstead instance status")
