"""What monitoring reads: from where it may, what it says, and that processes tell of each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from roadstead.app import open_context
from roadstead.config import Metrics, Settings
from roadstead.domain.proxies import Proxies
from roadstead.errors import StartRefused
from roadstead.jobs.queue import NoArguments
from roadstead.jobs.worker import QueueMetrics
from roadstead.services import meters
from roadstead.services.context import Context
from roadstead.services.gc import collect_garbage
from tests.factories.asgi import open_client
from tests.factories.contexts import open_test_context
from tests.jobs.bench import FakeClock


async def scrape(ctx: Context) -> dict[str, float]:
    async with open_client(ctx) as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_requests_queues_and_workers_are_told_for_all_processes(
    ctx: Context, folder: Path, clock: FakeClock
) -> None:
    async with ctx.database.write() as tx:
        await ctx.jobs.enqueue(tx, collect_garbage, NoArguments(), now=clock())
    clock.turn(seconds=30)
    async with open_test_context(folder, clock) as other:
        other.meters.watch({"collection": QueueMetrics(claimed=3, done=2, failed=1, worked_seconds=1.5)})
        async with open_client(other, login=True) as client:
            assert (await client.get("/v2/")).status_code == 200
            assert (await client.get("/v2/library/none/manifests/v1")).status_code == 404
        await other.meters.write_down()
    async with open_client(ctx, login=True) as client:
        assert (await client.get("/v2/")).status_code == 200
    found = await scrape(ctx)
    assert found['roadstead_requests_total{door="registry",status="200"}'] == 2
    assert found['roadstead_requests_total{door="registry",status="404"}'] == 1
    assert found['roadstead_request_seconds_total{door="registry"}'] > 0
    assert found['roadstead_jobs{queue="collection",state="due"}'] == 1
    assert found['roadstead_jobs_oldest_due_seconds{queue="collection"}'] == 30
    assert found['roadstead_job_outcomes_total{outcome="done",queue="collection"}'] == 2
    assert found['roadstead_job_seconds_total{queue="collection",what="worked"}'] == 1.5
    assert found["roadstead_uploads_open"] == found["roadstead_event_streams"] == 0
    meters.forget(folder)
    assert (await scrape(ctx))['roadstead_requests_total{door="registry",status="200"}'] == 1


async def test_it_is_for_this_host_and_those_listed(ctx: Context) -> None:
    listed = replace(
        ctx,
        settings=Settings(data=ctx.settings.data, metrics=Metrics(allow=("192.0.2.0/24",))),
        proxies=Proxies.of(["10.0.0.1"]),
    )
    for address, forwarded, status in [
        ("127.0.0.1", "", 200),
        ("192.0.2.7", "", 200),
        ("198.51.100.1", "", 403),
        ("10.0.0.1", "192.0.2.7", 200),
        ("10.0.0.1", "198.51.100.1", 403),
        # A proxy on this host that nobody has named would let the world in.
        ("127.0.0.1", "198.51.100.1", 403),
    ]:
        async with open_client(listed, address=address) as client:
            answer = await client.get("/metrics", headers={"x-forwarded-for": forwarded} if forwarded else {})
            assert answer.status_code == status, (address, forwarded)
    async with open_client(ctx, address="192.0.2.7") as client:
        refused = await client.get("/metrics")
    assert (refused.status_code, refused.json()["Gate"]) == (403, "network")


async def test_a_wrong_address_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match=r"metrics\.allow"):
        async with open_context(Settings(data=str(tmp_path), metrics=Metrics(allow=("home",)))):
            pass
