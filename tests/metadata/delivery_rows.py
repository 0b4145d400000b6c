"""Triggers and deliveries that tests of what is known put into a database."""

from __future__ import annotations

from roadstead.metadata.deliveries import Delivery
from roadstead.metadata.triggers import Trigger
from tests.metadata.scene import LATER, NOW, Scene


def trigger(scene: Scene, name: str = "deploy") -> Trigger:
    """A trigger of the scene's namespace that is not in the database yet."""
    return Trigger(
        id=0,
        instance_id=scene.instance,
        namespace_id=scene.namespace,
        name=name,
        description="",
        enabled=True,
        events="pushImage",
        condition="",
        targets=b"sealed",
        target_count=1,
        format="default",
        secret=None,
        operator_pattern="",
        product="",
        preheat_region="",
        failing_since=None,
        created_at=NOW,
        updated_at=NOW,
        namespace="prod",
    )


def delivery(scene: Scene, trigger_id: int, lane: str = "prod/web") -> Delivery:
    """A delivery of that trigger that is not in the database yet."""
    return Delivery(
        id=0,
        instance_id=scene.instance,
        trigger_id=trigger_id,
        namespace_id=scene.namespace,
        target=0,
        lane=lane,
        event_id=1,
        event="pushImage",
        uuid="u",
        state="pending",
        attempts=0,
        give_up_at=LATER,
        format="default",
        body="{}",
        created_at=NOW,
        updated_at=NOW,
    )
