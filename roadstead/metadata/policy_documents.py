"""Policies and their versions, one of which is in force.

Whoever changes a policy calls `rights.begin_change` before anything else; what follows for accounts is done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.metadata import rights
from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.access import account_policies, group_policies, policies, policy_versions


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy without its documents."""

    id: int
    name: str
    description: str
    preset: bool
    # The version in force.
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a policy's document."""

    version: int
    document: str
    created_at: datetime


_COLUMNS = tuple(policies.c[name] for name in Policy.__dataclass_fields__)
_VERSION = tuple(policy_versions.c[name] for name in PolicyVersion.__dataclass_fields__)


async def get(tx: Tx, *, policy_id: int = 0, name: str = "") -> Policy | None:
    """The policy of that id or name."""
    match = policies.c.id == policy_id if policy_id else policies.c.name == name
    row = await tx.one(sa.select(*_COLUMNS).where(match))
    return None if row is None else Policy(*row)


async def add(
    tx: Tx, *, name: str, description: str, document: str, now: datetime, preset: bool = False
) -> Policy | None:
    """The new policy, with the document as its first version; None when the name is taken."""
    row = await tx.one(
        insert(tx, policies)
        .values(name=name, description=description, preset=preset, version=1, created_at=now, updated_at=now)
        .on_conflict_do_nothing()
        .returning(*_COLUMNS)
    )
    if row is None:
        return None
    policy = Policy(*row)
    await _add_version(tx, policy.id, 1, document, now)
    return policy


async def modify(tx: Tx, policy_id: int, now: datetime, **values: object) -> None:
    """The policy has these values; accounts that have it are asked anew, because decisions name it."""
    await tx.run(sa.update(policies).where(policies.c.id == policy_id).values(updated_at=now, **values))
    await rights.policy_changed(tx, policy_id)


async def remove(tx: Tx, policy_id: int) -> None:
    """The policy is gone, from whatever had it too."""
    await rights.policy_changed(tx, policy_id)
    await tx.run(sa.delete(policies).where(policies.c.id == policy_id))


async def versions(tx: Tx, policy_id: int) -> list[PolicyVersion]:
    """The policy's versions, the newest first."""
    c = policy_versions.c
    statement = sa.select(*_VERSION).where(c.policy_id == policy_id).order_by(c.version.desc())
    return [PolicyVersion(*row) for row in await tx.all(statement)]


async def version(tx: Tx, policy_id: int, number: int) -> PolicyVersion | None:
    """That version of the policy."""
    c = policy_versions.c
    row = await tx.one(sa.select(*_VERSION).where(c.policy_id == policy_id, c.version == number))
    return None if row is None else PolicyVersion(*row)


async def add_version(tx: Tx, policy_id: int, document: str, now: datetime, *, in_force: bool) -> int:
    """The number of the new version."""
    c = policy_versions.c
    highest = await tx.scalar(sa.select(sa.func.max(c.version)).where(c.policy_id == policy_id))
    number = int(highest or 0) + 1
    await _add_version(tx, policy_id, number, document, now)
    if in_force:
        await modify(tx, policy_id, now, version=number)
    return number


async def remove_version(tx: Tx, policy_id: int, number: int) -> bool:
    """That version is gone; False when there was none. It must not be in force."""
    c = policy_versions.c
    return await tx.run(sa.delete(policy_versions).where(c.policy_id == policy_id, c.version == number)) > 0


async def replace_document(tx: Tx, policy_id: int, number: int, document: str, now: datetime) -> None:
    """That version, which is in force, has this document now."""
    c = policy_versions.c
    await tx.run(
        sa.update(policy_versions).where(c.policy_id == policy_id, c.version == number).values(document=document)
    )
    await modify(tx, policy_id, now)


async def _add_version(tx: Tx, policy_id: int, number: int, document: str, now: datetime) -> None:
    row = {"policy_id": policy_id, "version": number, "document": document, "created_at": now}
    await tx.run(sa.insert(policy_versions), row)


def _meant(containing: str, preset: bool | None) -> list[Any]:
    found: list[Any] = []
    if containing:
        found.append(policies.c.name.contains(containing, autoescape=True))
    if preset is not None:
        found.append(policies.c.preset if preset else sa.not_(policies.c.preset))
    return found


async def page(
    tx: Tx, *, last: str, most: int, skip: int = 0, containing: str = "", preset: bool | None = None
) -> list[Policy]:
    """Up to `most` policies after the name `last` and `skip` more, by name."""
    statement = (
        sa.select(*_COLUMNS)
        .where(*_meant(containing, preset), policies.c.name > last)
        .order_by(policies.c.name)
        .limit(most)
        .offset(skip or None)
    )
    return [Policy(*row) for row in await tx.all(statement)]


async def count(tx: Tx, *, containing: str = "", preset: bool | None = None) -> int:
    """How many policies `page` would give in all."""
    statement = sa.select(sa.func.count()).select_from(policies).where(*_meant(containing, preset))
    return int(await tx.scalar(statement))


async def holders(tx: Tx, policy_ids: Sequence[int]) -> dict[int, int]:
    """How many accounts and groups have each of the policies; those that nobody has are left out."""
    found: dict[int, int] = {}
    for table in (account_policies, group_policies):
        statement = (
            sa.select(table.c.policy_id, sa.func.count())
            .where(table.c.policy_id.in_(policy_ids))
            .group_by(table.c.policy_id)
        )
        for policy_id, number in await tx.all(statement):
            found[policy_id] = found.get(policy_id, 0) + number
    return found
