"""Checking passwords: slow on purpose, so beside the event loop, few at once, and only once for each that is right.

A password that a machine sends with every request would cost a tenth of a second each time. What was found right is
remembered in the process: under the stored hash, the fast hash of the password. A changed password has another stored
hash, so nothing that is remembered outlives a change.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict

from roadstead.errors import TooManyRequests
from roadstead.services.secrets import password_hash, password_holds, secret_hash

_AT_ONCE = 2
_MOST_WAITING = 64
_REMEMBERED = 4096
# Of a password that nobody knows: checking it takes as long as checking that of an account that exists.
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$ZmlmdGVlbi1zYWx0cy1sZWZ0$VPxkFBxgjPmV5Xgz7oSyGz8PqBlWRqHL2r2Dc5eyJ0w"


class Passwords:
    """The passwords that this process checks."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._right: OrderedDict[str, str] = OrderedDict()

    async def hash(self, password: str) -> str:
        """The hash under which the password is kept."""
        async with self._turns:
            return await asyncio.to_thread(password_hash, password)

    async def holds(self, hashed: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed; it takes as long, and is never so, when there is none.

        Raises TooManyRequests when too many are waiting to be checked.
        """
        given = secret_hash(password)
        known = self._right.get(hashed or "")
        if hashed and known is not None and hmac.compare_digest(known, given):
            self._right.move_to_end(hashed)
            return True
        if self._waiting >= _MOST_WAITING:
            raise TooManyRequests("limit: too many logins are being checked; try again", retry_after=1)
        self._waiting += 1
        try:
            async with self._turns:
                right = await asyncio.to_thread(password_holds, hashed or _NOBODYS, password)
        finally:
            self._waiting -= 1
        if right and hashed:
            self._right[hashed] = given
            if len(self._right) > _REMEMBERED:
                self._right.popitem(last=False)
        return right and hashed is not None
