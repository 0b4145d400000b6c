"""What an account may do, compiled from its policies and remembered until one of them changes.

Each account's row carries a revision that grows with every change of what the account may do: of its policies, its
groups, or the policies of these. Whoever reads the row compares, so a change holds in every process from the next
request on, and a request that finds nothing changed pays for one comparison.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import structlog

from roadstead.domain.policy import EVERYTHING, NOTHING, Rights
from roadstead.domain.policy_documents import ANYTHING, Document, Statement, parse
from roadstead.domain.rights import CompiledRights
from roadstead.errors import PolicyInvalid
from roadstead.metadata import rights
from roadstead.metadata.database import Tx

# What is forgotten is read again at the account's next request.
_ACCOUNTS = 2048
_DENY_ALL = Document((Statement(allows=False, actions=("*",), resources=(ANYTHING,)),))

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class RightsMemory:
    """The compiled rights of the accounts that this process has met."""

    def __init__(self, most: int = _ACCOUNTS) -> None:
        self._most = most
        self._known: OrderedDict[int, tuple[int, Rights]] = OrderedDict()

    async def of(self, tx: Tx, account_id: int, *, owner: bool, revision: int) -> Rights:
        """What the account may do, as of that revision of its row or a later one."""
        if owner:
            return EVERYTHING
        known = self._known.get(account_id)
        if known is not None and known[0] == revision:
            self._known.move_to_end(account_id)
            return known[1]
        found = compiled(await rights.documents(tx, account_id))
        self._known[account_id] = (revision, found)
        self._known.move_to_end(account_id)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return found


def compiled(documents: Iterable[tuple[str, str]]) -> Rights:
    """The rights that named documents give together.

    One that cannot be read (an older or newer release has written it) might be what denies, so it denies everything.
    """
    read = [(name, _document(name, text)) for name, text in documents]
    return CompiledRights(read) if read else NOTHING


def _document(name: str, text: str) -> Document:
    try:
        return parse(text)
    except PolicyInvalid as error:
        _log.error("policy.unreadable", policy=name, problem=error.message)
        return _DENY_ALL
