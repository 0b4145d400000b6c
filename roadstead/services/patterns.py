"""Patterns tried out before a rule is made of them: which repositories and tags of the instance they mean now.

Triggers are made of such patterns. Only what the caller may see is looked at, up to a bound, so the answer comes as
quickly as it is typed.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from roadstead.domain.patterns import Condition
from roadstead.errors import NamespaceUnknown, PatternInvalid
from roadstead.metadata import artifacts, namespaces, repositories
from roadstead.metadata.repositories import Repository
from roadstead.services.fields import FullRepositoryName, RegistryId
from roadstead.services.operations import Call, Wire, operation

_LISTED = "tcr:DescribeRepositories"
_LOOKED_AT = 5000
_SHOWN = 20
_TAGS_LOOKED_AT = 500
_TAGS_SHOWN = 6


class TestCondition(Wire, frozen=True, kw_only=True):
    """A condition as triggers have it."""

    registry_id: RegistryId
    namespace: Annotated[str, Meta(description="Only repositories of this namespace; empty: of any.")] = ""
    condition: Annotated[
        str,
        Meta(
            description="`REPOSITORY[:TAG]`, each a pattern; empty and `.*` mean all.", examples=["shop/*:release-*"]
        ),
    ] = ""


class MatchedRepository(Wire, frozen=True, kw_only=True):
    """A repository that the condition means."""

    name: FullRepositoryName
    tags: Annotated[list[str], Meta(description="Some of its tags that are meant, by name.")]


class TestedCondition(Wire, frozen=True, kw_only=True):
    """What the condition means now."""

    repositories: Annotated[list[MatchedRepository], Meta(description="Some of the repositories, by name.")]
    matched: Annotated[int, Meta(description="How many repositories are meant.")]
    looked_at: Annotated[int, Meta(description="How many repositories were looked at, 5,000 at most.")]


@operation(
    resource="repository/{registry_id}/{namespace}/*",
    changes=False,
    filtered=True,
    raises=(PatternInvalid, NamespaceUnknown),
)
async def test_condition(call: Call, request: TestCondition) -> TestedCondition:
    """Say which repositories and tags a trigger's condition means now, of those that the caller may see."""
    condition = Condition.parse(request.condition)
    seen = await _seen(call, request.namespace)
    meant = [row for row in seen if condition.repository.matches(row.name.partition("/")[2])]
    return TestedCondition(
        repositories=[
            MatchedRepository(name=row.name, tags=await _tags(call, row, condition)) for row in meant[:_SHOWN]
        ],
        matched=len(meant),
        looked_at=len(seen),
    )


async def _seen(call: Call, namespace: str) -> list[Repository]:
    """The repositories that the caller may see, of the namespace if one is given."""
    reach, head = call.reach(_LISTED), f"repository/{call.here.registry_id}/"
    namespace_id = None
    if namespace:
        found = await namespaces.get(call.tx, call.here.id, namespace)
        if found is None or not reach.sees_into(head + found.name):
            raise NamespaceUnknown(f"there is no namespace {namespace[:60]!r}")
        namespace_id = found.id
    rows = await repositories.page(
        call.tx,
        call.here.id,
        last="",
        most=_LOOKED_AT,
        namespace_id=namespace_id,
        selection=reach.names(head),
    )
    return [row for row in rows if reach.sees(head + row.name)]


async def _tags(call: Call, row: Repository, condition: Condition) -> list[str]:
    names = await artifacts.tag_names(call.tx, row.id, "", _TAGS_LOOKED_AT)
    return [name for name in names if condition.tag.matches(name)][:_TAGS_SHOWN]
