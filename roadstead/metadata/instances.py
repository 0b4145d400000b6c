"""Instances and what they admit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.domain.reach import EVERYTHING_SHOWN, Selection
from roadstead.metadata import resource_tags
from roadstead.metadata.database import Tx, insert
from roadstead.metadata.resource_tags import Wanted
from roadstead.metadata.schema.tenancy import allowed_networks, instances
from roadstead.metadata.selections import within_any

RUNNING = "Running"


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance as it stands."""

    id: int
    registry_id: str
    name: str
    region: str
    specification: str
    status: str
    anonymous_access: bool
    create_namespace_on_push: bool
    public_entry: str
    revision: int
    created_at: datetime
    deletion_protection: bool = False
    # The steps of creation or deletion as JSON: type, status, reason.
    conditions: str = "[]"
    prepaid: bool = False
    renew_flag: int = 0
    expires_at: datetime | None = None
    multi_zone: bool = False
    versioning: bool = False
    # The rates of its own as JSON, by names like `address_requests`.
    rates: str = "{}"
    # Whether the host's own loopback is let in, where the settings let it in at all.
    loopback: bool = True

    @property
    def running(self) -> bool:
        """Whether it is served and may be changed."""
        return self.status == RUNNING


_COLUMNS = tuple(instances.c[name] for name in Instance.__dataclass_fields__)


async def get(tx: Tx, *, name: str = "", registry_id: str = "") -> Instance | None:
    """The instance of that name or id."""
    match = instances.c.name == name if name else instances.c.registry_id == registry_id
    row = await tx.one(sa.select(*_COLUMNS).where(match))
    return None if row is None else Instance(*row)


async def registry_ids(tx: Tx, ids: Sequence[int]) -> dict[int, str]:
    """The public ids of the instances of these row ids, as far as they exist."""
    if not ids:
        return {}
    rows = await tx.all(sa.select(instances.c.id, instances.c.registry_id).where(instances.c.id.in_(ids)))
    return {row.id: row.registry_id for row in rows}


async def add(tx: Tx, instance: Instance) -> bool:
    """The instance exists; False when its name or id is taken."""
    values = {name: getattr(instance, name) for name in Instance.__dataclass_fields__ if name != "id"}
    return await tx.run(insert(tx, instances).values(values).on_conflict_do_nothing()) > 0


async def modify(tx: Tx, instance_id: int, **values: object) -> None:
    """The instance has these values, and every process will notice."""
    await tx.run(
        sa.update(instances).where(instances.c.id == instance_id).values(revision=instances.c.revision + 1, **values)
    )


async def step(tx: Tx, instance_id: int, was: Sequence[str], **values: object) -> bool:
    """The instance has these values; False when its status is none of `was`, and nothing has changed."""
    c = instances.c
    statement = sa.update(instances).where(c.id == instance_id, c.status.in_(was))
    return await tx.run(statement.values(revision=c.revision + 1, **values)) > 0


async def by_id(tx: Tx, instance_id: int, *, lock: bool = False) -> Instance | None:
    """The instance of that row; locked until the transaction ends, if asked, so that nothing is added to it."""
    statement = sa.select(*_COLUMNS).where(instances.c.id == instance_id)
    row = await tx.one(statement.with_for_update() if lock else statement)
    return None if row is None else Instance(*row)


async def began(tx: Tx) -> datetime | None:
    """When the first of the instances was created."""
    found: datetime | None = await tx.scalar(
        sa.select(instances.c.created_at).where(instances.c.id > 0).order_by(instances.c.id).limit(1)
    )
    return found


@dataclass(frozen=True, slots=True)
class Listed:
    """Which instances a list is about: those that meet every condition given."""

    # The ids that may be seen: those of any of the selections.
    selections: Sequence[Selection] = (EVERYTHING_SHOWN,)
    region: str = ""
    registry_ids: Sequence[str] | None = None
    names: Sequence[str] | None = None
    # Labels of which one must be there.
    labels: Sequence[Wanted] | None = None

    def conditions(self) -> list[Any]:
        """The same in SQL."""
        c = instances.c
        found = within_any(c.registry_id, self.selections, bytewise=False)
        if self.region:
            found.append(c.region == self.region)
        if self.registry_ids is not None:
            found.append(c.registry_id.in_(self.registry_ids))
        if self.names is not None:
            found.append(c.name.in_(self.names))
        if self.labels is not None:
            found.append(resource_tags.carries(sa.literal("instance/") + c.registry_id, self.labels))
        return found


EVERY_INSTANCE = Listed()


async def page(tx: Tx, last: str, most: int, listed: Listed = EVERY_INSTANCE, *, skip: int = 0) -> list[Instance]:
    """Up to `most` instances of the list after the name `last` and `skip` more, by name."""
    statement = sa.select(*_COLUMNS).where(instances.c.name > last, *listed.conditions())
    rows = await tx.all(statement.order_by(instances.c.name).limit(most).offset(skip or None))
    return [Instance(*row) for row in rows]


async def count(tx: Tx, listed: Listed = EVERY_INSTANCE) -> int:
    """How many instances the list has."""
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(instances).where(*listed.conditions())))


@dataclass(frozen=True, slots=True)
class AllowedNetwork:
    """One entry of an allowlist."""

    cidr: str
    note: str


async def allowed(tx: Tx, instance_id: int) -> list[AllowedNetwork]:
    """The allowlist of the instance's public entry."""
    c = allowed_networks.c
    rows = await tx.all(sa.select(c.cidr, c.note).where(c.instance_id == instance_id).order_by(c.cidr))
    return [AllowedNetwork(*row) for row in rows]


async def allow(tx: Tx, instance_id: int, cidr: str, note: str, now: datetime) -> bool:
    """The network is on the allowlist; False when it was before."""
    row = {"instance_id": instance_id, "cidr": cidr, "note": note, "created_at": now}
    added = await tx.run(insert(tx, allowed_networks).values(row).on_conflict_do_nothing())
    await modify(tx, instance_id)
    return added > 0


async def disallow(tx: Tx, instance_id: int, cidr: str) -> bool:
    """The network is not on the allowlist; False when it was not before."""
    c = allowed_networks.c
    gone = await tx.run(sa.delete(allowed_networks).where(c.instance_id == instance_id, c.cidr == cidr))
    await modify(tx, instance_id)
    return gone > 0
