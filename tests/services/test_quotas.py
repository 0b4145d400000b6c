"""What a specification allows: namespaces and repositories, by operation and by push."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from roadstead.config import Quotas
from roadstead.errors import AlreadyExists, QuotaExceeded
from roadstead.metadata import instances
from roadstead.services import namespaces, registries, repositories
from roadstead.services.quotas import describe_instance_quotas, limit
from tests.factories.instances import ask, enter, second_shop
from tests.factories.shop_fixtures import on_postgresql, options, shop
from tests.factories.shops import Shop, refusal

__all__ = ["on_postgresql", "options", "shop"]

FEW = Quotas(basic_namespaces=2, basic_repositories=3, standard_namespaces=3, standard_repositories=4)


def with_few(shop: Shop) -> Shop:
    return replace(shop, ctx=replace(shop.ctx, settings=msgspec.structs.replace(shop.ctx.settings, quotas=FEW)))


@pytest.mark.parametrize(
    ("specification", "namespaces_", "repositories_"),
    [("basic", 50, 1000), ("standard", 100, 3000), ("premium", 500, 5000)],
)
def test_the_limits_of_each_specification(specification: str, namespaces_: int, repositories_: int) -> None:
    assert limit(Quotas(), specification, "namespaces") == namespaces_
    assert limit(Quotas(), specification, "repositories") == repositories_


async def test_no_more_than_allowed_by_operation_and_by_push(shop: Shop) -> None:
    async with second_shop(with_few(shop)) as second:
        ctx, registry_id = second.ctx, second.asker.instance.row.registry_id
        here = {"registry_id": registry_id}
        await ask(ctx, namespaces.create_namespace, **here, namespace_name="two")
        with pytest.raises(QuotaExceeded, match=r"2 namespaces.*basic.*quotas\.basic_namespaces") as caught:
            await ask(ctx, namespaces.create_namespace, **here, namespace_name="three")
        assert (caught.value.cloud, caught.value.oci) == ("OperationDenied.QuotaOverLimit", "DENIED")
        with pytest.raises(AlreadyExists):
            await ask(ctx, namespaces.create_namespace, **here, namespace_name="two")
        await ask(ctx, repositories.create_repository, **here, namespace_name="two", repository_name="one")
        await second.push_image("two/two", "latest", b"{}")
        await second.push_image("two/three", "latest", b"{}")
        assert await refusal(second.push_image("two/four", "latest", b"{}")) is QuotaExceeded
        made = ask(ctx, repositories.create_repository, **here, namespace_name="two", repository_name="four")
        assert await refusal(made) is QuotaExceeded
        await second.push_image("two/three", "newer", b"{}")
        answer = await ask(ctx, describe_instance_quotas, **here)
        assert [(each.name, each.limit, each.used) for each in answer.quotas] == [
            ("namespaces", 2, 2),
            ("repositories", 3, 3),
            ("links", 3, 0),
        ]
        await ask(ctx, registries.modify_instance, **here, registry_type="standard")
        await ask(ctx, namespaces.create_namespace, **here, namespace_name="three")
        await (await enter(second, "second")).push_image("three/four", "latest", b"{}")


async def test_no_more_than_allowed_when_many_ask_at_once(shop: Shop) -> None:
    async with second_shop(with_few(shop)) as second:
        registry_id = second.asker.instance.row.registry_id
        creations = [
            ask(second.ctx, namespaces.create_namespace, registry_id=registry_id, namespace_name=f"ns-{number}")
            for number in range(5)
        ]
        outcomes = await asyncio.gather(*map(refusal, creations))
        assert (outcomes.count(None), outcomes.count(QuotaExceeded)) == (1, 4)
        pushes = [second.push_image(f"library/web-{number}", "latest", b"{}") for number in range(8)]
        outcomes = await asyncio.gather(*map(refusal, pushes))
        assert (outcomes.count(None), outcomes.count(QuotaExceeded)) == (3, 5)


async def test_a_push_that_may_make_namespaces_stops_at_the_limit(shop: Shop) -> None:
    async with second_shop(with_few(shop)) as second:
        async with second.ctx.database.write() as tx:
            await instances.modify(tx, second.asker.instance.id, create_namespace_on_push=True)
        await second.push_image("fresh/web", "latest", b"{}")
        assert await refusal(second.push_image("more/web", "latest", b"{}")) is QuotaExceeded
