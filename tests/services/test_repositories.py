"""Repositories: made by their first push or by name, and who sees them (mission 3)."""

from __future__ import annotations

from typing import Any

import pytest

from roadstead.domain.identity import CredentialKind, Presented
from roadstead.domain.reference import RepositoryName
from roadstead.domain.scope import Scope
from roadstead.errors import (
    AccessDenied,
    AlreadyExists,
    InvalidInput,
    NameInvalid,
    NamespaceUnknown,
    NotAuthenticated,
    NotEmpty,
    RepositoryUnknown,
)
from roadstead.metadata import audit, instances
from roadstead.services import layers, namespaces, repositories
from roadstead.services.access import Asker
from roadstead.services.context import Context
from tests.factories.accounts import add_sub_account, asker, owner_asker, registry_id
from tests.factories.calls import call
from tests.factories.pushes import push_blob, push_image
from tests.jobs.bench import FakeClock

CATALOG = (Scope("registry", "catalog", ("*",)),)


async def create(ctx: Context, name: str, **fields: Any) -> None:
    namespace, _, repository = name.partition("/")
    await call(ctx, repositories.create_repository, namespace_name=namespace, repository_name=repository, **fields)


async def listed(ctx: Context, **fields: Any) -> list[str]:
    answer = await call(ctx, repositories.describe_repositories, **fields)
    return [each.name for each in answer.repository_list]


async def kinds(ctx: Context) -> list[str]:
    """The kinds of all audit entries of the default instance."""
    instance = await ctx.instances.find("default")
    async with ctx.database.read() as tx:
        return [entry.action for _, entry in await audit.entries(tx, instance.id, 0, 99)]


class TestByName:
    async def test_a_repository_is_made_described_and_listed(self, ctx: Context, clock: FakeClock) -> None:
        await create(ctx, "library/sub1/sub2/repo", brief_description="short", description="# long")
        clock.turn(seconds=60)
        await call(
            ctx,
            repositories.modify_repository,
            namespace_name="library",
            repository_name="sub1/sub2/repo",
            brief_description="shorter",
            description="",
        )
        (info,) = (await call(ctx, repositories.describe_repositories)).repository_list
        assert (info.name, info.namespace, info.public) == ("library/sub1/sub2/repo", "library", False)
        assert (info.brief_description, info.description) == ("shorter", "")
        assert info.creation_time < info.update_time

    async def test_once(self, ctx: Context) -> None:
        await create(ctx, "library/web")
        with pytest.raises(AlreadyExists, match="library/web"):
            await create(ctx, "library/web")

    async def test_in_a_namespace_that_is_there(self, ctx: Context) -> None:
        with pytest.raises(NamespaceUnknown, match="'nothing'"):
            await create(ctx, "nothing/web")
        with pytest.raises(NameInvalid):
            await create(ctx, "library/")

    @pytest.mark.parametrize(("summary", "description"), [("x" * 101, ""), ("", "x" * 1001)])
    async def test_with_words_that_fit(self, ctx: Context, summary: str, description: str) -> None:
        with pytest.raises(InvalidInput, match="100 characters"):
            await create(ctx, "library/web", brief_description=summary, description=description)
        assert await listed(ctx) == []
        await create(ctx, "library/web", brief_description=summary[:100], description=description[:1000])

    async def test_what_a_push_began_can_be_made_by_name(self, ctx: Context) -> None:
        await push_blob(ctx, await owner_asker(ctx), "library/web", b"layer")
        assert await listed(ctx) == []
        await create(ctx, "library/web", brief_description="now shown")
        assert await listed(ctx) == ["library/web"]

    async def test_lists_are_filtered_and_paged(self, ctx: Context) -> None:
        await call(ctx, namespaces.create_namespace, namespace_name="other")
        names = [f"library/web-{number}" for number in range(5)] + ["other/web-1"]
        for name in names:
            await create(ctx, name)
        assert await listed(ctx) == names
        assert await listed(ctx, namespace_name="other") == ["other/web-1"]
        assert await listed(ctx, repository_name="web-1") == ["library/web-1", "other/web-1"]
        assert await listed(ctx, last="library/web-3") == ["library/web-4", "other/web-1"]
        answer = await call(ctx, repositories.describe_repositories, limit=2)
        assert (len(answer.repository_list), answer.last) == (2, "library/web-1")
        with pytest.raises(NamespaceUnknown):
            await listed(ctx, namespace_name="nothing")

    async def test_lists_have_an_order_and_a_length(self, ctx: Context, clock: FakeClock) -> None:
        for name in ("library/bb", "library/aa", "library/cc"):
            clock.turn(seconds=60)
            await create(ctx, name)
        clock.turn(seconds=60)
        await call(
            ctx,
            repositories.modify_repository,
            namespace_name="library",
            repository_name="bb",
            brief_description="now",
            description="",
        )
        wanted = {
            "name": "aa bb cc",
            "-name": "cc bb aa",
            "creation_time": "bb aa cc",
            "-creation_time": "cc aa bb",
            "update_time": "aa cc bb",
            "-update_time": "bb cc aa",
        }
        for order, names in wanted.items():
            answer = await call(ctx, repositories.describe_repositories, sort_by=order, limit=1, offset=0)
            found = [each.name for each in answer.repository_list]
            assert answer.total_count == 3
            while answer.last:
                answer = await call(ctx, repositories.describe_repositories, sort_by=order, limit=1, last=answer.last)
                found += [each.name for each in answer.repository_list]
            assert found == [f"library/{name}" for name in names.split()], order
        assert await listed(ctx, limit=2, offset=2) == ["library/cc"]
        with pytest.raises(InvalidInput, match="Last"):
            await listed(ctx, sort_by="-update_time", last="library/aa")

    async def test_deletion(self, ctx: Context) -> None:
        await push_image(ctx, await owner_asker(ctx), "library/web", "1", "2")
        where = {"namespace_name": "library", "repository_name": "web"}
        with pytest.raises(NotEmpty, match="ForceDelete"):
            await call(ctx, repositories.delete_repository, **where, force_delete=False)
        await call(ctx, repositories.delete_repository, **where)
        assert await listed(ctx) == []
        for op in (repositories.delete_repository, repositories.modify_repository):
            more = {"brief_description": "", "description": ""} if op is repositories.modify_repository else {}
            with pytest.raises(RepositoryUnknown):
                await call(ctx, op, **where, **more)


