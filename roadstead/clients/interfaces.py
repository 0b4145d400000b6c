"""The addresses on this host's network interfaces, asked for and changed by messages to the kernel (rtnetlink(7)).

The kernel is asked directly, since the program `ip` is missing from many images. Changing needs CAP_NET_ADMIN, and
telling neighbours of it CAP_NET_RAW.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

_REQUEST, _ACK, _DUMP, _CREATE, _EXCLUSIVE = 0x1, 0x4, 0x300, 0x400, 0x200
_ERROR, _DONE, _NEW_ADDRESS, _REMOVE_ADDRESS, _GET_ADDRESS, _GET_NEIGHBOUR = 2, 3, 20, 21, 22, 30
_NEIGHBOUR_ADDRESS, _HARDWARE_ADDRESS = 1, 2
# Reachable, stale, delay, probe, permanent: all but those that have not answered.
_THERE = 0x02 | 0x04 | 0x08 | 0x10 | 0x80
_ADDRESS, _LOCAL = 1, 2
# An IPv6 address is used at once, without waiting for others to object.
_NO_DUPLICATE_DETECTION = 0x02
_GET_FLAGS, _UP = 0x8913, 0x1
_ANSWER_BYTES = 1 << 17
_DISCARD = 9
_PROBE_SECONDS = 0.4
_GET_HARDWARE, _ETHERNET = 0x8927, 1
_ARP, _IPV4 = 0x0806, 0x0800
_ARP_REQUEST, _EVERYBODY = 1, b"\xff" * 6
_ADVERTISEMENT, _OVERRIDE, _ITS_HARDWARE, _ALL_NODES = 136, 0x20000000, 2, "ff02::1"
# Routers and hosts take an advertisement only with this, which says that no router has passed it on.
_HOPS = 255


@dataclass(frozen=True, slots=True)
class OnInterface:
    """One address on one interface."""

    interface: str
    address: str
    prefix: int


def addresses() -> list[OnInterface]:
    """Every address on every interface of this host; raises OSError where the kernel does not say."""
    message = _message(_GET_ADDRESS, _REQUEST | _DUMP, struct.pack("=BBBBI", 0, 0, 0, 0, 0))
    return [found for body in _ask(message) for found in _read(body)]


def is_up(interface: str) -> bool:
    """Whether the interface is there and switched on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, _GET_FLAGS, struct.pack("16s240x", interface.encode()))
        except OSError:
            return False
    return bool(struct.unpack_from("H", answer, 16)[0] & _UP)


def put(place: OnInterface) -> None:
    """The address is on the interface, and neighbours are told; raises OSError where that may not or cannot be."""
    try:
        _change(_NEW_ADDRESS, _CREATE | _EXCLUSIVE, place)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    # Whoever may not say so leaves the neighbours to ask again in a while.
    with suppress(OSError):
        _announce(place)


def take_off(place: OnInterface) -> None:
    """The address is not on the interface; raises OSError where that may not be changed."""
    try:
        _change(_REMOVE_ADDRESS, 0, place)
    except OSError as error:
        if error.errno not in {errno.EADDRNOTAVAIL, errno.ENODEV}:
            raise


async def answering(asked: Collection[str], seconds: float = _PROBE_SECONDS) -> set[str]:
    """Those of the addresses at which some machine on a network of this host's answers now, or did a moment ago.

    The kernel asks for whoever has an address before it sends anything there, which is all that this makes it do. An
    address that it has no direct way to is not answered at.
    """
    for address in asked:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe, suppress(OSError):
            probe.setblocking(False)
            probe.sendto(b"", (address, _DISCARD))
    await asyncio.sleep(seconds)
    message = _message(_GET_NEIGHBOUR, _REQUEST | _DUMP, bytes(12))
    known = {found for body in _ask(message) if (found := _neighbour(body))}
    return known.intersection(str(ip_address(each)) for each in asked)


def _announce(place: OnInterface) -> None:
    """The neighbours that know the address send to this host from now on; raises OSError where none can be told.

    The kernel says nothing of a new address, unless the host was set up so (`arp_notify`, `ndisc_notify`).
    """
    number = ip_address(place.address)
    hardware = _hardware(place.interface)
    if not hardware:
        return
    if number.version == 4:
        # A request for itself: neighbours that drop answers which they have not asked for take this.
        head = struct.pack("!HHBBH", _ETHERNET, _IPV4, len(hardware), 4, _ARP_REQUEST)
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as wire:
            body = head + hardware + number.packed + bytes(len(hardware)) + number.packed
            wire.sendto(body, (place.interface, _ARP, 0, 0, _EVERYBODY))
        return
    index = socket.if_nametoindex(place.interface)
    # The kernel fills in the checksum.
    told = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE) + number.packed
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as wire:
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
        wire.bind((place.address, 0, 0, index))
        wire.sendto(told + struct.pack("!BB", _ITS_HARDWARE, 1) + hardware, (_ALL_NODES, 0, 0, index))


def _hardware(interface: str) -> bytes:
    """The interface's Ethernet address; empty where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking, _GET_HARDWARE, struct.pack("16s240x", interface.encode()))
    (kind,) = struct.unpack_from("=H", answer, 16)
    return answer[18:24] if kind == _ETHERNET else b""


def _neighbour(body: bytes) -> str:
    """The address of a neighbour that is known to be there; empty for one that did not answer."""
    (state,) = struct.unpack_from("=H", body, 8)
    found = _attributes(body, 12)
    there = state & _THERE and _NEIGHBOUR_ADDRESS in found and _HARDWARE_ADDRESS in found
    return str(ip_address(found[_NEIGHBOUR_ADDRESS])) if there else ""


def _change(kind: int, flags: int, place: OnInterface) -> None:
    number = ip_address(place.address)
    family = socket.AF_INET if number.version == 4 else socket.AF_INET6
    quick = _NO_DUPLICATE_DETECTION if number.version == 6 else 0
    try:
        index = socket.if_nametoindex(place.interface)
    except OSError:
        raise OSError(errno.ENODEV, f"this host has no interface {place.interface}") from None
    head = struct.pack("=BBBBI", family, place.prefix, quick, 0, index)
    attributes = b"".join(_attribute(each, number.packed) for each in (_LOCAL, _ADDRESS))
    for _ in _ask(_message(kind, _REQUEST | _ACK | flags, head + attributes)):
        pass


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _ask(message: bytes) -> Iterator[bytes]:
    """The bodies of the kernel's answers; raises OSError with the number that it answers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(1)
        kernel.send(message)
        while True:
            answer = kernel.recv(_ANSWER_BYTES)
            while len(answer) >= 16:
                size, kind = struct.unpack_from("=IH", answer)
                body, answer = answer[16:size], answer[(size + 3) & ~3 :]
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    if number:
                        raise OSError(number, os.strerror(number))
                    return
                yield body


def _attributes(body: bytes, place: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while place + 4 <= len(body):
        size, kind = struct.unpack_from("=HH", body, place)
        if size < 4:
            break
        found[kind] = body[place + 4 : place + size]
        place += (size + 3) & ~3
    return found


def _read(body: bytes) -> Iterator[OnInterface]:
    _, prefix, _, _, index = struct.unpack_from("=BBBBI", body)
    found = _attributes(body, 8)
    packed = found.get(_LOCAL, found.get(_ADDRESS))
    if packed is None:
        return
    try:
        yield OnInterface(socket.if_indextoname(index), str(ip_address(packed)), prefix)
    except OSError:
        return  # the interface has just gone
