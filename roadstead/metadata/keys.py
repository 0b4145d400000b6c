"""What callers are known by at the management doors: API keys, temporary keys, and the nonces that were used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx, insert
from roadstead.metadata.schema.access import api_keys, temporary_keys, used_nonces


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key; the secret half is encrypted."""

    secret_id: str
    account_id: int
    secret_key: bytes
    enabled: bool
    created_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TemporaryKey:
    """One key for an hour or so; it holds only together with its session token."""

    secret_id: str
    account_id: int
    secret_key: bytes
    token_hash: str
    policy: str
    created_at: datetime
    ends_at: datetime


_API_KEY = tuple(api_keys.c[name] for name in ApiKey.__dataclass_fields__)
_TEMPORARY_KEY = tuple(temporary_keys.c[name] for name in TemporaryKey.__dataclass_fields__)


async def api_key(tx: Tx, secret_id: str) -> ApiKey | None:
    """The API key of that id, enabled or not."""
    row = await tx.one(sa.select(*_API_KEY).where(api_keys.c.secret_id == secret_id))
    return None if row is None else ApiKey(*row)


async def temporary_key(tx: Tx, secret_id: str) -> TemporaryKey | None:
    """The temporary key of that id, ended or not."""
    row = await tx.one(sa.select(*_TEMPORARY_KEY).where(temporary_keys.c.secret_id == secret_id))
    return None if row is None else TemporaryKey(*row)


async def stamp_use(tx: Tx, secret_id: str, at: datetime) -> None:
    """The API key was used at that time, or later if that is known already."""
    c = api_keys.c
    earlier = sa.or_(c.used_at.is_(None), c.used_at < at)
    await tx.run(sa.update(api_keys).where(c.secret_id == secret_id, earlier).values(used_at=at))


async def take_nonce(tx: Tx, nonce: str, ends_at: datetime) -> bool:
    """The nonce counts as used until `ends_at`; False when it was used before."""
    statement = insert(tx, used_nonces).values(nonce=nonce, ends_at=ends_at).on_conflict_do_nothing()
    return await tx.run(statement) > 0


async def forget_nonces(tx: Tx, now: datetime, most: int) -> int:
    """Up to `most` nonces whose signatures have expired are gone; how many."""
    c = used_nonces.c
    old = sa.select(c.nonce).where(c.ends_at < now).limit(most)
    return await tx.run(sa.delete(used_nonces).where(c.nonce.in_(old)))
