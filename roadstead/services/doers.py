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


Entry = TypeVar("Entry", bound=DoneBy)


async def named(tx: Tx, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, with the names of who did it."""
    names = await accounts.names(tx, {each.user for each in entries}) if entries else {}
    return [msgspec.structs.replace(each, user_name=names.get(each.user, "")) for each in entries]
