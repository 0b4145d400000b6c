"""The audit in the cloud's spelling: how clients of its service cloudaudit ask for entries and find them told.

They say `MaxResults`, `NextToken` and `LookupAttributes`, and read an entry's `EventName` or `Username`. All of it
says once more what this server's own fields say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from roadstead.errors import InvalidInput
from roadstead.services.doers import Attempt
from roadstead.services.operations import Wire

# By which field of the search each attribute narrows.
_SEARCHED = {
    "RequestId": "request_id",
    "EventName": "action",
    "PrincipalId": "user",
    "ResourceName": "resource",
    "SourceIP": "address",
}


class LookupAttribute(Wire, frozen=True, kw_only=True):
    """A condition on entries, as clients of the cloud write it."""

    attribute_key: Annotated[
        str,
        Meta(
            description="`RequestId`, `EventName` (an operation, or an action like `cam:Login`), `PrincipalId` "
            "(number of the account), `ResourceName` or `SourceIP`."
        ),
    ]
    attribute_value: Annotated[str, Meta(description="What it must be.")] = ""


class EventResource(Wire, frozen=True, kw_only=True):
    """To what something was done."""

    resource_type: Annotated[str, Meta(description="Its kind, the first part of its name.")] = ""
    resource_name: Annotated[str, Meta(description="Its name.")] = ""


class CloudEvent(Attempt, frozen=True, kw_only=True):
    """What clients of the cloud read of an entry."""

    event_id: Annotated[str, Meta(description="Id of the entry, as a text.")] = ""
    username: Annotated[str, Meta(description="Name of the account.")] = ""
    event_time: Annotated[str, Meta(description="When it happened, in Unix seconds.")] = ""
    event_name: Annotated[str, Meta(description="What was done, without its service.")] = ""
    event_source: Annotated[str, Meta(description="Of which service that is.")] = ""
    request_number: Annotated[str, Meta(description="Id of the request.")] = msgspec.field(
        default="", name="RequestID"
    )
    source: Annotated[str, Meta(description="Where the request came from.")] = msgspec.field(
        default="", name="SourceIPAddress"
    )
    resources: Annotated[EventResource, Meta(description="To what.")] = EventResource()
    cloud_audit_event: Annotated[str, Meta(description="The whole of it as JSON.")] = ""


# As they stand on the wire; own clients have the same by other names.
NAMES = frozenset(field.encode_name for field in msgspec.structs.fields(CloudEvent)) - {
    field.encode_name for field in msgspec.structs.fields(Attempt)
}


def searched(attributes: Sequence[LookupAttribute]) -> dict[str, str]:
    """The fields of the search that the attributes say; raises InvalidInput for one that none is."""
    found: dict[str, str] = {}
    for each in attributes:
        field = _SEARCHED.get(each.attribute_key)
        if field is None or field in found:
            raise InvalidInput(
                f"LookupAttributes: {each.attribute_key[:40]!r} cannot be looked for, or stands there twice; these "
                f"can, each once: {', '.join(_SEARCHED)}"
            )
        found[field] = _action(each.attribute_value) if field == "action" else each.attribute_value
    return found


def _action(name: str) -> str:
    # The table has this module's operation in it.
    from roadstead.services.cloud_actions import service_of

    return name if ":" in name or not name else f"{service_of(name, '')}:{name}"
