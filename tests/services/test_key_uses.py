"""Uses of keys: noted in memory without limit to requests, bounded in size, written in one go."""

from __future__ import annotations

from datetime import timedelta

import pytest

from roadstead.metadata import keys
from roadstead.services import key_uses
from roadstead.services.context import Context
from roadstead.services.key_uses import KeyUses
from tests.factories.contexts import initial_credentials


async def test_an_older_use_does_not_replace_a_newer_one(ctx: Context) -> None:
    secret_id, now = initial_credentials(ctx).secret_id, ctx.clock()
    one, other = KeyUses(), KeyUses()
    one.note(secret_id, now + timedelta(minutes=5))
    other.note(secret_id, now)
    other.note("AKIDdeleted", now)
    for uses in (one, other, other):
        await uses.write_down(ctx.database)
    async with ctx.database.read() as tx:
        found = await keys.api_key(tx, secret_id)
        assert await keys.api_key(tx, "AKIDdeleted") is None
    assert found is not None
    assert found.used_at == now + timedelta(minutes=5)


async def test_what_is_remembered_is_bounded(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_uses, "_REMEMBERED", 2)
    secret_id, uses = initial_credentials(ctx).secret_id, KeyUses()
    for name in (secret_id, "AKIDa", "AKIDb"):
        uses.note(name, ctx.clock())
    await uses.write_down(ctx.database)
    async with ctx.database.read() as tx:
        found = await keys.api_key(tx, secret_id)
    assert found is not None
    assert found.used_at is None
