"""Which addresses the server may call, among them the many ways to write a private one."""

from __future__ import annotations

import pytest

from roadstead.domain.outbound import Destinations
from roadstead.errors import InvalidInput


@pytest.mark.parametrize("address", ["8.8.8.8", "203.0.114.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_may_be_called(address: str) -> None:
    assert Destinations().admit(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "127.1",
        "",
    ],
)
def test_all_others_may_not(address: str) -> None:
    assert not Destinations().admit(address)


@pytest.mark.parametrize(
    ("listed", "address", "admitted"),
    [
        ("127.0.0.1/32", "127.0.0.1", True),
        ("127.0.0.1/32", "::ffff:127.0.0.1", True),
        ("127.0.0.1/32", "127.0.0.2", False),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "64:ff9b::a00:1", False),
        ("64:ff9b::/96", "64:ff9b::a00:1", True),
        ("::1", "::1", True),
        ("10.0.0.0/8", "::1", False),
        ("fc00::/7", "fd12::1", True),
    ],
)
def test_what_is_listed_may_be_called(listed: str, address: str, admitted: bool) -> None:
    assert Destinations.of([listed]).admit(address) is admitted


def test_a_listed_text_that_is_no_network() -> None:
    with pytest.raises(InvalidInput, match="example"):
        Destinations.of(["example.com"])
