"""Accounts and their API keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.access import api_keys
from roadstead.metadata.schema.tenancy import accounts


@dataclass(frozen=True, slots=True)
class Account:
    """One account; the owner's uin is its own owner_uin."""

    id: int
    uin: str
    owner_uin: str
    name: str
    enabled: bool
    policy_revision: int

    @property
    def owner(self) -> bool:
        """Whether it owns the deployment."""
        return self.uin == self.owner_uin


_COLUMNS = tuple(accounts.c[name] for name in Account.__dataclass_fields__)


async def owner(tx: Tx) -> Account | None:
    """The account that owns the deployment; None before the first start has made it."""
    row = await tx.one(sa.select(*_COLUMNS).where(accounts.c.uin == accounts.c.owner_uin).limit(1))
    return None if row is None else Account(*row)


async def get(tx: Tx, *, account_id: int = 0, uin: str = "", name: str = "") -> Account | None:
    """The account of that row id, number or name."""
    c = accounts.c
    match = c.id == account_id if account_id else c.uin == uin if uin else c.name == name
    row = await tx.one(sa.select(*_COLUMNS).where(match))
    return None if row is None else Account(*row)


async def names(tx: Tx, uins: Iterable[str]) -> dict[str, str]:
    """The names of the accounts of these numbers, by number; what is no account's number is left out."""
    c = accounts.c
    rows = await tx.all(sa.select(c.uin, c.name).where(c.uin.in_(sorted(set(uins)))))
    return {row.uin: row.name for row in rows}


async def add(tx: Tx, *, uin: str, owner_uin: str, name: str, password_hash: str, now: datetime) -> Account | None:
    """The new account; None when its uin or name is taken."""
    row = await tx.one(
        insert(tx, accounts)
        .values(uin=uin, owner_uin=owner_uin, name=name, password_hash=password_hash, created_at=now)
        .on_conflict_do_nothing()
        .returning(*_COLUMNS)
    )
    return None if row is None else Account(*row)


async def add_api_key(tx: Tx, account_id: int, secret_id: str, secret_key: bytes, now: datetime) -> None:
    """The account has the API key; `secret_key` is encrypted."""
    await tx.run(
        sa.insert(api_keys),
        {"secret_id": secret_id, "account_id": account_id, "secret_key": secret_key, "created_at": now},
    )
