"""Whom a forwarded request comes from, against a plain reading of the same rule."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.proxies import Hop, Proxies, away
from roadstead.errors import ForwardingInvalid, InvalidInput, NetworkRefused

NAMED = Proxies.of(["192.0.2.1", "10.0.0.0/8", "2001:db8::/64", "127.0.0.1"])
BY_RFC = Proxies.of(["192.0.2.1", "10.0.0.0/8"], "forwarded")


def told(header: str, proto: str = "", host: str = "") -> dict[bytes, bytes]:
    beside = {b"x-forwarded-proto": proto.encode(), b"x-forwarded-host": host.encode()}
    return {b"x-forwarded-for": header.encode()} | {name: value for name, value in beside.items() if value}


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        # From a named proxy the header counts, from its right end.
        ("192.0.2.1", "203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "203.0.113.9", "203.0.113.9"),
        ("2001:db8::5", "2001:db9::1", "2001:db9::1"),
        ("192.0.2.1", "127.0.0.2, 203.0.113.9", "203.0.113.9"),
        ("192.0.2.1", "203.0.113.9, 10.0.0.7, 10.0.0.8", "203.0.113.9"),
        ("192.0.2.1", "nonsense, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("192.0.2.1", " 203.0.113.9 ,, ", "203.0.113.9"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        # A socket for both kinds of addresses writes IPv4 ones so; some proxies add the port.
        ("::ffff:192.0.2.1", "203.0.113.9", "203.0.113.9"),
        ("192.0.2.1", "203.0.113.9, ::ffff:10.0.0.7", "203.0.113.9"),
        ("192.0.2.1", "203.0.113.9:4711", "203.0.113.9"),
        ("192.0.2.1", "[2001:db9::1]:4711", "2001:db9::1"),
        ("192.0.2.1", "[2001:db9::1]", "2001:db9::1"),
        # Named proxies only: the furthest that is known.
        ("192.0.2.1", "10.0.0.7, 10.0.0.8", "10.0.0.7"),
        # Another host's loopback is that host, not this one.
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("192.0.2.1", "127.0.0.1", "192.0.2.1"),
        ("192.0.2.1", "::1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.9, 10.0.0.7", "10.0.0.7"),
        ("127.0.0.1", "127.0.0.1, 10.0.0.7", "10.0.0.7"),
        # What a proxy will not tell is admitted nowhere.
        ("192.0.2.1", "unknown", "unknown"),
        # From anybody else it counts for nothing.
        ("198.51.100.7", "127.0.0.1", "198.51.100.7"),
        ("198.51.100.7", "10.0.0.1", "198.51.100.7"),
        ("198.51.100.7", "nonsense", "198.51.100.7"),
        ("unknown", "127.0.0.1", "unknown"),
    ],
)
def test_the_client_behind_proxies(peer: str, header: str, client: str) -> None:
    assert NAMED.client(peer, told(header)) == Hop(client)


@pytest.mark.parametrize(
    ("header", "proto", "host", "scheme", "name"),
    [
        ("203.0.113.9", "https", "a.test", "https", "a.test"),
        ("203.0.113.9", "HTTPS", "a.test:8443", "https", "a.test:8443"),
        ("203.0.113.9, 10.0.0.7", "https, http", "a.test, b.test", "https", "a.test"),
        # A client wrote the left end itself.
        ("1.1.1.1, 203.0.113.9", "ftp, https", "evil!, a.test", "https", "a.test"),
        ("1.1.1.1, 203.0.113.9, 10.0.0.7", "ftp, https, http", "", "https", ""),
        # These proxies replace what came.
        ("203.0.113.9, 10.0.0.7", "https", "[2001:db8::1]:5000", "https", "[2001:db8::1]:5000"),
        ("203.0.113.9", "", "", "", ""),
    ],
)
def test_scheme_and_host_are_those_that_the_client_used(
    header: str, proto: str, host: str, scheme: str, name: str
) -> None:
    assert NAMED.client("192.0.2.1", told(header, proto, host)) == Hop("203.0.113.9", scheme, name)


@pytest.mark.parametrize(
    "headers",
    [
        told("nonsense"),
        told("203.0.113.9, nonsense, 10.0.0.1"),
        told("203.0.113.9:99999"),
        told("203.0.113.9:123456"),
        told("203.0.113.9:x"),
        told("[2001:db8::1"),
        told("[2001:db8::1]x"),
        told("1" * 5000),
        told("203.0.113.9", "gopher"),
        told("203.0.113.9", "", "a b"),
        told("203.0.113.9", "", "a/b"),
        told("203.0.113.9", "", "a..b"),
    ],
)
def test_what_no_proxy_should_write_is_refused(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(ForwardingInvalid, match=r"proxy at (192\.0\.2\.1|10\.0\.0\.1)") as caught:
        NAMED.client("192.0.2.1", headers)
    assert len(caught.value.message) < 300


FORWARDED = [
    ("for=203.0.113.9", Hop("203.0.113.9")),
    ("For=203.0.113.9; Proto=https ;host=a.test", Hop("203.0.113.9", "https", "a.test")),
    ('for="203.0.113.9:4711"', Hop("203.0.113.9")),
    ('for="[2001:db9::1]:4711";by=10.0.0.1', Hop("2001:db9::1")),
    ('for="[2001:db9::\\1]"', Hop("2001:db9::1")),
    ("for=127.0.0.1;host=forged, for=203.0.113.9;host=b.test, for=10.0.0.9", Hop("203.0.113.9", "", "b.test")),
    ('for=127.0.0.1;x=", y", for=203.0.113.9', Hop("203.0.113.9")),
    ("for=203.0.113.9, for=_hidden", Hop("unknown")),
    ("for=203.0.113.9, for=unknown;proto=https", Hop("unknown", "https")),
    ("for=203.0.113.9, proto=https", Hop("unknown", "https")),
    (",, for=203.0.113.9 ,", Hop("203.0.113.9")),
]


@pytest.mark.parametrize(("header", "client"), FORWARDED)
def test_the_standard_header(header: str, client: Hop) -> None:
    assert BY_RFC.client("192.0.2.1", {b"forwarded": header.encode()}) == client


@pytest.mark.parametrize(
    "header",
    [
        'for=127.0.0.1;x=", for=203.0.113.9',
        'for=127.0.0.1;x=", for="[2001:db9::1]"',
        "for=2001:db9::1",
        "for=203.0.113.9 for=127.0.0.1",
        "for=203.0.113.9;for=127.0.0.1",
        "for",
        "=1",
        "for=",
        "for=a b",
        "for=203.0.113.9:80",
        'for="203.0.113.9:x"',
    ],
)
def test_a_broken_standard_header_is_refused(header: str) -> None:
    with pytest.raises(ForwardingInvalid):
        BY_RFC.client("192.0.2.1", {b"forwarded": header.encode()})


def test_only_the_header_that_the_setting_names_counts() -> None:
    both = {b"x-forwarded-for": b"203.0.113.9", b"forwarded": b"for=127.0.0.1", b"x-real-ip": b"127.0.0.1"}
    assert NAMED.client("192.0.2.1", both) == Hop("203.0.113.9")
    both = {b"x-forwarded-for": b"127.0.0.1", b"forwarded": b"for=203.0.113.9", b"x-forwarded-proto": b"https"}
    assert BY_RFC.client("192.0.2.1", both) == Hop("203.0.113.9")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("name", [b"x-forwarded-for", b"forwarded", b"x-real-ip", b"x-forwarded-proto"])
def test_an_unnamed_proxy_on_this_host_would_let_the_world_in_as_localhost(peer: str, name: bytes) -> None:
    with pytest.raises(NetworkRefused, match=r"network\.proxies") as caught:
        Proxies.of([]).client(peer, {name: b"203.0.113.9"})
    assert caught.value.detail == {"gate": "network", "address": peer, "reason": "unnamed proxy"}
    assert Proxies.of([]).client(peer, {b"host": b"a"}) == Hop(peer)


@pytest.mark.parametrize("headers", [{}, told(""), told(" , "), {b"forwarded": b"for=203.0.113.9"}])
def test_a_named_proxy_must_say_for_whom_it_asks(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(NetworkRefused, match=r"10\.0\.0\.7 does not say for whom") as caught:
        NAMED.client("10.0.0.7", headers)
    assert caught.value.detail == {"gate": "network", "address": "10.0.0.7", "reason": "silent proxy"}


def test_a_proxy_must_be_an_address_or_network() -> None:
    with pytest.raises(InvalidInput):
        Proxies.of(["proxy.example.test"])


PROXY_HOSTS = ["10.0.0.1", "10.0.0.2", "127.0.0.1", "2001:db8::1"]
STRANGERS = ["203.0.113.9", "198.51.100.7", "2001:db9::1", "127.0.0.2", "::1"]


@given(st.lists(st.sampled_from(PROXY_HOSTS + STRANGERS), max_size=5), st.sampled_from(PROXY_HOSTS), st.booleans())
def test_the_right_end_is_read_as_the_plain_rule_says(hops: list[str], peer: str, standard: bool) -> None:
    """A request walks from its client over its proxies to here: walk the same way back."""
    proxies = Proxies.of(PROXY_HOSTS, "forwarded" if standard else "x-forwarded-for")
    if standard:
        text = ", ".join(f'for="[{hop}]"' if ":" in hop else f"for={hop}" for hop in hops)
    else:
        text = ", ".join(hops)
    if not hops:
        with pytest.raises(NetworkRefused):
            proxies.client(peer, {})
        return
    way = [peer]
    for hop in reversed(hops):
        if way[-1] in PROXY_HOSTS:
            way.append(hop)
    client, seen_by = way[-1], way[-2]
    if ip_address(client).is_loopback and not ip_address(seen_by).is_loopback:
        client = seen_by
    name = b"forwarded" if standard else b"x-forwarded-for"
    assert proxies.client(peer, {name: text.encode()}) == Hop(client)


@given(st.text(max_size=60), st.sampled_from(["x-forwarded-for", "forwarded"]), st.sampled_from(STRANGERS[:3]))
def test_what_a_client_sends_itself_never_makes_it_another(forged: str, name: str, client: str) -> None:
    """The proxy adds the client at the right end of whatever came; at worst the request is refused."""
    proxies = Proxies.of(["10.0.0.1"], "forwarded" if name == "forwarded" else "x-forwarded-for")
    entry = client if name == "x-forwarded-for" else f'for="[{client}]"' if ":" in client else f"for={client}"
    value = f"{forged}, {entry}".encode()
    try:
        found = proxies.client("10.0.0.1", {name.encode(): value})
    except ForwardingInvalid:
        return
    assert found.address == client


def test_a_loopback_address_belongs_to_the_host_that_saw_it() -> None:
    assert away("127.0.0.1", "127.0.0.5") == "127.0.0.1"
    assert away("::1", "10.0.0.1") == "10.0.0.1"
    assert away("203.0.113.9", "10.0.0.1") == "203.0.113.9"
