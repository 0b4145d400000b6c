"""Deleting an instance: what it says beforehand, what is refused at once, what goes, and what others keep."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from roadstead.domain.reference import Digest, RepositoryName
from roadstead.errors import (
    AppError,
    InstanceNotRunning,
    InstanceUnknown,
    ManifestUnknown,
    NotAuthenticated,
    OperationRefused,
)
from roadstead.metadata import deletions as rows
from roadstead.metadata import resource_tags
from roadstead.services import deletions, gc, images, namespaces, registries
from roadstead.services.credentials import create_instance_token
from roadstead.services.deployments import InstanceJob
from roadstead.services.fields import Tag, TagSpecification
from tests.factories.accounts import owner_login
from tests.factories.instances import ask, asker_at, create, second_shop, status, work_off
from tests.factories.shop_fixtures import on_postgresql, options, shop
from tests.factories.shops import Shop, image, nothing_stays, refusal

__all__ = ["on_postgresql", "options", "shop"]

SHARED, OWN = b"a layer that both have", b"a layer of the second only"
CONFIG = b"{}"


async def delete(shop: Shop, **fields: Any) -> deletions.DeletedContent:
    """The answer of DeleteInstance for the instance of the shop."""
    registry_id = shop.asker.instance.row.registry_id
    answer: deletions.InstanceDeletion = await ask(
        shop.ctx, deletions.delete_instance, registry_id=registry_id, **fields
    )
    return answer.content


async def test_it_goes_with_all_it_held_and_others_lose_nothing(shop: Shop) -> None:
    kept = await shop.push_image("library/web", "latest", CONFIG, SHARED)
    async with second_shop(shop) as second:
        registry_id = second.asker.instance.row.registry_id
        await second.push_image("library/web", "latest", CONFIG, SHARED, OWN)
        await second.push_blob("library/half", b"nobody names it")
        told = await delete(second, dry_run=True)
        assert (told.namespaces, told.repositories, told.images, told.tags, told.credentials) == (1, 1, 1, 1, 1)
        assert told.freed_bytes == len(OWN) + len(b"nobody names it")
        assert (await status(shop.ctx, registry_id) or ("",))[0] == "Running"
        assert await delete(second) == told
        assert (await status(shop.ctx, registry_id) or ("",))[0] == "Deleting"
        for work in (
            second.read_manifest("library/web", "latest"),
            second.push_blob("library/web", b"new"),
            ask(shop.ctx, namespaces.create_namespace, registry_id=registry_id, namespace_name="more"),
        ):
            assert await refusal(work) is InstanceNotRunning
        assert await work_off(shop.ctx) == ["done"]
        assert await status(shop.ctx, registry_id) is None
        with pytest.raises(InstanceUnknown):
            await delete(second)
        await gc.collect(shop.ctx)
        assert await shop.read_blob("library/web", Digest.of(SHARED)) == SHARED
        assert str(Digest.of(await shop.read_manifest("library/web", "latest"))) == str(kept)
        assert await shop.kept() == 2, "what the default instance has, and nothing of the other"
        assert await shop.findings() == []
        await shop.remove("library/web", str(kept))
        await nothing_stays(shop)


async def test_its_name_is_free_again_and_the_old_credential_opens_nothing(shop: Shop) -> None:
    async with second_shop(shop) as second:
        await second.push_image("library/web", "latest", CONFIG)
        await delete(second)
        await work_off(shop.ctx)
        again = await create(shop.ctx)
        await work_off(shop.ctx)
        assert again != second.asker.instance.row.registry_id
        stale = await refusal(second.push_blob("library/web", b"x"))
        assert stale is InstanceUnknown
        fresh = replace(second, asker=replace(second.asker, instance=await shop.ctx.instances.find("second")))
        assert await refusal(fresh.push_blob("library/web", b"x")) is NotAuthenticated


async def test_protection_and_the_default_instance(shop: Shop) -> None:
    with pytest.raises(OperationRefused, match="default instance"):
        await delete(shop)
    async with second_shop(shop, deletion_protection=True) as second:
        registry_id = second.asker.instance.row.registry_id
        for dry_run in (False, True):
            with pytest.raises(OperationRefused, match="protected"):
                await delete(second, dry_run=dry_run)
        await ask(shop.ctx, registries.modify_instance, registry_id=registry_id, deletion_protection=False)
        await delete(second)
        await work_off(shop.ctx)
        assert await status(shop.ctx, registry_id) is None


async def test_asking_twice_is_asking_once(shop: Shop) -> None:
    async with second_shop(shop) as second:
        await delete(second)
        await delete(second)
        assert await work_off(shop.ctx) == ["done"]
        assert await work_off(shop.ctx) == []


async def test_credentials_of_one_instance_open_no_other(shop: Shop) -> None:
    async with second_shop(shop) as second:
        made = await ask(
            shop.ctx,
            create_instance_token,
            registry_id=second.asker.instance.row.registry_id,
            token_type="longterm",
        )
        assert made.token_id
        crossed = replace(shop, asker=replace(shop.asker, presented=second.asker.presented))
        assert await refusal(crossed.push_blob("library/web", b"x")) is NotAuthenticated
        other = await asker_at(shop.ctx, "second", owner_login(shop.ctx))
        assert await refusal(replace(shop, asker=other).push_blob("library/web", b"x")) is NotAuthenticated
        await second.push_image("library/web", "latest", CONFIG)
        assert await refusal(shop.read_manifest("library/web", "latest")) is not None


async def test_deletion_while_pushes_go_on(shop: Shop) -> None:
    """Whatever a push has begun at the instance goes too; pushes elsewhere all succeed."""
    async with second_shop(shop) as second:
        registry_id = second.asker.instance.row.registry_id
        ended, enough = asyncio.Event(), asyncio.Event()
        pushed = 0

        async def push_on(where: Shop, place: str) -> int:
            number = 0
            while not ended.is_set():
                layer = f"layer {number % 7}".encode()
                await where.push_image(f"library/{place}", f"v{number % 3}", CONFIG, layer, place.encode())
                number += 1
            return number

        async def push_until_refused(place: str) -> type[AppError] | None:
            nonlocal pushed
            try:
                while True:
                    await second.push_image(f"library/{place}", "v1", CONFIG, f"layer {pushed % 7}".encode())
                    pushed += 1
                    if pushed == 6:
                        enough.set()
            except AppError as error:
                return type(error)

        here = [asyncio.create_task(push_on(shop, f"here-{number}")) for number in range(2)]
        there = [asyncio.create_task(push_until_refused(f"there-{number}")) for number in range(3)]
        await enough.wait()
        await delete(second)
        while await status(shop.ctx, registry_id) is not None:
            await work_off(shop.ctx)
            await gc.collect(shop.ctx)
            shop.clock.turn(seconds=5)
        refused = await asyncio.gather(*there)
        ended.set()
        assert all(await asyncio.gather(*here))
        assert None not in refused
        await gc.collect(shop.ctx)
        assert await shop.findings() == []
        for number in range(2):
            await shop.read_manifest(f"library/here-{number}", "v0")
            assert await shop.read_blob(f"library/here-{number}", Digest.of(b"layer 0")) == b"layer 0"


async def test_a_crash_in_the_middle_is_gone_on_with(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async with second_shop(shop) as second:
        registry_id = second.asker.instance.row.registry_id
        for number in range(4):
            await second.push_image(f"library/web-{number}", "latest", CONFIG, OWN, str(number).encode())
        await delete(second)
        real, calls = rows.let_go, 0

        async def falls_over(*given: Any, **named: Any) -> int:
            nonlocal calls
            calls += 1
            if calls == 5:
                raise ConnectionError("the process dies")
            return await real(*given, **named)

        monkeypatch.setattr(rows, "let_go", falls_over)
        with pytest.raises(ConnectionError):
            await deletions.remove_instance.body(shop.ctx, InstanceJob(instance_id=second.asker.instance.id))
        assert (await status(shop.ctx, registry_id) or ("",))[0] == "Deleting"
        await work_off(shop.ctx)
        assert await status(shop.ctx, registry_id) is None
        await nothing_stays(shop)


async def test_what_a_push_adds_at_the_last_moment_keeps_the_row(shop: Shop) -> None:
    async with second_shop(shop) as second:
        instance = second.asker.instance
        await second.push_blob("library/web", b"late")
        async with shop.ctx.database.write() as tx:
            assert not await rows.remove_instance(tx, instance.id)
            assert await rows.remove_namespaces(tx, instance.id, 9) == 0
        assert (await status(shop.ctx, instance.row.registry_id) or ("",))[0] == "Running"


async def test_labels_go_with_it(shop: Shop) -> None:
    carried = TagSpecification(tags=[Tag(key="team", value="web")])
    async with second_shop(shop, tag_specification=carried) as second:
        registry_id = second.asker.instance.row.registry_id
        await ask(
            shop.ctx,
            namespaces.create_namespace,
            registry_id=registry_id,
            namespace_name="prod",
            tag_specification=carried,
        )
        await delete(second)
        await work_off(shop.ctx)
        async with shop.ctx.database.read() as tx:
            assert await resource_tags.of(tx, [f"instance/{registry_id}", f"repository/{registry_id}/prod"]) == {}


class TestBeforehand:
    async def told(self, shop: Shop, repository: str, reference: str = "") -> deletions.DeletionImpact:
        answer = await shop.call(deletions.describe_deletion_impact, repository, reference=reference)
        assert isinstance(answer, deletions.DeletionImpact)
        return answer

    async def test_of_an_image_all_tags_that_share_it(self, shop: Shop) -> None:
        await shop.push_image("library/web", "one", CONFIG, SHARED, OWN)
        digest = await shop.push_image("library/web", "two", CONFIG, SHARED, OWN)
        await shop.push_image("library/web", "three", CONFIG, SHARED)
        told = await self.told(shop, "library/web", "one")
        assert (told.digest, told.tags, told.tag_count, told.image_count) == (str(digest), ["one", "two"], 2, 1)
        assert told.freed_bytes == len(OWN), "the other layers are in another image"
        assert await self.told(shop, "library/web", str(digest)) == told
        with pytest.raises(ManifestUnknown):
            await self.told(shop, "library/web", "four")
        with pytest.raises(ManifestUnknown):
            await self.told(shop, "library/web", str(Digest.of(b"four")))

    async def test_who_pulled_it_lately(self, shop: Shop) -> None:
        digest = await shop.push_image("library/web", "one", CONFIG, OWN)
        await shop.push_image("library/web", "two", CONFIG, SHARED)
        for tag in ("one", "one", "two"):
            await images.pull(shop.ctx, shop.asker, RepositoryName.parse("library/web"), tag, "", "")
        await shop.ctx.pulls.write_down(shop.ctx)
        image, whole = await self.told(shop, "library/web", str(digest)), await self.told(shop, "library/web")
        assert (image.pull_count, [each.tag for each in image.recent_pulls]) == (2, ["one", "one"])
        assert (whole.pull_count, [each.tag for each in whole.recent_pulls]) == (3, ["two", "one", "one"])
        assert {each.user for each in whole.recent_pulls} == {owner_login(shop.ctx).username}
        assert whole.last_pull_time == image.last_pull_time == shop.ctx.clock()

    async def test_of_a_repository_everything(self, shop: Shop) -> None:
        await shop.push_image("library/web", "one", CONFIG, SHARED, OWN)
        await shop.push_image("library/web", "two", CONFIG, SHARED)
        await shop.push_image("library/other", "one", CONFIG, SHARED)
        told = await self.told(shop, "library/web")
        assert (told.digest, told.tags, told.tag_count, told.image_count) == ("", ["one", "two"], 2, 2)
        assert told.freed_bytes == len(OWN)

    async def test_what_another_instance_has_is_not_freed(self, shop: Shop) -> None:
        async with second_shop(shop) as second:
            await shop.push_image("library/web", "one", CONFIG, SHARED, OWN)
            await second.push_image("library/web", "one", CONFIG, SHARED)
            assert (await self.told(shop, "library/web", "one")).freed_bytes == len(OWN)
            assert image(CONFIG, SHARED) == await second.read_manifest("library/web", "one")
