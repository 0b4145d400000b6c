"""Continuous garbage collection: unreferenced blobs and ended uploads go, in small steps, while all else goes on.

Each step is a query by index and a handful of deletes. The order of the states of a blob's row makes sure that no
step can take bytes that a push has just come to rely on: a link ends, after a margin it is dropped, a blob without
links is marked as leaving, and only then are its bytes removed. A push that meets a leaving blob stores its own
bytes under a new generation of the key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from roadstead.blobs.store import blob_key
from roadstead.jobs.queue import NoArguments, job, prune
from roadstead.metadata import access_keys, collection, credentials, layers, sessions
from roadstead.services import keys
from roadstead.services.context import Context
from roadstead.services.layers import discard

# Longer than the longest period of a schedule, whose rows say which slots were entered.
_JOBS_KEPT = timedelta(days=3)
_LOGINS_KEPT = timedelta(days=30)
_PRUNED = 500

Step = Callable[[Context], Awaitable[int]]


class Collected(msgspec.Struct, frozen=True):
    """What one round has removed."""

    links: int
    blobs: int
    uploads: int
    repositories: int
    leftovers: int


@job(queue="collection", attempts=3)
async def collect_garbage(ctx: Context, arguments: NoArguments) -> None:
    """Whatever could be collected when the round began is gone."""
    await collect(ctx)


@job(queue="collection", attempts=3)
async def prune_jobs(ctx: Context, arguments: NoArguments) -> None:
    """Rows of jobs that were done some days ago are gone."""
    before = ctx.clock() - _JOBS_KEPT
    removed = _PRUNED
    while removed == _PRUNED:
        async with ctx.database.write(durable=False) as tx:
            removed = await prune(tx, before=before, n=_PRUNED)


async def collect(ctx: Context) -> Collected:
    """One whole round; what it has removed."""
    uploads = await _until_empty(ctx, _end_uploads)
    links = await _until_empty(ctx, _drop_links)
    blobs = await _until_empty(ctx, _remove_blobs)
    repositories = await _until_empty(ctx, _drop_repositories)
    await _until_empty(ctx, _forget_logins)
    await _until_empty(ctx, keys.forget_nonces)
    leftovers = await _sweep_uploads(ctx)
    return Collected(links, blobs, uploads, repositories, leftovers)


async def _until_empty(ctx: Context, step: Step) -> int:
    total = 0
    while done := await step(ctx):
        total += done
    return total


async def _end_uploads(ctx: Context) -> int:
    async with ctx.database.read() as tx:
        ended = await layers.expired_uploads(tx, ctx.clock(), ctx.settings.collection.batch)
    for region, upload_id in ended:
        await discard(ctx, region, upload_id)
    return len(ended)


async def _drop_links(ctx: Context) -> int:
    rules, now = ctx.settings.collection, ctx.clock()
    async with ctx.database.read() as tx:
        if not await collection.has_ended_links(tx, now - timedelta(seconds=rules.margin_seconds)):
            return 0
    async with ctx.database.write() as tx:
        return await collection.drop_ended_links(tx, now - timedelta(seconds=rules.margin_seconds), now, rules.batch)


async def _remove_blobs(ctx: Context) -> int:
    now = ctx.clock()
    async with ctx.database.read() as tx:
        if not await collection.has_unheld(tx, now):
            return 0
    async with ctx.database.write() as tx:
        due, leaving = await collection.take_unheld(tx, now, ctx.settings.collection.batch)
    for blob in leaving:
        await ctx.store(blob.region).delete(blob_key(blob.digest, blob.generation))
    if leaving:
        async with ctx.database.write() as tx:
            await collection.forget_blobs(tx, [blob.blob_id for blob in leaving])
    return due


async def _drop_repositories(ctx: Context) -> int:
    rules = ctx.settings.collection
    before = ctx.clock() - timedelta(seconds=rules.grace_seconds + rules.margin_seconds)
    async with ctx.database.write(durable=False) as tx:
        return await collection.drop_hidden_repositories(tx, before, rules.batch)


async def _forget_logins(ctx: Context) -> int:
    batch, now = ctx.settings.collection.batch, ctx.clock()
    async with ctx.database.write(durable=False) as tx:
        successes = await credentials.forget_successes(tx, now - _LOGINS_KEPT, batch)
        successes += await sessions.forget_ended(tx, now, batch)
        successes += await access_keys.forget_temporary(tx, now, batch)
        window = timedelta(seconds=ctx.settings.login.window_seconds)
        return successes + await credentials.forget_failures(tx, now - window, batch)


async def _sweep_uploads(ctx: Context) -> int:
    """Parts whose session is gone (a crash came between the two) are gone; the folder holds only open uploads."""
    removed = 0
    for store in ctx.stores.values():
        by_session: dict[str, list[str]] = {}
        async for entry in store.list("uploads/"):
            session = entry.key.rpartition("/")[2].partition(".")[0]
            by_session.setdefault(session, []).append(entry.key)
        sessions = sorted(by_session)
        for start in range(0, len(sessions), 500):
            batch = sessions[start : start + 500]
            async with ctx.database.read() as tx:
                known = await layers.known_uploads(tx, batch)
            for session in batch:
                for key in by_session[session] if session not in known else ():
                    await store.delete(key)
                    removed += 1
    return removed
