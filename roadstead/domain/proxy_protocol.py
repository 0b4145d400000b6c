"""The PROXY protocol, versions 1 and 2: what a proxy of bytes says first on a connection, before the client's own.

Nothing on the wire tells it apart from a client who pretends to be such a proxy. So it is read on the connections of
named proxies, where it must come, and nowhere else (haproxy's proxy-protocol.txt, section 2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from roadstead.domain.network import parse_address
from roadstead.domain.proxies import UNKNOWN
from roadstead.errors import ForwardingInvalid

LINE_BYTES = 107
MOST_BYTES = 16 + 4096
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PREFIX = b"PROXY "

_LINE = re.compile(
    rb"PROXY (?:(TCP4|TCP6) ([0-9A-Fa-f.:]{2,39}) ([0-9A-Fa-f.:]{2,39}) (\d{1,5}) (\d{1,5})|UNKNOWN[^\r\n]*)"
)
_FIXED = 16
_LOCAL, _PROXIED = 0x20, 0x21


@dataclass(frozen=True, slots=True)
class Preface:
    """The address of the client, `unknown` where the proxy does not tell, and how many bytes the preface takes."""

    address: str
    size: int


def looks_like_preface(data: bytes) -> bool:
    """Whether the bytes begin as a preface does."""
    return data.startswith(PREFIX) or data.startswith(SIGNATURE)


def read_preface(data: bytes) -> Preface | None:
    """The preface that `data` begins with; None while more of it must come. Raises ForwardingInvalid."""
    if data.startswith(SIGNATURE[: len(data)]):
        return _read_binary(data)
    if data.startswith(PREFIX[: len(data)]):
        return _read_line(data)
    raise _invalid("the connection does not begin with it")


def _read_line(data: bytes) -> Preface | None:
    end = data.find(b"\r\n", 0, LINE_BYTES)
    if end < 0:
        if len(data) >= LINE_BYTES:
            raise _invalid("its line does not end")
        return None
    found = _LINE.fullmatch(data, 0, end)
    if found is None:
        raise _invalid("its line does not parse")
    if found[1] is None:
        return Preface(UNKNOWN, end + 2)
    source, _ = (_address(part, found[1]) for part in (found[2], found[3]))
    if max(int(found[4]), int(found[5])) >= 1 << 16:
        raise _invalid("a port is too large")
    return Preface(source, end + 2)


def _address(text: bytes, family: bytes) -> str:
    found = parse_address(text.decode("ascii"))
    if found is None or (family == b"TCP4" and found.version != 4):
        raise _invalid("an address does not parse")
    return str(found)


def _read_binary(data: bytes) -> Preface | None:
    if len(data) < _FIXED:
        return None
    command, family, length = data[12], data[13], int.from_bytes(data[14:16])
    size = _FIXED + length
    if command not in {_LOCAL, _PROXIED}:
        raise _invalid(f"its version and command {command:#04x} are not known")
    if size > MOST_BYTES:
        raise _invalid(f"it has {size} bytes")
    if len(data) < size:
        return None
    return Preface(UNKNOWN if command == _LOCAL else _source(family, data[_FIXED:size]), size)


def _source(family: int, addresses: bytes) -> str:
    """The source address; only TCP over IPv4 and IPv6 tell one that can be judged."""
    if family == 0x11 and len(addresses) >= 12:
        return str(IPv4Address(addresses[:4]))
    if family == 0x21 and len(addresses) >= 36:
        address = IPv6Address(addresses[:16])
        return str(address.ipv4_mapped or address)
    if family in {0x11, 0x21}:
        raise _invalid("its addresses are cut off")
    return UNKNOWN


def _invalid(why: str) -> ForwardingInvalid:
    return ForwardingInvalid(
        f"network: the PROXY protocol is expected from this address (setting network.proxy_protocol) and {why}",
        detail={"gate": "network", "reason": "malformed PROXY protocol"},
    )
