"""Codes that stand in for a lost second factor, as hashes; a code that was used has no row any more."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.schema.tenancy import recovery_codes


async def replace(tx: Tx, account_id: int, hashes: Sequence[str]) -> None:
    """The account has the codes of these hashes and no others."""
    await tx.run(sa.delete(recovery_codes).where(recovery_codes.c.account_id == account_id))
    for code_hash in hashes:
        await tx.run(sa.insert(recovery_codes).values(account_id=account_id, code_hash=code_hash))


async def take(tx: Tx, account_id: int, code_hash: str) -> bool:
    """The account has no code of that hash any more; False when it had none."""
    c = recovery_codes.c
    return await tx.run(sa.delete(recovery_codes).where(c.account_id == account_id, c.code_hash == code_hash)) > 0


async def count(tx: Tx, account_id: int) -> int:
    """How many codes the account has left."""
    c = recovery_codes.c
    statement = sa.select(sa.func.count()).select_from(recovery_codes).where(c.account_id == account_id)
    found: int = await tx.scalar(statement)
    return found
