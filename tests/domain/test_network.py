"""The allowlist: the compiled policy against the plain reading of the same rule."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.network import Cidr, Entry, NetworkPolicy, PublicEntry, parse_cidr
from roadstead.errors import InvalidInput

addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)


@st.composite
def networks(draw: st.DrawFn) -> Cidr:
    address = draw(addresses)
    length = draw(st.integers(0, address.max_prefixlen))
    return ip_network((int(address) if address.version == 6 else str(address), length), strict=False)


@st.composite
def near(draw: st.DrawFn, allowlist: list[Cidr]) -> str:
    """An address that often lies in or just outside one of the networks, sometimes written as IPv4-mapped."""
    address = draw(addresses)
    network: Cidr | None = draw(st.none() | st.sampled_from(allowlist)) if allowlist else None
    if network is not None:
        edge = draw(st.sampled_from([network.network_address, network.broadcast_address]))
        number = int(edge) + draw(st.integers(-1, 1))
        if 0 <= number < 1 << network.max_prefixlen:
            address = type(edge)(number)
    mapped: bool = draw(st.booleans())
    if address.version == 4 and mapped:
        return f"::ffff:{address}"
    return str(address)


def plainly_admitted(text: str, allowlist: list[Cidr], *, loopback: bool, opened: bool) -> tuple[bool, Entry]:
    """The rule as a reader of mission 6 would write it down."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address in ip_network("127.0.0.0/8") or address == ip_address("::1"):
        return loopback, Entry.LOOPBACK
    return opened and any(address in network for network in allowlist), Entry.PUBLIC


@given(st.data(), st.lists(networks(), max_size=8), st.booleans(), st.booleans())
def test_the_verdict_is_that_of_the_plain_rule(
    data: st.DataObject, allowlist: list[Cidr], loopback: bool, opened: bool
) -> None:
    policy = NetworkPolicy.of(loopback=loopback, opened=opened, networks=allowlist)
    for _ in range(4):
        text = data.draw(near(allowlist))
        for _ in range(2):  # given and remembered
            verdict = policy.verdict(text)
            wanted = plainly_admitted(text, allowlist, loopback=loopback, opened=opened)
            assert (verdict.admitted, verdict.entry) == wanted
            assert bool(verdict.reason) is not verdict.admitted


@pytest.mark.parametrize(
    ("address", "admitted", "entry", "reason"),
    [
        ("192.0.2.7", True, Entry.PUBLIC, ""),
        ("192.0.2.255", True, Entry.PUBLIC, ""),
        ("192.0.3.0", False, Entry.PUBLIC, "not in the allowlist"),
        ("::ffff:192.0.2.7", True, Entry.PUBLIC, ""),
        ("2001:db8::1", True, Entry.PUBLIC, ""),
        ("2001:db9::1", False, Entry.PUBLIC, "not in the allowlist"),
        ("198.51.100.1", True, Entry.PUBLIC, ""),
        ("198.51.100.2", False, Entry.PUBLIC, "not in the allowlist"),
        ("127.0.0.1", True, Entry.LOOPBACK, ""),
        ("127.9.9.9", True, Entry.LOOPBACK, ""),
        ("::1", True, Entry.LOOPBACK, ""),
        ("::ffff:127.0.0.1", True, Entry.LOOPBACK, ""),
        ("unknown", False, Entry.PUBLIC, "unknown"),
        ("", False, Entry.PUBLIC, "unknown"),
        ("192.0.2.7:80", False, Entry.PUBLIC, "unknown"),
        ("0192.0.2.7", False, Entry.PUBLIC, "unknown"),
    ],
)
def test_an_open_entry_with_an_allowlist(address: str, admitted: bool, entry: Entry, reason: str) -> None:
    allowlist = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"), ip_network("198.51.100.1/32")]
    verdict = NetworkPolicy.of(loopback=True, opened=True, networks=allowlist).verdict(address)
    assert (verdict.admitted, verdict.entry) == (admitted, entry)
    assert reason in verdict.reason


def test_an_open_entry_with_an_empty_allowlist_refuses_everyone_else() -> None:
    policy = NetworkPolicy.of(loopback=True, opened=True, networks=[])
    assert not policy.verdict("192.0.2.1").admitted
    assert policy.verdict("127.0.0.1").admitted


def test_a_closed_entry_refuses_whatever_the_allowlist_says() -> None:
    policy = NetworkPolicy.of(loopback=False, opened=False, networks=[ip_network("0.0.0.0/0"), ip_network("::/0")])
    assert "closed" in policy.verdict("192.0.2.1").reason
    assert "switched off" in policy.verdict("127.0.0.1").reason


def test_every_address_is_possible() -> None:
    policy = NetworkPolicy.of(loopback=True, opened=True, networks=[ip_network("0.0.0.0/0")])
    assert policy.verdict("203.0.113.9").admitted
    assert not policy.verdict("2001:db8::1").admitted


def test_remembered_verdicts_do_not_grow_without_end() -> None:
    policy = NetworkPolicy.of(loopback=True, opened=True, networks=[ip_network("10.0.0.0/9")])
    for number in range(10_000):
        address = f"10.{number % 256}.{number // 256}.1"
        assert policy.verdict(address).admitted is (number % 256 < 128)
    assert len(policy._given) <= 5000


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        (" 192.0.2.0/24 ", "192.0.2.0/24"),
        ("192.0.2.77/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8::1", "2001:db8::1/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
    ],
)
def test_addresses_and_networks(text: str, network: str) -> None:
    assert str(parse_cidr(text)) == network


@pytest.mark.parametrize(
    "text", ["", "office", "192.0.2", "192.0.2.0/33", "256.0.0.1", "2001:db8::/129", "1.2.3.4/x"]
)
def test_no_address_and_no_network(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"192\.0\.2\.0/24"):
        parse_cidr(text)


@given(st.text(max_size=80))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        parse_cidr(text)
    except InvalidInput as error:
        assert len(error.message) < 300


def test_the_states_are_those_of_the_cloud_api() -> None:
    assert [str(state) for state in PublicEntry] == ["Opened", "Closed"]
