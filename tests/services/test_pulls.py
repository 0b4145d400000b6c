"""Pulls are counted once each, beside the requests, and written with their events in batches."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
import sqlalchemy as sa

from roadstead.domain.manifest import OCI_INDEX, OCI_MANIFEST
from roadstead.domain.reference import Digest, RepositoryName
from roadstead.metadata import pulls, repositories, triggers
from roadstead.metadata.database import Database, Tx
from roadstead.metadata.schema.content import manifest_pulls, manifests
from roadstead.metadata.schema.content import repositories as repository_table
from roadstead.metadata.schema.delivery import events
from roadstead.services import images, tags
from roadstead.services.access import Asker
from roadstead.services.context import Context
from roadstead.services.repositories import describe_repositories
from roadstead.services.trigger_log import describe_webhook_trigger_log
from tests.factories.accounts import asker, owner_asker, owner_login
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.factories.pushes import descriptor, document, index, push_blob, push_image, push_manifest
from tests.factories.receivers import create
from tests.jobs.bench import FakeClock

NAME = RepositoryName.parse("library/web")


@pytest.fixture(params=["sqlite", "postgresql"])
async def ctx(
    request: pytest.FixtureRequest, folder: Path, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Context]:
    """A Context over each database."""
    kind: Literal["sqlite", "postgresql"] = request.param
    chosen: dict[str, Any] = {} if kind == "sqlite" else {"database": request.getfixturevalue("postgres_url")}
    async with open_test_context(folder if kind == "sqlite" else tmp_path / "other", clock, **chosen) as opened:
        yield opened


@asynccontextmanager
async def another(ctx: Context, folder: Path | None = None) -> AsyncIterator[Context]:
    """Another process on the same data; on another node when it has a folder of its own."""
    async with open_test_context(folder or ctx.settings.folder, ctx.clock, database=ctx.settings.database) as opened:
        yield opened


async def pull(ctx: Context, who: Asker, reference: str, condition: str = "") -> Digest:
    stored, _ = await images.pull(ctx, who, NAME, reference, f"{OCI_INDEX}, {OCI_MANIFEST}", condition)
    return Digest.parse(stored.digest)


async def told(ctx: Context) -> list[dict[str, Any]]:
    """The pulls in the event log once all that waits is written."""
    await ctx.pulls.write_down(ctx)
    async with ctx.database.read() as tx:
        rows = await tx.all(sa.select(events).where(events.c.kind == "pullImage").order_by(events.c.id))
    return [{**json.loads(row.data), "operator": row.operator} for row in rows]


async def counts(ctx: Context) -> dict[str, int]:
    """The pulls of each tag, and of the repository under its own name."""
    listed = (await call(ctx, tags.describe_images, namespace_name="library", repository_name="web")).image_info_list
    (whole,) = (await call(ctx, describe_repositories)).repository_list
    return {whole.name: whole.pull_count, **{each.image_version: each.pull_count for each in listed}}


async def push_index(ctx: Context, owner: Asker, tag: str) -> tuple[Digest, list[Digest]]:
    """An index of two images under the tag: its digest and theirs."""
    bodies = [document(descriptor(b"{}"), annotations={"n": str(n)}) for n in range(2)]
    await push_blob(ctx, owner, str(NAME), b"{}")
    for body in bodies:
        await push_manifest(ctx, owner, str(NAME), "", body)
    whole = index(*(descriptor(body, OCI_MANIFEST) for body in bodies))
    await push_manifest(ctx, owner, str(NAME), tag, whole)
    return Digest.of(whole), [Digest.of(body) for body in bodies]


async def test_a_pull_is_an_event_and_is_counted_at_tag_repository_and_manifest(
    ctx: Context, clock: FakeClock
) -> None:
    owner = await owner_asker(ctx)
    digest = await push_image(ctx, owner, str(NAME), "v1", "v2")
    await pull(ctx, owner, "v1")
    clock.turn(seconds=5)
    await pull(ctx, owner, "v1")
    await pull(ctx, owner, str(digest))
    found = await told(ctx)
    assert [(each["tag"], each["digest"], each["repository"]) for each in found] == [
        ("v1", str(digest), "library/web"),
        ("v1", str(digest), "library/web"),
        ("", str(digest), "library/web"),
    ]
    assert {each["operator"] for each in found} == {owner_login(ctx).username}
    assert await counts(ctx) == {"library/web": 3, "v1": 2, "v2": 0}
    (whole,) = (await call(ctx, describe_repositories)).repository_list
    assert whole.last_pull_time == clock()
    async with ctx.database.read() as tx:
        c = manifest_pulls.c
        joined = manifest_pulls.join(manifests, manifests.c.id == c.manifest_id)
        rows = await tx.all(sa.select(manifests.c.digest, c.pulls, c.pulled_at).select_from(joined))
    assert [tuple(row) for row in rows] == [(str(digest), 3, clock())]
    assert len(await told(ctx)) == 3


async def test_asking_without_taking_is_no_pull(ctx: Context) -> None:
    owner = await owner_asker(ctx)
    digest = await push_image(ctx, owner, str(NAME), "v1")
    await images.head(ctx, owner, NAME, "v1", "")
    assert (await images.pull(ctx, owner, NAME, "v1", "", f'"{digest}"'))[1] is None
    assert await told(ctx) == []
    assert await counts(ctx) == {"library/web": 0, "v1": 0}


async def test_a_tag_asked_for_by_head_and_got_by_digest_is_a_pull_of_the_tag(ctx: Context, clock: FakeClock) -> None:
    owner, stranger = await owner_asker(ctx), await owner_asker(ctx, "127.0.0.2")
    digest = await push_image(ctx, owner, str(NAME), "v1")
    await images.head(ctx, owner, NAME, "v1", "")
    await pull(ctx, owner, str(digest))
    await pull(ctx, stranger, str(digest))
    assert [each["tag"] for each in await told(ctx)] == ["v1", ""]
    clock.turn(seconds=61)
    await pull(ctx, owner, str(digest))
    assert [each["tag"] for each in await told(ctx)] == ["v1", "", ""]
    assert await counts(ctx) == {"library/web": 3, "v1": 1}


async def test_what_another_process_was_asked_before_is_known(ctx: Context, clock: FakeClock) -> None:
    """docker and containerd do not keep to one connection."""
    owner = await owner_asker(ctx)
    digest = await push_image(ctx, owner, str(NAME), "v1")
    whole, members = await push_index(ctx, owner, "many")
    async with another(ctx) as other:
        its_owner = await asker(other, owner_login(ctx))
        await images.head(other, its_owner, NAME, "v1", "")
        await pull(ctx, owner, str(digest))
        await images.head(ctx, owner, NAME, "many", "")
        await pull(other, its_owner, str(whole))
        await pull(ctx, owner, str(members[0]))
    assert sorted((each["tag"], each["digest"]) for each in await told(ctx)) == [
        ("many", str(whole)),
        ("v1", str(digest)),
    ]
    assert await counts(ctx) == {"library/web": 2, "v1": 1, "many": 1}


async def test_nodes_do_not_know_what_another_was_asked(ctx: Context, tmp_path: Path) -> None:
    """A pull is counted once all the same, without its tag; an index and a member of it are two."""
    if ctx.settings.database == "":
        pytest.skip("nodes share a database")
    owner = await owner_asker(ctx)
    digest = await push_image(ctx, owner, str(NAME), "v1")
    whole, members = await push_index(ctx, owner, "many")
    (tmp_path / "node").mkdir()
    shutil.copy(ctx.settings.folder / "secret.key", tmp_path / "node")
    async with another(ctx, tmp_path / "node") as node:
        its_owner = await asker(node, owner_login(ctx))
        await images.head(node, its_owner, NAME, "v1", "")
        await pull(ctx, owner, str(digest))
        await pull(node, its_owner, "many")
        await pull(ctx, owner, str(members[0]))
        await told(node)
    assert sorted((each["tag"], each["digest"]) for each in await told(ctx)) == sorted(
        [("", str(digest)), ("", str(members[0])), ("many", str(whole))]
    )


async def test_an_index_and_its_members_are_one_pull(ctx: Context, clock: FakeClock) -> None:
    owner = await owner_asker(ctx)
    whole, members = await push_index(ctx, owner, "many")
    assert await pull(ctx, owner, "many") == whole
    for member in members:
        await pull(ctx, owner, str(member))
    await images.head(ctx, owner, NAME, "many", "")
    await pull(ctx, owner, str(whole))
    await pull(ctx, owner, str(members[0]))
    assert [(each["tag"], each["digest"]) for each in await told(ctx)] == [("many", str(whole))] * 2
    clock.turn(seconds=61)
    await pull(ctx, owner, str(members[0]))
    assert (await told(ctx))[-1]["digest"] == str(members[0])
    assert await counts(ctx) == {"library/web": 3, "many": 2}


async def test_ever_so_many_pulls_alike_make_ten_events_and_are_all_counted(ctx: Context) -> None:
    owner, other = await owner_asker(ctx), await owner_asker(ctx, "127.0.0.2")
    await push_image(ctx, owner, str(NAME), "v1")
    for _ in range(500):
        await pull(ctx, owner, "v1")
    await pull(ctx, other, "v1")
    found = await told(ctx)
    assert sorted(each["pulls"] for each in found) == [1] * 10 + [491]
    assert await counts(ctx) == {"library/web": 501, "v1": 501}


async def test_what_cannot_be_written_waits(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await owner_asker(ctx)
    await push_image(ctx, owner, str(NAME), "v1")
    for _ in range(12):
        await pull(ctx, owner, "v1")

    async def away(*_: object) -> None:
        await pull(ctx, owner, "v1")
        raise RuntimeError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(pulls, "count", away)
        with pytest.raises(RuntimeError):
            await ctx.pulls.write_down(ctx)
    await pull(ctx, owner, "v1")
    assert sum(each["pulls"] for each in await told(ctx)) == 14
    assert await counts(ctx) == {"library/web": 14, "v1": 14}


async def test_triggers_are_looked_up_once_for_all_pulls_of_a_batch(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, asked, revision = await owner_asker(ctx), 0, triggers.revision
    await create(ctx, "https://deploy.example.com/", event_types=["pullImage"], condition=":v*")
    await push_image(ctx, owner, str(NAME), "v1", "v2", "w3")
    for tag in ("v1", "w3", "v2"):
        await pull(ctx, owner, tag)

    async def counted(tx: Tx, instance_id: int) -> int | None:
        nonlocal asked
        asked += 1
        return await revision(tx, instance_id)

    monkeypatch.setattr(triggers, "revision", counted)
    assert len(await told(ctx)) == 3 and asked == 1
    entered = (await call(ctx, describe_webhook_trigger_log, namespace="library")).logs
    assert [json.loads(each.detail)["event_data"]["resources"][0]["tag"] for each in entered] == ["v2", "v1"]


async def test_pulls_of_what_is_gone_since_are_still_told(ctx: Context) -> None:
    owner = await owner_asker(ctx)
    digest = await push_image(ctx, owner, str(NAME), "v1", "v2")
    for reference in ("v1", "v2", str(digest)):
        await pull(ctx, owner, reference)
    await images.remove(ctx, owner, NAME, "v1")
    assert len(await told(ctx)) == 3
    assert await counts(ctx) == {"library/web": 3, "v2": 1}
    await pull(ctx, owner, "v2")
    async with ctx.database.write() as tx:
        found = await repositories.get(tx, owner.instance.id, str(NAME))
        assert found is not None
        await repositories.remove(tx, found.id, ctx.clock())
    assert len(await told(ctx)) == 4


async def test_counting_never_waits_for_a_push(ctx: Context) -> None:
    if ctx.database.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    owner = await owner_asker(ctx)
    await push_image(ctx, owner, str(NAME), "v1")
    await pull(ctx, owner, "v1")
    async with another(ctx) as other, other.database.write() as tx:
        assert await repositories.lock_named(tx, owner.instance.id, str(NAME)) is not None
        assert await told(ctx) == []
    assert [each["tag"] for each in await told(ctx)] == ["v1"]


async def test_two_processes_count_together_and_the_last_pulls_are_written_at_the_end(ctx: Context) -> None:
    owner = await owner_asker(ctx)
    await push_image(ctx, owner, str(NAME), "v1")
    async with another(ctx) as other:
        await pull(other, await asker(other, owner_login(ctx)), "v1")
        await pull(ctx, owner, "v1")
        assert len(await told(ctx)) == 1
    assert len(await told(ctx)) == 2
    assert await counts(ctx) == {"library/web": 2, "v1": 2}


async def test_times_never_go_back(ctx: Context, clock: FakeClock) -> None:
    owner = await owner_asker(ctx)
    await push_image(ctx, owner, str(NAME), "v1")
    await pull(ctx, owner, "v1")
    await told(ctx)
    found = clock()
    assert await repository_column(ctx.database) == found
    async with ctx.database.write() as tx:
        row = await repositories.get(tx, owner.instance.id, str(NAME))
        assert row is not None
        await pulls.count(tx, [pulls.Counted(row.id, 0, "", 1, found - timedelta(days=1))])
    assert await repository_column(ctx.database) == found


async def repository_column(database: Database) -> object:
    async with database.read() as tx:
        return await tx.scalar(sa.select(repository_table.c.pulled_at))
