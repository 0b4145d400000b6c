"""Labels of instances and namespaces: written with them or by themselves, and found by them.

Beside the registry service's own actions, clients such as Terraform use two of the cloud's tag service, which names a
resource by its full name, `qcs::tcr:REGION:uin/OWNER:instance/ID` or `…:repository/ID/NAMESPACE`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.errors import InstanceUnknown, InvalidInput, NamespaceUnknown, NotFound, TooManyTags
from roadstead.metadata import instances, namespaces, resource_tags
from roadstead.metadata.instances import Instance
from roadstead.metadata.resource_tags import Wanted
from roadstead.services.fields import Tag
from roadstead.services.instances import not_running
from roadstead.services.operations import Call, Done, PageAnswer, PageRequest, Wire, operation
from roadstead.services.policies import decide, refusal

MOST = 10
_NAME = re.compile(r"qcs:[^:]*:tcr:[^:]*:(?:uin/[0-9]*)?:(?P<path>(?:instance|repository)/[^:]+)")
_MODIFY = "tag:ModifyResourceTags"
_DESCRIBE = "tag:DescribeResourceTagsByResourceIds"


def checked(tags: Sequence[Tag]) -> dict[str, str]:
    """The labels by key; raises InvalidInput for a key given twice, TooManyTags for too many."""
    found = {tag.key: tag.value for tag in tags}
    if len(found) != len(tags):
        raise InvalidInput("a tag key is given twice")
    check_number(len(found))
    return found


def check_number(count: int) -> None:
    """Returns when a resource can carry so many labels; raises TooManyTags."""
    if count > MOST:
        raise TooManyTags(f"a resource carries at most {MOST} tags, not {count}")


def labels(carried: Mapping[str, str]) -> list[Tag]:
    """The labels as answers show them."""
    return [Tag(key=key, value=value) for key, value in carried.items()]


def wanted(values: Sequence[str]) -> list[Wanted]:
    """The labels that the values of a filter `Tags` mean: `key:value`, or `key` for any value."""
    found: list[Wanted] = []
    for value in values:
        key, colon, text = value.partition(":")
        found.append((key, text if colon else None))
    return found


class ReplacedTag(Wire, frozen=True, kw_only=True):
    """A label that the resource shall carry."""

    tag_key: Annotated[str, Meta(description="Key of the label.", min_length=1, max_length=127)]
    tag_value: Annotated[str, Meta(description="Value of the label.", max_length=255)] = ""


class DeletedTag(Wire, frozen=True, kw_only=True):
    """A label that the resource shall carry no longer."""

    tag_key: Annotated[str, Meta(description="Key of the label.", max_length=127)]


class ModifyResourceTags(Wire, frozen=True, kw_only=True):
    """Which labels which resource shall carry from now on; the others stay."""

    resource: Annotated[
        str,
        Meta(
            description="Full name of an instance or a namespace.",
            examples=["qcs::tcr:ap-guangzhou:uin/:instance/tcr-3k9d2m7x"],
        ),
    ]
    replace_tags: Annotated[
        list[ReplacedTag], Meta(description="Labels to add, or to give another value.", max_length=MOST)
    ] = msgspec.field(default_factory=list)
    delete_tags: Annotated[list[DeletedTag], Meta(description="Labels to take away.", max_length=MOST)] = (
        msgspec.field(default_factory=list)
    )


class DescribeResourceTagsByResourceIds(PageRequest, frozen=True, kw_only=True):
    """Whose labels."""

    service_type: Annotated[str, Meta(description="Service of the resources; here `tcr`.")]
    resource_prefix: Annotated[str, Meta(description="`instance`, or `repository` for namespaces.")]
    resource_ids: Annotated[
        list[str], Meta(description="Ids of instances, or `ID/NAMESPACE` for namespaces.", max_length=50)
    ]
    resource_region: Annotated[str, Meta(description="Their region; it is not compared.")] = ""


class ResourceTag(Wire, frozen=True, kw_only=True):
    """One label of one resource."""

    tag_key: Annotated[str, Meta(description="Key of the label.")]
    tag_value: Annotated[str, Meta(description="Value of the label.")]
    resource_id: Annotated[str, Meta(description="The resource, as it was asked for.")]
    tag_key_md5: Annotated[str, Meta(description="MD5 of the key, in hexadecimal.")]
    tag_value_md5: Annotated[str, Meta(description="MD5 of the value, in hexadecimal.")]
    service_type: Annotated[str, Meta(description="Service of the resource.")] = "tcr"


class ResourceTagPage(PageAnswer, frozen=True, kw_only=True):
    """A page of labels."""

    offset: Annotated[int, Meta(description="How many were skipped.")]
    limit: Annotated[int, Meta(description="How many there may be on the page.")]
    tags: Annotated[list[ResourceTag], Meta(description="The labels, by resource and key.")]


@operation(
    resource="instance/*",
    changes=True,
    filtered=True,
    service="tag",
    raises=(InvalidInput, TooManyTags, InstanceUnknown, NamespaceUnknown),
)
async def modify_resource_tags(call: Call, request: ModifyResourceTags) -> Done:
    """Change the labels of an instance or a namespace."""
    found = _NAME.fullmatch(request.resource)
    if found is None:
        raise InvalidInput(
            f"{request.resource[:120]!r} names no instance or namespace of the registry: write it as "
            "qcs::tcr:REGION:uin/OWNER:instance/ID or qcs::tcr:REGION:uin/OWNER:repository/ID/NAMESPACE"
        )
    row = await _labelled(call, found["path"])
    decision = decide(call.caller, _MODIFY, row, found["path"], now=call.now)
    if not decision.allowed:
        raise refusal(call.caller, _MODIFY, found["path"], decision)
    if not row.running:
        raise not_running(row)
    given = checked([Tag(key=each.tag_key, value=each.tag_value) for each in request.replace_tags])
    gone = {each.tag_key for each in request.delete_tags}
    if not given and not gone:
        raise InvalidInput("one of ReplaceTags and DeleteTags must name a label")
    if gone & given.keys():
        raise InvalidInput(f"{sorted(gone & given.keys())[0]!r} is in both ReplaceTags and DeleteTags")
    carried = (await resource_tags.of(call.tx, [found["path"]])).get(found["path"], {})
    check_number(len((carried.keys() | given.keys()) - gone))
    await resource_tags.remove(call.tx, found["path"], sorted(gone))
    await resource_tags.put(call.tx, found["path"], given)
    return Done()


async def _labelled(call: Call, path: str) -> Instance:
    """The instance that the path names, or that its namespace is in; raises InstanceUnknown or NamespaceUnknown."""
    kind, registry_id, *rest = path.split("/")
    row = await instances.get(call.tx, registry_id=registry_id)
    if row is None or (kind == "instance" and rest):
        raise InstanceUnknown(f"there is no instance {path.partition('/')[2][:60]!r}")
    if kind == "repository":
        name = "/".join(rest)
        if await namespaces.get(call.tx, row.id, name) is None:
            raise NamespaceUnknown(f"there is no namespace {name[:60]!r} in instance {row.name!r}")
    return row


@operation(resource="instance/*", changes=False, filtered=True, paging="record", service="tag")
async def describe_resource_tags_by_resource_ids(
    call: Call, request: DescribeResourceTagsByResourceIds
) -> ResourceTagPage:
    """List the labels of instances or namespaces, those that the caller may see."""
    which = call.slice(request)
    known = request.service_type == "tcr" and request.resource_prefix in {"instance", "repository"}
    paths = [f"{request.resource_prefix}/{each}" for each in dict.fromkeys(request.resource_ids)] if known else []
    carried = await resource_tags.of(call.tx, [path for path in paths if await _may_see(call, path)])
    every = [(path, key, value) for path, found in carried.items() for key, value in found.items()]
    after = [each for each in every if f"{each[0]} {each[1]}" > which.last]
    shown = after[which.skip : which.skip + which.most]
    return ResourceTagPage(
        total_count=len(every),
        offset=which.skip,
        limit=which.most,
        tags=[_tag(path.partition("/")[2], key, value) for path, key, value in shown],
        last=which.next([f"{path} {key}" for path, key, _ in shown]),
    )


async def _may_see(call: Call, path: str) -> bool:
    try:
        row = await _labelled(call, path)
    except NotFound:
        return False
    return decide(call.caller, _DESCRIBE, row, path, now=call.now).allowed


def _tag(resource_id: str, key: str, value: str) -> ResourceTag:
    return ResourceTag(
        tag_key=key,
        tag_value=value,
        resource_id=resource_id,
        tag_key_md5=_md5(key),
        tag_value_md5=_md5(value),
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
