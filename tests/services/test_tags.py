"""Deleting tags, one or several: with the last one goes the image, and with an index what only it named."""

from __future__ import annotations

from typing import Any

import pytest

from roadstead.domain.manifest import OCI_MANIFEST
from roadstead.domain.reference import Digest
from roadstead.errors import InvalidInput, ManifestUnknown
from roadstead.services import tags
from roadstead.services.access import Asker
from roadstead.services.context import Context
from tests.factories.accounts import owner_asker
from tests.factories.calls import call
from tests.factories.pushes import descriptor, index, push_image, push_manifest
from tests.services.test_images import shown

WEB = "library/web"
WHERE = {"namespace_name": "library", "repository_name": "web"}


@pytest.fixture
async def owner(ctx: Context) -> Asker:
    return await owner_asker(ctx)


async def names(ctx: Context) -> list[str]:
    answer = await call(ctx, tags.describe_images, **WHERE)
    return [each.image_version for each in answer.image_info_list]


async def delete(ctx: Context, *which: str, **fields: Any) -> None:
    await call(ctx, tags.delete_repository_tags, **WHERE, tags=list(which), **fields)


async def test_several_at_once_and_with_the_last_the_image(ctx: Context, owner: Asker) -> None:
    digest = await push_image(ctx, owner, WEB, "v1", "v2", "v3")
    await delete(ctx, "v1", "v2", "v1")
    assert await names(ctx) == ["v3"]
    await shown(ctx, owner, str(digest))
    await delete(ctx, "v3")
    with pytest.raises(ManifestUnknown):
        await shown(ctx, owner, str(digest))


async def test_all_or_none(ctx: Context, owner: Asker) -> None:
    await push_image(ctx, owner, WEB, "v1", "v2")
    with pytest.raises(ManifestUnknown, match="'v9'"):
        await delete(ctx, "v1", "v9")
    assert await names(ctx) == ["v1", "v2"]


@pytest.mark.parametrize("count", [0, 21])
async def test_between_one_and_twenty(ctx: Context, owner: Asker, count: int) -> None:
    await push_image(ctx, owner, WEB, "v1")
    with pytest.raises(InvalidInput, match="20"):
        await delete(ctx, *(f"v{number}" for number in range(count)))
    assert await names(ctx) == ["v1"]


async def test_with_an_index_go_the_members_that_only_it_named(ctx: Context, owner: Asker) -> None:
    found: dict[str, Digest] = {}
    for name, kept in (("alone", ()), ("tagged", ("v1",)), ("shared", ())):
        found[name] = await push_image(ctx, owner, WEB, *kept, contents=[name.encode()])

    async def push_index(tag: str, *members: str) -> None:
        listed = [{**descriptor(b"", OCI_MANIFEST), "digest": str(found[name])} for name in members]
        await push_manifest(ctx, owner, WEB, tag, index(*listed))

    await push_index("multi", "alone", "tagged", "shared")
    await push_index("other", "shared")
    await call(ctx, tags.delete_image, **WHERE, image_version="multi")
    with pytest.raises(ManifestUnknown):
        await shown(ctx, owner, str(found["alone"]))
    for name in ("tagged", "shared"):
        await shown(ctx, owner, str(found[name]))
    await delete(ctx, "other", "v1")
    for name in ("tagged", "shared"):
        with pytest.raises(ManifestUnknown):
            await shown(ctx, owner, str(found[name]))
