"""What happened, told once: an event row, its audit entry, and the jobs that follow, in the change's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import msgspec

from roadstead.domain.identity import Caller
from roadstead.metadata import audit
from roadstead.metadata.audit import AuditEntry
from roadstead.metadata.database import Tx


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened in an instance. `kind` is what triggers know it by."""

    kind: ClassVar[str]
    action: ClassVar[str]

    namespace: str
    repository: str

    def resource(self, registry_id: str) -> str:
        """The resource that permission checks and audit know it by."""
        return f"repository/{registry_id}/{self.repository or self.namespace}"


class ImagePushed(Event, frozen=True, kw_only=True):
    """A manifest was accepted; one event per tag, or one without a tag."""

    kind = "pushImage"
    action = "tcr:PushRepository"

    digest: str
    media_type: str
    tag: str = ""


class ImageDeleted(Event, frozen=True, kw_only=True):
    """Tags, or a manifest with all its tags, or a repository's tags, are gone."""

    kind = "deleteImage"
    action = "tcr:DeleteImage"

    digest: str = ""
    tags: list[str] = msgspec.field(default_factory=list)


class RepositoryCreated(Event, frozen=True, kw_only=True):
    """A repository exists."""

    kind = "createRepository"
    action = "tcr:CreateRepository"


class NamespaceCreated(Event, frozen=True, kw_only=True):
    """A namespace exists."""

    kind = "createNamespace"
    action = "tcr:CreateNamespace"

    public: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where something happened: the instance's row id and its public id."""

    instance_id: int
    registry_id: str


async def record(tx: Tx, place: Place, caller: Caller, event: Event, now: datetime, *, audited: bool = True) -> int:
    """The event is in the log and the audit if and only if the transaction commits; its id.

    Within an operation, whose own entry says the same, `audited` is False.
    """
    data = msgspec.json.encode(event).decode()
    event_id = await audit.add_event(
        tx,
        instance_id=place.instance_id,
        kind=event.kind,
        operator=caller.name,
        occurred_at=now,
        data=data,
    )
    if audited:
        entry = audit_entry(
            caller,
            action=event.action,
            resource=event.resource(place.registry_id),
            data=data,
            now=now,
            instance_id=place.instance_id,
        )
        await audit.add_entry(tx, entry)
    return event_id


def audit_entry(
    caller: Caller,
    *,
    action: str,
    resource: str,
    data: str,
    now: datetime,
    instance_id: int | None,
    outcome: str = "done",
) -> AuditEntry:
    """What the audit says of one change or one refused attempt."""
    return AuditEntry(
        instance_id=instance_id,
        occurred_at=now,
        operator=caller.name,
        address=caller.origin.address,
        door=str(caller.origin.door),
        request_id=caller.origin.request_id,
        action=action,
        resource=resource,
        outcome=outcome,
        data=data,
    )
