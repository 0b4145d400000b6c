"""Credentials, signing keys and failed logins, as rows on both databases."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from roadstead.metadata import credentials
from roadstead.metadata.credentials import StoredKey
from roadstead.metadata.database import Database
from tests.metadata.scene import NOW, add_credential, set_up


async def test_a_credential_is_listed_changed_and_removed_in_its_instance(database: Database) -> None:
    scene = await set_up(database)
    async with database.write() as tx:
        for number in range(4):
            await add_credential(tx, scene.instance, scene.account, f"credential-{number}")
        page = await credentials.page(tx, scene.instance, "", 3)
        assert [row.id for row in page] == ["credential-0", "credential-1", "credential-2"]
        rest = await credentials.page(tx, scene.instance, page[-1].id, 3)
        assert [row.id for row in rest] == ["credential-3", "first-credential"]
        assert rest[0].uin == "100"
        assert [row.id for row in await credentials.page(tx, scene.instance, "", 1, 4, scene.account)] == [
            "first-credential"
        ]
        assert await credentials.page(tx, scene.instance, "", 9, account_id=scene.account + 1) == []
        assert await credentials.count(tx, scene.instance) == 5
        assert await credentials.count(tx, scene.instance, scene.account + 1) == 0
        assert await credentials.get(tx, scene.instance, "credential-0") == page[0]
        assert await credentials.get(tx, scene.instance + 1, "credential-0") is None
        assert (rest[0].enabled, rest[0].description, rest[0].created_at) == (True, "for the tests", NOW)
        assert await credentials.modify(tx, scene.instance, "credential-3", enabled=False)
        assert not await credentials.modify(tx, scene.instance + 1, "credential-3", enabled=True)
        assert not (await credentials.page(tx, scene.instance, "credential-2", 1))[0].enabled
        assert not await credentials.remove(tx, scene.instance + 1, "credential-3")
        assert await credentials.remove(tx, scene.instance, "credential-3")
        assert not await credentials.remove(tx, scene.instance, "credential-3")
        assert await credentials.page(tx, scene.instance + 1, "", 9) == []


def key(name: str, made: datetime) -> StoredKey:
    return StoredKey(name, b"private \x00\xff", "{}", made, None)


async def test_a_new_key_signs_and_the_old_one_still_checks_until_its_end(database: Database) -> None:
    day = timedelta(days=1)
    async with database.write() as tx:
        await credentials.add_signing_key(tx, key("first", NOW), NOW, NOW)
        await credentials.add_signing_key(tx, key("second", NOW + day), NOW + 3 * day, NOW + day)
        valid = await credentials.signing_keys_valid(tx, NOW + day)
        assert [(each.id, each.ends_at) for each in valid] == [("second", None), ("first", NOW + 3 * day)]
        assert valid[0].private_key == b"private \x00\xff"
        later = await credentials.signing_keys_valid(tx, NOW + 3 * day)
        assert [each.id for each in later] == ["second"]
        await credentials.add_signing_key(tx, key("third", NOW + 4 * day), NOW + 6 * day, NOW + 4 * day)
        assert [each.id for each in await credentials.signing_keys_valid(tx, NOW)] == ["third", "second"]


async def test_failures_add_up_within_the_window(database: Database) -> None:
    async def fail(minutes: int) -> int:
        now = NOW + timedelta(minutes=minutes)
        async with database.write(durable=False) as tx:
            return await credentials.count_failure(tx, "account:1", now - timedelta(minutes=15), now)

    assert [await fail(minutes) for minutes in (0, 1, 16, 32, 33)] == [1, 2, 3, 1, 2]
    async with database.write() as tx:
        assert await credentials.count_failure(tx, "account:2", NOW, NOW) == 1
        after = NOW + timedelta(minutes=20)
        assert await credentials.forget_failures(tx, after, 9) == 1
        assert await credentials.forget_failures(tx, after + timedelta(hours=1), 9) == 1
        assert await credentials.forget_failures(tx, after + timedelta(hours=1), 9) == 0


async def test_who_was_let_in_is_known_until_it_is_forgotten(database: Database) -> None:
    async with database.write() as tx:
        for hours in (0, 5):
            await credentials.note_success(tx, "100", "192.0.2.1", NOW + timedelta(hours=hours))
        await credentials.note_success(tx, "200", "192.0.2.1", NOW)
        assert await credentials.has_succeeded(tx, "100", "192.0.2.1")
        assert not await credentials.has_succeeded(tx, "100", "192.0.2.2")
        assert await credentials.forget_successes(tx, NOW + timedelta(hours=1), 9) == 1
        assert await credentials.has_succeeded(tx, "100", "192.0.2.1")
        assert not await credentials.has_succeeded(tx, "200", "192.0.2.1")


async def test_failures_counted_at_once_are_all_counted(database: Database) -> None:
    async def fail() -> int:
        async with database.write(durable=False) as tx:
            return await credentials.count_failure(tx, "address:1", NOW, NOW)

    assert sorted(await asyncio.gather(*(fail() for _ in range(15)))) == list(range(1, 16))
