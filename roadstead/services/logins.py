"""Slowing those who guess: failed logins are counted per account and per address, over all processes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from roadstead.config import Login
from roadstead.errors import TooManyRequests
from roadstead.metadata import credentials
from roadstead.metadata.database import Database, Tx

_REMEMBERED = 4096


class LoginGuard:
    """Who has to wait.

    Counts are rows, so that every process adds to the same; waits are kept by each process, which learns of them
    with the first failure it sees itself. A client that logged in from its address before the guessing began is
    not locked out by it: first logins are rows too, written within a second and never on the way of a request.
    """

    def __init__(self, rules: Login) -> None:
        self._rules = rules
        self._blocked: OrderedDict[str, datetime] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._unwritten: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    async def admit(self, tx: Tx, account: str, address: str, now: datetime) -> None:
        """A right secret may pass; raises TooManyRequests when the account or the address has to wait.

        It must be asked before the outcome of a check is told, or guessing would go on unslowed.
        """
        if (account, address) in self._trusted:
            return
        try:
            self.refuse_blocked(account, address, now)
        except TooManyRequests:
            # Another process may have met this client before the guessing began.
            if not await credentials.has_succeeded(tx, account, address):
                raise
        self._trusted[account, address] = None
        self._unwritten[account, address] = now
        _trim(self._trusted)
        _trim(self._unwritten)

    async def may_try(self, tx: Tx, account: str, address: str, now: datetime) -> None:
        """A password that a person chose may be checked; raises TooManyRequests when one has to wait before.

        Such passwords can be guessed, so having been here before helps against guesses from elsewhere only, and not
        against those from the same address.
        """
        self.refuse_blocked("", address, now)
        try:
            self.refuse_blocked(account, address, now)
        except TooManyRequests:
            if not await credentials.has_succeeded(tx, account, address):
                raise

    async def write_down(self, database: Database) -> None:
        """Other processes know whom this one has let in for the first time; called each second, beside requests."""
        if self._unwritten:
            # In order, so that two processes that write down the same clients do not wait for each other.
            pairs = sorted(self._unwritten.items())
            async with database.write(durable=False) as tx:
                for (account, address), at in pairs:
                    await credentials.note_success(tx, account, address, at)
            for pair, _ in pairs:
                self._unwritten.pop(pair, None)

    def refuse_blocked(self, account: str, address: str, now: datetime) -> None:
        """Raises TooManyRequests when the account or the address has to wait."""
        if not self._blocked:
            return
        for subject in _subjects(account, address):
            until = self._blocked.get(subject)
            if until is not None and until > now:
                seconds = int((until - now).total_seconds()) + 1
                raise TooManyRequests(
                    f"too many failed logins for this {subject.partition(':')[0]}; try again in {seconds} s",
                    retry_after=seconds,
                )

    async def failed(self, database: Database, account: str, address: str, now: datetime) -> None:
        """The failure is counted; raises TooManyRequests instead of returning when a wait was already due."""
        self.refuse_blocked(account, address, now)
        await self.count(database, account, address, now)

    async def count(self, database: Database, account: str, address: str, now: datetime) -> None:
        """The failure of a check that `may_try` has let begin is counted, whatever wait has become due since."""
        since = now - timedelta(seconds=self._rules.window_seconds)
        async with database.write(durable=False) as tx:
            for subject in _subjects(account, address):
                failures = await credentials.count_failure(tx, subject, since, now)
                excess = failures - self._rules.free_failures
                if excess >= 0:
                    wait = min(2 ** min(excess, 20), self._rules.longest_wait_seconds)
                    self._blocked[subject] = now + timedelta(seconds=wait)
                    _trim(self._blocked)


def _subjects(account: str, address: str) -> Sequence[str]:
    if len(account) > 80:
        account = hashlib.sha256(account.encode()).hexdigest()
    return [f"address:{address}"] + ([f"account:{account}"] if account else [])


def _trim(table: OrderedDict[Any, Any]) -> None:
    while len(table) > _REMEMBERED:
        table.popitem(last=False)
