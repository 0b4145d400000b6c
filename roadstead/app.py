"""The composition root: settings become a Context, the Context an ASGI application with its workers.

Everything that a process holds is made here and closed here; nothing is made when a module is imported.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roadstead.blobs.store import BlobStore
from roadstead.blobs.stores import open_store
from roadstead.clients.oidc import OidcClient
from roadstead.clients.outbound import Outbound
from roadstead.config import Settings
from roadstead.domain.certificates import Certificate
from roadstead.domain.proxies import Proxies
from roadstead.errors import AppError, InvalidInput, StartRefused
from roadstead.http.entry import Entry
from roadstead.jobs.queue import JobTable, NoArguments
from roadstead.jobs.schedule import every
from roadstead.jobs.worker import Worker
from roadstead.metadata.database import Database, connect
from roadstead.services import (
    audit,
    deletions,
    deliveries,
    deployments,
    event_log,
    gc,
    networks,
    single_sign_on,
    usage,
)
from roadstead.services.certificates import StoredCertificates
from roadstead.services.chart_indexes import ChartIndexes
from roadstead.services.context import Context
from roadstead.services.event_feed import EventFeed
from roadstead.services.expected_pulls import ExpectedPulls
from roadstead.services.instances import InstanceDirectory
from roadstead.services.key_uses import KeyUses
from roadstead.services.link_keeping import LinkKeeper
from roadstead.services.logins import LoginGuard
from roadstead.services.memory import Admissions, Recent
from roadstead.services.meters import Meters
from roadstead.services.overview import OverviewMemory
from roadstead.services.passwords import Passwords
from roadstead.services.pulls import Pulls
from roadstead.services.refusals import Refusals
from roadstead.services.rights import RightsMemory
from roadstead.services.secrets import SecretBox
from roadstead.services.tokens import KeyRing
from roadstead.services.tolls import Tolls
from roadstead.services.triggering import TriggerMemory

# How many jobs of each queue run at once, over all processes.
QUEUES = {"collection": 1, "instances": 4, "networks": 4, "triggers": 32}
_KEY_SECONDS = 60
_LOGIN_SECONDS = 1
_REFUSAL_SECONDS = 1
_PULL_SECONDS = 1
_LINK_SECONDS = 1
_METER_SECONDS = 5
_AUDIT_SECONDS = 3600
_USAGE_SECONDS = 3600
_CERTIFICATE_SECONDS = 1
_WAKE_SECONDS = 300

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_context(settings: Settings, clock: Callable[[], datetime] = utc_now) -> AsyncIterator[Context]:
    """A Context over the configured database and store; both are closed at the end.

    Raises StartRefused, with one line, when something that it needs does not work.
    """
    proxies, outbound = _proxies(settings), _outbound(settings)
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartRefused(f"cannot write to the data folder {settings.folder}: {error.strerror}") from error
    store = open_store(settings)
    database = None
    try:
        database = await connect(settings)
        await store.check()
        ctx = await _context(settings, clock, database, store, outbound, proxies)
        try:
            yield ctx
        finally:
            await _last_notes(ctx)
    finally:
        await outbound.close()
        await store.close()
        if database is not None:
            await database.close()


def _proxies(settings: Settings) -> Proxies:
    """The named proxies; raises StartRefused for a setting that lists what is no address."""
    network = settings.network
    listed = {"network.proxy_protocol": network.proxy_protocol, "metrics.allow": settings.metrics.allow}
    for name, texts in {**listed, "network.proxies": network.proxies}.items():
        try:
            found = Proxies.of(texts, network.forwarding)
        except InvalidInput as error:
            raise StartRefused(f"configuration: {name}: {error.message}") from error
    return found


def _outbound(settings: Settings) -> Outbound:
    """The client for other hosts, which has not called anybody yet."""
    try:
        return Outbound(settings.outbound)
    except InvalidInput as error:
        raise StartRefused(f"configuration: outbound.allow: {error.message}") from error


async def _context(
    settings: Settings,
    clock: Callable[[], datetime],
    database: Database,
    store: BlobStore,
    outbound: Outbound,
    proxies: Proxies,
) -> Context:
    box = SecretBox.open(settings)
    keys = KeyRing(database, box, settings.tokens, clock)
    await keys.refresh()
    return Context(
        settings=settings,
        database=database,
        stores={settings.region: store},
        clock=clock,
        jobs=job_table(),
        secrets=box,
        keys=keys,
        logins=LoginGuard(settings.login),
        instances=InstanceDirectory(database, settings),
        proxies=proxies,
        recent=Recent(),
        charts=ChartIndexes(),
        admissions=Admissions(),
        rights=RightsMemory(),
        key_uses=KeyUses(),
        refusals=Refusals(),
        pulls=Pulls(ExpectedPulls(settings.folder)),
        feed=EventFeed(database, settings.events.streams),
        links=LinkKeeper(),
        meters=Meters(settings.folder),
        tolls=Tolls(settings.folder, settings.rates),
        certificates=StoredCertificates(),
        triggers=TriggerMemory(),
        overviews=OverviewMemory(),
        passwords=Passwords(),
        outbound=outbound,
        oidc=OidcClient(outbound, settings.oidc, single_sign_on.secret_of(settings.oidc), clock),
    )


async def _last_notes(ctx: Context) -> None:
    """What waits in memory is written down, as far as the database lets it."""
    last = {"pulls": partial(ctx.pulls.write_all, ctx), "refusals": partial(ctx.refusals.write_down, ctx.database)}
    for notes, write_down in last.items():
        try:
            await write_down()
        except Exception:  # noqa: BLE001  the process ends; that they are lost can only be told
            _log.exception("what was last noted is lost", notes=notes)


def job_table() -> JobTable[Context]:
    """Every job that this release knows."""
    table: JobTable[Context] = JobTable()
    table.add(gc.collect_garbage)
    table.add(gc.prune_jobs)
    table.add(audit.forget_audit)
    table.add(event_log.forget_events)
    table.add(usage.measure_storage)
    table.add(deployments.deploy_instance)
    table.add(deletions.remove_instance)
    table.add(networks.settle_entry)
    table.add(deliveries.deliver)
    table.add(deliveries.wake_receivers)
    table.add(deliveries.forget_deliveries)
    return table


def worker(ctx: Context) -> Worker[Context]:
    """The worker of one process."""
    schedules = [
        every(ctx.settings.collection.interval_seconds, gc.collect_garbage, NoArguments()),
        every(6 * 3600, gc.prune_jobs, NoArguments()),
        every(_AUDIT_SECONDS, audit.forget_audit, NoArguments()),
        every(_WAKE_SECONDS, deliveries.wake_receivers, NoArguments()),
        every(_AUDIT_SECONDS, deliveries.forget_deliveries, NoArguments()),
        every(_AUDIT_SECONDS, event_log.forget_events, NoArguments()),
        every(_USAGE_SECONDS, usage.measure_storage, NoArguments()),
    ]
    return Worker(ctx.database, ctx.jobs, ctx, ctx.clock, QUEUES, schedules=schedules)


class Application:
    """The ASGI application of one serving process: the entry, with workers that live as long as it does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._entry: ASGIApp | None = None
        self._ctx: Context | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request has been answered, or the process has started and stopped."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._entry is not None:
            await self._entry(scope, receive, send)

    def certificate(self, host: str) -> Certificate | None:
        """The stored certificate for the host."""
        return self._ctx.certificates.find(host) if self._ctx is not None else None

    def stopping(self) -> None:
        """Requests that would go on for ever end: the process is to stop."""
        if self._ctx is not None:
            self._ctx.feed.close()

    def link_addresses(self) -> Sequence[str]:
        """The addresses of private links at which this process shall be heard."""
        return self._ctx.links.addresses if self._ctx is not None else ()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with (
                open_context(self._settings) as ctx,
                _background(ctx, working=ctx.settings.workers.in_server),
                _links(ctx),
                _names(ctx),
            ):
                await ctx.certificates.refresh(ctx)
                self._ctx, self._entry = ctx, Entry(ctx)
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except AppError as error:
            failed: Message = {"type": "lifespan.startup.failed", "message": error.message}
            await send(failed)
            return
        await send({"type": "lifespan.shutdown.complete"})


