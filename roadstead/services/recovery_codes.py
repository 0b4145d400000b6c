"""Recovery codes: each stands in once for a code of the second factor, for somebody whose app is lost.

They are made when a second factor is confirmed, and anew whenever the account asks; then the earlier ones end. Each
has 79 random bits, so its hash need not be a slow one.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from roadstead.metadata import recovery_codes
from roadstead.metadata.database import Tx
from roadstead.services.operations import Wire
from roadstead.services.secrets import random_letters, secret_hash

COUNT = 10
# Without those that look alike on paper.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_PARTS, _PART = 4, 4


class RecoveryCodes(Wire, frozen=True, kw_only=True):
    """The account's recovery codes, shown this once."""

    recovery_codes: Annotated[
        list[str], Meta(description="Each is taken once in place of a code of the second factor.")
    ]


async def renew(tx: Tx, account_id: int) -> RecoveryCodes:
    """The account has new codes; whatever it had before counts no more."""
    made = ["-".join(random_letters(_LETTERS, _PART) for _ in range(_PARTS)) for _ in range(COUNT)]
    await recovery_codes.replace(tx, account_id, [_hash(code) for code in made])
    return RecoveryCodes(recovery_codes=made)


async def take(tx: Tx, account_id: int, typed: str) -> bool:
    """Whether this was a code of the account; it is none any more."""
    code = _plain(typed)
    return len(code) == _PARTS * _PART and await recovery_codes.take(tx, account_id, _hash(code))


def _plain(typed: str) -> str:
    """The code without what people leave out or add when they type it."""
    return typed.replace("-", "").replace(" ", "").lower()


def _hash(code: str) -> str:
    return secret_hash(_plain(code))
