"""The allowlist: the compiled policy against the plain reading of the same rule."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.network import (
    Addresses,
    Cidr,
    Entry,
    NetworkPolicy,
    Number,
    PublicEntry,
    exposure,
    is_loopback,
    numeric,
    parse_cidr,
)
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
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.77/120", "192.0.2.0/24"),
        ("::ffff:0:0/95", "::fffe:0:0/95"),
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


def test_the_states_of_the_public_entry() -> None:
    assert [(str(each), each.admits, str(each.settled)) for each in PublicEntry] == [
        ("Closed", False, "Closed"),
        ("Opening", True, "Opened"),
        ("Opened", True, "Opened"),
        ("Closing", False, "Closed"),
    ]


@pytest.mark.parametrize(
    ("allowlist", "warned"),
    [
        ([], ""),
        (["10.0.0.0/8", "::1/128"], ""),
        (["0.0.0.0/0"], "every IPv4 address"),
        (["128.0.0.0/1", "0.0.0.0/1", "::/1"], "every IPv4 address"),
        (["::/0"], "every IPv6 address"),
        (["::/0", "10.0.0.0/8", "0.0.0.0/0"], "every IPv4 and IPv6 address"),
        (["::ffff:0:0/96"], "every IPv4 address"),
    ],
)
def test_an_allowlist_of_everybody_is_warned_of(allowlist: list[str], warned: str) -> None:
    warning = exposure(map(parse_cidr, allowlist))
    assert bool(warning) is bool(warned) and warned in warning


LINK = "10.7.0.9"
OTHERS_LINK = "fd00:7::9"


@given(st.data(), st.lists(networks(), max_size=4), st.lists(networks(), max_size=4), st.booleans())
def test_at_a_private_link_only_its_network_counts(
    data: st.DataObject, vpc: list[Cidr], allowlist: list[Cidr], opened: bool
) -> None:
    links = {numbered(LINK): Addresses(vpc), numbered(OTHERS_LINK): None}
    policy = NetworkPolicy.of(loopback=True, opened=opened, networks=allowlist, links=links)
    client = data.draw(near([*vpc, *allowlist]))
    plain = ip_address(client)
    if isinstance(plain, IPv6Address) and plain.ipv4_mapped:
        plain = plain.ipv4_mapped
    for local in (LINK, f"::ffff:{LINK}"):
        verdict = policy.verdict(client, local)
        assert (verdict.admitted, verdict.entry) == (any(plain in each for each in vpc), Entry.PRIVATE)
    verdict = policy.verdict(client, "fd00:0007:0::0009")
    assert (verdict.admitted, verdict.entry) == (False, Entry.PRIVATE)
    for local in ("10.7.0.8", "", "nonsense"):
        verdict = policy.verdict(client, local)
        assert (verdict.admitted, verdict.entry) == plainly_admitted(client, allowlist, loopback=True, opened=opened)


@pytest.mark.parametrize("client", ["unknown", "", "192.0.2.1", "127.0.0.1", "10.8.0.1"])
def test_what_is_not_of_the_network_is_refused_at_its_link(client: str) -> None:
    links = {numbered(LINK): Addresses([ip_network("10.7.0.0/16")])}
    policy = NetworkPolicy.of(loopback=True, opened=True, networks=[ip_network("0.0.0.0/0")], links=links)
    verdict = policy.verdict(client, LINK)
    assert (verdict.admitted, verdict.entry) == (False, Entry.PRIVATE) and "private link" in verdict.reason
    assert policy.verdict("10.7.1.1", LINK).admitted


def numbered(text: str) -> Number:
    number = numeric(text)
    assert number is not None
    return number


@given(addresses)
def test_an_address_as_a_number(address: IPv4Address | IPv6Address) -> None:
    number = numbered(str(address))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    plain = mapped or address
    assert number == (plain.version, int(plain))
    assert number.loopback is plain.is_loopback
    assert is_loopback(str(address)) is plain.is_loopback


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("fe80::1%eth0", (6, int(ip_address("fe80::1")))),
        ("192.0.2.1%eth0", None),
        ("::ffff:1.2.3.4", (4, 0x01020304)),
        ("::ffff:1.2.3", None),
        ("1.2.3", None),
        ("01.2.3.4", None),
        ("1.2.3.4\0", None),
        ("\ud800", None),
        ("٣.2.1.1", None),
    ],
)
def test_texts_that_are_addresses_and_those_that_are_not(text: str, number: tuple[int, int] | None) -> None:
    assert numeric(text) == number


@given(st.lists(networks(), max_size=8), addresses)
def test_a_set_of_addresses_holds_what_its_networks_hold(members: list[Cidr], address: IPv4Address) -> None:
    assert (Number(address.version, int(address)) in Addresses(members)) is any(address in each for each in members)
