"""/metrics: what Prometheus scrapes, for clients on this host and those that the setting `metrics.allow` lists.

Each process answers for all of its data folder: queues as the database has them, the rest added up by
`services/meters`. So it does not matter which process a scrape meets. Several nodes are several targets, which all
tell the same of the queues.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from roadstead.domain.network import parse_address
from roadstead.domain.proxies import Proxies
from roadstead.errors import MethodUnsupported, NetworkRefused
from roadstead.http.exchange import Exchange
from roadstead.jobs.backlog import Backlog, backlogs
from roadstead.metadata.layers import upload_total
from roadstead.services.context import Context
from roadstead.services.meters import Counts

if TYPE_CHECKING:
    from prometheus_client import Metric

PATH = "/metrics"


async def serve(exchange: Exchange) -> None:
    """The measures have been told; raises NetworkRefused for a client that may not have them."""
    check(exchange)
    if exchange.method not in {"GET", "HEAD"}:
        raise MethodUnsupported("this is only read", detail={"allow": "GET, HEAD"})
    # Only processes that are scraped carry this.
    from prometheus_client import CollectorRegistry, generate_latest

    ctx = exchange.ctx
    async with ctx.database.read() as tx:
        queues = await backlogs(tx, sorted({ctx.jobs.get(name).queue for name in ctx.jobs.names}), ctx.clock())
        uploads = await upload_total(tx)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(ctx, queues, uploads))
    kind = b"text/plain; version=0.0.4; charset=utf-8"
    await exchange.answer(200, [(b"content-type", kind), (b"cache-control", b"no-store")], generate_latest(registry))


def check(exchange: Exchange) -> None:
    """Returns when the client may scrape; behind a proxy it is the client's own address that the entry has found."""
    ctx = exchange.ctx
    address = exchange.origin.address
    found = parse_address(address)
    if found is None or not (found.is_loopback or Proxies.of(ctx.settings.metrics.allow).named(address)):
        raise NetworkRefused(
            f"network: {address} may not read /metrics; list it in the setting metrics.allow",
            detail={"gate": "network", "address": address, "reason": "not in metrics.allow"},
        )


class _Told:
    """The families of one scrape, as prometheus_client collects them."""

    def __init__(self, ctx: Context, queues: list[Backlog], uploads: int) -> None:
        self._now = ctx.clock()
        self._queues = queues
        self._uploads = uploads
        self._sums = ctx.meters.sums()
        self._streams = ctx.feed.streams

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        yield from _counters(self._sums)
        jobs = GaugeMetricFamily("roadstead_jobs", "Jobs that are not done", labels=["queue", "state"])
        oldest = GaugeMetricFamily(
            "roadstead_jobs_oldest_due_seconds", "How long the oldest due job waits", labels=["queue"]
        )
        for each in self._queues:
            for state in ("due", "waiting", "running", "failed"):
                jobs.add_metric([each.queue, state], getattr(each, state))
            waits = 0.0 if each.due_since is None else (self._now - each.due_since).total_seconds()
            oldest.add_metric([each.queue], waits)
        yield jobs
        yield oldest
        yield GaugeMetricFamily("roadstead_uploads_open", "Upload sessions that can be resumed", value=self._uploads)
        yield GaugeMetricFamily(
            "roadstead_event_streams", "Event streams of the process that answers", value=self._streams
        )


def _counters(sums: Counts) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily

    requests = CounterMetricFamily("roadstead_requests", "Requests answered", labels=["door", "status"])
    seconds = CounterMetricFamily("roadstead_request_seconds", "Time spent on requests", labels=["door"])
    outcomes = CounterMetricFamily("roadstead_job_outcomes", "What became of jobs", labels=["queue", "outcome"])
    worked = CounterMetricFamily("roadstead_job_seconds", "Time spent on jobs", labels=["queue", "what"])
    for name, value in sorted(sums.items()):
        family, *labels = name.split(" ")
        if family == "requests":
            requests.add_metric(labels, value)
        elif family == "request_seconds":
            seconds.add_metric(labels, value)
        elif labels[1].endswith("_seconds"):
            worked.add_metric([labels[0], labels[1].removesuffix("_seconds")], value)
        elif labels[1] != "running":
            outcomes.add_metric(labels, value)
    yield from (requests, seconds, outcomes, worked)
