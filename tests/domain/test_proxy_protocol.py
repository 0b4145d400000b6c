"""The PROXY protocol: what a proxy may say first, whole and in parts."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.proxy_protocol import SIGNATURE, Preface, looks_like_preface, read_preface
from roadstead.errors import ForwardingInvalid


def binary(source: str, command: int = 0x21, extra: bytes = b"") -> bytes:
    """A preface of version 2 for a connection from `source` to an address of the same kind."""
    address = ip_address(source)
    ports = (4711).to_bytes(2) + (443).to_bytes(2)
    kind = 0x11 if address.version == 4 else 0x21
    body = address.packed + address.packed + ports + extra
    return SIGNATURE + bytes([command, kind]) + len(body).to_bytes(2) + body


WHOLE = [
    (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n", "203.0.113.9"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n", "2001:db8::7"),
    (b"PROXY TCP6 ::ffff:203.0.113.9 ::ffff:192.0.2.1 1 2\r\n", "203.0.113.9"),
    (b"PROXY UNKNOWN\r\n", "unknown"),
    (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "unknown"),
    (binary("203.0.113.9"), "203.0.113.9"),
    (binary("2001:db8::7"), "2001:db8::7"),
    (binary("::ffff:203.0.113.9"), "203.0.113.9"),
    (binary("203.0.113.9", extra=b"\x04\x00\x03abc"), "203.0.113.9"),
    (binary("203.0.113.9", command=0x20), "unknown"),
    (SIGNATURE + b"\x21\x31" + (216).to_bytes(2) + bytes(216), "unknown"),
    (SIGNATURE + b"\x21\x00\x00\x00", "unknown"),
]


@pytest.mark.parametrize(("data", "address"), WHOLE)
def test_the_client_that_it_tells(data: bytes, address: str) -> None:
    for rest in (b"", b"GET / HTTP/1.1\r\n"):
        assert read_preface(data + rest) == Preface(address, len(data))
    for end in range(len(data)):
        assert read_preface(data[:end]) is None
    assert looks_like_preface(data)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443 5\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n",
        b"PROXY TCP4 1.2.3 192.0.2.1 4711 443\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 70000\r\n",
        b"PROXY UDP4 203.0.113.9 192.0.2.1 4711 443\r\n",
        b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443" + b" " * 80,
        SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ForwardingInvalid, match=r"network\.proxy_protocol"):
        read_preface(data)


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_it(data: bytes, begun: bool) -> None:
    try:
        found = read_preface(SIGNATURE + data if begun else data)
    except ForwardingInvalid:
        return
    assert found is None or isinstance(found, Preface)


@given(st.ip_addresses())
def test_any_address_comes_through(address: IPv4Address | IPv6Address) -> None:
    found = read_preface(binary(str(address)))
    plain = address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
    assert found is not None and found.address == str(plain)
