"""Which instance a host name means, and what a process remembers of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from roadstead.config import Settings
from roadstead.errors import InstanceUnknown, NetworkRefused
from roadstead.metadata import instances
from roadstead.metadata.database import Database, connect
from roadstead.metadata.schema.tenancy import instances as table
from roadstead.services import networks
from roadstead.services.access import admit, admit_client
from roadstead.services.context import Context
from roadstead.services.instances import InstanceDirectory
from tests.factories.accounts import origin, owner_asker
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.jobs.bench import FakeClock
from tests.metadata.scene import instance


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await connect(Settings(data=str(tmp_path)))
    async with database.write() as tx:
        await instances.add(tx, instance("default", "tcr-default"))
        await instances.add(tx, instance("acme", "tcr-acme"))
    yield database
    await database.close()


def directory(database: Database, base_domain: str = "registry.example.com") -> InstanceDirectory:
    return InstanceDirectory(database, Settings(base_domain=base_domain))


@pytest.mark.parametrize(
    ("host", "label"),
    [
        ("acme.registry.example.com", "acme"),
        ("acme.registry.example.com:5000", "acme"),
        ("ACME.Registry.Example.COM", "acme"),
        ("a-b.registry.example.com", "a-b"),
        # What names no instance means the default one.
        ("", "default"),
        ("registry.example.com", "default"),
        ("registry.example.com:443", "default"),
        (".registry.example.com", "default"),
        ("deep.acme.registry.example.com", "default"),
        ("acmeregistry.example.com", "default"),
        ("acme.other.example.com", "default"),
        ("localhost", "default"),
        ("localhost:5000", "default"),
        ("127.0.0.1", "default"),
        ("127.0.0.1:5000", "default"),
        ("[::1]", "default"),
        ("[::1]:5000", "default"),
        ("[2001:db8::1]:5000", "default"),
        ("[", "default"),
        (":", "default"),
        ("acme", "default"),
    ],
)
async def test_the_name_in_a_host(database: Database, host: str, label: str) -> None:
    assert directory(database).label(host) == label


@pytest.mark.parametrize("domain", ["localhost", "LOCALHOST", ".localhost", "localhost."])
async def test_a_base_domain_may_be_written_with_dots_and_in_capitals(database: Database, domain: str) -> None:
    found = directory(database, domain)
    assert found.label("acme.localhost:5000") == "acme"
    assert found.label("localhost:5000") == "default"


async def test_a_name_finds_its_instance_and_any_other_the_default_one(database: Database) -> None:
    found = directory(database)
    assert found.known("acme") is None
    assert (await found.find("acme")).row.registry_id == "tcr-acme"
    assert (await found.find("nothing")).row.registry_id == "tcr-default"
    known = found.known("acme")
    assert known is not None and known is await found.find("acme")
    assert found.known("nothing") is None


async def test_without_a_default_instance_there_is_nothing_to_find(database: Database) -> None:
    lost = InstanceDirectory(database, Settings(default_instance="gone"))
    with pytest.raises(InstanceUnknown, match="'gone'"):
        await lost.find("nothing")
    assert (await lost.find("acme")).row.registry_id == "tcr-acme"


async def test_what_is_loaded_again_is_as_the_database_has_it(database: Database) -> None:
    found = directory(database)
    before = await found.find("acme")
    assert not before.network.verdict("192.0.2.1").admitted
    async with database.write() as tx:
        await instances.modify(tx, before.id, public_entry="Opened")
        await instances.allow(tx, before.id, "192.0.2.0/24", "", before.row.created_at)
        assert await found.find("acme") is before, "remembered until somebody asks again"
        after = await found.load(tx, "acme")
    assert after is not None
    assert (after.row.revision, after.network.verdict("192.0.2.1").admitted) == (2, True)
    assert await found.find("acme") is after


async def test_what_is_gone_is_forgotten(database: Database) -> None:
    found = directory(database)
    await found.find("acme")
    async with database.write() as tx:
        await tx.run(sa.delete(table).where(table.c.name == "acme"))
        assert await found.load(tx, "acme") is None
    assert found.known("acme") is None


class TestChangesOfAnotherProcess:
    """One process serves; the command line is another one on the same data."""

    OUTSIDE = "192.0.2.7"

    async def test_a_client_is_let_in_as_soon_as_it_is_allowed(
        self, ctx: Context, folder: Path, clock: FakeClock
    ) -> None:
        served = await ctx.instances.find("default")
        with pytest.raises(NetworkRefused, match="closed"):
            await admit_client(ctx, served, origin(self.OUTSIDE))
        async with open_test_context(folder, clock) as command:
            await call(command, networks.manage_external_endpoint, operation="Create")
            with pytest.raises(NetworkRefused, match="not in the allowlist"):
                await admit_client(ctx, served, origin(self.OUTSIDE))
            await call(command, networks.create_security_policy, cidr_block="192.0.2.0/24")
        fresh = await admit_client(ctx, served, origin(self.OUTSIDE))
        assert fresh.row.revision == 2
        assert ctx.instances.known("default") is fresh

    async def test_a_client_is_refused_as_soon_as_it_is_not(
        self, ctx: Context, folder: Path, clock: FakeClock
    ) -> None:
        async with open_test_context(folder, clock) as command:
            await call(command, networks.manage_external_endpoint, operation="Create")
            await call(command, networks.create_security_policy, cidr_block=self.OUTSIDE)
            request = await owner_asker(ctx, self.OUTSIDE)
            async with ctx.database.read() as tx:
                await admit(ctx, tx, request, None, None)
            await call(command, networks.manage_external_endpoint, operation="Delete")
            async with ctx.database.read() as tx:
                with pytest.raises(NetworkRefused, match="closed"):
                    await admit(ctx, tx, request, None, None)

    async def test_a_refusal_says_what_the_owner_must_do(self, ctx: Context) -> None:
        with pytest.raises(NetworkRefused) as caught:
            await admit_client(ctx, await ctx.instances.find("default"), origin(self.OUTSIDE))
        assert f"roadstead network allow {self.OUTSIDE}" in caught.value.message
        assert caught.value.gate == "network"
        assert caught.value.detail == {
            "entry": "public",
            "address": self.OUTSIDE,
            "reason": "the public entry is closed",
            "remedy": f"roadstead network open && roadstead network allow {self.OUTSIDE}",
        }
