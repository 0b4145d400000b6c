"""The operations on namespaces (mission 2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from roadstead.domain.reference import RepositoryName
from roadstead.errors import (
    AlreadyExists,
    InvalidInput,
    NameInvalid,
    NamespaceUnknown,
    NotAuthenticated,
    NotEmpty,
    TooManyTags,
)
from roadstead.metadata import audit, instances
from roadstead.metadata import namespaces as rows
from roadstead.services import gc, images, layers, namespaces
from roadstead.services.context import Context
from roadstead.services.fields import Filter, Tag, TagSpecification
from roadstead.services.operations import AnyOperation, run
from tests.factories.accounts import asker, owner_asker, owner_caller, sub_caller
from tests.factories.calls import call
from tests.factories.pushes import push_blob, push_image
from tests.jobs.bench import FakeClock
from tests.metadata.scene import instance


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
    assert {each.creation_time for each in answer.namespace_list} == {ctx.clock()}


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


async def test_pages_by_number_of_entries_say_how_many_there_are(ctx: Context) -> None:
    await create(ctx, *(f"team-{number}" for number in range(5)))
    answer = await call(ctx, namespaces.describe_namespaces, limit=2, offset=2, namespace_name="team")
    assert [each.name for each in answer.namespace_list] == ["team-2", "team-3"]
    assert (answer.total_count, answer.last) == (5, "team-3")
    by_key = await call(ctx, namespaces.describe_namespaces, limit=2, last="team-3", namespace_name="team")
    assert ([each.name for each in by_key.namespace_list], by_key.total_count) == (["team-4"], None)
    everything = await call(ctx, namespaces.describe_namespaces, limit=2, offset=4, all=True)
    assert (len(everything.namespace_list), everything.total_count, everything.last) == (6, 6, "")
    signed = await call(ctx, namespaces.describe_namespaces, kms_sign_policy=True)
    assert (signed.namespace_list, signed.total_count) == ([], 0)


async def test_what_blocks_pulls_is_kept_and_shown(ctx: Context) -> None:
    findings = [namespaces.IgnoredFinding(cve_id="CVE-2026-1"), namespaces.IgnoredFinding(cve_id="CVE-2026-2")]
    await create(ctx, "prod", is_prevent_vul=True, severity="high", cve_whitelist_items=findings)
    (info,) = (await call(ctx, namespaces.describe_namespaces, namespace_name="prod")).namespace_list
    assert (info.prevent_vul, info.severity, info.cve_whitelist_items) == (True, "high", findings)
    assert {each.key: each.value for each in info.metadata} == {
        "auto_scan": "false",
        "prevent_vul": "true",
        "public": "false",
        "severity": "high",
    }
    said = msgspec.to_builtins(info)
    assert (said["PreventVUL"], said["CVEWhitelistItems"][0]) == (True, {"CVEID": "CVE-2026-1"})
    await call(ctx, namespaces.modify_namespace, namespace_name="prod", severity="low", cve_whitelist_items=[])
    (info,) = (await call(ctx, namespaces.describe_namespaces, namespace_name="prod")).namespace_list
    assert (info.prevent_vul, info.severity, info.cve_whitelist_items) == (True, "low", [])


async def test_a_change_says_what_was_before_and_after(ctx: Context) -> None:
    await create(ctx, "prod")
    await call(ctx, namespaces.modify_namespace, namespace_name="prod", is_public=True)
    here = await ctx.instances.find("default")
    async with ctx.database.read() as tx:
        entry = [each for _, each in await audit.entries(tx, here.id, 0, 99)][-1]
    assert [msgspec.json.decode(text)["Public"] for text in (entry.before, entry.after)] == [False, True]


def labelled(**tags: str) -> TagSpecification:
    return TagSpecification(
        resource_type="namespace", tags=[Tag(key=key, value=value) for key, value in tags.items()]
    )


async def test_labels_are_kept_replaced_found_and_forgotten(ctx: Context) -> None:
    await create(ctx, "prod", tag_specification=labelled(team="web", stage="live"))
    await create(ctx, "test", tag_specification=labelled(team="web"))

    async def found(*values: str) -> list[str]:
        return await listed(ctx, filters=[Filter(name="Tags", values=list(values))])

    assert await found("team:web") == ["prod", "test"]
    assert await found("team:shop") == []
    assert await found("stage") == ["prod"]
    assert await found("team:shop", "stage:live") == ["prod"]
    assert (
        await call(ctx, namespaces.describe_namespaces, filters=[Filter(name="Tags", values=["team:web"])], limit=1)
    ).total_count == 2
    await call(ctx, namespaces.modify_namespace, namespace_name="prod", tag_specification=labelled(team="shop"))
    assert (await found("team:shop"), await found("stage")) == (["prod"], [])
    (info,) = (await call(ctx, namespaces.describe_namespaces, namespace_name="prod")).namespace_list
    assert info.tag_specification == labelled(team="shop")
    await call(ctx, namespaces.delete_namespace, namespace_name="prod")
    await create(ctx, "prod")
    assert await found("team:shop") == []


async def test_labels_have_limits(ctx: Context) -> None:
    with pytest.raises(TooManyTags, match="at most 10"):
        await create(ctx, "prod", tag_specification=labelled(**{f"key-{number}": "" for number in range(11)}))
    twice = TagSpecification(tags=[Tag(key="a"), Tag(key="a")])
    with pytest.raises(InvalidInput, match="twice"):
        await create(ctx, "prod", tag_specification=twice)
    with pytest.raises(InvalidInput, match="known are: Tags"):
        await listed(ctx, filters=[Filter(name="Colour", values=["red"])])


async def test_namespaces_of_all_instances_are_listed_to_those_who_may_see_them(ctx: Context) -> None:
    async with ctx.database.write() as tx:
        await instances.add(tx, instance("second", "tcr-second"))
        second = await instances.get(tx, name="second")
        assert second is not None
        await rows.add(tx, second.id, "library", public=True, automatic_scan=False, now=ctx.clock())
    op = namespaces.describe_instance_all_namespaces
    answer = await run(ctx, await owner_caller(ctx), op, op.request())
    assert [(each.registry_name, each.name, each.public) for each in answer.namespace_list] == [
        ("default", "library", False),
        ("second", "library", True),
    ]
    assert answer.total_count == 2
    first = await run(ctx, await owner_caller(ctx), op, op.request(limit=1))
    rest = await run(ctx, await owner_caller(ctx), op, op.request(limit=1, last=first.last))
    assert [*first.namespace_list, *rest.namespace_list] == answer.namespace_list
    nothing = await run(ctx, await sub_caller(ctx), op, op.request())
    assert (nothing.namespace_list, nothing.total_count) == ([], 0)
