"""Private links: made, kept up by the serving host, named and taken away (mission 6)."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from roadstead.clients.interfaces import OnInterface
from roadstead.config import Network, Quotas
from roadstead.domain.network import Entry
from roadstead.errors import AlreadyExists, AppError, NotEmpty, NotFound, OperationRefused, QuotaExceeded
from roadstead.services import deletions, links, registries, vpcs
from roadstead.services.context import Context
from roadstead.services.link_keeping import LinkKeeper
from tests.factories.accounts import registry_id
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.factories.instances import ask, create, work_off
from tests.factories.shop_fixtures import on_postgresql, options, shop
from tests.factories.shops import Shop
from tests.jobs.bench import FakeClock
from tests.services.test_vpcs import declare

__all__ = ["on_postgresql", "options", "shop"]


@dataclass
class Host:
    """Network interfaces as the kernel has them, with other machines on their networks."""

    up: set[str] = field(default_factory=lambda: {"eth-none"})
    standing: list[OnInterface] = field(default_factory=lambda: [OnInterface("eth-none", "10.7.1.1", 24)])
    machines: set[str] = field(default_factory=set)
    refuses: int = 0

    def addresses(self) -> list[OnInterface]:
        return list(self.standing)

    def is_up(self, interface: str) -> bool:
        return interface in self.up

    async def answering(self, asked: Any) -> set[str]:
        return self.machines.intersection(asked)

    def put(self, place: OnInterface) -> None:
        if self.refuses:
            raise OSError(self.refuses, "no")
        self.standing.append(place)

    def take_off(self, place: OnInterface) -> None:
        if self.refuses:
            raise OSError(self.refuses, "no")
        self.standing.remove(place)

    @property
    def ours(self) -> list[str]:
        return [f"{each.address}/{each.prefix}" for each in self.standing[1:]]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def keeper(host: Host) -> LinkKeeper:
    return LinkKeeper(host, "here")


async def manage(ctx: Context, operation: str = "Create", subnet: str = "subnet-a", **more: Any) -> None:
    await call(ctx, links.manage_internal_endpoint, operation=operation, vpc_id="vpc-lab", subnet_id=subnet, **more)


async def shown(ctx: Context) -> list[tuple[str, str, str]]:
    answer = await call(ctx, links.describe_internal_endpoints)
    assert answer.total_count == len(answer.access_vpc_set)
    return [(each.subnet_id, each.status, each.access_ip) for each in answer.access_vpc_set]


async def reason(ctx: Context) -> str:
    found: str = (await call(ctx, links.describe_internal_endpoints)).access_vpc_set[0].reason
    return found


async def private_address(ctx: Context) -> str:
    page = await call(ctx, registries.describe_instances)
    found: str = page.registries[0].internal_endpoint
    return found


async def judge(ctx: Context, client: str, local: str = "10.7.1.2") -> tuple[bool, str]:
    """Whether the default instance admits the client as of now, and at which entry."""
    async with ctx.database.read() as tx:
        served = await ctx.instances.load(tx, "default")
    assert served is not None
    verdict = served.network.verdict(client, local)
    return verdict.admitted, str(verdict.entry)


async def test_a_link_is_put_up_admits_its_network_and_is_taken_away(
    ctx: Context, host: Host, keeper: LinkKeeper
) -> None:
    await declare(ctx)
    await manage(ctx)
    assert (await shown(ctx), await private_address(ctx)) == ([("subnet-a", "Creating", "")], "")
    await keeper.keep(ctx)
    assert host.ours == ["10.7.1.2/24"]
    assert (await shown(ctx), await private_address(ctx)) == ([("subnet-a", "Running", "10.7.1.2")], "10.7.1.2")
    assert await judge(ctx, "10.7.200.1") == (True, Entry.PRIVATE)
    for stranger in ("10.8.0.1", "192.0.2.1", "127.0.0.1"):
        assert await judge(ctx, stranger) == (False, Entry.PRIVATE)
    assert await judge(ctx, "10.7.200.1", local="10.7.1.1") == (False, Entry.PUBLIC), "not at the link's address"
    await manage(ctx, "Delete")
    assert await shown(ctx) == []
    assert await judge(ctx, "10.7.200.1") == (False, Entry.PRIVATE), "as long as the address is on the interface"
    with pytest.raises(NotFound):
        await manage(ctx, "Delete")
    await keeper.keep(ctx)
    assert host.ours == []
    assert await judge(ctx, "10.7.200.1") == (False, Entry.PUBLIC)
    await manage(ctx)
    await keeper.keep(ctx)
    assert host.ours == ["10.7.1.2/24"], "it is given again"


async def test_a_link_is_no_entry_of_another_instance(ctx: Context, keeper: LinkKeeper) -> None:
    await declare(ctx)
    await manage(ctx)
    other = await create(ctx, "other")
    await work_off(ctx)
    async with ctx.database.read() as tx:
        served = await ctx.instances.load(tx, "other")
    assert served is not None and served.row.registry_id == other
    verdict = served.network.verdict("10.7.200.1", "10.7.1.2")
    assert (verdict.admitted, verdict.entry) == (False, Entry.PRIVATE) and "another instance's" in verdict.reason


async def test_both_families_have_links(ctx: Context, host: Host, keeper: LinkKeeper) -> None:
    await declare(ctx)
    await manage(ctx)
    await manage(ctx, subnet="subnet-b")
    await keeper.keep(ctx)
    assert host.ours == ["10.7.1.2/24", "fd00:7:0:1::2/64"]
    assert await judge(ctx, "fd00:7::1", "fd00:7:0:1::2") == (True, Entry.PRIVATE)
    assert await judge(ctx, "10.7.0.1", "fd00:7:0:1::2") == (True, Entry.PRIVATE)


async def test_an_address_that_another_machine_has_is_not_taken(ctx: Context, host: Host, keeper: LinkKeeper) -> None:
    await declare(ctx)
    host.machines = {"10.7.1.2", "10.7.1.3"}
    await manage(ctx)
    await keeper.keep(ctx)
    await keeper.keep(ctx)
    assert (host.ours, await shown(ctx)) == (["10.7.1.4/24"], [("subnet-a", "Running", "10.7.1.4")])
    assert await judge(ctx, "10.7.200.1", "10.7.1.4") == (True, Entry.PRIVATE)
    assert await judge(ctx, "10.7.200.1", "10.7.1.2") == (False, Entry.PUBLIC)


async def test_a_network_full_of_machines_fails_the_link(ctx: Context, host: Host, keeper: LinkKeeper) -> None:
    await declare(ctx)
    host.machines = {f"10.7.1.{number}" for number in range(256)}
    await manage(ctx)
    for _ in range(9):
        await keeper.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Failed", "")]
    assert "other machines" in await reason(ctx) and host.ours == []


async def test_what_the_server_may_not_do_is_told_as_the_command_to_run(
    ctx: Context, host: Host, keeper: LinkKeeper
) -> None:
    await declare(ctx)
    host.refuses = errno.EPERM
    await manage(ctx)
    await keeper.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Creating", "")]
    assert (await reason(ctx)).endswith("run: ip addr add 10.7.1.2/24 dev eth-none")
    # Somebody runs it, with a prefix of his own.
    host.standing.append(OnInterface("eth-none", "10.7.1.2", 32))
    await keeper.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Running", "10.7.1.2")] and await reason(ctx) == ""
    await manage(ctx, "Delete")
    await keeper.keep(ctx)
    assert await judge(ctx, "10.7.200.1") == (False, Entry.PRIVATE), "it cannot be taken off either"
    host.refuses = 0
    await keeper.keep(ctx)
    assert host.ours == [] and await judge(ctx, "10.7.200.1") == (False, Entry.PUBLIC)


async def test_what_is_lost_is_put_back_and_what_fails_is_told(ctx: Context, host: Host, keeper: LinkKeeper) -> None:
    await declare(ctx)
    await manage(ctx)
    await keeper.keep(ctx)
    del host.standing[1:]  # the host was started again
    await keeper.keep(ctx)
    assert host.ours == ["10.7.1.2/24"]
    host.up.clear()
    await keeper.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Failed", "")] and "ip link set eth-none up" in await reason(ctx)
    del host.standing[:]
    await keeper.keep(ctx)
    assert "no serving host has the interface" in await reason(ctx)
    host.up.add("eth-none")
    for _ in range(2):
        await keeper.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Running", "10.7.1.2")]


async def test_a_host_without_the_interface_leaves_the_link_to_one_that_has_it(
    ctx: Context, clock: FakeClock, keeper: LinkKeeper
) -> None:
    await declare(ctx)
    elsewhere = LinkKeeper(Host(up=set(), standing=[]), "elsewhere")
    await manage(ctx)
    await elsewhere.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Creating", "")]
    clock.turn(seconds=20)
    await elsewhere.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Failed", "")] and "no serving host" in await reason(ctx)
    await keeper.keep(ctx)
    for _ in range(2):
        await elsewhere.keep(ctx)
    assert await shown(ctx) == [("subnet-a", "Running", "10.7.1.2")]


async def test_a_host_may_be_told_to_leave_its_interfaces_alone(folder: Path, clock: FakeClock, host: Host) -> None:
    async with open_test_context(folder, clock, network=Network(links=False)) as ctx:
        await declare(ctx)
        await manage(ctx)
        await LinkKeeper(host, "here").keep(ctx)
        assert (host.ours, await shown(ctx)) == ([], [("subnet-a", "Creating", "")])


async def test_a_deleted_instance_gives_its_addresses_back(ctx: Context, host: Host, keeper: LinkKeeper) -> None:
    await declare(ctx)
    other = await create(ctx, "other")
    await work_off(ctx)
    fields = {"vpc_id": "vpc-lab", "subnet_id": "subnet-a", "registry_id": other}
    await ask(ctx, links.manage_internal_endpoint, operation="Create", **fields)
    await keeper.keep(ctx)
    assert host.ours == ["10.7.1.2/24"]
    with pytest.raises(NotEmpty, match="other"):
        await call(ctx, vpcs.delete_subnet, subnet_id="subnet-a")
    await ask(ctx, deletions.delete_instance, registry_id=other)
    await work_off(ctx)
    await keeper.keep(ctx)
    assert host.ours == []
    await call(ctx, vpcs.delete_subnet, subnet_id="subnet-a")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"subnet_id": "subnet-a"}, AlreadyExists),
        ({"subnet_id": "subnet-none"}, NotFound),
        ({"vpc_id": "vpc-none", "subnet_id": "subnet-b"}, NotFound),
        ({"vpc_id": "vpc-other", "subnet_id": "subnet-b"}, NotFound),
    ],
)
async def test_links_that_cannot_be(ctx: Context, fields: dict[str, str], error: type[AppError]) -> None:
    await declare(ctx)
    await manage(ctx)
    with pytest.raises(error):
        await call(ctx, links.manage_internal_endpoint, **{"operation": "Create", "vpc_id": "vpc-lab", **fields})
    assert len(await shown(ctx)) == 1


async def test_a_full_subnet_and_a_full_instance(folder: Path, clock: FakeClock) -> None:
    async with open_test_context(folder, clock, quotas=Quotas(premium_links=2)) as ctx:
        await declare(ctx)
        for name, cidr in (("c", "10.7.3.0/30"), ("d", "10.7.3.4/30")):
            subnet = {"subnet_id": f"subnet-{name}", "cidr_block": cidr, "interface": "eth-none"}
            await call(ctx, vpcs.create_subnet, vpc_id="vpc-lab", **subnet)
        other = await create(ctx, "other")
        await work_off(ctx)
        await manage(ctx, subnet="subnet-c")
        fields = {"vpc_id": "vpc-lab", "subnet_id": "subnet-c", "registry_id": other}
        with pytest.raises(OperationRefused, match="no free address"):
            await ask(ctx, links.manage_internal_endpoint, operation="Create", **fields)
        await manage(ctx, subnet="subnet-d")
        with pytest.raises(QuotaExceeded, match="premium_links"):
            await manage(ctx)


async def test_on_either_database(shop: Shop, host: Host, keeper: LinkKeeper) -> None:
    ctx = shop.ctx
    await declare(ctx)
    host.machines = {"10.7.1.2"}
    await manage(ctx, named=True)
    await manage(ctx, subnet="subnet-b")
    for _ in range(2):
        await keeper.keep(ctx)
    at = {"vpc_id": "vpc-lab", "eni_lb_ip": "10.7.1.3"}
    await call(ctx, links.create_internal_endpoint_dns, **at)
    await keeper.keep(ctx)
    assert [each.names for each in keeper.named] == [("default.localhost", "default-vpc.localhost"), ()]
    assert await judge(ctx, "10.7.200.1", "10.7.1.3") == (True, Entry.PRIVATE)
    assert await private_address(ctx) == "10.7.1.3"
    await manage(ctx, "Delete")
    await keeper.keep(ctx)
    assert host.ours == ["fd00:7:0:1::2/64"]
    await vpcs.declare(ctx)
    assert len((await call(ctx, vpcs.describe_vpcs)).vpc_set) == 2


async def test_links_made_at_once_wait_for_one_another(shop: Shop, host: Host, keeper: LinkKeeper) -> None:
    ctx = shop.ctx
    await declare(ctx)
    ids = [await create(ctx, f"other-{number}") for number in range(4)]
    await work_off(ctx)
    at = {"vpc_id": "vpc-lab", "subnet_id": "subnet-a"}
    made = (ask(ctx, links.manage_internal_endpoint, operation="Create", registry_id=each, **at) for each in ids)
    await asyncio.gather(manage(ctx), *made)
    await asyncio.gather(keeper.keep(ctx), LinkKeeper(host, "here").keep(ctx))
    assert sorted(set(host.ours)) == [f"10.7.1.{number}/24" for number in range(2, 7)]
    gone = (ask(ctx, links.manage_internal_endpoint, operation="Delete", registry_id=each, **at) for each in ids)
    await asyncio.gather(*gone, keeper.keep(ctx))
    assert len(await shown(ctx)) == 1


def asked(registry: str, address: str = "10.7.1.2", *, own: bool = False) -> links.VpcAndDomainInfo:
    return links.VpcAndDomainInfo(
        instance_id=registry, vpc_id="vpc-lab", eni_lb_ip=address, use_public_domain=own, region_name="local"
    )


async def test_names_lead_to_the_link_as_they_are_switched(ctx: Context, keeper: LinkKeeper) -> None:
    async def statuses() -> list[str]:
        wanted = [asked(registry, own=True), asked(registry), asked(registry, "10.7.1.9"), asked("tcr-nothing")]
        answer = await ask(ctx, links.describe_internal_endpoint_dns_status, vpc_set=wanted)
        assert [each.vpc_id for each in answer.vpc_set] == ["vpc-lab"] * 4
        return [each.status for each in answer.vpc_set]

    async def names() -> list[list[str]]:
        return [each.names for each in (await call(ctx, links.describe_internal_endpoint_records)).records]

    registry = await registry_id(ctx)
    await declare(ctx)
    await manage(ctx)
    await keeper.keep(ctx)
    at = {"vpc_id": "vpc-lab", "eni_lb_ip": "10.7.1.2"}
    assert (await statuses(), await names()) == (["DISABLED", "DISABLED", "DISABLED", "ERROR"], [])
    await call(ctx, links.create_internal_endpoint_dns, use_public_domain=True, **at)
    assert (await statuses())[:2] == ["ENABLED", "DISABLED"]
    await call(ctx, links.create_internal_endpoint_dns, **at)
    assert (await statuses())[:2] == ["ENABLED", "ENABLED"]
    assert await names() == [["default.localhost", "default-vpc.localhost"]]
    await keeper.keep(ctx)
    assert [each.names for each in keeper.named] == [("default.localhost", "default-vpc.localhost")]
    await call(ctx, links.delete_internal_endpoint_dns, use_public_domain=True, **at)
    assert (await statuses())[:2] == ["DISABLED", "ENABLED"]
    (records,) = (await call(ctx, links.describe_internal_endpoint_records)).records
    assert records.hosts == "10.7.1.2 default-vpc.localhost"
    with pytest.raises(NotFound, match=r"10\.7\.1\.9"):
        await call(ctx, links.create_internal_endpoint_dns, vpc_id="vpc-lab", eni_lb_ip="10.7.1.9")
    assert ctx.instances.label("default-vpc.localhost:5000") == "default"
