"""Which addresses an instance admits, and at which entry.

A connection comes in at one of three entries, by its own two addresses: from this host's loopback, at the address of
a private link, or else at the public entry. Allowlists become sorted intervals when they are read, so that asking
costs one bisection, however long the list is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import NamedTuple

from roadstead.errors import InvalidInput

Cidr = IPv4Network | IPv6Network

_REMEMBERED = 4096
# How an IPv4 address begins that a socket for both kinds writes as an IPv6 one: ::ffff:192.0.2.7.
_MAPPED = bytes(10) + b"\xff\xff"


class Entry(StrEnum):
    """The way a connection came in, decided by the connection and never by a header."""

    LOOPBACK = "loopback"
    PUBLIC = "public"
    PRIVATE = "private"


class PublicEntry(StrEnum):
    """The states of an instance's public entry.

    Opening admits already and Closing refuses already: a change holds from the next request on, and a job makes the
    state final.
    """

    CLOSED = "Closed"
    OPENING = "Opening"
    OPENED = "Opened"
    CLOSING = "Closing"

    @property
    def admits(self) -> bool:
        """Whether what the allowlist names is let in."""
        return self in {PublicEntry.OPENING, PublicEntry.OPENED}

    @property
    def settled(self) -> PublicEntry:
        """The state that a job makes of this one."""
        return _SETTLED.get(self, self)


_SETTLED = {PublicEntry.OPENING: PublicEntry.OPENED, PublicEntry.CLOSING: PublicEntry.CLOSED}


def parse_cidr(text: str) -> Cidr:
    """The network that one IPv4 or IPv6 address or CIDR names; raises InvalidInput otherwise.

    An IPv4 one may be written as a socket for both kinds writes it (`::ffff:192.0.2.0/120`).
    """
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise InvalidInput(
            f"{text[:60]!r} is not an address or network; write it like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"
        ) from error
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


class Number(NamedTuple):
    """An address as the number that it is, of IP version 4 or 6."""

    version: int
    value: int

    @property
    def loopback(self) -> bool:
        """Whether it is one of this host's own."""
        return self.value == 1 if self.version == 6 else self.value >> 24 == 127


def numeric(text: str) -> Number | None:
    """The address as a number, an IPv4 one also where it is written as an IPv6 one; None for what is no address."""
    try:
        if ":" not in text:
            return Number(4, int.from_bytes(inet_pton(AF_INET, text)))
        # A link-local address carries the name of its interface: fe80::1%eth0.
        packed = inet_pton(AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return None
    if packed.startswith(_MAPPED):
        return Number(4, int.from_bytes(packed[12:]))
    return Number(6, int.from_bytes(packed))


def is_loopback(text: str) -> bool:
    """Whether the text is an address of this host's loopback."""
    number = numeric(text)
    return number is not None and number.loopback


class Addresses:
    """A set of addresses, asked by bisection."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, networks: Iterable[Cidr]) -> None:
        self._starts: dict[int, list[int]] = {4: [], 6: []}
        self._ends: dict[int, list[int]] = {4: [], 6: []}
        order = sorted((each.version, int(each.network_address), int(each.broadcast_address)) for each in networks)
        for version, first, last in order:
            ends = self._ends[version]
            if ends and first <= ends[-1] + 1:
                ends[-1] = max(ends[-1], last)
            else:
                self._starts[version].append(first)
                ends.append(last)

    def __contains__(self, number: Number) -> bool:
        version, value = number
        place = bisect_right(self._starts[version], value)
        return place > 0 and value <= self._ends[version][place - 1]

    @property
    def everything(self) -> tuple[int, ...]:
        """The IP versions of which every address there is belongs to the set."""
        whole = {4: (1 << 32) - 1, 6: (1 << 128) - 1}
        return tuple(each for each, last in whole.items() if self._starts[each] == [0] and self._ends[each] == [last])


def exposure(networks: Iterable[Cidr]) -> str:
    """A warning when an allowlist names every address there is; empty when it does not."""
    versions = Addresses(networks).everything
    if not versions:
        return ""
    which = " and ".join(f"IPv{version}" for version in versions)
    return f"the allowlist names every {which} address: only credentials keep anybody out"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a client is admitted, at which entry, and why not."""

    admitted: bool
    entry: Entry
    reason: str = ""


# What is admitted at the address of a private link; None: nobody, because it is another instance's.
Links = Mapping[Number, Addresses | None]


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """What one instance admits: this host's loopback, the allowlist of its public entry when open, and its links."""

    loopback: bool
    opened: bool
    _allowed: Addresses
    _links: Links = field(default_factory=dict)
    # Verdicts already given, by the client's address and the one it came to.
    _given: dict[tuple[str, str], Verdict] = field(default_factory=dict, compare=False)

    @classmethod
    def of(
        cls, *, loopback: bool, opened: bool, networks: Iterable[Cidr], links: Links | None = None
    ) -> NetworkPolicy:
        """The policy of an allowlist, and of all private links of the deployment."""
        return cls(loopback, opened, Addresses(networks), links or {})

    def verdict(self, address: str, local: str = "") -> Verdict:
        """Whether a client at `address` whose connection came to `local` is admitted.

        A text that is no address is not. Without `local` it came to no private link.
        """
        key = (address, local)
        given = self._given.get(key)
        if given is None:
            if len(self._given) >= _REMEMBERED:
                self._given.clear()
            given = self._given[key] = self._judge(address, local)
        return given

    def _judge(self, address: str, local: str) -> Verdict:
        client = numeric(address)
        here = _local(local) if self._links and local else None
        if here is not None and here in self._links:
            return _at_link(self._links[here], client)
        if client is None:
            return _UNKNOWN
        if client.loopback:
            return _FROM_LOOPBACK if self.loopback else _LOOPBACK_OFF
        if not self.opened:
            return _CLOSED
        return _ALLOWED if client in self._allowed else _NOT_ALLOWED


def _at_link(admitted: Addresses | None, client: Number | None) -> Verdict:
    if admitted is None:
        return _OTHERS_LINK
    return _OF_LINK if client is not None and client in admitted else _NOT_OF_LINK


_FROM_LOOPBACK = Verdict(True, Entry.LOOPBACK)
_LOOPBACK_OFF = Verdict(False, Entry.LOOPBACK, "the loopback entry is switched off")
_ALLOWED = Verdict(True, Entry.PUBLIC)
_NOT_ALLOWED = Verdict(False, Entry.PUBLIC, "the address is not in the allowlist of the public entry")
_CLOSED = Verdict(False, Entry.PUBLIC, "the public entry is closed")
_UNKNOWN = Verdict(False, Entry.PUBLIC, "the client's address is unknown")
_OF_LINK = Verdict(True, Entry.PRIVATE)
_NOT_OF_LINK = Verdict(False, Entry.PRIVATE, "the address is not in the network of the private link that it came to")
_OTHERS_LINK = Verdict(False, Entry.PRIVATE, "the private link that it came to is another instance's")
# A host has few addresses that connections come to.
_local = lru_cache(maxsize=256)(numeric)


def plain_address(text: str) -> str:
    """The address as people write it: an IPv4 one not as a socket for both kinds does (`::ffff:192.0.2.7`)."""
    bare = text.removeprefix("::ffff:")
    return bare if "." in bare else text


@lru_cache(maxsize=4096)
def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address, an IPv4 one also as a socket for both kinds writes it (`::ffff:192.0.2.7`), or None."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
