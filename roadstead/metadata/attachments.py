"""Which policies accounts and groups have.

Whoever changes that calls `rights.begin_change` before anything else; what follows for accounts is done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.metadata import rights
from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.access import account_policies, group_policies, policies
from roadstead.metadata.schema.tenancy import accounts, groups


@dataclass(frozen=True, slots=True)
class Attached:
    """One policy that an account or a group has."""

    id: int
    name: str
    description: str
    preset: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """One account or group that has a policy."""

    group: bool
    id: int
    name: str
    # Of an account only.
    uin: str
    created_at: datetime

    @property
    def key(self) -> str:
        """What `holders` is asked with for those after this one."""
        return f"{int(self.group)}:{self.id}"


async def attach_to_account(tx: Tx, policy_id: int, account_id: int, now: datetime) -> None:
    """The account has the policy."""
    row = {"account_id": account_id, "policy_id": policy_id, "created_at": now}
    if await tx.run(insert(tx, account_policies).values(row).on_conflict_do_nothing()):
        await rights.account_changed(tx, account_id)


async def detach_from_account(tx: Tx, policy_id: int, account_id: int) -> None:
    """The account has the policy no more, unless by a group."""
    c = account_policies.c
    if await tx.run(sa.delete(account_policies).where(c.account_id == account_id, c.policy_id == policy_id)):
        await rights.account_changed(tx, account_id)


async def attach_to_group(tx: Tx, policy_id: int, group_id: int, now: datetime) -> None:
    """The group, and so each of its members, has the policy."""
    row = {"group_id": group_id, "policy_id": policy_id, "created_at": now}
    if await tx.run(insert(tx, group_policies).values(row).on_conflict_do_nothing()):
        await rights.group_changed(tx, group_id)


async def detach_from_group(tx: Tx, policy_id: int, group_id: int) -> None:
    """The group has the policy no more."""
    c = group_policies.c
    if await tx.run(sa.delete(group_policies).where(c.group_id == group_id, c.policy_id == policy_id)):
        await rights.group_changed(tx, group_id)


async def of_account(tx: Tx, account_id: int, *, last: str, most: int, skip: int = 0) -> list[Attached]:
    """Up to `most` policies of the account itself after the name `last` and `skip` more, by name."""
    return await _page(tx, account_policies, account_policies.c.account_id == account_id, last, most, skip)


async def of_group(tx: Tx, group_id: int, *, last: str, most: int, skip: int = 0) -> list[Attached]:
    """Up to `most` policies of the group after the name `last` and `skip` more, by name."""
    return await _page(tx, group_policies, group_policies.c.group_id == group_id, last, most, skip)


async def _page(tx: Tx, table: sa.Table, whose: Any, last: str, most: int, skip: int) -> list[Attached]:
    c = policies.c
    statement = (
        sa.select(c.id, c.name, c.description, c.preset, table.c.created_at)
        .join(table, table.c.policy_id == c.id)
        .where(whose, c.name > last)
        .order_by(c.name)
        .limit(most)
        .offset(skip or None)
    )
    return [Attached(*row) for row in await tx.all(statement)]


async def count(tx: Tx, *, account_id: int = 0, group_id: int = 0) -> int:
    """How many policies the account itself, or the group, has."""
    table = account_policies if account_id else group_policies
    whose = table.c.account_id == account_id if account_id else table.c.group_id == group_id
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(table).where(whose)))


async def holders(
    tx: Tx, policy_id: int, *, last: str, most: int, skip: int = 0, group: bool | None = None
) -> list[Holder]:
    """Up to `most` accounts, then groups, that have the policy, after the key `last` and `skip` more."""
    found = _holders(policy_id)
    kind, _, number = last.partition(":")
    statement = sa.select(found).order_by(found.c.kind, found.c.id).limit(most).offset(skip or None)
    if last:
        after = (int(kind), int(number or 0))
        statement = statement.where(
            sa.or_(found.c.kind > after[0], sa.and_(found.c.kind == after[0], found.c.id > after[1]))
        )
    if group is not None:
        statement = statement.where(found.c.kind == int(group))
    return [Holder(bool(row[0]), *row[1:]) for row in await tx.all(statement)]


async def count_holders(tx: Tx, policy_id: int, *, group: bool | None = None) -> int:
    """How many accounts and groups have the policy; only groups, or only accounts, when asked so."""
    total = 0
    for table, is_group in ((account_policies, False), (group_policies, True)):
        if group is None or group is is_group:
            mine = table.c.policy_id == policy_id
            total += int(await tx.scalar(sa.select(sa.func.count()).select_from(table).where(mine)))
    return total


def _holders(policy_id: int) -> sa.Subquery:
    people = (
        sa.select(
            sa.literal(0).label("kind"),
            accounts.c.id,
            accounts.c.name,
            accounts.c.uin,
            account_policies.c.created_at,
        )
        .join(account_policies, account_policies.c.account_id == accounts.c.id)
        .where(account_policies.c.policy_id == policy_id)
    )
    sets = (
        sa.select(
            sa.literal(1).label("kind"),
            groups.c.id,
            groups.c.name,
            sa.literal("").label("uin"),
            group_policies.c.created_at,
        )
        .join(group_policies, group_policies.c.group_id == groups.c.id)
        .where(group_policies.c.policy_id == policy_id)
    )
    return sa.union_all(people, sets).subquery("holders")
