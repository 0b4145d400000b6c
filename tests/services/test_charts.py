"""Operations on charts: what lists and details say, what two versions differ in, what a deletion takes with it."""

from __future__ import annotations

import json

import httpx2
import pytest

from roadstead.errors import AccessDenied, ChartInvalid, ChartUnknown
from roadstead.services import (
    chart_contents,
    chart_downloads,
    charts,
    copies,
    namespaces,
    repositories,
    tags,
    trigger_log,
    triggers,
)
from roadstead.services.context import Context
from roadstead.services.triggers import WebhookTarget, WebhookTrigger
from tests.factories.accounts import owner_asker, sub_caller
from tests.factories.asgi import open_client
from tests.factories.calls import call, call_as
from tests.factories.charts import chart, upload_chart
from tests.factories.pushes import push_image
from tests.jobs.bench import FakeClock

PLACE = {"namespace_name": "library", "chart_name": "demo"}
OLD = chart(
    version="1.9.0",
    appVersion="4",
    files={
        "templates/a.yaml": "a: 1\n",
        "templates/gone.yaml": "x\n",
        "README.md": "# Demo",
        "logo.png": b"\x89\xff",
    },
)
NEW = chart(
    version="1.10.0",
    appVersion="5",
    description="A demo",
    maintainers=[{"name": "Ann"}],
    dependencies=[{"name": "redis", "version": "^1", "repository": "https://example.org"}],
    files={"templates/a.yaml": "a: 2\n", "values.yaml": "replicas: 2\n", "values.schema.json": "{}"},
)


@pytest.fixture
async def stocked(ctx: Context) -> Context:
    """Two versions and a pre-release of library/demo, and library/team/demo."""
    asker = await owner_asker(ctx)
    for archive in (OLD, NEW, chart(version="2.0.0-rc.1")):
        await upload_chart(ctx, asker, "library", archive)
    await upload_chart(ctx, asker, "library/team", chart(deprecated=True))
    return ctx


async def test_charts_are_listed_with_their_newest_version(stocked: Context) -> None:
    found = await call(stocked, charts.describe_helm_charts)
    assert [(each.name, each.latest_version, each.version_count) for each in found.chart_list] == [
        ("demo", "1.10.0", 3),
        ("team/demo", "0.1.0", 1),
    ]
    assert (found.total_count, found.chart_list[0].app_version, found.chart_list[1].deprecated) == (2, "5", True)
    first = await call(stocked, charts.describe_helm_charts, limit=1)
    second = await call(stocked, charts.describe_helm_charts, limit=1, last=first.last)
    assert [each.name for each in second.chart_list] == ["team/demo"]
    assert not (await call(stocked, charts.describe_helm_charts, chart_name="none")).chart_list
    assert (await call(stocked, charts.describe_helm_charts, namespace_name="library", chart_name="team")).total_count


async def test_versions_come_in_their_order_by_pages(stocked: Context) -> None:
    found = await call(stocked, charts.describe_helm_chart_versions, **PLACE, limit=2)
    assert [each.version for each in found.version_list] == ["2.0.0-rc.1", "1.10.0"]
    assert (found.total_count, found.version_list[0].prerelease, found.version_list[1].signed) == (3, True, False)
    rest = await call(stocked, charts.describe_helm_chart_versions, **PLACE, limit=2, last=found.last)
    assert [(each.version, each.app_version) for each in rest.version_list] == [("1.9.0", "4")]


async def test_a_version_shows_what_is_in_it(stocked: Context) -> None:
    found = await call(stocked, chart_contents.describe_helm_chart_version, **PLACE, chart_version="1.10.0")
    assert (found.version.app_version, found.type, found.api_version) == ("5", "application", "v2")
    assert (found.values, found.values_schema, found.readme) == ("replicas: 2\n", "{}", "")
    assert [each.name for each in found.maintainers] == ["Ann"]
    assert [(each.name, each.version) for each in found.dependencies] == [("redis", "^1")]
    assert [each.path for each in found.files] == [
        *("Chart.yaml", "templates/a.yaml", "values.schema.json", "values.yaml"),
    ]
    oci, repository = found.install
    assert "oci://" in oci.commands[-1] and "--version 1.10.0" in oci.commands[-1]
    assert "/chartrepo/library " in repository.commands[0]


