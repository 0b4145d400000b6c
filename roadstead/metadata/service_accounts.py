"""Service accounts of instances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Prepared, Tx, insert
from roadstead.metadata.schema.access import service_accounts


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """One service account as it stands."""

    id: int
    name: str
    description: str
    password_hash: str
    # Kept as `domain.service_accounts.written` has it.
    permissions: str
    enabled: bool
    expires_at: datetime
    created_at: datetime
    updated_at: datetime


_COLUMNS = tuple(service_accounts.c[name] for name in ServiceAccount.__dataclass_fields__)
_BY_NAME = Prepared(
    lambda _: sa.select(*_COLUMNS).where(
        service_accounts.c.instance_id == sa.bindparam("instance"),
        service_accounts.c.name == sa.bindparam("name"),
    )
)


async def get(tx: Tx, instance_id: int, name: str) -> ServiceAccount | None:
    """The instance's service account of that name; asked at each of its requests."""
    row = await tx.look_up(_BY_NAME, {"instance": instance_id, "name": name})
    return None if row is None else ServiceAccount(*row)


async def add(
    tx: Tx,
    instance_id: int,
    *,
    name: str,
    description: str,
    password_hash: str,
    permissions: str,
    enabled: bool,
    expires_at: datetime,
    now: datetime,
) -> bool:
    """The service account exists; False when the name is taken."""
    row = {
        "instance_id": instance_id,
        "name": name,
        "description": description,
        "password_hash": password_hash,
        "permissions": permissions,
        "enabled": enabled,
        "expires_at": expires_at,
        "created_at": now,
        "updated_at": now,
    }
    return await tx.run(insert(tx, service_accounts).values(row).on_conflict_do_nothing()) > 0


async def modify(tx: Tx, instance_id: int, name: str, now: datetime, **values: object) -> bool:
    """The service account has these values; False when there is none of that name."""
    c = service_accounts.c
    statement = sa.update(service_accounts).where(c.instance_id == instance_id, c.name == name)
    return await tx.run(statement.values(updated_at=now, revision=c.revision + 1, **values)) > 0


async def remove(tx: Tx, instance_id: int, name: str) -> bool:
    """The service account is gone; False when there was none of that name."""
    c = service_accounts.c
    return await tx.run(sa.delete(service_accounts).where(c.instance_id == instance_id, c.name == name)) > 0


async def page(
    tx: Tx, instance_id: int, *, last: str, most: int, skip: int = 0, containing: str = ""
) -> list[ServiceAccount]:
    """Up to `most` service accounts of the instance by name, after `last` or after `skip` of them."""
    c = service_accounts.c
    statement = sa.select(*_COLUMNS).where(c.instance_id == instance_id, c.name > last).order_by(c.name)
    if containing:
        statement = statement.where(c.name.contains(containing, autoescape=True))
    return [ServiceAccount(*row) for row in await tx.all(statement.limit(most).offset(skip))]


async def count(tx: Tx, instance_id: int, *, containing: str = "") -> int:
    """How many service accounts the instance has, of those whose name contains the text."""
    c = service_accounts.c
    statement = sa.select(sa.func.count()).select_from(service_accounts).where(c.instance_id == instance_id)
    if containing:
        statement = statement.where(c.name.contains(containing, autoescape=True))
    found: int = await tx.scalar(statement)
    return found
