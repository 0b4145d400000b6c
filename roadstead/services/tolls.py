"""What each request pays for, where rates are limited: asked at the door, without the database.

A rate is kept as one number per whom it counts: the time until which what was used is paid for. That is the generic
cell rate algorithm, a token bucket told from its other end. Using something moves the number on; when it is further
ahead than the burst allows, a request is refused and a transfer waits. Numbers in the past say nothing, so that their
places are free.

The numbers lie in a file of the data folder that its processes map into memory; nodes with data folders of their own
count for themselves. Two processes that change one at the same moment
may lose one change: a limit is a matter of fairness, not of counting, and a lock would cost every request.
"""

from __future__ import annotations

import math
import mmap
import os
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from roadstead.config import Rates
from roadstead.domain.counts import counted
from roadstead.domain.identity import CredentialKind, Presented
from roadstead.domain.rates import RateLimits, Who, counted_as
from roadstead.errors import TooManyRequests

_FILE = "tolls"
_PLACES = 1 << 16
# A key and a number.
_BYTES = _PLACES * 16
# The places at which a key may stand.
_WAYS = 4
_SETS = _PLACES // _WAYS
# Nobody is further ahead than this: such a number was written by another clock.
_SANE_SECONDS = 3600.0
_LOOK_SECONDS = 1.0
_SMALLEST_PIECE = 16 << 10
_LARGEST_PIECE = 256 << 10
# Pieces of a transfer in a second: waits stay short and even.
_PIECES = 8


