"""Fields that many requests and answers share: type, limits, description and example once, for every door."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from roadstead.errors import InvalidInput
from roadstead.services.operations import Wire

RegistryId = Annotated[
    str,
    Meta(description="Id of the instance, `tcr-` and eight letters and digits.", examples=["tcr-3k9d2m7x"]),
]
RegistryName = Annotated[
    str,
    Meta(
        description="Name of the instance and first label of its host name: 5 to 50 lower-case letters, digits and "
        "`-`, a letter or digit at both ends. It is unique over all instances and never changes."
    ),
]
Specification = Annotated[
    Literal["basic", "standard", "premium"],
    Meta(description="Specification of the instance, on which its limits depend."),
]
NamespaceName = Annotated[
    str,
    Meta(
        description="Name of the namespace: 2 to 30 lower-case letters, digits and the separators `.` `_` `-`, none "
        "of them at an end or beside another.",
        examples=["prod"],
    ),
]
RepositoryPath = Annotated[
    str,
    Meta(
        description="Name of the repository without its namespace; it may hold slashes.", examples=["shop/frontend"]
    ),
]
TagName = Annotated[str, Meta(description="The tag.", max_length=128, examples=["1.2.3"])]
ManifestDigest = Annotated[
    str,
    Meta(
        description="Digest of the manifest, `sha256:…` or `sha512:…`.",
        examples=["sha256:4c16f41d1c0ee40bdb3fff7c6c4ae71fdc0e4a1b9e2c3aee36bd55f0b36bd3bb"],
    ),
]
Cidr = Annotated[
    str,
    Meta(description="An IPv4 or IPv6 address or CIDR.", examples=["192.0.2.0/24"]),
]
FullRepositoryName = Annotated[str, Meta(description="Full name of the repository, `namespace/name`.")]
Summary = Annotated[str, Meta(description="One line on what it holds, up to 100 characters.")]
Description = Annotated[str, Meta(description="What it holds, in Markdown, up to 1,000 characters.")]
ResourceKind = Annotated[
    Literal["", "image", "chart"],
    Meta(description="`image` or `chart`: only what is, or holds, one; empty: both."),
]
MediaType = Annotated[str, Meta(description="Media type.")]
Bytes = Annotated[int, Meta(description="Number of bytes.")]
CreatedAt = Annotated[datetime, Meta(description="When it was created.")]
UpdatedAt = Annotated[datetime, Meta(description="When it was last changed.")]
PullCount = Annotated[int, Meta(description="How often it was pulled.")]
LastPullTime = Annotated[datetime | None, Meta(description="When it was last pulled; null when it never was.")]
_Seconds = Annotated[int, Meta(ge=0, le=253_402_300_799)]
StartTime = Annotated[_Seconds | None, Meta(description="Unix time in seconds.")]
EndTime = Annotated[_Seconds | None, Meta(description="Unix time in seconds, not included.")]
TargetUin = Annotated[int, Meta(description="Number of the account; left out: the caller's own.", ge=1)]
UserName = Annotated[
    str,
    Meta(
        description="Name of the user: 1 to 64 letters, digits and `+ = , . @ _ -`, not digits alone.",
        min_length=1,
        max_length=64,
        pattern="^[A-Za-z0-9+=,.@_-]*$",
        examples=["alice"],
    ),
]
Password = Annotated[
    str,
    Meta(
        description="A password: 8 to 128 characters with an upper-case and a lower-case letter, a digit and a "
        "special character.",
        extra={"secret": True},
        extra_json_schema={"format": "password"},
    ),
]
Uin = Annotated[int, Meta(description="Number of the account.")]

PolicyId = Annotated[int, Meta(description="Number of the policy.", ge=1)]
PolicyName = Annotated[
    str,
    Meta(
        description="Name of the policy: 1 to 128 letters, digits and `+ = , . @ _ -`.",
        min_length=1,
        max_length=128,
        pattern="^[A-Za-z0-9+=,.@_-]*$",
    ),
]
PolicyText = Annotated[str, Meta(description="What the policy is for, up to 300 characters.", max_length=300)]
PolicyDocument = Annotated[str, Meta(description="The policy as JSON in CAM form.")]
VersionId = Annotated[int, Meta(description="Number of the policy's version.", ge=1)]
GroupId = Annotated[int, Meta(description="Number of the group.", ge=1)]
GroupName = Annotated[str, Meta(description="Name of the group, 1 to 64 characters.", min_length=1, max_length=64)]
GroupRemark = Annotated[str, Meta(description="What the group is for, up to 200 characters.", max_length=200)]
AccountUin = Annotated[int, Meta(description="Number of the account.", ge=1)]
# Such a page times the longest length is still a number that a database takes.
PageNumber = Annotated[int, Meta(description="Which page, from 1, as clients of CAM ask.", ge=1, le=2_147_483_647)]
PageLength = Annotated[int, Meta(description="Entries of a page, as clients of CAM ask.", ge=1)]
TotalNum = Annotated[int, Meta(description="Entries of the whole list; null on pages asked for by Last.")]


class Filter(Wire, frozen=True, kw_only=True):
    """A condition on the entries of a list."""

    name: Annotated[str, Meta(description="What is compared, for example `Tags` or `RegistryName`.")]
    values: Annotated[
        list[str],
        Meta(description="Values of which one must hold; for `Tags` written `key:value`, or `key` for any value."),
    ]


class KeyValueString(Wire, frozen=True, kw_only=True):
    """A key with its value."""

    key: Annotated[str, Meta(description="The key.")]
    value: Annotated[str, Meta(description="The value; yes and no are `true` and `false`.")]


class Tag(Wire, frozen=True, kw_only=True):
    """A label of a resource."""

    key: Annotated[str, Meta(description="Key of the label, 1 to 127 characters.", min_length=1, max_length=127)]
    value: Annotated[str, Meta(description="Value of the label, up to 255 characters.", max_length=255)] = ""


class TagSpecification(Wire, frozen=True, kw_only=True):
    """The labels of a resource."""

    resource_type: Annotated[
        Literal["instance", "namespace"], Meta(description="What is labelled: an instance or a namespace.")
    ] = "instance"
    tags: Annotated[list[Tag], Meta(description="The labels, at most 10, each key once.")] = msgspec.field(
        default_factory=list
    )


Labels = Annotated[TagSpecification, Meta(description="The labels that it carries.")]
NewLabels = Annotated[
    TagSpecification | None, Meta(description="The labels that it shall carry instead of those that it has.")
]
Filters = Annotated[list[Filter], Meta(description="Conditions that all must hold.")]


def moment(seconds: int | None) -> datetime | None:
    """The time that a request names in Unix seconds; None when it names none."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def filter_values(filters: Sequence[Filter], known: Collection[str]) -> dict[str, list[str]]:
    """The values of each filter by its name; raises InvalidInput for a name that the list does not know."""
    found: dict[str, list[str]] = {}
    for each in filters:
        if each.name not in known:
            raise InvalidInput(f"there is no filter {each.name[:40]!r} here; known are: {', '.join(sorted(known))}")
        found.setdefault(each.name, []).extend(each.values)
    return found
