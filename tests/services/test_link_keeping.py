"""Who looks after a private link: one host, seldom written down, and another when that one is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from roadstead.clients.interfaces import OnInterface
from roadstead.domain.network import Entry
from roadstead.metadata import links as rows
from roadstead.services.context import Context
from roadstead.services.link_keeping import LinkKeeper
from tests.factories.shop_fixtures import on_postgresql, options, shop
from tests.factories.shops import Shop
from tests.jobs.bench import FakeClock
from tests.services.test_links import Host, host, judge, keeper, manage, private_address, reason, shown
from tests.services.test_vpcs import declare

__all__ = ["host", "keeper", "on_postgresql", "options", "shop"]


async def seen(ctx: Context) -> list[Any]:
    """When the links were last said to be looked after."""
    async with ctx.database.read() as tx:
        return [each.seen_at for each in await rows.links(tx)]


async def test_a_link_of_a_host_that_is_gone_is_not_running(
    ctx: Context, clock: FakeClock, keeper: LinkKeeper
) -> None:
    await declare(ctx)
    await manage(ctx)
    await keeper.keep(ctx)
    clock.turn(seconds=29)
    assert await shown(ctx) == [("subnet-a", "Running", "10.7.1.2")]
    clock.turn(seconds=2)
    assert (await shown(ctx), await private_address(ctx)) == ([("subnet-a", "Failed", "")], "")
    assert (await reason(ctx)).startswith("the serving host here has not looked after it since 20")
    await keeper.keep(ctx)
    assert (await shown(ctx), await reason(ctx)) == ([("subnet-a", "Running", "10.7.1.2")], "")
    assert await private_address(ctx) == "10.7.1.2"


async def test_a_link_that_nobody_takes_up_fails(ctx: Context, clock: FakeClock) -> None:
    await declare(ctx)
    await manage(ctx)
    clock.turn(seconds=31)
    assert await shown(ctx) == [("subnet-a", "Failed", "")] and "no serving host" in await reason(ctx)


async def test_that_a_link_is_looked_after_is_written_seldom(
    ctx: Context, clock: FakeClock, keeper: LinkKeeper
) -> None:
    await declare(ctx)
    await manage(ctx)
    found = []
    for _ in range(12):
        await keeper.keep(ctx)
        found += await seen(ctx)
        clock.turn(seconds=2)
    assert len(set(found)) == 3


async def test_one_of_two_hosts_with_the_interface_has_the_link(
    ctx: Context, clock: FakeClock, host: Host, keeper: LinkKeeper
) -> None:
    other = Host()
    second = LinkKeeper(other, "second")
    await declare(ctx)
    await manage(ctx)
    for _ in range(2):
        await keeper.keep(ctx)
        await second.keep(ctx)
    assert (host.ours, other.ours) == (["10.7.1.2/24"], [])
    # The first is gone, and its kernel still has the address.
    clock.turn(seconds=31)
    other.machines = {"10.7.1.2"}
    await second.keep(ctx)
    assert (other.ours, await shown(ctx)) == ([], [("subnet-a", "Failed", "")])
    other.machines.clear()
    await second.keep(ctx)
    assert (other.ours, await shown(ctx)) == (["10.7.1.2/24"], [("subnet-a", "Running", "10.7.1.2")])
    await keeper.keep(ctx)
    assert host.ours == [], "who comes back finds it to be another's"
    # The second may not any more, and the first can.
    other.up.clear()
    await second.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Failed", "")]
    await keeper.keep(ctx)
    await second.keep(ctx)
    assert (host.ours, other.ours) == (["10.7.1.2/24"], [])
    assert await shown(ctx) == [("subnet-a", "Running", "10.7.1.2")]


async def test_an_address_of_another_serving_host_is_not_taken(ctx: Context, host: Host, keeper: LinkKeeper) -> None:
    """Whoever makes the link knows the addresses of its own host only."""
    host.standing.append(own := OnInterface("eth-none", "10.7.1.2", 24))
    await declare(ctx)
    await keeper.keep(ctx)
    await manage(ctx)
    for _ in range(2):
        await keeper.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Running", "10.7.1.3")]
    await manage(ctx, "Delete")
    await keeper.keep(ctx)
    assert host.standing[1:] == [own]


async def test_an_address_is_forgotten_by_the_host_that_has_it(ctx: Context, host: Host, keeper: LinkKeeper) -> None:
    other = Host(machines={"10.7.1.2"})
    second, third = LinkKeeper(other, "second"), LinkKeeper(Host(up=set(), standing=[]), "third")
    await declare(ctx)
    await manage(ctx)
    await keeper.keep(ctx)
    await manage(ctx, "Delete")
    for each in (second, third):
        await each.keep(ctx)
    assert await judge(ctx, "10.7.200.1") == (False, Entry.PRIVATE), "the first host has it still"
    # That host never comes back: who can ask for the address sees that nobody has it.
    other.machines.clear()
    await third.keep(ctx)
    assert await judge(ctx, "10.7.200.1") == (False, Entry.PRIVATE)
    await second.keep(ctx)
    assert await judge(ctx, "10.7.200.1") == (False, Entry.PUBLIC)


async def test_on_either_database(shop: Shop, host: Host, keeper: LinkKeeper) -> None:
    ctx = shop.ctx
    await declare(ctx)
    await manage(ctx)
    await keeper.keep(ctx)
    (first,) = await seen(ctx)
    now = first + timedelta(minutes=1)
    for before, expected in ((first - timedelta(seconds=1), first), (first, now)):
        async with ctx.database.write() as tx:
            await rows.look_after(tx, "here", now, before=before)
        assert await seen(ctx) == [expected]
    async with ctx.database.read() as tx:
        (link,) = await rows.links(tx)
    told = {"status": rows.RUNNING, "reason": "", "now": now}
    async with ctx.database.write() as tx:
        assert await rows.tell_link(tx, link, host="second", **told)
    async with ctx.database.write() as tx:
        assert not await rows.tell_link(tx, link, host="third", **told), "another was quicker"
    await manage(ctx, "Delete")
    async with ctx.database.read() as tx:
        assert await rows.left_over(tx) == [rows.LeftOver("10.7.1.2", "eth-none", "second")]
