"""Which addresses an instance admits, and at which entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from roadstead.errors import InvalidInput

Cidr = IPv4Network | IPv6Network

_REMEMBERED = 4096


class Entry(StrEnum):
    """The way a connection came in, decided by the connection and never by a header."""

    LOOPBACK = "loopback"
    PUBLIC = "public"


class PublicEntry(StrEnum):
    """The states of an instance's public entry."""

    OPENED = "Opened"
    CLOSED = "Closed"


def parse_cidr(text: str) -> Cidr:
    """The network that one IPv4 or IPv6 address or CIDR names; raises InvalidInput otherwise."""
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise InvalidInput(
            f"{text[:60]!r} is not an address or network; write it like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"
        ) from error


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a client is admitted, at which entry, and why not."""

    admitted: bool
    entry: Entry
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """What one instance admits: the host's own loopback, and the allowlist of its public entry when open.

    Networks are kept as sets by prefix length, so that asking costs one look-up per length in use and does not
    grow with the list.
    """

    loopback: bool
    opened: bool
    _prefixes: dict[tuple[int, int], frozenset[int]] = field(default_factory=dict)
    # Verdicts already given; parsing an address costs more than judging it.
    _given: dict[str, Verdict] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, *, loopback: bool, opened: bool, networks: Iterable[Cidr]) -> NetworkPolicy:
        """The policy of an allowlist."""
        found: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            found.setdefault((network.version, shift), set()).add(int(network.network_address) >> shift)
        return cls(loopback, opened, {key: frozenset(values) for key, values in found.items()})

    def verdict(self, address: str) -> Verdict:
        """Whether a client at `address` is admitted; a text that is no address is not."""
        given = self._given.get(address)
        if given is None:
            if len(self._given) >= _REMEMBERED:
                self._given.clear()
            given = self._given[address] = self._judge(address)
        return given

    def _judge(self, address: str) -> Verdict:
        client = parse_address(address)
        if client is None:
            return Verdict(False, Entry.PUBLIC, "the client's address is unknown")
        if client.is_loopback:
            if self.loopback:
                return Verdict(True, Entry.LOOPBACK)
            return Verdict(False, Entry.LOOPBACK, "the loopback entry is switched off")
        if not self.opened:
            return Verdict(False, Entry.PUBLIC, "the public entry is closed")
        number = int(client)
        for (version, shift), values in self._prefixes.items():
            if version == client.version and number >> shift in values:
                return Verdict(True, Entry.PUBLIC)
        return Verdict(False, Entry.PUBLIC, "the address is not in the allowlist of the public entry")


@lru_cache(maxsize=4096)
def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one also as a socket for both kinds writes it (`::ffff:192.0.2.7`), or None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