async def test_files_are_text_or_base64(stocked: Context) -> None:
    async def file(path: str) -> tuple[str, str]:
        op = chart_contents.describe_helm_chart_file
        found = await call(stocked, op, **PLACE, chart_version="1.9.0", path=path)
        return found.encoding, found.content

    assert await file("templates/a.yaml") == ("text", "a: 1\n")
    assert await file("logo.png") == ("base64", "if8=")
    with pytest.raises(ChartUnknown, match="no file"):
        await file("templates/none.yaml")


async def test_two_versions_are_compared(stocked: Context) -> None:
    op = chart_contents.describe_helm_chart_difference
    found = await call(stocked, op, **PLACE, chart_version="1.9.0", other_version="1.10.0")
    assert {each.path: each.change for each in found.files} == {
        "Chart.yaml": "changed",
        "templates/a.yaml": "changed",
        "templates/gone.yaml": "removed",
        "values.schema.json": "added",
        "values.yaml": "changed",
    }
    differences = {each.path: each.difference for each in found.files}
    assert "-a: 1\n+a: 2\n" in differences["templates/a.yaml"]
    assert "\\ No newline at end of file" in differences["values.schema.json"]
    same = await call(stocked, op, **PLACE, chart_version="1.9.0", other_version="1.9.0")
    assert same.files == []


@pytest.mark.parametrize("fields", [{"chart_name": "none"}, {"chart_version": "9.9.9"}, {"other_version": "9.9.9"}])
async def test_what_is_not_there_is_said(stocked: Context, fields: dict[str, str]) -> None:
    asked = {**PLACE, "chart_version": "1.9.0", "other_version": "1.9.0", **fields}
    with pytest.raises(ChartUnknown):
        await call(stocked, chart_contents.describe_helm_chart_difference, **asked)


async def test_deleting_a_chart_takes_its_repository_when_nothing_else_is_in_it(stocked: Context) -> None:
    with pytest.raises(ChartUnknown):
        await call(stocked, charts.delete_helm_chart, **PLACE, chart_versions=["1.9.0", "9.9.9"])
    await call(stocked, charts.delete_helm_chart, **PLACE, chart_versions=["1.9.0", "2.0.0-rc.1"])
    left = await call(stocked, tags.describe_images, namespace_name="library", repository_name="demo")
    assert [each.image_version for each in left.image_info_list] == ["1.10.0"]
    await push_image(stocked, await owner_asker(stocked), "library/demo", "latest")
    await call(stocked, charts.delete_helm_chart, **PLACE)
    left = await call(stocked, tags.describe_images, namespace_name="library", repository_name="demo")
    assert [each.image_version for each in left.image_info_list] == ["latest"]
    await call(stocked, charts.delete_helm_chart, namespace_name="library", chart_name="team/demo")
    names = [each.name for each in (await call(stocked, repositories.describe_repositories)).repository_list]
    assert names == ["library/demo"]


async def test_a_repository_deleted_takes_its_chart_with_it(stocked: Context) -> None:
    await call(stocked, repositories.delete_repository, namespace_name="library", repository_name="demo")
    assert (await call(stocked, charts.describe_helm_charts)).total_count == 1
    instance = await stocked.instances.find(stocked.settings.default_instance)
    document = await stocked.charts.get(stocked.database, instance.id, "library", None)
    assert b'"entries":{}' in document.plain


async def test_a_namespace_that_is_made_anew_has_an_index_of_its_own(ctx: Context) -> None:
    instance = await ctx.instances.find(ctx.settings.default_instance)

    async def index() -> bytes:
        return (await ctx.charts.get(ctx.database, instance.id, "fresh", None)).plain

    for version in ("1.0.0", "2.0.0"):
        await call(ctx, namespaces.create_namespace, namespace_name="fresh", is_public=False)
        empty = await index()
        await upload_chart(ctx, await owner_asker(ctx), "fresh", chart(version=version))
        assert version.encode() in await index()
        await call(ctx, charts.delete_helm_chart, namespace_name="fresh", chart_name="demo")
        await call(ctx, namespaces.delete_namespace, namespace_name="fresh")
        assert await index() == empty


async def test_a_copied_chart_is_a_chart_under_its_own_name_only(stocked: Context) -> None:
    source = {"source_namespace": "library", "source_repo": "demo", "source_reference": "1.9.0"}
    await call(stocked, copies.duplicate_image, **source, destination_repo="prod/demo", destination_tag="1.9.0")
    await call(stocked, copies.duplicate_image, **source, destination_repo="prod/demo", destination_tag="stable")
    found = await call(stocked, charts.describe_helm_charts, chart_name="prod")
    assert [(each.name, each.version_count) for each in found.chart_list] == [("prod/demo", 1)]
    with pytest.raises(ChartInvalid, match="named 'demo'"):
        await call(stocked, copies.duplicate_image, **source, destination_repo="other", destination_tag="1.9.0")


