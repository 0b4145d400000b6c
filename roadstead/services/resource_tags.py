"""Labels of instances and namespaces: written with them or by themselves, and found by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roadstead.errors import InvalidInput, TooManyTags
from roadstead.metadata.resource_tags import Wanted
from roadstead.services.fields import Tag

MOST = 10


def checked(tags: Sequence[Tag]) -> dict[str, str]:
    """The labels by key; raises InvalidInput for a key given twice or too many."""
    found = {tag.key: tag.value for tag in tags}
    if len(found) != len(tags):
        raise InvalidInput("a tag key is given twice")
    if len(found) > MOST:
        raise TooManyTags(f"a resource carries at most {MOST} tags, not {len(found)}")
    return found


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
