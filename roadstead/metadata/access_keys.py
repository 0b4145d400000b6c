"""API keys of accounts as whoever manages them sees them, and keys for an hour or two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.keys import TemporaryKey
from roadstead.metadata.schema.access import api_keys, temporary_keys


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One key without its secret."""

    secret_id: str
    account_id: int
    enabled: bool
    created_at: datetime
    used_at: datetime | None


_COLUMNS = tuple(api_keys.c[name] for name in AccessKey.__dataclass_fields__)


async def of_account(tx: Tx, account_id: int) -> list[AccessKey]:
    """The keys of the account, the oldest first; there are few."""
    c = api_keys.c
    rows = await tx.all(sa.select(*_COLUMNS).where(c.account_id == account_id))
    return sorted((AccessKey(*row) for row in rows), key=lambda key: (key.created_at, key.secret_id))


async def some(tx: Tx, secret_ids: Sequence[str]) -> list[AccessKey]:
    """Those of these keys that there are."""
    rows = await tx.all(sa.select(*_COLUMNS).where(api_keys.c.secret_id.in_(secret_ids)))
    return [AccessKey(*row) for row in rows]


async def enable(tx: Tx, account_id: int, secret_id: str, *, enabled: bool) -> bool:
    """The account's key is enabled or disabled; False when it has none of that id."""
    c = api_keys.c
    statement = sa.update(api_keys).where(c.secret_id == secret_id, c.account_id == account_id)
    return await tx.run(statement.values(enabled=enabled)) > 0


async def remove(tx: Tx, account_id: int, secret_id: str) -> bool:
    """The account's key is gone; False when it had none of that id."""
    c = api_keys.c
    return await tx.run(sa.delete(api_keys).where(c.secret_id == secret_id, c.account_id == account_id)) > 0


async def add_temporary(tx: Tx, key: TemporaryKey) -> None:
    """The account has the temporary key."""
    await tx.run(sa.insert(temporary_keys), {name: getattr(key, name) for name in TemporaryKey.__dataclass_fields__})


async def remove_temporary(tx: Tx, account_id: int, secret_id: str) -> None:
    """The account's temporary key is gone."""
    c = temporary_keys.c
    await tx.run(sa.delete(temporary_keys).where(c.secret_id == secret_id, c.account_id == account_id))


async def forget_temporary(tx: Tx, before: datetime, most: int) -> int:
    """Temporary keys that ended before that time are gone; how many."""
    c = temporary_keys.c
    old = sa.select(c.secret_id).where(c.ends_at < before).limit(most)
    return await tx.run(sa.delete(temporary_keys).where(c.secret_id.in_(old)))
