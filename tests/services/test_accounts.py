"""The first start of a data folder: once, whole, and readable by its owner only."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from roadstead.app import open_context
from roadstead.config import Settings, Storage
from roadstead.domain.identity import CredentialKind, Door
from roadstead.errors import StartRefused
from roadstead.metadata import accounts, namespaces
from roadstead.metadata.instances import Instance
from roadstead.metadata.schema.access import api_keys
from roadstead.metadata.schema.tenancy import accounts as account_table
from roadstead.services import accounts as service
from roadstead.services.access import admit
from roadstead.services.accounts import first_start, local_owner
from roadstead.services.context import Context
from roadstead.services.secrets import password_holds
from tests.factories.accounts import owner_asker
from tests.factories.contexts import initial_credentials, open_test_context
from tests.jobs.bench import FakeClock


def credentials_file(folder: Path) -> Path:
    return folder / "initial-credentials.json"


async def default_instance(ctx: Context) -> Instance:
    return (await ctx.instances.find(ctx.settings.default_instance)).row


async def test_its_file_holds_what_scripts_need_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    async with open_test_context(tmp_path):
        pass
    written = json.loads(credentials_file(tmp_path).read_text())
    assert set(written) == {
        "AccountUin",
        "UserName",
        "Password",
        "SecretId",
        "SecretKey",
        "RegistryUser",
        "RegistryToken",
    }
    assert all(isinstance(value, str) and value for value in written.values())
    assert written["RegistryUser"] == written["AccountUin"]
    for name in ("initial-credentials.json", "secret.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


async def test_what_it_made_works(ctx: Context) -> None:
    made = initial_credentials(ctx)
    async with ctx.database.read() as tx:
        caller = (await admit(ctx, tx, await owner_asker(ctx), None, None)).caller
        owner = await accounts.owner(tx)
        password = await tx.scalar(sa.select(account_table.c.password_hash))
        key = await tx.one(sa.select(api_keys))
    assert caller.owner and owner is not None and owner.uin == made.account_uin and owner.name == made.user_name
    assert password_holds(password, made.password)
    assert not password_holds(password, made.password + "x")
    assert key is not None and key.secret_id == made.secret_id
    assert ctx.secrets.unseal(key.secret_key).decode() == made.secret_key


async def test_its_default_instance_is_closed_to_the_outside_and_holds_a_first_namespace(ctx: Context) -> None:
    row = await default_instance(ctx)
    assert (row.name, row.status, row.public_entry, row.anonymous_access) == ("default", "Running", "Closed", True)
    assert row.registry_id.startswith("tcr-") and row.region == "local"
    async with ctx.database.read() as tx:
        found = await namespaces.page(tx, row.id, containing="", last="", most=9)
    assert [(each.name, each.public) for each in found] == [("library", False)]


async def test_settings_say_what_the_default_instance_is(tmp_path: Path) -> None:
    async with open_test_context(
        tmp_path, default_instance="acme", region="north", create_namespace_on_push=True
    ) as ctx:
        row = await default_instance(ctx)
    assert (row.name, row.region, row.create_namespace_on_push) == ("acme", "north", True)


async def test_a_second_start_changes_nothing(folder: Path, clock: FakeClock) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("roadstead.db")}
    async with open_test_context(folder, clock) as ctx:
        row = await default_instance(ctx)
        assert await first_start(ctx) is None
    async with open_test_context(folder, clock) as ctx:
        assert await first_start(ctx) is None
        assert await default_instance(ctx) == row
    after = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("roadstead.db")}
    assert after == before


async def test_a_first_start_that_broke_off_is_made_good_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written before the rows are committed: one without the other is replaced."""
    settings = Settings(data=str(tmp_path), storage=Storage(kind="memory"))
    write = service._write

    def broken(path: Path, made: service.InitialCredentials) -> None:
        write(path, made)
        raise RuntimeError("the power went")

    monkeypatch.setattr(service, "_write", broken)
    async with open_context(settings) as ctx:
        with pytest.raises(RuntimeError):
            await first_start(ctx)
    left = credentials_file(tmp_path).read_text()
    monkeypatch.undo()
    async with open_context(settings) as ctx:
        made = await first_start(ctx)
        assert made is not None
        assert credentials_file(tmp_path).read_text() != left
        assert initial_credentials(ctx) == made
        async with ctx.database.read() as tx:
            assert (await admit(ctx, tx, await owner_asker(ctx), None, None)).caller.owner


async def test_of_two_nodes_that_start_first_at_once_one_makes_what_there_is(
    tmp_path: Path, postgres_url: str
) -> None:
    async with AsyncExitStack() as stack:
        nodes = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            settings = Settings(
                data=str(tmp_path / name),
                database=postgres_url,
                secret_key="A" * 43 + "=",
                storage=Storage(kind="memory"),
            )
            nodes.append(await stack.enter_async_context(open_context(settings)))
        made = await asyncio.gather(*map(first_start, nodes))
        assert sorted(each is None for each in made) == [False, True]


async def test_two_folders_share_nothing(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        async with open_test_context(tmp_path / name) as ctx:
            found.append(initial_credentials(ctx))
    for field in ("account_uin", "password", "secret_id", "secret_key", "registry_token"):
        assert getattr(found[0], field) != getattr(found[1], field)


async def test_whoever_can_read_the_folder_is_the_owner(ctx: Context) -> None:
    caller = await local_owner(ctx)
    assert caller.owner and caller.scopes is None
    assert (caller.kind, caller.origin.door, caller.origin.address) == (CredentialKind.LOCAL, Door.COMMAND, "local")
    assert caller.origin.request_id != (await local_owner(ctx)).origin.request_id


async def test_before_the_first_start_there_is_no_owner(tmp_path: Path) -> None:
    async with open_context(Settings(data=str(tmp_path), storage=Storage(kind="memory"))) as ctx:
        with pytest.raises(StartRefused, match="roadstead serve"):
            await local_owner(ctx)
