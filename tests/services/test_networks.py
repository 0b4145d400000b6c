"""The operations on what an instance admits (mission 6)."""

from __future__ import annotations

import pytest

from roadstead.errors import Conflict, InvalidInput, NotFound
from roadstead.services import networks
from roadstead.services.context import Context
from tests.factories.accounts import registry_id
from tests.factories.calls import call


async def status(ctx: Context) -> str:
    answer: str = (await call(ctx, networks.describe_external_endpoint_status)).status
    return answer


async def listed(ctx: Context) -> list[tuple[int, str, str]]:
    answer = await call(ctx, networks.describe_security_policies)
    return [(each.policy_index, each.cidr_block, each.description) for each in answer.security_policy_set]


async def test_the_public_entry_is_closed_until_it_is_opened(ctx: Context) -> None:
    assert await status(ctx) == "Closed"
    for operation, state in (("Create", "Opened"), ("Create", "Opened"), ("Delete", "Closed")):
        answer = await call(ctx, networks.manage_external_endpoint, operation=operation)
        assert answer.registry_id == await registry_id(ctx)
        assert await status(ctx) == state


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
        (1, "10.0.0.0/8", ""),
        (2, "192.0.2.7/32", "office"),
        (3, "2001:db8::/32", "x" * 200),
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
