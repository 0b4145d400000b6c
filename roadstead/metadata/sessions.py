"""Logins of people, as rows: one read tells whose session it is and whether the account still may."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.accounts import Account
from roadstead.metadata.database import Tx
from roadstead.metadata.schema.access import sessions
from roadstead.metadata.schema.tenancy import accounts


@dataclass(frozen=True, slots=True)
class Session:
    """One login; its id is the hash of what the browser keeps."""

    id: str
    account_id: int
    address: str
    client: str
    created_at: datetime
    used_at: datetime
    ends_at: datetime


_COLUMNS = tuple(sessions.c[name] for name in Session.__dataclass_fields__)
_ACCOUNT = tuple(accounts.c[name] for name in Account.__dataclass_fields__)


async def add(tx: Tx, session: Session) -> None:
    """The session exists."""
    await tx.run(sa.insert(sessions), {name: getattr(session, name) for name in Session.__dataclass_fields__})


async def get(tx: Tx, session_id: str) -> tuple[Session, Account] | None:
    """The session of that id with its account as it stands; None when it has ended."""
    joined = sessions.join(accounts, accounts.c.id == sessions.c.account_id)
    row = await tx.one(sa.select(*_COLUMNS, *_ACCOUNT).select_from(joined).where(sessions.c.id == session_id))
    if row is None:
        return None
    return Session(*row[: len(_COLUMNS)]), Account(*row[len(_COLUMNS) :])


async def of_account(tx: Tx, account_id: int, most: int) -> list[Session]:
    """Up to `most` sessions of the account, the latest login first."""
    rows = await tx.all(sa.select(*_COLUMNS).where(sessions.c.account_id == account_id))
    return sorted((Session(*row) for row in rows), key=lambda each: each.created_at, reverse=True)[:most]


async def touch(tx: Tx, session_id: str, now: datetime) -> None:
    """The session was used at that time."""
    await tx.run(sa.update(sessions).where(sessions.c.id == session_id).values(used_at=now))


async def remove(tx: Tx, account_id: int, session_id: str) -> bool:
    """The account's session has ended; False when there was none of that id."""
    c = sessions.c
    return await tx.run(sa.delete(sessions).where(c.id == session_id, c.account_id == account_id)) > 0


async def remove_of(tx: Tx, account_id: int, *, but: str = "") -> int:
    """Every session of the account has ended, except the one of the id `but`; how many."""
    c = sessions.c
    return await tx.run(sa.delete(sessions).where(c.account_id == account_id, c.id != but))


async def forget_ended(tx: Tx, before: datetime, most: int) -> int:
    """Sessions whose life ended before that time are gone; how many."""
    c = sessions.c
    old = sa.select(c.id).where(c.ends_at < before).limit(most)
    return await tx.run(sa.delete(sessions).where(c.id.in_(old)))
