"""Which addresses this server may call: public ones, and private ones that the operator has listed.

Users name URLs that the server then calls: receivers of triggers, registries, identity providers. Without this rule
they could make it knock at doors that only it can reach: the metadata service of a cloud, a database on the host.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from roadstead.domain.network import Cidr, parse_cidr

Address = IPv4Address | IPv6Address

# Addresses in these carry an IPv4 address that packets to them end at: NAT64, well-known and local prefix.
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))


@dataclass(frozen=True, slots=True)
class Destinations:
    """What may be called."""

    listed: tuple[Cidr, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Destinations:
        """Public addresses and these networks; raises InvalidInput for a text that is none."""
        return cls(tuple(parse_cidr(text) for text in texts))

    def admit(self, address: str) -> bool:
        """Whether the address may be called; a text that is no address may not."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return self._listed(found) or all(_public(each) or self._listed(each) for each in _ends(found))

    def _listed(self, address: Address) -> bool:
        return any(address in network for network in self.listed)


def _ends(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses at which packets to it may end."""
    if isinstance(address, IPv4Address):
        return [address]
    found: list[Address] = [address, *(address.teredo or ())]
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if any(address in network for network in _TRANSLATED):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return found


def _public(address: Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
