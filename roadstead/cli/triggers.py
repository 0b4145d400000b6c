"""`roadstead trigger`: what is posted where when images and charts come and go, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.audit import moment
from roadstead.cli.output import show, show_rows
from roadstead.cli.session import Options, Session, work
from roadstead.errors import InvalidInput, TriggerUnknown
from roadstead.services import trigger_log, triggers
from roadstead.services.triggers import Header, WebhookTarget, WebhookTrigger

commands = typer.Typer(
    help="Triggers: posts to addresses of yours when images and charts change.", no_args_is_help=True
)

_STATES = ("pending", "running", "finished", "error", "stopped")

Trigger = Annotated[str, typer.Argument(help="Name or number of the trigger.")]
Namespace = Annotated[str, typer.Option(help="Namespace of the trigger; left out: triggers of any namespace.")]
Url = Annotated[list[str] | None, typer.Option(help="Address to post to; may be given several times.")]
HeaderText = Annotated[
    list[str] | None, typer.Option(help="Header of each request, 'Key: Value'; may be given several times.")
]
On = Annotated[list[str] | None, typer.Option(help="pushImage, pullImage, deleteImage, uploadChart, …")]
When = Annotated[str | None, typer.Option(help="REPOSITORY[:TAG], each a pattern such as 'shop/*:v*'.")]
Text = Annotated[str | None, typer.Option(help="What the trigger is for.")]
Form = Annotated[str | None, typer.Option("--format", help="default or cloudevents.")]
Secret = Annotated[str | None, typer.Option(help="Secret that posts are signed with; empty to sign no more.")]
Operator = Annotated[str | None, typer.Option(help="Who did it, as '{uin} from {address}'.")]


@commands.command(epilog="Example: roadstead trigger create deploy --namespace shop --url https://deploy.example.com")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the new trigger.")],
    url: Url = None,
    namespace: Namespace = "",
    on: On = None,
    when: When = None,
    header: HeaderText = None,
    description: Text = None,
    form: Form = None,
    secret: Secret = None,
    operator: Operator = None,
) -> None:
    """Create a trigger; without --on it is about pushes."""
    asked = WebhookTrigger(
        name=name,
        targets=_targets(url, header),
        event_types=on or ["pushImage"],
        condition=when or "",
        enabled=True,
        description=description or "",
        format=_format(form),
        secret=secret,
        operator_pattern=operator,
    )
    answer = work(context, lambda s: s.call(triggers.create_webhook_trigger, namespace=namespace, trigger=asked))
    show(context, answer, f"Trigger {name} created (number {answer.trigger.id}).")


@commands.command("list", epilog="Example: roadstead trigger list --namespace shop")
def list_(
    context: typer.Context,
    namespace: Namespace = "",
    search: Annotated[str, typer.Option(help="Only names that contain this.")] = "",
) -> None:
    """List triggers, of one namespace or all."""
    rows = work(
        context,
        lambda s: s.every(triggers.describe_webhook_trigger, "triggers", namespace=namespace or None, search=search),
    )
    columns = [
        ("NAME", "name"),
        ("NUMBER", "id"),
        ("NAMESPACE", "namespace_name"),
        ("ENABLED", "enabled"),
        ("CONDITION", "condition"),
        ("ON", "event_types"),
        ("FAILING SINCE", "failing_since"),
    ]
    show_rows(context, rows, columns, empty="No triggers yet. Create one: roadstead trigger create NAME --url URL")


@commands.command("show", epilog="Example: roadstead trigger show deploy --namespace shop")
def show_(context: typer.Context, trigger: Trigger, namespace: Namespace = "") -> None:
    """Show a trigger whole, as JSON."""
    found = work(context, lambda s: _found(s, namespace, trigger))
    typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())


@commands.command(epilog="Example: roadstead trigger modify deploy --namespace shop --when 'web:release-*'")
def modify(
    context: typer.Context,
    trigger: Trigger,
    namespace: Namespace = "",
    name: Annotated[str | None, typer.Option(help="New name.")] = None,
    url: Url = None,
    on: On = None,
    when: When = None,
    header: HeaderText = None,
    description: Text = None,
    form: Form = None,
    secret: Secret = None,
    operator: Operator = None,
) -> None:
    """Change what is given of a trigger; --header goes with --url."""
    changes: dict[str, Any] = {
        "name": name,
        "targets": _targets(url, header) if url else None,
        "event_types": on,
        "condition": when,
        "description": description,
        "format": _format(form),
        "secret": secret,
        "operator_pattern": operator,
    }
    if header and not url:
        raise InvalidInput("--header goes with --url")
    answer = work(context, lambda s: _modify(s, namespace, trigger, changes))
    show(context, answer, f"Trigger {trigger} changed.")


@commands.command(epilog="Example: roadstead trigger enable deploy --namespace shop")
def enable(context: typer.Context, trigger: Trigger, namespace: Namespace = "") -> None:
    """Let a trigger post."""
    answer = work(context, lambda s: _modify(s, namespace, trigger, {"enabled": True}))
    show(context, answer, f"Trigger {trigger} enabled.")


@commands.command(epilog="Example: roadstead trigger disable deploy --namespace shop")
def disable(context: typer.Context, trigger: Trigger, namespace: Namespace = "") -> None:
    """Let a trigger post no more; what waits is stopped."""
    answer = work(context, lambda s: _modify(s, namespace, trigger, {"enabled": False}))
    show(context, answer, f"Trigger {trigger} disabled.")


@commands.command(epilog="Example: roadstead trigger delete deploy --namespace shop --yes")
def delete(context: typer.Context, trigger: Trigger, namespace: Namespace = "", yes: Yes = False) -> None:
    """Delete a trigger with its log."""

    async def body(s: Session) -> Any:
        found = await _found(s, namespace, trigger)
        sure(yes, f"Delete trigger {trigger} with its log?")
        return await s.call(triggers.delete_webhook_trigger, namespace=found.namespace_name, id=found.id)

    show(context, work(context, body), f"Trigger {trigger} deleted.")


@commands.command(epilog="Example: roadstead trigger test --url https://deploy.example.com/push")
def test(
    context: typer.Context,
    trigger: Annotated[str, typer.Argument(help="Name or number of the trigger; left out with --url.")] = "",
    namespace: Namespace = "",
    url: Annotated[str, typer.Option(help="Address to test, without a trigger.")] = "",
    header: HeaderText = None,
    form: Form = None,
    secret: Secret = None,
) -> None:
    """Post a sample push, and say what the receiver answers."""
    if not (trigger or url):
        raise InvalidInput("name a trigger, or an address with --url")

    async def body(s: Session) -> Any:
        if not url:
            found = await _found(s, namespace, trigger)
            return await s.call(trigger_log.test_webhook_trigger, namespace=found.namespace_name, id=found.id)
        return await s.call(
            trigger_log.test_webhook_trigger,
            namespace=namespace,
            target=_targets([url], header)[0],
            format=_format(form) or "default",
            secret=secret or "",
        )

    columns = [
        ("ADDRESS", "address"),
        ("ACCEPTED", "accepted"),
        ("STATUS", "status"),
        ("MILLISECONDS", "milliseconds"),
        ("ERROR", "error"),
    ]
    show_rows(context, work(context, body).results, columns, empty="")


@commands.command(epilog="Example: roadstead trigger log deploy --namespace shop --delivery 17")
def log(
    context: typer.Context,
    trigger: Trigger,
    namespace: Namespace = "",
    status: Annotated[str, typer.Option(help="Only pending, running, finished, error or stopped ones.")] = "",
    delivery: Annotated[int, typer.Option(help="Show the attempts of this delivery.")] = 0,
    most: Annotated[int, typer.Option(min=1, help="Most deliveries shown.")] = 50,
) -> None:
    """List the newest deliveries of a trigger, or every attempt of one."""
    if status not in {"", *_STATES}:
        raise InvalidInput(f"--status is one of {', '.join(_STATES)}")

    async def body(s: Session) -> list[Any]:
        found = await _found(s, namespace, trigger)
        if delivery:
            return await s.every(
                trigger_log.describe_delivery_attempts,
                "attempts",
                namespace=found.namespace_name,
                id=found.id,
                log_id=delivery,
            )
        page: Any = await s.call(
            trigger_log.describe_webhook_trigger_log,
            namespace=found.namespace_name,
            id=found.id,
            status=status or None,
            limit=most,
        )
        rows: list[Any] = page.logs
        return rows

    attempts = [("ATTEMPT", "number"), ("TIME", "time"), ("MILLISECONDS", "milliseconds"), ("STATUS", "status")]
    deliveries = [
        ("DELIVERY", "id"),
        ("TIME", "creation_time"),
        ("STATUS", "status"),
        ("ATTEMPTS", "attempts"),
        ("EVENT", "event_type"),
        ("REPOSITORY", "repository"),
        ("NEXT TRY", "next_attempt_time"),
    ]
    columns = [*attempts, ("ERROR", "error")] if delivery else deliveries
    none = f"No delivery is {status}." if status else "Nothing was delivered yet."
    show_rows(context, work(context, body), columns, empty=none)


@commands.command("send-again", epilog="Example: roadstead trigger send-again deploy --namespace shop --since 24h")
def send_again(
    context: typer.Context,
    trigger: Trigger,
    namespace: Namespace = "",
    delivery: Annotated[int, typer.Option(help="Only this delivery, whatever became of it.")] = 0,
    since: Annotated[str, typer.Option(help="Failed ones from this time on: 2026-11-23, 90m, 12h or 7d ago.")] = "",
    until: Annotated[str, typer.Option(help="Failed ones up to this time, written likewise.")] = "",
) -> None:
    """Send one delivery again, or all that have failed in a span of time."""
    options: Options = context.obj
    now = datetime.now(UTC)
    span = {"start_time": moment(since, now), "end_time": moment(until, now)}

    async def body(s: Session) -> tuple[int, int]:
        found = await _found(s, namespace, trigger)
        asked: dict[str, Any] = {"namespace": found.namespace_name, "id": found.id, **span}
        total, more, skipped = 0, True, 0
        while more:
            answer = await s.call(trigger_log.send_again, **asked, log_id=delivery or None)
            total += answer.count
            more, skipped = answer.more, answer.skipped
        return total, skipped

    count, skipped = work(context, body)
    told = f"{count} sent again." + (f" {skipped} not: the trigger has lost their target." if skipped else "")
    typer.echo(msgspec.json.encode({"Count": count, "Skipped": skipped}).decode() if options.as_json else told)


async def _found(session: Session, namespace: str, trigger: str) -> Any:
    """The trigger of that name or number; without a namespace the only one of all, or the one for any namespace."""
    rows = await session.every(triggers.describe_webhook_trigger, "triggers", namespace=namespace or None, search="")
    named = [row for row in rows if trigger in {row.name, str(row.id)}]
    exact = [row for row in named if row.namespace_name == namespace]
    if exact or len(named) == 1:
        return (exact or named)[0]
    if named and not namespace:
        places = ", ".join(sorted(row.namespace_name for row in named))
        raise InvalidInput(f"there are triggers {trigger!r} in {places}; name the namespace by --namespace")
    raise TriggerUnknown(f"there is no trigger {trigger!r}" + (f" for namespace {namespace!r}" if namespace else ""))


async def _modify(session: Session, namespace: str, trigger: str, changes: dict[str, Any]) -> Any:
    found = await _found(session, namespace, trigger)
    given = {name: value for name, value in changes.items() if value is not None}
    asked = msgspec.structs.replace(found, failing_since=None, **given)
    return await session.call(triggers.modify_webhook_trigger, namespace=found.namespace_name, trigger=asked)


def _targets(urls: list[str] | None, headers: list[str] | None) -> list[WebhookTarget]:
    if not urls:
        raise InvalidInput("name where to post to with --url")
    listed = []
    for text in headers or []:
        key, colon, value = text.partition(":")
        if not colon:
            raise InvalidInput(f"{text[:60]!r} is no header; write 'Key: Value'")
        listed.append(Header(key=key.strip(), values=[value.strip()]))
    return [WebhookTarget(address=url, headers=listed) for url in urls]


def _format(text: str | None) -> Any:
    if text not in {None, "default", "cloudevents"}:
        raise InvalidInput("--format is default or cloudevents")
    return text
