"""Instances besides the default one, and the jobs that make and remove them, run when a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from roadstead.app import QUEUES
from roadstead.jobs import queue as queues
from roadstead.jobs.queue import Outcome
from roadstead.metadata.schema.content import namespaces
from roadstead.metadata.schema.jobs import jobs
from roadstead.metadata.schema.tenancy import instances
from roadstead.services import credentials, deployments, registries
from roadstead.services.access import Asker
from roadstead.services.accounts import local_owner
from roadstead.services.context import Context
from roadstead.services.credentials import present_basic
from roadstead.services.namespaces import create_namespace
from roadstead.services.operations import AnyOperation, run
from tests.factories.accounts import HERE, Login, origin
from tests.factories.shops import Shop


async def ask(ctx: Context, op: AnyOperation, **fields: Any) -> Any:
    """The answer of an operation asked by the owner. Raises what it raises."""
    return await run(ctx, await local_owner(ctx), op, op.request(**fields))


async def work_off(ctx: Context, queue: str = "instances") -> list[Outcome]:
    """The jobs of the queue that are due have run once each; what became of them."""
    now = ctx.clock()
    async with ctx.database.write() as tx:
        await queues.add_queues(tx, [queue])
        leases = await queues.claim(tx, ctx.jobs, queue, QUEUES[queue], now, now + timedelta(seconds=30))
    outcomes: list[Outcome] = []
    for lease in leases:
        try:
            await lease.job.run(ctx, lease.arguments)
        except Exception as error:  # noqa: BLE001  what becomes of it is the answer
            async with ctx.database.write() as tx:
                outcomes.append(await queues.fail(tx, lease, str(error), ctx.clock(), 0.0))
        else:
            async with ctx.database.write() as tx:
                outcomes.append(await queues.finish(tx, lease, ctx.clock()))
    return outcomes


async def create(ctx: Context, name: str = "second", **fields: Any) -> str:
    """The instance has been asked for and not deployed yet; its id."""
    fields = {"registry_type": "basic", **fields}
    answer = await ask(ctx, deployments.create_instance, registry_name=name, **fields)
    found: str = answer.registry_id
    return found


async def status(ctx: Context, registry_id: str) -> tuple[str, list[tuple[str, str]]] | None:
    """What the instance does, and how far each step is; None when it is gone."""
    answer = await ask(ctx, registries.describe_instance_status, registry_ids=[registry_id])
    for each in answer.registry_status_set:
        return each.status, [(step.type, step.status) for step in each.conditions]
    return None


async def enter(shop: Shop, name: str) -> Shop:
    """The owner at the door of that instance, with a credential for it."""
    served = await shop.ctx.instances.find(name)
    made = await ask(
        shop.ctx,
        credentials.create_instance_token,
        registry_id=served.row.registry_id,
        token_type="longterm",
    )
    return replace(shop, asker=await asker_at(shop.ctx, name, Login(made.username, made.token)))


async def asker_at(ctx: Context, name: str, login: Login) -> Asker:
    """A request of that login at the instance of that name."""
    served = await ctx.instances.find(name)
    presented = await present_basic(ctx, served.row.registry_id, login.username, login.password, origin(HERE))
    return Asker(served, presented, origin(HERE))


@asynccontextmanager
async def second_shop(shop: Shop, name: str = "second", **fields: Any) -> AsyncIterator[Shop]:
    """The owner at another instance of the same registry, which has a namespace `library`; gone afterwards."""
    registry_id = await create(shop.ctx, name, **fields)
    await work_off(shop.ctx)
    await ask(shop.ctx, create_namespace, registry_id=registry_id, namespace_name="library")
    yield await enter(shop, name)
    await shop.clear()
    await only_default(shop.ctx)


async def only_default(ctx: Context) -> None:
    """Every other instance is gone with its empty namespaces, and so is every job."""
    other = sa.select(instances.c.id).where(instances.c.name != ctx.settings.default_instance)
    async with ctx.database.write() as tx:
        await tx.run(sa.delete(namespaces).where(namespaces.c.instance_id.in_(other)))
        await tx.run(sa.delete(instances).where(instances.c.id.in_(other)))
        await tx.run(sa.delete(jobs))


def labels(specification: Any) -> Mapping[str, str]:
    """The labels of an answer, by key."""
    return {each.key: each.value for each in specification.tags}
