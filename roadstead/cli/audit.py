"""`roadstead audit`: who has changed what, who was refused what, and why."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import typer

from roadstead.cli.output import show_rows, wire
from roadstead.cli.people import user_of
from roadstead.cli.session import Options, Session, work
from roadstead.errors import AccessDenied, AccountUnknown, InvalidInput, NotFound
from roadstead.services import audit, lookups

commands = typer.Typer(help="Changes and refused attempts.", no_args_is_help=True)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PAGE = 500

Since = Annotated[str, typer.Option(help="From this time on: 2026-11-23, 2026-11-23T12:00, 90m, 12h or 7d ago.")]
Until = Annotated[str, typer.Option(help="Up to this time, written likewise.")]
User = Annotated[str, typer.Option(help="Name or number of the account; a name finds failed logins by it too.")]
Action = Annotated[str, typer.Option(help="For example tcr:CreateNamespace, or tcr:Delete* for all that begin so.")]
Resource = Annotated[str, typer.Option(help="For example 'repository/tcr-ab12cd34/prod/*'.")]
Outcome = Annotated[str, typer.Option(help="done or refused.")]
Door = Annotated[str, typer.Option(help="registry, token, actions, api, command or worker.")]
Address = Annotated[str, typer.Option(help="Where requests came from; '192.0.2.*' for all that begin so.")]


@commands.command("list", epilog="Example: roadstead audit list --outcome refused --since 24h")
def list_(
    context: typer.Context,
    since: Since = "",
    until: Until = "",
    user: User = "",
    action: Action = "",
    resource: Resource = "",
    outcome: Outcome = "",
    door: Door = "",
    address: Address = "",
    most: Annotated[int, typer.Option(min=1, help="Most entries shown.")] = 50,
) -> None:
    """List the newest entries that match; those of the instance given with --instance, or of all."""
    wanted = _wanted(context, since, until, user, action, resource, outcome, door, address)

    async def newest(session: Session) -> list[Any]:
        found: list[Any] = []
        async for event in _events(session, wanted):
            found.append(event)
            if len(found) == most:
                break
        return found

    columns = [
        ("ID", "id"),
        ("TIME", "time"),
        ("USER", "user"),
        ("OUTCOME", "outcome"),
        ("ACTION", "action"),
        ("RESOURCE", "resource"),
        ("DOOR", "door"),
        ("ADDRESS", "address"),
        ("REQUEST", "request_id"),
    ]
    found = work(context, newest)
    options: Options = context.obj
    if not options.as_json:
        found = [msgspec.structs.replace(event, outcome=_outcome(event)) for event in found]
    show_rows(context, found, columns, empty="Nothing in the audit matches.")


def _outcome(event: Any) -> str:
    """The outcome, with how many more refusals the entry stands for: `refused +290`."""
    more = msgspec.json.decode(event.decision).get("more", 0) if event.decision else 0
    return f"{event.outcome} +{more}" if more else str(event.outcome)


@commands.command(epilog="Example: roadstead audit show 17")
def show(
    context: typer.Context, number: Annotated[int, typer.Argument(min=1, help="The entry's ID, as listed.")]
) -> None:
    """Show one entry whole: what was asked for, and what stood before and after."""

    async def one(session: Session) -> Any:
        page = await session.call(audit.look_up_events, registry_id=None, last=str(number + 1), limit=1)
        if not page.events or page.events[0].id != number:
            raise NotFound(f"the audit has no entry {number}")
        return page.events[0]

    typer.echo(msgspec.json.format(_line(work(context, one))).decode())


@commands.command(epilog="Example: roadstead audit explain 5f0c1a2b00000017")
def explain(
    context: typer.Context,
    request: Annotated[str, typer.Argument(help="The request's id, from its X-Request-Id header or error body.")],
) -> None:
    """Tell why a request was refused, and what would let it pass."""
    found: Any = work(context, lambda s: s.call(audit.explain_request, request_id=request))
    options: Options = context.obj
    if options.as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    if not found.refusals:
        typer.echo(f"Request {request} was not refused: {', '.join(event.action for event in found.events)} done.")
    for refusal in found.refusals:
        for name, value in wire(refusal).items():
            # The statement stands in the reason already, counted as people do, and nobody else may have tried.
            if value not in {"", None} and name != "Statement" and (name, value) != ("More", 0):
                typer.echo(f"{name:<11}{value}")
        typer.echo("")


@commands.command(epilog="Example: roadstead audit export --since 2026-11-01 > audit.jsonl")
def export(
    context: typer.Context,
    since: Since = "",
    until: Until = "",
    user: User = "",
    action: Action = "",
    resource: Resource = "",
    outcome: Outcome = "",
    door: Door = "",
    address: Address = "",
) -> None:
    """Print all entries that match as JSON lines, newest first, page by page as they are read."""
    wanted = _wanted(context, since, until, user, action, resource, outcome, door, address)

    async def lines(session: Session) -> None:
        async for event in _events(session, wanted):
            typer.echo(_line(event))

    work(context, lines)


def _wanted(
    context: typer.Context,
    since: str,
    until: str,
    user: str,
    action: str,
    resource: str,
    outcome: str,
    door: str,
    address: str,
) -> dict[str, Any]:
    """The fields of the search; the instance only when one was named."""
    options: Options = context.obj
    now = datetime.now(UTC)
    if outcome not in {"", "done", "refused"}:
        raise InvalidInput("--outcome is done or refused")
    fields = {
        "start_time": moment(since, now),
        "end_time": moment(until, now),
        "user": user,
        "action": action,
        "resource": resource,
        "outcome": outcome,
        "door": door,
        "address": address,
    }
    return fields if options.instance else {**fields, "registry_id": None}


def moment(text: str, now: datetime) -> int | None:
    """The time in Unix seconds: an ISO date or time (UTC if it does not say), or so long ago; None for empty."""
    if not text:
        return None
    ago = re.fullmatch(r"(\d{1,9})([smhd])", text)
    try:
        if ago:
            return int((now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])).timestamp())
        found = datetime.fromisoformat(text)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{text!r} is no time; write 2026-11-23, 2026-11-23T12:00, 90m, 12h or 7d") from error


async def _events(session: Session, wanted: dict[str, Any]) -> AsyncIterator[Any]:
    """The entries that match, newest first, page after page."""
    searches = [_pages(session, {**wanted, "user": user}) for user in await _users(session, wanted["user"])]
    heads: list[Any] = [await anext(search, None) for search in searches]
    while any(heads):
        place = max(range(len(heads)), key=lambda each: heads[each].id if heads[each] else 0)
        yield heads[place]
        heads[place] = await anext(searches[place], None)


async def _users(session: Session, user: str) -> Sequence[str]:
    """As whom entries may know the user: a name is written down only where somebody has failed to log in by it."""
    if not user or user.isdigit():
        return [user]
    try:
        return [user, str(await user_of(session, user))]
    except (AccountUnknown, AccessDenied):
        return [user]


async def _pages(session: Session, wanted: dict[str, Any]) -> AsyncIterator[Any]:
    """The entries of one search, newest first, page after page."""
    last = ""
    while True:
        page: Any = await session.call(audit.look_up_events, **wanted, last=last, limit=_PAGE)
        for event in page.events:
            yield event
        if not page.last:
            return
        last = page.last


def _line(event: Any) -> bytes:
    """The entry as JSON, in which its texts of JSON are JSON, and nothing stands twice."""
    fields = {name: value for name, value in wire(event).items() if name not in lookups.NAMES}
    for name in ("Data", "Before", "After", "Decision"):
        fields[name] = msgspec.Raw(fields[name].encode()) if fields[name] else None
    return msgspec.json.encode(fields)
