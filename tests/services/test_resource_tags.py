"""Labels by themselves, as clients of the cloud's tag service write and read them."""

from __future__ import annotations

from typing import Any

import pytest

from roadstead.errors import (
    AccessDenied,
    InstanceNotRunning,
    InstanceUnknown,
    InvalidInput,
    NamespaceUnknown,
    TooManyTags,
)
from roadstead.services import registries, resource_tags
from roadstead.services.context import Context
from roadstead.services.operations import run
from roadstead.services.resource_tags import DeletedTag, ReplacedTag
from tests.factories.accounts import registry_id, sub_caller
from tests.factories.instances import ask, create, labels


async def name(ctx: Context, path: str = "instance/{}") -> str:
    return f"qcs::tcr:ap-guangzhou:uin/:{path.format(await registry_id(ctx))}"


async def modify(
    ctx: Context, resource: str, replace: dict[str, str] | None = None, delete: tuple[str, ...] = ()
) -> None:
    replaced = [ReplacedTag(tag_key=key, tag_value=value) for key, value in (replace or {}).items()]
    deleted = [DeletedTag(tag_key=key) for key in delete]
    await ask(ctx, resource_tags.modify_resource_tags, resource=resource, replace_tags=replaced, delete_tags=deleted)


async def described(ctx: Context, prefix: str, *ids: str, **fields: Any) -> list[tuple[str, str, str]]:
    answer = await ask(
        ctx,
        resource_tags.describe_resource_tags_by_resource_ids,
        resource_prefix=prefix,
        resource_ids=list(ids),
        **{"service_type": "tcr", **fields},
    )
    return [(each.resource_id, each.tag_key, each.tag_value) for each in answer.tags]


async def test_labels_of_an_instance_are_added_changed_and_taken_away(ctx: Context) -> None:
    here, whole = await registry_id(ctx), await name(ctx)
    await modify(ctx, whole, {"team": "web", "stage": "live"})
    await modify(ctx, whole, {"team": "shop"}, ("stage", "never"))
    assert await described(ctx, "instance", here, "tcr-nothing") == [(here, "team", "shop")]
    (info,) = (await ask(ctx, registries.describe_instances)).registries
    assert labels(info.tag_specification) == {"team": "shop"}


async def test_labels_of_a_namespace(ctx: Context) -> None:
    here = await registry_id(ctx)
    await modify(ctx, await name(ctx, "repository/{}/library"), {"team": "web"})
    assert await described(ctx, "repository", f"{here}/library", here) == [(f"{here}/library", "team", "web")]
    assert await described(ctx, "instance", here) == []


async def test_an_answer_has_the_form_of_the_tag_service(ctx: Context) -> None:
    here = await registry_id(ctx)
    await modify(ctx, await name(ctx), {f"key-{number}": "v" for number in range(5)})
    op = resource_tags.describe_resource_tags_by_resource_ids
    fields = {"service_type": "tcr", "resource_prefix": "instance", "resource_ids": [here]}
    answer = await ask(ctx, op, **fields, limit=2, offset=2)
    assert [each.tag_key for each in answer.tags] == ["key-2", "key-3"]
    assert (answer.total_count, answer.offset, answer.limit) == (5, 2, 2)
    assert answer.tags[0].tag_value_md5 == "9e3669d19b675bd57058fd4664205d2a"
    rest = await ask(ctx, op, **fields, limit=9, last=answer.last)
    assert [each.tag_key for each in rest.tags] == ["key-4"]


async def test_what_is_not_labelled_here_has_no_labels(ctx: Context) -> None:
    here = await registry_id(ctx)
    await modify(ctx, await name(ctx), {"team": "web"})
    assert await described(ctx, "instance", here, service_type="cvm") == []
    assert await described(ctx, "webhookTrigger", here) == []


@pytest.mark.parametrize(
    "resource",
    ["", "tcr-1", "qcs::cvm:ap-guangzhou:uin/1:instance/ins-1", "qcs::tcr:ap-guangzhou:uin/1:bucket/x"],
)
async def test_a_name_that_means_nothing(ctx: Context, resource: str) -> None:
    with pytest.raises(InvalidInput, match="instance/ID"):
        await modify(ctx, resource, {"team": "web"})


async def test_what_cannot_be_labelled(ctx: Context) -> None:
    with pytest.raises(InstanceUnknown):
        await modify(ctx, "qcs::tcr::uin/:instance/tcr-nothing", {"team": "web"})
    with pytest.raises(InstanceUnknown):
        await modify(ctx, await name(ctx, "instance/{}/library"), {"team": "web"})
    with pytest.raises(NamespaceUnknown):
        await modify(ctx, await name(ctx, "repository/{}/nothing"), {"team": "web"})
    second = await create(ctx)
    with pytest.raises(InstanceNotRunning):
        await modify(ctx, f"qcs::tcr::uin/:instance/{second}", {"team": "web"})


async def test_limits(ctx: Context) -> None:
    whole = await name(ctx)
    await modify(ctx, whole, {f"key-{number}": "" for number in range(10)})
    with pytest.raises(TooManyTags):
        await modify(ctx, whole, {"one-more": ""})
    await modify(ctx, whole, {"one-more": ""}, ("key-0",))
    with pytest.raises(InvalidInput, match="both"):
        await modify(ctx, whole, {"key-1": ""}, ("key-1",))
    with pytest.raises(InvalidInput, match="must name"):
        await modify(ctx, whole)


async def test_others_neither_label_nor_see(ctx: Context) -> None:
    here = await registry_id(ctx)
    await modify(ctx, await name(ctx), {"team": "web"})
    caller = await sub_caller(ctx)
    request = resource_tags.ModifyResourceTags(
        resource=await name(ctx), replace_tags=[ReplacedTag(tag_key="mine", tag_value="")]
    )
    with pytest.raises(AccessDenied):
        await run(ctx, caller, resource_tags.modify_resource_tags, request)
    op = resource_tags.describe_resource_tags_by_resource_ids
    asked = op.request(service_type="tcr", resource_prefix="instance", resource_ids=[here])
    assert (await run(ctx, caller, op, asked)).tags == []
