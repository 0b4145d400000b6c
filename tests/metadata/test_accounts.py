"""Accounts as rows, on both databases."""

from __future__ import annotations

import sqlalchemy as sa

from roadstead.metadata import accounts
from roadstead.metadata.database import Database
from roadstead.metadata.schema.access import api_keys
from tests.metadata.scene import NOW


async def test_the_owner_is_who_owns_itself(database: Database) -> None:
    async with database.write() as tx:
        assert await accounts.owner(tx) is None
        owner = await accounts.add(tx, uin="100", owner_uin="100", name="admin", password_hash="-", now=NOW)
        builder = await accounts.add(tx, uin="200", owner_uin="100", name="builder", password_hash="-", now=NOW)
        assert owner is not None and builder is not None
        assert (owner.uin, owner.owner_uin, owner.name, owner.enabled) == ("100", "100", "admin", True)
        assert await accounts.owner(tx) == owner
        assert builder.id != owner.id


async def test_neither_uin_nor_name_is_given_twice(database: Database) -> None:
    async with database.write() as tx:
        await accounts.add(tx, uin="100", owner_uin="100", name="admin", password_hash="-", now=NOW)
        for uin, name in (("100", "other"), ("200", "admin")):
            assert await accounts.add(tx, uin=uin, owner_uin="100", name=name, password_hash="-", now=NOW) is None


async def test_an_api_key_is_kept_encrypted_as_it_came(database: Database) -> None:
    async with database.write() as tx:
        owner = await accounts.add(tx, uin="100", owner_uin="100", name="admin", password_hash="-", now=NOW)
        assert owner is not None
        await accounts.add_api_key(tx, owner.id, "AKID1", b"sealed \x00\xff", NOW)
        row = await tx.one(sa.select(api_keys))
        assert row is not None
        assert (row.secret_id, row.account_id, row.secret_key, row.enabled) == (
            "AKID1",
            owner.id,
            b"sealed \x00\xff",
            True,
        )
