"""Networks (VPCs), their subnets, and the private links of instances in them.

A client's network is known by its address alone, so the networks of one deployment must not overlap. A link takes an
address of its subnet that nobody else has as far as is known; the first one of a subnet is left to its gateway.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from roadstead.domain.network import Addresses, Cidr, parse_cidr
from roadstead.errors import InvalidInput

_VPC = re.compile(r"vpc-[a-z0-9][a-z0-9-]{0,19}")
_SUBNET = re.compile(r"subnet-[a-z0-9][a-z0-9-]{0,16}")
_INTERFACE = re.compile(r"[A-Za-z0-9_.@-]{1,15}")
_MOST_CIDRS = 8
# A subnet of IPv6 has more addresses than can be looked through.
_LOOKED_THROUGH = 4096

# How often the host that has a link writes that it looks after it, and after how long without that it is gone.
SEEN_EVERY = timedelta(seconds=10)
SILENT_AFTER = timedelta(seconds=30)


def vpc_id(text: str) -> str:
    """`text`, if it may be the id of a network; raises InvalidInput."""
    if not _VPC.fullmatch(text):
        raise InvalidInput(f"{text[:40]!r} is not the id of a VPC: write vpc- and lower-case letters and digits")
    return text


def subnet_id(text: str) -> str:
    """`text`, if it may be the id of a subnet; raises InvalidInput."""
    if not _SUBNET.fullmatch(text):
        raise InvalidInput(
            f"{text[:40]!r} is not the id of a subnet: write subnet- and lower-case letters and digits"
        )
    return text


def interface_name(text: str) -> str:
    """`text`, if it may name a network interface; raises InvalidInput."""
    if not _INTERFACE.fullmatch(text):
        raise InvalidInput(f"{text[:40]!r} is not the name of a network interface, like eth1")
    return text


def cidrs_of(text: str) -> list[Cidr]:
    """The CIDRs of a network as its row keeps them."""
    return [parse_cidr(each) for each in text.split(",")]


def cidrs_text(cidrs: Sequence[str]) -> str:
    """The CIDRs of a network as its row keeps them; raises InvalidInput for what cannot be a network's."""
    if not 1 <= len(cidrs) <= _MOST_CIDRS:
        raise InvalidInput(f"a VPC has 1 to {_MOST_CIDRS} CIDRs, not {len(cidrs)}")
    return ",".join(dict.fromkeys(str(parse_cidr(each)) for each in cidrs))


def overlap(cidrs: Iterable[Cidr], others: Iterable[Cidr]) -> Cidr | None:
    """One of the CIDRs that has addresses which the others have too."""
    other = list(others)
    return next((one for one in cidrs if any(_overlap(one, each) for each in other)), None)


def _overlap(one: Cidr, other: Cidr) -> bool:
    first, last = _ends(one)
    begins, ends = _ends(other)
    return one.version == other.version and first <= ends and begins <= last


def _ends(cidr: Cidr) -> tuple[int, int]:
    return int(cidr.network_address), int(cidr.broadcast_address)


def inside(cidr: Cidr, network: Iterable[Cidr]) -> bool:
    """Whether all of the CIDR's addresses are the network's."""
    first, last = _ends(cidr)
    ends = (_ends(each) for each in network if each.version == cidr.version)
    return any(begin <= first and last <= end for begin, end in ends)


def free_addresses(cidr: Cidr, taken: Collection[str]) -> Iterator[str]:
    """The addresses of the subnet that nobody is known to have, of a large subnet among its first thousands."""
    used = {int(ip_address(each)) for each in taken if ip_address(each).version == cidr.version}
    kind = IPv4Address if cidr.version == 4 else IPv6Address
    return (str(kind(number)) for number in _candidates(cidr) if number not in used)


def _candidates(cidr: Cidr) -> Iterator[int]:
    """The addresses that a host may have, without the first, which is the gateway's by custom."""
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    if cidr.num_addresses <= 2:
        return iter(range(first, last + 1))
    end = last if isinstance(cidr, IPv4Network) else last + 1
    return iter(range(first + 2, min(end, first + 2 + _LOOKED_THROUGH)))


def is_silent(seen_at: datetime | None, created_at: datetime, now: datetime) -> bool:
    """Whether no host looks after a link that was last looked after then, if ever."""
    return now - (seen_at or created_at) > SILENT_AFTER


@dataclass(frozen=True, slots=True)
class NamedLink:
    """A link as names lead to it: its address, whose addresses may ask, and the names."""

    address: str
    clients: Addresses
    names: tuple[str, ...]


def private_names(instance: str, base_domain: str, *, named: bool, named_vpc: bool) -> tuple[str, ...]:
    """The names that lead to an instance's link in its network."""
    base = base_domain.strip(".").lower()
    both = ((named, instance), (named_vpc, f"{instance}-vpc"))
    return tuple(f"{label}.{base}" for wanted, label in both if wanted)


def hosts_records(address: str, names: Sequence[str]) -> str:
    """The names as a line of /etc/hosts."""
    return f"{address} {' '.join(names)}"


def dnsmasq_records(address: str, names: Sequence[str], seconds: int) -> str:
    """The names as a line of dnsmasq.conf; it answers for no name below them."""
    return f"host-record={','.join(names)},{address},{seconds}"


def bind_records(address: str, names: Sequence[str], seconds: int) -> str:
    """The names as a zone file of BIND for their common domain, with the line of named.conf that takes it."""
    kind = "A" if ip_address(address).version == 4 else "AAAA"
    blocks = []
    for name in names:
        blocks.append(
            f'; named.conf: zone "{name}" {{ type master; file "{name}.zone"; }};\n'
            f"; {name}.zone:\n"
            f"$TTL {seconds}\n"
            f"{name}. IN SOA {name}. hostmaster.{name}. 1 3600 600 86400 {seconds}\n"
            f"{name}. IN NS {name}.\n"
            f"{name}. IN {kind} {address}"
        )
    return "\n\n".join(blocks)


@dataclass(frozen=True, slots=True)
class DeclaredVpc:
    """A network that the settings declare."""

    vpc_id: str
    cidrs: str
    name: str


@dataclass(frozen=True, slots=True)
class DeclaredSubnet:
    """A subnet that the settings declare."""

    subnet_id: str
    vpc_id: str
    cidr: str
    interface: str


def declared_vpc(text: str) -> DeclaredVpc:
    """The network that `VPC-ID CIDR[+CIDR...] [NAME]` declares; raises InvalidInput."""
    parts = text.split(maxsplit=2)
    if len(parts) < 2:
        raise InvalidInput(f"{text[:80]!r} declares no VPC: write VPC-ID CIDR[+CIDR...] [NAME]")
    return DeclaredVpc(vpc_id(parts[0]), cidrs_text(parts[1].split("+")), parts[2][:60] if len(parts) > 2 else "")


def declared_subnet(text: str) -> DeclaredSubnet:
    """The subnet that `SUBNET-ID VPC-ID CIDR INTERFACE` declares; raises InvalidInput."""
    parts = text.split()
    if len(parts) != 4:
        raise InvalidInput(f"{text[:80]!r} declares no subnet: write SUBNET-ID VPC-ID CIDR INTERFACE")
    cidr = str(parse_cidr(parts[2]))
    return DeclaredSubnet(subnet_id(parts[0]), vpc_id(parts[1]), cidr, interface_name(parts[3]))
