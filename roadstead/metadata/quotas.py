"""How much of what its specification allows an instance has."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata.database import Tx
from roadstead.metadata.schema.content import namespaces, repositories
from roadstead.metadata.schema.networks import private_links
from roadstead.metadata.schema.tenancy import instances


async def hold(tx: Tx, instance_id: int) -> None:
    """Others who count before they add wait for this transaction."""
    await tx.scalar(sa.select(instances.c.id).where(instances.c.id == instance_id).with_for_update(key_share=True))


async def namespaces_of(tx: Tx, instance_id: int) -> int:
    """How many namespaces the instance has."""
    counted = sa.select(sa.func.count()).select_from(namespaces).where(namespaces.c.instance_id == instance_id)
    return int(await tx.scalar(counted))


async def repositories_of(tx: Tx, instance_id: int) -> int:
    """How many repositories the instance has, those that an unfinished push has begun among them."""
    counted = sa.select(sa.func.count()).select_from(repositories).where(repositories.c.instance_id == instance_id)
    return int(await tx.scalar(counted))


async def links_of(tx: Tx, instance_id: int) -> int:
    """How many private links the instance has."""
    counted = sa.select(sa.func.count()).select_from(private_links).where(private_links.c.instance_id == instance_id)
    return int(await tx.scalar(counted))
