"""The rates of an instance's own: shown, changed, and gone by from the next request on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from roadstead.config import Rates
from roadstead.errors import InvalidInput
from roadstead.services.context import Context
from roadstead.services.instances import InstanceDirectory
from roadstead.services.rates import describe_instance_rates, modify_instance_rates
from roadstead.services.requests import request_of
from roadstead.services.tolls import Tolls
from tests.factories.asgi import open_client
from tests.factories.calls import call
from tests.jobs.bench import FakeClock


def limited(ctx: Context, **rates: int) -> Context:
    """The same process with these settings."""
    settings = structs.replace(ctx.settings, rates=Rates(**rates))
    tolls = Tolls(settings.folder, settings.rates, lambda: ctx.clock().timestamp())
    return replace(ctx, settings=settings, instances=InstanceDirectory(ctx.database, settings), tolls=tolls)


async def shown(ctx: Context) -> dict[str, tuple[int, int, bool]]:
    answer = await call(ctx, describe_instance_rates)
    return {str(row.who): (row.requests, row.bytes, row.own) for row in answer.rates}


async def test_an_instance_goes_by_the_settings_until_it_has_rates_of_its_own(ctx: Context) -> None:
    ctx = limited(ctx, address_requests=7, instance_bytes=1 << 20)
    by_setting = {"address": (7, 0, False), "credential": (0, 0, False), "instance": (0, 1 << 20, False)}
    assert await shown(ctx) == by_setting
    answer = await call(ctx, modify_instance_rates, address_requests=0, credential_bytes=5)
    assert [row.own for row in answer.rates] == [True, True, False]
    await call(ctx, modify_instance_rates, credential_requests=3)
    own = {"address": (0, 0, True), "credential": (3, 16 << 10, True), "instance": (0, 1 << 20, False)}
    assert await shown(ctx) == own
    await call(ctx, modify_instance_rates, address_requests=-1, credential_bytes=-1, credential_requests=-1)
    assert await shown(ctx) == by_setting


@pytest.mark.parametrize("fields", [{"AddressRequests": -2}, {"AddressBytes": 1 << 50}, {"InstanceRequests": "5"}])
def test_a_rate_is_a_number_that_makes_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        request_of(modify_instance_rates, {"RegistryId": "tcr-12345678", **fields})


async def statuses(ctx: Context, count: int, path: str = "/v2/", **options: Any) -> list[int]:
    async with open_client(ctx, **options) as client:
        return [(await client.get(path)).status_code for _ in range(count)]


async def test_requests_over_the_rate_are_refused_in_the_form_of_each_door(ctx: Context, clock: FakeClock) -> None:
    ctx = limited(ctx, burst_seconds=1)
    await call(ctx, modify_instance_rates, address_requests=2)
    assert await statuses(ctx, 4, login=True) == [200, 200, 429, 429]
    async with open_client(ctx) as client:
        by_registry, by_api = await client.get("/v2/"), await client.get("/openapi.json")
        health = await client.get("/healthz")
    (error,) = by_registry.json()["errors"]
    assert (error["code"], error["detail"]["gate"], error["detail"]["limit"]) == (
        "TOOMANYREQUESTS",
        "limit",
        "address",
    )
    assert by_registry.headers["retry-after"] == by_api.headers["retry-after"] == "1"
    assert (by_api.status_code, by_api.json()["Code"], by_api.json()["Gate"]) == (
        429,
        "RequestLimitExceeded",
        "limit",
    )
    assert health.status_code == 200
    # Another address has its own; the change holds from the next request on.
    assert await statuses(ctx, 1, address="127.0.0.2", login=True) == [200]
    await call(ctx, modify_instance_rates, address_requests=0)
    # A flood makes a process look at the rates once a second only.
    assert await statuses(ctx, 1, login=True) == [429]
    clock.turn(seconds=1)
    assert await statuses(ctx, 5, login=True) == [200] * 5


async def test_a_credential_is_counted_once_it_holds(ctx: Context) -> None:
    ctx = limited(ctx, credential_requests=2, burst_seconds=1)
    async with open_client(ctx, login=True) as client:
        user, _ = client.auth._auth_header, None  # type: ignore[union-attr]
        wrong = user[:-8] + "AAAAAAA="
        for _ in range(5):
            assert (await client.get("/v2/", headers={"authorization": wrong}, auth=None)).status_code == 401
        assert [(await client.get("/v2/")).status_code for _ in range(3)] == [200, 200, 429]
    assert await statuses(ctx, 3) == [401] * 3


async def test_nothing_is_mapped_where_nothing_is_limited(ctx: Context) -> None:
    assert await statuses(ctx, 2, login=True) == [200, 200]
    assert ctx.tolls._table is None
    assert not (Path(ctx.settings.data) / "tolls").exists()