class TestByPush:
    async def test_the_first_push_makes_it_and_tells_so_once(self, ctx: Context) -> None:
        owner = await owner_asker(ctx)
        await push_blob(ctx, owner, "library/web", b"layer")
        assert await listed(ctx) == []
        await push_image(ctx, owner, "library/web", "latest")
        await push_image(ctx, owner, "library/web", "other")
        assert await listed(ctx) == ["library/web"]

    async def test_a_missing_namespace_comes_with_its_remedy(self, ctx: Context) -> None:
        with pytest.raises(NamespaceUnknown, match="roadstead namespace create fresh") as caught:
            await push_blob(ctx, await owner_asker(ctx), "fresh/web", b"layer")
        assert caught.value.detail == {"namespace": "fresh", "instance": await registry_id(ctx)}

    async def test_the_owner_may_let_a_push_make_the_namespace(self, ctx: Context) -> None:
        instance = await ctx.instances.find("default")
        async with ctx.database.write() as tx:
            await instances.modify(tx, instance.id, create_namespace_on_push=True)
        await push_image(ctx, await owner_asker(ctx), "fresh/web", "latest")
        assert await listed(ctx) == ["fresh/web"]
        assert "tcr:CreateNamespace" in await kinds(ctx)
        (row,) = (await call(ctx, namespaces.describe_namespaces, namespace_name="fresh")).namespace_list
        assert not row.public

    @pytest.mark.parametrize("name", ["library/web", "fresh/web"])
    async def test_others_push_nowhere(self, ctx: Context, name: str) -> None:
        instance = await ctx.instances.find("default")
        async with ctx.database.write() as tx:
            await instances.modify(tx, instance.id, create_namespace_on_push=True)
        repository = RepositoryName.parse(name)
        with pytest.raises(AccessDenied):
            await layers.begin(ctx, await asker(ctx, await add_sub_account(ctx)), repository, "sha256")
        with pytest.raises(NotAuthenticated):
            await layers.begin(ctx, await asker(ctx), repository, "sha256")
        names = (await call(ctx, namespaces.describe_namespaces)).namespace_list
        assert [each.name for each in names] == ["library"]


class TestCatalog:
    """Only names that the caller could pull are told."""

    async def prepare(self, ctx: Context) -> None:
        await call(ctx, namespaces.create_namespace, namespace_name="open", is_public=True)
        for name in ("library/web", "open/web", "open/api"):
            await create(ctx, name)

    async def with_scopes(self, ctx: Context, scopes: tuple[Scope, ...] | None) -> Asker:
        return await asker(ctx, presented=Presented(CredentialKind.NONE, scopes=scopes))

    async def test_the_owner_sees_all(self, ctx: Context) -> None:
        await self.prepare(ctx)
        owner = await owner_asker(ctx)
        assert await repositories.catalog(ctx, owner, "", 9) == ["library/web", "open/api", "open/web"]
        assert await repositories.catalog(ctx, owner, "library/web", 1) == ["open/api"]

    async def test_nobody_sees_what_is_public_with_a_token_for_it(self, ctx: Context) -> None:
        await self.prepare(ctx)
        names = await repositories.catalog(ctx, await self.with_scopes(ctx, CATALOG), "", 9)
        assert names == ["open/api", "open/web"]
        for scopes in (None, (), (Scope("repository", "open/web", ("pull",)),)):
            with pytest.raises(NotAuthenticated):
                await repositories.catalog(ctx, await self.with_scopes(ctx, scopes), "", 9)

    async def test_nobody_sees_anything_where_nobody_may_pull(self, ctx: Context) -> None:
        await self.prepare(ctx)
        instance = await ctx.instances.find("default")
        async with ctx.database.write() as tx:
            await instances.modify(tx, instance.id, anonymous_access=False)
        assert await repositories.catalog(ctx, await self.with_scopes(ctx, CATALOG), "", 9) == []
        assert len(await repositories.catalog(ctx, await owner_asker(ctx), "", 9)) == 3
