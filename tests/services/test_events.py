"""What happened is told once, in the transaction of the change itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from roadstead.domain.reference import RepositoryName
from roadstead.errors import ManifestUnknown
from roadstead.metadata.schema.delivery import audit_entries, events
from roadstead.services import events as service
from roadstead.services import images, repositories
from roadstead.services.context import Context
from roadstead.services.events import Event, ImageDeleted, Place, record
from tests.factories.accounts import owner_asker, owner_caller, registry_id
from tests.factories.calls import call
from tests.factories.pushes import push_image


async def told(ctx: Context) -> list[tuple[str, dict[str, Any]]]:
    async with ctx.database.read() as tx:
        rows = await tx.all(sa.select(events.c.kind, events.c.data).order_by(events.c.id))
    return [(row.kind, json.loads(row.data)) for row in rows]


async def audited(ctx: Context) -> list[tuple[str, str]]:
    async with ctx.database.read() as tx:
        c = audit_entries.c
        return [(row.action, row.resource) for row in await tx.all(sa.select(c.action, c.resource).order_by(c.id))]


async def test_a_push_and_its_undoing_are_told(ctx: Context) -> None:
    owner, registry = await owner_asker(ctx), await registry_id(ctx)
    name = RepositoryName.parse("library/web")
    digest = str(await push_image(ctx, owner, "library/web", "latest", config={}))
    await images.remove(ctx, owner, name, "latest")
    await images.remove(ctx, owner, name, digest)
    with pytest.raises(ManifestUnknown):
        await images.remove(ctx, owner, name, digest)
    kinds = [kind for kind, _ in await told(ctx)]
    assert kinds[-3:] == ["pushImage", "deleteImage", "deleteImage"]
    pushed, untagged, deleted = [data for _, data in await told(ctx)][-3:]
    assert (pushed["namespace"], pushed["repository"], pushed["tag"]) == ("library", "library/web", "latest")
    assert pushed["digest"] == untagged["digest"] == deleted["digest"] == digest
    assert (untagged["tags"], deleted["tags"]) == (["latest"], [])
    resource = f"repository/{registry}/library/web"
    assert (await audited(ctx))[-3:] == [
        ("tcr:PushRepository", resource),
        ("tcr:DeleteImage", resource),
        ("tcr:DeleteImage", resource),
    ]


async def test_an_operation_is_audited_once_and_told_once(ctx: Context) -> None:
    await push_image(ctx, await owner_asker(ctx), "library/web", "latest")
    before = len(await told(ctx)), len(await audited(ctx))
    await call(ctx, repositories.delete_repository, namespace_name="library", repository_name="web")
    assert (len(await told(ctx)), len(await audited(ctx))) == (before[0] + 1, before[1] + 1)
    kind, data = (await told(ctx))[-1]
    assert (kind, data["tags"]) == ("deleteImage", ["latest"])


async def test_what_is_rolled_back_was_never_told(ctx: Context) -> None:
    before = await told(ctx), await audited(ctx)
    caller, registry = await owner_caller(ctx), await registry_id(ctx)
    with pytest.raises(RuntimeError):
        async with ctx.database.write() as tx:
            event = ImageDeleted(namespace="library", repository="library/web")
            await record(ctx, tx, Place(1, registry), caller, event, ctx.clock())
            raise RuntimeError
    assert (await told(ctx), await audited(ctx)) == before


def test_every_event_has_a_kind_of_its_own_and_says_what_it_is() -> None:
    declared = [each for each in vars(service).values() if isinstance(each, type) and issubclass(each, Event)]
    kinds = [each.kind for each in declared if each is not Event]
    assert len(kinds) == len(set(kinds)) >= 4
    assert all(each.__doc__ for each in declared)
    assert all(each.action.startswith("tcr:") for each in declared if each is not Event)