async def test_lists_of_images_can_leave_charts_out(stocked: Context) -> None:
    await push_image(stocked, await owner_asker(stocked), "library/demo", "latest")
    await push_image(stocked, await owner_asker(stocked), "library/web", "latest")

    async def repositories_of(kind: str) -> list[str]:
        found = await call(stocked, repositories.describe_repositories, resource_type=kind)
        assert found.total_count == len(found.repository_list)
        return [each.name for each in found.repository_list]

    async def tags_of(kind: str) -> list[str]:
        place = {"namespace_name": "library", "repository_name": "demo"}
        found = await call(stocked, tags.describe_images, **place, resource_type=kind)
        assert found.total_count == len(found.image_info_list)
        return [each.image_version for each in found.image_info_list]

    assert await repositories_of("") == ["library/demo", "library/team/demo", "library/web"]
    assert await repositories_of("image") == ["library/demo", "library/web"]
    assert await repositories_of("chart") == ["library/demo", "library/team/demo"]
    assert await tags_of("image") == ["latest"]
    assert await tags_of("chart") == ["1.10.0", "1.9.0", "2.0.0-rc.1"]


async def test_an_address_or_credentials_open_one_chart_for_a_while(stocked: Context, clock: FakeClock) -> None:
    made = await call(stocked, chart_downloads.describe_chart_download_info, **PLACE, chart_version="1.9.0")
    path = made.pre_signed_download_url.partition("/chartrepo/")[2]
    given = await call(stocked, chart_downloads.download_helm_chart, **PLACE, chart_version="1.9.0")
    assert given.path == "library/demo-1.9.0.tgz"
    async with open_client(stocked) as client:
        assert (await client.get(f"/chartrepo/{path}")).content == OLD
        other = path.replace("library/charts/demo-1.9.0", "library/team/charts/demo-0.1.0")
        assert (await client.get(f"/chartrepo/{other}")).status_code == 401
        assert (await client.get("/chartrepo/library/charts/demo-1.9.0.tgz")).status_code == 401
        client.auth = httpx2.BasicAuth(given.tmp_secret_id, given.tmp_secret_key)
        assert (await client.get("/chartrepo/library/charts/demo-1.9.0.tgz")).content == OLD
        assert (await client.get("/chartrepo/library/team/charts/demo-0.1.0.tgz")).status_code == 401
        assert (await client.post("/api/chartrepo/library/charts", content=OLD)).status_code in {401, 403}
        client.auth = None
        clock.turn(hours=2)
        assert (await client.get(f"/chartrepo/{path}")).status_code == 401
    with pytest.raises(AccessDenied):
        await call_as(
            stocked,
            await sub_caller(stocked),
            chart_downloads.describe_chart_download_info,
            **PLACE,
            chart_version="1.9.0",
        )


async def test_triggers_hear_of_charts_and_of_nothing_else(ctx: Context) -> None:
    kinds = ["pushImage", "pullImage", "deleteImage", "uploadChart", "downloadChart", "deleteChart"]
    hook = WebhookTrigger(
        name="all",
        targets=[WebhookTarget(address="http://127.0.0.1:9/")],
        event_types=kinds,
        condition="",
        enabled=True,
    )
    await call(ctx, triggers.create_webhook_trigger, namespace="library", trigger=hook)
    archive = chart("demo", "1.0.0+b")
    await upload_chart(ctx, await owner_asker(ctx), "library/team", archive)
    async with open_client(ctx, login=True) as client:
        assert (await client.get("/chartrepo/library/team/charts/demo-1.0.0+b.tgz")).content == archive
        tag = "/v2/library/team/demo/manifests/1.0.0_b"
        assert (await client.get(tag)).status_code == 200
        await ctx.pulls.write_down(ctx)
        assert (await client.delete(tag)).status_code == 202
    log = await call(ctx, trigger_log.describe_webhook_trigger_log, namespace="library")
    told = [json.loads(entry.detail) for entry in reversed(log.logs)]
    assert [each["type"] for each in told] == ["uploadChart", "downloadChart", "downloadChart", "deleteChart"]
    for each in told:
        [resource] = each["event_data"]["resources"]
        assert resource["tag"] == "1.0.0+b"
        assert resource["resource_url"].endswith("/chartrepo/library/team/charts/demo-1.0.0+b.tgz")
        assert each["event_data"]["repository"]["repo_full_name"] == "library/team/demo"
