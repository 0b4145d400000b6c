"""An instance at a glance: the numbers are those of what was really done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from roadstead.errors import AccessDenied, InvalidInput
from roadstead.metadata import overview as rows
from roadstead.metadata.schema.delivery import events
from roadstead.services import repositories, tags
from roadstead.services.context import Context
from roadstead.services.gc import collect_garbage
from roadstead.services.overview import Overview, describe_overview
from tests.factories.accounts import owner_asker, sub_caller
from tests.factories.calls import call, call_as
from tests.factories.pushes import push_image
from tests.jobs.bench import FakeClock
from tests.services.test_jobs import fail


async def seen(ctx: Context, **fields: int) -> Overview:
    answer: Overview = await call(ctx, describe_overview, **fields)
    return answer


def well(overview: Overview) -> dict[str, bool]:
    return {each.name: each.well for each in overview.health}


async def test_an_empty_instance_has_days_without_anything(ctx: Context, clock: FakeClock) -> None:
    answer = await seen(ctx, days=7)
    assert (answer.repositories, answer.images, answer.tags, answer.stored_bytes) == (0, 0, 0, 0)
    assert [each.day for each in answer.activity][-1] == clock().date().isoformat()
    assert len(answer.activity) == 7
    assert not sum(each.pushes + each.pulls + each.deletions for each in answer.activity)
    assert all(well(answer).values())


async def test_what_is_shared_is_counted_once(ctx: Context, clock: FakeClock) -> None:
    asker = await owner_asker(ctx)
    await push_image(ctx, asker, "library/web", "1")
    once = (await seen(ctx)).stored_bytes
    await push_image(ctx, asker, "library/copy", "1")
    clock.turn(seconds=60)
    answer = await seen(ctx)
    assert once > 0
    assert answer.stored_bytes == once
    assert (answer.repositories, answer.images, answer.tags) == (2, 2, 2)
    assert [(each.name, each.bytes) for each in answer.largest] == [("library", once)]


async def test_each_day_has_its_own_numbers(ctx: Context, clock: FakeClock) -> None:
    asker = await owner_asker(ctx)
    await push_image(ctx, asker, "library/web", "1")
    clock.turn(seconds=86_400)
    await push_image(ctx, asker, "library/web", "2")
    await call(ctx, tags.delete_image, namespace_name="library", repository_name="web", image_version="1")
    assert [(each.pushes, each.deletions) for each in (await seen(ctx, days=2)).activity] == [(1, 0), (1, 1)]
    # The day that is over is remembered, today is counted anew.
    await push_image(ctx, asker, "library/web", "3")
    clock.turn(seconds=86_400)
    answer = await seen(ctx, days=3)
    assert [each.pushes for each in answer.activity] == [1, 2, 0]
    clock.turn(seconds=86_400)
    async with ctx.database.write() as tx:
        await tx.run(sa.delete(events))
    assert [each.pushes for each in (await seen(ctx, days=4)).activity] == [1, 2, 0, 0]


@pytest.mark.parametrize("gap", [1, 7])
async def test_a_moment_is_found_among_the_ids(ctx: Context, gap: int) -> None:
    instance = (await ctx.instances.find("default")).row.id
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    async with ctx.database.write() as tx:
        await tx.run(sa.delete(events))
        for place in range(30):
            row = {"id": 100 + place * gap, "occurred_at": begun + timedelta(hours=place)}
            more = {"instance_id": instance, "kind": "pushImage", "operator": "1", "data": "{}"}
            await tx.run(sa.insert(events), [row | more])
    async with ctx.database.read() as tx:
        for place in (0, 1, 13, 29):
            first = await rows.first_event_at(tx, instance, begun + timedelta(hours=place))
            assert await rows.happened(tx, instance, first, 10_000) == {"pushImage": 30 - place}
        later = await rows.first_event_at(tx, instance, begun + timedelta(days=9))
        assert await rows.happened(tx, instance, later, 10_000) == {}


async def test_work_that_was_given_up_shows(ctx: Context) -> None:
    await fail(ctx, collect_garbage)
    answer = await seen(ctx)
    assert well(answer)["jobs"] is False
    assert [each.count for each in answer.health if each.name == "jobs"] == [1]


async def test_a_span_has_a_bound(ctx: Context) -> None:
    with pytest.raises(InvalidInput, match="1 to 90"):
        await seen(ctx, days=91)


async def test_it_is_for_those_who_may_see_the_instance(ctx: Context) -> None:
    with pytest.raises(AccessDenied):
        await call_as(ctx, await sub_caller(ctx, "somebody"), describe_overview)
    await call(ctx, repositories.create_repository, namespace_name="library", repository_name="fresh")
    assert (await seen(ctx)).repositories == 1
