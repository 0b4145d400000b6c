"""Who an identity provider says that accounts are, and logins that wait to be taken up by a command line."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.access import identities, pending_logins


async def account_of(tx: Tx, issuer: str, subject: str) -> int | None:
    """The account that the provider's subject is."""
    c = identities.c
    found: int | None = await tx.scalar(sa.select(c.account_id).where(c.issuer == issuer, c.subject == subject))
    return found


async def link(tx: Tx, issuer: str, subject: str, account_id: int, now: datetime) -> int:
    """The provider's subject is the account, unless it was another one already; whose it is."""
    row = {"issuer": issuer, "subject": subject, "account_id": account_id, "created_at": now}
    await tx.run(insert(tx, identities).values(row).on_conflict_do_nothing())
    found = await account_of(tx, issuer, subject)
    return account_id if found is None else found


async def park(tx: Tx, login_id: str, data: bytes, ends_at: datetime) -> None:
    """The login waits under that id until then; `data` is encrypted."""
    await tx.run(sa.insert(pending_logins), {"id": login_id, "data": data, "ends_at": ends_at})


async def take(tx: Tx, login_id: str, now: datetime) -> bytes | None:
    """What waited under the id, which is gone now; None when nothing did, or for too long."""
    c = pending_logins.c
    row = await tx.one(sa.delete(pending_logins).where(c.id == login_id).returning(c.data, c.ends_at))
    return None if row is None or row.ends_at <= now else row.data


async def forget_parked(tx: Tx, now: datetime, most: int) -> int:
    """Logins that nobody has taken up in time are gone; how many."""
    c = pending_logins.c
    ended = sa.select(c.id).where(c.ends_at <= now).limit(most)
    return await tx.run(sa.delete(pending_logins).where(c.id.in_(ended)))
