"""`roadstead events`: what happened, and what happens, as it does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from roadstead.cli.output import short_digest, show_rows, time_text
from roadstead.cli.session import Options, Session, work
from roadstead.services import event_log
from roadstead.services.event_log import LoggedEvent

commands = typer.Typer(help="What happens in an instance.")

_PAGE = 500

Namespace = Annotated[str, typer.Option(help="Only of this namespace.")]
Repository = Annotated[str, typer.Option(help="Only of this repository, NAMESPACE/REPOSITORY.")]
Kind = Annotated[str, typer.Option(help="Only of these kinds, parted by commas, like pushImage,deleteImage.")]


@dataclass(frozen=True, slots=True)
class _Line:
    id: int
    time: datetime
    kind: str
    what: str
    digest: str
    user: str


@commands.callback(invoke_without_command=True, epilog="Example: roadstead events --follow --kind pushImage --json")
def events(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", help="Print events as they happen, until interrupted.")] = False,
    namespace: Namespace = "",
    repository: Repository = "",
    kind: Kind = "",
    after: Annotated[str, typer.Option(help="Begin after the event of this id instead of now.")] = "",
) -> None:
    """Follow what happens. With --json each event is one line of JSON."""
    if context.invoked_subcommand is not None:
        return
    if not follow:
        typer.echo(context.get_help())
        return
    options: Options = context.obj

    async def each(session: Session) -> None:
        async for event in session.events(namespace=namespace, repository=repository, kinds=kind, last=after):
            typer.echo(msgspec.json.encode(event) if options.as_json else _text(event))

    try:
        work(context, each)
    except KeyboardInterrupt:
        raise typer.Exit from None


@commands.command("list", epilog="Example: roadstead events list --repository prod/web --most 20")
def list_(
    context: typer.Context,
    namespace: Namespace = "",
    repository: Repository = "",
    kind: Kind = "",
    most: Annotated[int, typer.Option(min=1, help="Most events shown.")] = 50,
) -> None:
    """List the newest events."""
    kinds = [each for each in kind.split(",") if each]

    async def newest(session: Session) -> list[LoggedEvent]:
        found: list[LoggedEvent] = []
        last = ""
        while len(found) < most:
            page = await session.call(
                event_log.describe_events,
                namespace_name=namespace,
                repository=repository,
                kinds=kinds,
                limit=min(_PAGE, most - len(found)),
                last=last,
            )
            found += page.events
            last = page.last
            if not last:
                break
        return found

    rows = work(context, newest)
    options: Options = context.obj
    shown: list[Any] = list(rows) if options.as_json else [_line(row) for row in rows]
    columns = [
        ("ID", "id"),
        ("TIME", "time"),
        ("KIND", "kind"),
        ("WHAT", "what"),
        ("DIGEST", "digest"),
        ("USER", "user"),
    ]
    show_rows(context, shown, columns, empty="Nothing has happened that matches.")


def _line(event: LoggedEvent) -> _Line:
    digest = short_digest(event.digest) if event.digest else "-"
    return _Line(event.id, event.time, event.kind, _what(event), digest, event.user)


def _what(event: LoggedEvent) -> str:
    tags = f":{','.join(event.tags)}" if event.tags else ""
    return f"{event.repository or event.namespace_name}{tags}"


def _text(event: LoggedEvent) -> str:
    digest = f" {short_digest(event.digest)}" if event.digest else ""
    return f"{event.id} {time_text(event.time)} {event.kind} {_what(event)}{digest} by {event.user}"
