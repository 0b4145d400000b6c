"""Groups of accounts, whose members have the group's policies.

Whoever changes a group calls `rights.begin_change` before anything else; what follows for accounts is done here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from roadstead.metadata import rights
from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.tenancy import accounts, group_members, groups


@dataclass(frozen=True, slots=True)
class Group:
    """One group."""

    id: int
    name: str
    remark: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """One account of a group."""

    id: int
    uin: str
    name: str
    remark: str
    created_at: datetime


_COLUMNS = tuple(groups.c[name] for name in Group.__dataclass_fields__)
_MEMBER = tuple(accounts.c[name] for name in Member.__dataclass_fields__)


async def get(tx: Tx, *, group_id: int = 0, name: str = "") -> Group | None:
    """The group of that id or name."""
    match = groups.c.id == group_id if group_id else groups.c.name == name
    row = await tx.one(sa.select(*_COLUMNS).where(match))
    return None if row is None else Group(*row)


async def add(tx: Tx, name: str, remark: str, now: datetime) -> Group | None:
    """The new group; None when the name is taken."""
    row = await tx.one(
        insert(tx, groups)
        .values(name=name, remark=remark, created_at=now)
        .on_conflict_do_nothing()
        .returning(*_COLUMNS)
    )
    return None if row is None else Group(*row)


async def modify(tx: Tx, group_id: int, **values: object) -> None:
    """The group has these values; none of them changes what its members may do."""
    await tx.run(sa.update(groups).where(groups.c.id == group_id).values(**values))


async def remove(tx: Tx, group_id: int) -> None:
    """The group is gone, and with it what its members had by it."""
    await rights.group_changed(tx, group_id)
    await tx.run(sa.delete(groups).where(groups.c.id == group_id))


async def add_member(tx: Tx, group_id: int, account_id: int, *, claimed: bool = False) -> None:
    """The account is in the group; `claimed` when the identity provider says so.

    Who was put there by hand stays so: a claim that is gone later must not take what somebody gave.
    """
    row = {"group_id": group_id, "account_id": account_id, "claimed": claimed}
    adding = insert(tx, group_members).values(row)
    if await tx.run(adding.on_conflict_do_nothing()):
        await rights.account_changed(tx, account_id)
    elif not claimed:
        c = group_members.c
        mine = sa.and_(c.group_id == group_id, c.account_id == account_id)
        await tx.run(sa.update(group_members).where(mine).values(claimed=False))


async def remove_member(tx: Tx, group_id: int, account_id: int) -> None:
    """The account is not in the group."""
    c = group_members.c
    if await tx.run(sa.delete(group_members).where(c.group_id == group_id, c.account_id == account_id)):
        await rights.account_changed(tx, account_id)


async def follow_claims(tx: Tx, account_id: int, names: Sequence[str]) -> None:
    """The account is in the groups of these names that exist, and by claims in no other."""
    c = group_members.c
    wanted = sa.select(groups.c.id).where(groups.c.name.in_(names))
    gone = sa.delete(group_members).where(c.account_id == account_id, c.claimed, c.group_id.not_in(wanted))
    if await tx.run(gone):
        await rights.account_changed(tx, account_id)
    for row in await tx.all(wanted.order_by(groups.c.id)):
        await add_member(tx, row.id, account_id, claimed=True)


async def page(tx: Tx, *, last: str, most: int, skip: int = 0, containing: str = "") -> list[Group]:
    """Up to `most` groups after the name `last` and `skip` more, by name."""
    return await _page(tx, _containing(containing), last, most, skip)


async def count(tx: Tx, *, containing: str = "") -> int:
    """How many groups `page` would give in all."""
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(groups).where(*_containing(containing))))


def _containing(text: str) -> list[Any]:
    return [groups.c.name.contains(text, autoescape=True)] if text else []


async def of_account(tx: Tx, account_id: int, *, last: str, most: int, skip: int = 0) -> list[Group]:
    """Up to `most` groups that the account is in, after the name `last` and `skip` more, by name."""
    mine = sa.select(group_members.c.group_id).where(group_members.c.account_id == account_id)
    return await _page(tx, [groups.c.id.in_(mine)], last, most, skip)


async def _page(tx: Tx, which: Sequence[Any], last: str, most: int, skip: int) -> list[Group]:
    statement = (
        sa.select(*_COLUMNS)
        .where(*which, groups.c.name > last)
        .order_by(groups.c.name)
        .limit(most)
        .offset(skip or None)
    )
    return [Group(*row) for row in await tx.all(statement)]


async def members(tx: Tx, group_id: int, *, last: str, most: int, skip: int = 0) -> list[Member]:
    """Up to `most` accounts of the group after the name `last` and `skip` more, by name."""
    statement = (
        sa.select(*_MEMBER)
        .join(group_members, group_members.c.account_id == accounts.c.id)
        .where(group_members.c.group_id == group_id, accounts.c.name > last)
        .order_by(accounts.c.name)
        .limit(most)
        .offset(skip or None)
    )
    return [Member(*row) for row in await tx.all(statement)]


async def count_members(tx: Tx, *, group_id: int = 0, account_id: int = 0) -> int:
    """How many accounts the group has, or how many groups the account is in."""
    c = group_members.c
    which = c.group_id == group_id if group_id else c.account_id == account_id
    return int(await tx.scalar(sa.select(sa.func.count()).select_from(group_members).where(which)))
