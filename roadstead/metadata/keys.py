"""API keys: the pairs of SecretId and SecretKey that the management doors know callers by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.schema.access import api_keys


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key; its secret is encrypted."""

    secret_id: str
    account_id: int
    secret_key: bytes
    enabled: bool
    created_at: datetime
    used_at: datetime | None


_API_KEY = tuple(api_keys.c[name] for name in ApiKey.__dataclass_fields__)


async def api_key(tx: Tx, secret_id: str) -> ApiKey | None:
    """The API key of that id, enabled or not."""
    row = await tx.one(sa.select(*_API_KEY).where(api_keys.c.secret_id == secret_id))
    return None if row is None else ApiKey(*row)
