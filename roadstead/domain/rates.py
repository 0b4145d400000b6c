"""How much of the registry one address, one credential or all clients of an instance may use: requests and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from roadstead.domain.network import parse_address

_PREFIX = 64


class Who(StrEnum):
    """Whose use is counted together."""

    ADDRESS = "address"
    CREDENTIAL = "credential"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Rate:
    """What may be used in a second; 0 means as much as there is."""

    requests: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The rates that hold at one instance, by whose use is counted."""

    rates: Mapping[Who, Rate]

    @property
    def bounds_bytes(self) -> bool:
        """Whether any of them slows transfers."""
        return any(rate.bytes for rate in self.rates.values())


def rate_limits(defaults: Mapping[str, int], own: Mapping[str, int]) -> RateLimits | None:
    """The rates of an instance: its own, and the defaults for what it leaves open; None when nothing is limited.

    Both are by names like `address_requests`.
    """
    rates = {}
    for who in Who:
        found = [own.get(f"{who}_{what}", defaults.get(f"{who}_{what}", 0)) for what in ("requests", "bytes")]
        if any(found):
            rates[who] = Rate(*found)
    return RateLimits(rates) if rates else None


@lru_cache(maxsize=4096)
def counted_as(address: str) -> str:
    """The address as whose its use is counted: an IPv6 network of 64 bits is one subscriber's."""
    found = parse_address(address)
    if found is None or found.version == 4:
        return address
    return f"{int(found) >> _PREFIX:x}::"
