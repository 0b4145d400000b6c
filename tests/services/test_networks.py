"""The operations on what an instance admits (mission 6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roadstead.config import Network, Tls
from roadstead.errors import Conflict, InvalidInput, NotFound, ParameterMissing
from roadstead.services import networks
from roadstead.services.context import Context
from tests.factories.accounts import registry_id
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.factories.instances import work_off
from tests.jobs.bench import FakeClock


async def status(ctx: Context) -> str:
    answer: str = (await call(ctx, networks.describe_external_endpoint_status)).status
    return answer


async def listed(ctx: Context) -> list[tuple[int, str, str]]:
    answer = await call(ctx, networks.describe_security_policies)
    return [(each.policy_index, each.cidr_block, each.description) for each in answer.security_policy_set]


async def test_the_public_entry_is_closed_until_it_is_opened(ctx: Context, clock: FakeClock) -> None:
    assert await status(ctx) == "Closed"
    for operation, during, state in (
        ("Create", "Opening", "Opened"),
        ("Create", "Opened", "Opened"),
        ("Delete", "Deleting", "Closed"),
        ("Delete", "Closed", "Closed"),
    ):
        answer = await call(ctx, networks.manage_external_endpoint, operation=operation)
        assert answer.registry_id == await registry_id(ctx)
        assert await work_off(ctx, "networks") == [], "the state is seen for a moment"
        assert await status(ctx) == during
        clock.turn(seconds=2)
        await work_off(ctx, "networks")
        assert await status(ctx) == state


async def test_what_was_to_be_made_final_may_have_been_changed_since(ctx: Context, clock: FakeClock) -> None:
    for operation in ("Create", "Delete"):
        await call(ctx, networks.manage_external_endpoint, operation=operation)
        clock.turn(seconds=0.7)
    clock.turn(seconds=0.1)
    assert await work_off(ctx, "networks") == ["done"], "the opening, not the closing"
    assert await status(ctx) == "Deleting"


async def test_an_owner_is_told_what_an_open_entry_does_not_do_or_does_too_well(
    folder: Path, clock: FakeClock
) -> None:
    async def reason(ctx: Context) -> str:
        found: str = (await call(ctx, networks.describe_external_endpoint_status)).reason
        return found

    async with open_test_context(folder, clock) as ctx:
        await call(ctx, networks.create_multiple_security_policy, **entries("0.0.0.0/0", "::/0"))
        assert await reason(ctx) == ""
        await call(ctx, networks.manage_external_endpoint, operation="Create")
        assert "every IPv4 and IPv6 address" in await reason(ctx)
    async with open_test_context(folder, clock, listen="127.0.0.1:5000") as ctx:
        assert "no other host can reach it" in await reason(ctx)
    for reached in ({"network": Network(proxies=("127.0.0.2",))}, {"tls": Tls(listen="0.0.0.0:443")}):
        async with open_test_context(folder, clock, listen="127.0.0.1:5000", **reached) as ctx:
            assert "every IPv4" in await reason(ctx)


async def test_the_loopback_entry_is_switched_by_the_setting_and_for_the_instance(
    folder: Path, clock: FakeClock
) -> None:
    async def told(ctx: Context) -> tuple[bool, str]:
        answer = await call(ctx, networks.describe_loopback_entry)
        return answer.enabled, answer.reason

    async with open_test_context(folder, clock) as ctx:
        assert await told(ctx) == (True, "")
        await call(ctx, networks.modify_loopback_entry, enabled=False)
        assert await told(ctx) == (False, "")
        await call(ctx, networks.modify_loopback_entry, enabled=True)
    async with open_test_context(folder, clock, network=Network(loopback=False)) as ctx:
        enabled, reason = await told(ctx)
        assert enabled and "network.loopback is off" in reason


async def test_the_allowlist_takes_addresses_and_networks_with_a_note(ctx: Context) -> None:
    assert await listed(ctx) == []
    for cidr, note in (
        ("192.0.2.7", "office"),
        ("10.1.2.3/8", ""),
        ("2001:DB8::/32", "x" * 300),
        ("0.0.0.0/0", "all"),
    ):
        await call(ctx, networks.create_security_policy, cidr_block=cidr, description=note)
    assert await listed(ctx) == [
        (0, "0.0.0.0/0", "all"),
        (1, "10.1.2.3/8", ""),
        (2, "192.0.2.7", "office"),
        (3, "2001:DB8::/32", "x" * 200),
    ]


async def test_an_entry_is_added_once_and_removed_once_however_it_is_written(ctx: Context) -> None:
    await call(ctx, networks.create_security_policy, cidr_block="10.0.0.0/8")
    with pytest.raises(Conflict, match=r"10\.0\.0\.0/8 is on the allowlist already"):
        await call(ctx, networks.create_security_policy, cidr_block=" 10.9.9.9/8 ")
    await call(ctx, networks.delete_security_policy, cidr_block="10.9.9.9/8")
    with pytest.raises(NotFound, match="not on the allowlist"):
        await call(ctx, networks.delete_security_policy, cidr_block="10.0.0.0/8")


@pytest.mark.parametrize("cidr", ["", "office", "10.0.0.0/99"])
async def test_what_is_no_network(ctx: Context, cidr: str) -> None:
    for op in (networks.create_security_policy, networks.delete_security_policy):
        with pytest.raises(InvalidInput):
            await call(ctx, op, cidr_block=cidr)


def entries(*cidrs: str | None, **more: Any) -> dict[str, Any]:
    return {"security_group_policy_set": [networks.PolicyEntry(cidr_block=cidr, **more) for cidr in cidrs]}


async def test_several_entries_are_added_and_removed_together_or_not_at_all(ctx: Context) -> None:
    await call(ctx, networks.create_multiple_security_policy, **entries("192.0.2.1", "10.0.0.0/8", description="x"))
    with pytest.raises(Conflict):
        await call(ctx, networks.create_multiple_security_policy, **entries("192.0.2.2", "10.1.1.1/8"))
    with pytest.raises(InvalidInput):
        await call(ctx, networks.create_multiple_security_policy, **entries("192.0.2.2", "office"))
    with pytest.raises(ParameterMissing):
        await call(ctx, networks.create_multiple_security_policy, **entries("192.0.2.2", None))
    assert await listed(ctx) == [(0, "10.0.0.0/8", "x"), (1, "192.0.2.1", "x")]
    with pytest.raises(NotFound):
        await call(ctx, networks.delete_multiple_security_policy, **entries("192.0.2.1", "192.0.2.9"))
    assert len(await listed(ctx)) == 2
    await call(ctx, networks.delete_multiple_security_policy, **entries("192.0.2.1/32", "10.0.0.0/8"))
    assert await listed(ctx) == []


async def test_an_entry_is_named_by_its_place_in_the_list_that_was_seen(ctx: Context) -> None:
    await call(ctx, networks.create_multiple_security_policy, **entries("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    seen = (await call(ctx, networks.describe_security_policies)).security_policy_set[1]
    assert seen.cidr_block == "192.0.2.2"
    await call(ctx, networks.modify_security_policy, policy_index=1, cidr_block="192.0.2.9", description="new")
    assert await listed(ctx) == [(0, "192.0.2.1", ""), (1, "192.0.2.3", ""), (2, "192.0.2.9", "new")]
    with pytest.raises(Conflict, match="list it again"):
        await call(ctx, networks.delete_security_policy, policy_index=1, policy_version=seen.policy_version)
    version = (await call(ctx, networks.describe_security_policies)).security_policy_set[0].policy_version
    await call(ctx, networks.delete_security_policy, policy_index=1, policy_version=version)
    await call(ctx, networks.delete_security_policy, cidr_block="192.0.2.9", policy_version=seen.policy_version)
    assert await listed(ctx) == [(0, "192.0.2.1", "")]
    for op, more in (
        (networks.modify_security_policy, {"cidr_block": "192.0.2.7", "description": ""}),
        (networks.delete_security_policy, {}),
    ):
        with pytest.raises(NotFound, match="none at the place 7"):
            await call(ctx, op, policy_index=7, **more)
    with pytest.raises(ParameterMissing):
        await call(ctx, networks.delete_security_policy)


async def test_an_entry_may_be_replaced_by_itself_with_another_note(ctx: Context) -> None:
    await call(ctx, networks.create_security_policy, cidr_block="192.168.1.1/24", description="old")
    await call(ctx, networks.modify_security_policy, policy_index=0, cidr_block="192.168.1.1/24", description="new")
    assert await listed(ctx) == [(0, "192.168.1.1/24", "new")]