@asynccontextmanager
async def _background(ctx: Context, *, working: bool) -> AsyncIterator[None]:
    """As long as the block lasts notes are written down, signing keys kept fresh and, if wanted, jobs worked off."""
    jobs = worker(ctx) if working else None
    running = None if jobs is None else asyncio.create_task(jobs.run())
    if jobs is not None:
        ctx.meters.watch(jobs.metrics)
    repeated = [
        asyncio.create_task(_repeat(_KEY_SECONDS, ctx.keys.refresh)),
        asyncio.create_task(_repeat(_LOGIN_SECONDS, partial(ctx.logins.write_down, ctx.database))),
        asyncio.create_task(_repeat(_LOGIN_SECONDS, partial(ctx.key_uses.write_down, ctx.database))),
        asyncio.create_task(_repeat(_REFUSAL_SECONDS, partial(ctx.refusals.write_down, ctx.database))),
        asyncio.create_task(_repeat(_METER_SECONDS, ctx.meters.write_down)),
        asyncio.create_task(_repeat(_PULL_SECONDS, partial(ctx.pulls.write_down, ctx))),
        asyncio.create_task(_repeat(_CERTIFICATE_SECONDS, partial(ctx.certificates.refresh, ctx))),
    ]
    try:
        yield
    finally:
        if jobs is not None:
            jobs.stop()
        for task in repeated:
            task.cancel()
        await asyncio.gather(*repeated, return_exceptions=True)
        if running is not None:
            await running
        await ctx.meters.write_down()


@asynccontextmanager
async def _links(ctx: Context) -> AsyncIterator[None]:
    """As long as the block lasts private links are looked after; only who serves may have their addresses."""
    keeping = asyncio.create_task(_repeat(_LINK_SECONDS, partial(ctx.links.keep, ctx)))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


@asynccontextmanager
async def _names(ctx: Context) -> AsyncIterator[None]:
    """As long as the block lasts names are answered, if the settings want it."""
    if not ctx.settings.dns.addresses:
        yield
        return
    # Processes that answer no names do without what reads them.
    from roadstead.http.name_server import answering

    async with answering(ctx):
        yield


async def work_off(settings: Settings, stop: asyncio.Event) -> None:
    """Jobs were worked off without serving until `stop` was set; those that ran had time to end."""
    async with open_context(settings) as ctx, _background(ctx, working=True):
        await stop.wait()


async def _repeat(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:  # noqa: BLE001  the database may be away for a while; the next time tries again
            _log.exception("periodic work failed")


def _tell_exception(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An exception is told in one line: what it says and the places it came through, without any values.

    Values of variables could be passwords and tokens, which are never logged.
    """
    found = event.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found
    if isinstance(error, BaseException):
        places = traceback.extract_tb(error.__traceback__)
        event["error"] = f"{type(error).__name__}: {error}"
        event["trace"] = " > ".join(f"{Path(place.filename).name}:{place.lineno} {place.name}" for place in places)
    return event


def set_up_logging(settings: Settings) -> None:
    """Log lines go to standard error, in the configured form, from the configured level up."""
    level = getattr(logging, settings.log_level.upper())
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if settings.log_format == "text":
        renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _tell_exception,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
