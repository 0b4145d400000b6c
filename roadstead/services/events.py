"""What happened, told once: event row, audit entry and the deliveries that follow, in the change's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import msgspec

from roadstead.domain.identity import Caller
from roadstead.domain.payloads import Resource
from roadstead.metadata import audit
from roadstead.metadata.audit import AuditEntry
from roadstead.metadata.database import Tx
from roadstead.services.context import Context
from roadstead.services.triggering import Told, follow


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened in an instance. `kind` is what triggers know it by."""

    kind: ClassVar[str]
    action: ClassVar[str]

    namespace: str
    repository: str

    def resource(self, registry_id: str) -> str:
        """The resource that permission checks and audit know it by."""
        return f"repository/{registry_id}/{self.repository or self.namespace}"

    def resources(self) -> list[Resource]:
        """What triggers tell their receivers of it; nothing for an event that no trigger knows."""
        return []


class ImagePushed(Event, frozen=True, kw_only=True):
    """A manifest was accepted; one event per tag, or one without a tag."""

    kind = "pushImage"
    action = "tcr:PushRepository"

    digest: str
    media_type: str
    tag: str = ""

    def resources(self) -> list[Resource]:
        """The tag; receivers hear nothing of a push without one, which members of an index are."""
        return [Resource(self.tag, self.digest)] if self.tag else []


class ImagePulled(Event, frozen=True, kw_only=True):
    """A client was given a manifest; without a tag when it asked for a digest and had not asked for a tag before."""

    kind = "pullImage"
    action = "tcr:PullRepository"

    digest: str
    media_type: str
    tag: str = ""
    # More than one when the client pulled the same so often within a second that not each pull has its own event.
    pulls: int = 1

    def resources(self) -> list[Resource]:
        """The tag, or the digest alone."""
        return [Resource(self.tag, self.digest)]


class ImageDeleted(Event, frozen=True, kw_only=True):
    """Tags, or a manifest with all its tags, or a repository's tags, are gone."""

    kind = "deleteImage"
    action = "tcr:DeleteImage"

    digest: str = ""
    tags: list[str] = msgspec.field(default_factory=list)
    # For each tag what it stood for, where that is not `digest`.
    digests: list[str] = msgspec.field(default_factory=list)

    def resources(self) -> list[Resource]:
        """Each deleted tag, or the digest of what had none."""
        if not self.tags:
            return [Resource("", self.digest)] if self.digest else []
        stood_for = self.digests or [self.digest] * len(self.tags)
        return [Resource(tag, digest) for tag, digest in zip(self.tags, stood_for, strict=True)]


class ChartUploaded(Event, frozen=True, kw_only=True):
    """A version of a chart was accepted; `repository` is the chart's full name."""

    kind = "uploadChart"
    action = "tcr:CreateHelmChart"

    version: str

    def resources(self) -> list[Resource]:
        """The version."""
        return [Resource(self.version)]


class ChartDownloaded(Event, frozen=True, kw_only=True):
    """A client has downloaded a version of a chart."""

    kind = "downloadChart"
    action = "tcr:DescribeHelmCharts"

    version: str
    # More than one when the client downloaded the same so often within a second that not each has its own event.
    pulls: int = 1

    def resources(self) -> list[Resource]:
        """The version."""
        return [Resource(self.version)]


class ChartDeleted(Event, frozen=True, kw_only=True):
    """Versions of a chart are gone."""

    kind = "deleteChart"
    action = "tcr:DeleteHelmChart"

    versions: list[str]

    def resources(self) -> list[Resource]:
        """Each version."""
        return [Resource(version) for version in self.versions]


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


@dataclass(frozen=True, slots=True)
class Happened:
    """An event with where, by whom and when."""

    place: Place
    caller: Caller
    event: Event
    at: datetime


async def record_all(ctx: Context, tx: Tx, happened: Sequence[Happened]) -> list[int]:
    """The events are in the log, in this order, and their deliveries entered, if the transaction commits; their ids.

    Every event comes through here, and after the change that it tells of: the event stream counts on a transaction
    that takes an id having written something before.
    """
    rows = [
        {
            "instance_id": each.place.instance_id,
            "kind": each.event.kind,
            "operator": each.caller.name,
            "occurred_at": each.at,
            "data": msgspec.json.encode(each.event).decode(),
        }
        for each in happened
    ]
    ids = await audit.add_events(tx, rows)
    told = [
        Told(
            instance_id=each.place.instance_id,
            registry_id=each.place.registry_id,
            event_id=event_id,
            kind=each.event.kind,
            repository=each.event.repository,
            resources=each.event.resources(),
            caller=each.caller,
            at=each.at,
        )
        for each, event_id in zip(happened, ids, strict=True)
    ]
    await follow(ctx, tx, told)
    return ids


async def record(
    ctx: Context, tx: Tx, place: Place, caller: Caller, event: Event, now: datetime, *, audited: bool = True
) -> int:
    """The event is in the log and the audit, and its deliveries are entered, if the transaction commits; its id.

    Within an operation, whose own entry says the same, `audited` is False.
    """
    (event_id,) = await record_all(ctx, tx, [Happened(place, caller, event, now)])
    if audited:
        await note(tx, place, caller, event, now)
    return event_id


async def note(tx: Tx, place: Place, caller: Caller, event: Event, now: datetime) -> None:
    """The audit has the event, if the transaction commits; the log need not."""
    entry = audit_entry(
        caller,
        action=event.action,
        resource=event.resource(place.registry_id),
        data=msgspec.json.encode(event).decode(),
        now=now,
        instance_id=place.instance_id,
    )
    await audit.add_entry(tx, entry)


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
