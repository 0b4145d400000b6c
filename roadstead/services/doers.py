"""Who did something, for answers that tell of it: the account's number, which stays, and the name that it has now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from roadstead.metadata import accounts
from roadstead.metadata.database import Tx
from roadstead.services.operations import Wire


class DoneBy(Wire, frozen=True, kw_only=True):
    """By whom."""

    user: Annotated[str, Meta(description="Number of the account; `anonymous` when nobody was logged in.")]
    user_name: Annotated[str, Meta(description="Its name as it is now; empty when there is no such account.")] = ""


class Attempt(DoneBy, frozen=True, kw_only=True):
    """Who has done or tried what, when and from where."""

    time: Annotated[str, Meta(description="When it happened, RFC 3339.")]
    address: Annotated[str, Meta(description="Where the request came from.")]
    door: Annotated[
        str, Meta(description="By which door: `registry`, `token`, `actions`, `api`, `command` or `worker`.")
    ]
    registry_id: Annotated[str, Meta(description="Id of the instance; empty when none was meant.")]
    action: Annotated[str, Meta(description="What was done or asked for.")]
    resource: Annotated[str, Meta(description="To what.")]


Entry = TypeVar("Entry", bound=DoneBy)


async def named(tx: Tx, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, with the names of who did it."""
    names = await accounts.names(tx, {each.user for each in entries}) if entries else {}
    return [msgspec.structs.replace(each, user_name=names.get(each.user, "")) for each in entries]
