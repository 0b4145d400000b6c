"""The operations on namespaces (mission 2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from roadstead.domain.reference import RepositoryName
from roadstead.errors import AlreadyExists, NameInvalid, NamespaceUnknown, NotAuthenticated, NotEmpty
from roadstead.services import gc, images, layers, namespaces
from roadstead.services.context import Context
from roadstead.services.operations import AnyOperation
from tests.factories.accounts import asker, owner_asker
from tests.factories.calls import call
from tests.factories.pushes import push_blob, push_image
from tests.jobs.bench import FakeClock


async def listed(ctx: Context, **fields: Any) -> list[str]:
    answer = await call(ctx, namespaces.describe_namespaces, **fields)
    return [each.name for each in answer.namespace_list]


async def create(ctx: Context, *names: str, **fields: Any) -> None:
    for name in names:
        await call(ctx, namespaces.create_namespace, namespace_name=name, **fields)


async def test_a_namespace_is_private_and_scanned_by_hand_unless_asked_otherwise(ctx: Context) -> None:
    await create(ctx, "prod")
    await create(ctx, "open", is_public=True, is_auto_scan=True)
    answer = await call(ctx, namespaces.describe_namespaces)
    found = {each.name: (each.public, each.auto_scan) for each in answer.namespace_list}
    assert found == {"library": (False, False), "open": (True, True), "prod": (False, False)}
    assert {each.creation_time for each in answer.namespace_list} == {ctx.clock().isoformat(timespec="seconds")}


async def test_a_name_is_legal_and_not_taken(ctx: Context) -> None:
    await create(ctx, "prod")
    with pytest.raises(AlreadyExists, match="'prod'"):
        await create(ctx, "prod")
    for name in ("", "a", "A1", "a/b", "a__b", "x" * 31):
        with pytest.raises(NameInvalid):
            await create(ctx, name)


async def test_fields_left_out_stay(ctx: Context) -> None:
    await create(ctx, "prod")
    for fields, wanted in (
        ({"is_public": True}, (True, False)),
        ({"is_auto_scan": True}, (True, True)),
        ({}, (True, True)),
        ({"is_public": False}, (False, True)),
    ):
        await call(ctx, namespaces.modify_namespace, namespace_name="prod", **fields)
        answer = await call(ctx, namespaces.describe_namespaces, namespace_name="prod")
        assert [(each.public, each.auto_scan) for each in answer.namespace_list] == [wanted]


@pytest.mark.parametrize("op", [namespaces.modify_namespace, namespaces.delete_namespace])
@pytest.mark.parametrize("name", ["nothing", "", "x" * 1000, "LIBRARY"])
async def test_a_namespace_that_is_not_there(ctx: Context, op: AnyOperation, name: str) -> None:
    with pytest.raises(NamespaceUnknown) as caught:
        await call(ctx, op, namespace_name=name)
    assert len(caught.value.message) < 200


async def test_making_it_public_or_private_holds_for_the_next_pull(ctx: Context) -> None:
    await push_image(ctx, await owner_asker(ctx), "library/web", "latest")
    name = RepositoryName.parse("library/web")
    for public in (False, True, False):
        await call(ctx, namespaces.modify_namespace, namespace_name="library", is_public=public)
        if public:
            await images.get(ctx, await asker(ctx), name, "latest", "")
        else:
            with pytest.raises(NotAuthenticated):
                await images.get(ctx, await asker(ctx), name, "latest", "")


async def test_only_an_empty_namespace_can_be_deleted(ctx: Context) -> None:
    owner = await owner_asker(ctx)
    for name in ("library/aa", "library/bb", "library/cc", "library/dd"):
        await push_image(ctx, owner, name, "latest")
    with pytest.raises(NotEmpty, match="library/aa, library/bb, library/cc, …") as caught:
        await call(ctx, namespaces.delete_namespace, namespace_name="library")
    assert caught.value.status == 412
    await create(ctx, "empty")
    await call(ctx, namespaces.delete_namespace, namespace_name="empty")
    assert await listed(ctx) == ["library"]


async def test_what_an_unfinished_push_left_does_not_keep_a_namespace(ctx: Context, clock: FakeClock) -> None:
    owner = await owner_asker(ctx)
    name = RepositoryName.parse("library/half")
    digest = await push_blob(ctx, owner, str(name), b"layer")
    await call(ctx, namespaces.delete_namespace, namespace_name="library")
    assert await listed(ctx) == []
    clock.turn(days=3)
    await gc.collect(ctx)
    store = ctx.store("local")
    assert [entry.key async for entry in store.list("blobs/")] == []
    with pytest.raises(NamespaceUnknown):
        await layers.begin(ctx, owner, name, digest.algorithm)


async def test_pages_miss_nobody(ctx: Context, clock: FakeClock) -> None:
    names = [f"team-{number}" for number in range(7)]
    await create(ctx, *names)
    clock.turn(seconds=timedelta(hours=1).total_seconds())
    found: list[str] = []
    last = ""
    while True:
        answer = await call(ctx, namespaces.describe_namespaces, limit=3, last=last, namespace_name="team")
        found += [each.name for each in answer.namespace_list]
        last = answer.last
        if not last:
            break
    assert found == names
    assert await listed(ctx, namespace_name="m-3") == ["team-3"]
    assert await listed(ctx, namespace_name="%") == []
    assert await listed(ctx, limit=0) == []
