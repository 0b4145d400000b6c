"""Receivers of triggers, and triggers that post to them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from roadstead.config import Outbound, Triggers
from roadstead.services import triggers
from roadstead.services.context import Context
from roadstead.services.triggers import Header, WebhookTarget, WebhookTrigger
from tests.clients.web import Asked, Web, says, web
from tests.factories.calls import call
from tests.factories.instances import work_off
from tests.jobs.bench import FakeClock

# Receivers of tests are on this host.
SETTINGS: dict[str, Any] = {
    "outbound": Outbound(allow=("127.0.0.1/32",)),
    "triggers": Triggers(attempt_seconds=20, retry_seconds=1),
}


@asynccontextmanager
async def receiver(status: int = 200, path: str = "/") -> AsyncIterator[Web]:
    """A receiver that answers with the status."""
    async with web() as found:
        found.handlers[path] = says(status)
        yield found


def target(address: str, **headers: str) -> WebhookTarget:
    """A target with headers; `_` stands for a dash in their names."""
    listed = [Header(key=name.replace("_", "-"), values=[value]) for name, value in headers.items()]
    return WebhookTarget(address=address, headers=listed)


def trigger(*addresses: str, **fields: Any) -> WebhookTrigger:
    """A trigger of all image events that posts to the addresses."""
    chosen: dict[str, Any] = {
        "name": "deploy",
        "targets": [target(address) for address in addresses],
        "event_types": ["pushImage", "pullImage", "deleteImage"],
        "condition": "",
        "enabled": True,
        **fields,
    }
    return WebhookTrigger(**chosen)


async def create(ctx: Context, *addresses: str, namespace: str = "library", **fields: Any) -> int:
    """The number of a new trigger that posts to the addresses."""
    answer = await call(
        ctx, triggers.create_webhook_trigger, namespace=namespace, trigger=trigger(*addresses, **fields)
    )
    found: int = answer.trigger.id
    return found


async def deliver_due(ctx: Context) -> None:
    """Every delivery that is due has been tried, and every lane that one made free."""
    while await work_off(ctx, "triggers"):
        pass


async def pass_time(ctx: Context, clock: FakeClock, seconds: float, step: float = 60) -> None:
    """So many seconds have passed, deliveries being made as they came due."""
    while seconds > 0:
        clock.now += timedelta(seconds=min(step, seconds))
        seconds -= step
        await deliver_due(ctx)


def told(asked: Asked) -> Any:
    """The JSON that the receiver was sent."""
    return json.loads(asked.body)


def tags(received: Web) -> list[str]:
    """The tags that a receiver has heard of, in order."""
    return [each["tag"] for asked in received.asked for each in told(asked)["event_data"]["resources"]]