class TollTable:
    """Until when is paid, by whom, as the processes of one data folder see it."""

    def __init__(self, folder: Path) -> None:
        memory = memoryview(_mapped(folder / _FILE))
        self._keys = memory[: _BYTES // 2].cast("Q")
        self._until = memory[_BYTES // 2 :].cast("d")

    def ahead(self, key: int, now: float) -> float:
        """By how many seconds what was used is ahead of the rate."""
        first = key % _SETS * _WAYS
        for place in range(first, first + _WAYS):
            if self._keys[place] == key:
                ahead = self._until[place] - now
                return ahead if 0 < ahead < _SANE_SECONDS else 0.0
        return 0.0

    def use(self, key: int, seconds: float, now: float) -> float:
        """The same after using what the rate gives in so many seconds.

        A new key takes the place of the number that is the least ahead: most are in the past and say nothing.
        """
        first = key % _SETS * _WAYS
        best = first
        for place in range(first, first + _WAYS):
            if self._keys[place] == key:
                best = place
                break
            if self._until[place] < self._until[best]:
                best = place
        ahead = self.ahead(key, now) + seconds
        self._keys[best], self._until[best] = key, now + ahead
        return ahead


def _mapped(file: Path) -> mmap.mmap:
    """The file's bytes, shared; this process' own when there can be no such file."""
    try:
        opened = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # A page that the disk has no room for would end the process when it is written.
            os.posix_fallocate(opened, 0, _BYTES)
            return mmap.mmap(opened, _BYTES)
        finally:
            os.close(opened)
    except OSError:
        return mmap.mmap(-1, _BYTES)


class Tolls:
    """The rates of this process' requests."""

    def __init__(self, folder: Path, rates: Rates, clock: Callable[[], float] = time.time) -> None:
        self.rates = rates
        self.clock = clock
        self._folder = folder
        self._table: TollTable | None = None
        # When the rates of an instance were last looked at again, by its id.
        self._looked: dict[int, float] = {}

    def looks_again(self, instance_id: int) -> bool:
        """Whether the rates of the instance should be looked at before a request is refused; once a second."""
        now = self.clock()
        if now - self._looked.get(instance_id, now - _LOOK_SECONDS) < _LOOK_SECONDS:
            return False
        self._looked[instance_id] = now
        return True

    @property
    def table(self) -> TollTable:
        """The numbers, in memory from when they are first needed."""
        if self._table is None:
            self._table = TollTable(self._folder)
        return self._table

    def toll(self, limits: RateLimits, instance_id: int, address: str) -> Toll:
        """What one request of a client at that address pays at the instance."""
        return Toll(self, limits, instance_id, address)


class Toll:
    """What one request pays."""

    __slots__ = ("_address", "_instance_id", "_known", "_limits", "_tolls", "_who")

    def __init__(self, tolls: Tolls, limits: RateLimits, instance_id: int, address: str) -> None:
        self._tolls = tolls
        self._limits = limits
        self._instance_id = instance_id
        self._address = address
        self._who = {Who.ADDRESS: counted_as(address), Who.INSTANCE: ""}
        self._known = False

    @property
    def bounds_bytes(self) -> bool:
        """Whether any rate slows the request's transfers."""
        return self._limits.bounds_bytes

    def enter(self) -> None:
        """The request counts for its address and its instance; raises TooManyRequests, and then for neither."""
        self._count((Who.ADDRESS, Who.INSTANCE))

    def known(self, presented: Presented) -> None:
        """The request counts for the credential that was found to hold, once; raises TooManyRequests."""
        if not self._known and presented.kind is not CredentialKind.NONE:
            self._known = True
            self._who[Who.CREDENTIAL] = f"{presented.uin} {presented.credential_id}"
            self._count((Who.CREDENTIAL,))

    def _count(self, whom: tuple[Who, ...]) -> None:
        now, table, burst = self._tolls.clock(), self._tolls.table, self._tolls.rates.burst_seconds
        taken = []
        for who in whom:
            rate = self._limits.rates.get(who)
            if rate is not None and rate.requests:
                key, cost = self._key(who, "requests"), 1 / rate.requests
                over = table.ahead(key, now) + cost - max(burst, cost)
                if over > 1e-9:
                    raise self._refusal(who, counted(rate.requests, "request"), over)
                taken.append((key, cost))
        for key, cost in taken:
            table.use(key, cost, now)

    def begin_transfer(self) -> None:
        """A transfer may begin; raises TooManyRequests when those under way are far behind already."""
        now, longest = self._tolls.clock(), self._tolls.rates.longest_wait_seconds
        for who, rate in self._limits.rates.items():
            if rate.bytes and who in self._who:
                over = self._tolls.table.ahead(self._key(who, "bytes"), now) - longest
                if over > 0:
                    raise self._refusal(who, f"{rate.bytes} bytes", over)

    # As the server paces bodies and files

    @property
    def piece(self) -> int:
        """How many bytes should be moved before asking again."""
        slowest = min(rate.bytes for rate in self._limits.rates.values() if rate.bytes)
        return min(_LARGEST_PIECE, max(_SMALLEST_PIECE, slowest // _PIECES))

    def spend(self, size: int) -> float:
        """So many bytes were moved; returns for how many seconds no more shall be."""
        now, wait = self._tolls.clock(), 0.0
        for who, rate in self._limits.rates.items():
            if rate.bytes and who in self._who:
                ahead = self._tolls.table.use(self._key(who, "bytes"), size / rate.bytes, now)
                wait = max(wait, ahead - self._tolls.rates.transfer_burst_seconds)
        return wait

    def _key(self, who: Who, what: str) -> int:
        return _key(who, what, self._instance_id, self._who[who])

    def _refusal(self, who: Who, rate: str, over: float) -> TooManyRequests:
        name = f"the address {self._address}" if who is Who.ADDRESS else f"this {who}"
        seconds = max(1, math.ceil(over))
        return TooManyRequests(
            f"limit: {name} may have {rate} a second here; try again in {seconds} s",
            retry_after=seconds,
            detail={"gate": "limit", "limit": str(who), "rate": rate},
        )


@lru_cache(maxsize=8192)
def _key(who: Who, what: str, instance_id: int, name: str) -> int:
    """The number by which every process knows whose use it is; not 0, which an unused place holds."""
    text = f"{who}\n{what}\n{instance_id}\n{name}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") or 1
