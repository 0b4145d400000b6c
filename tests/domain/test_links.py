"""What a network and its subnets may be, which addresses are free, and how records are written."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import islice

import pytest
from dnslib import RR
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.domain import links
from roadstead.domain.links import DeclaredSubnet, DeclaredVpc
from roadstead.domain.network import Cidr
from roadstead.errors import InvalidInput
from tests.domain.test_network import networks


@pytest.mark.parametrize("text", ["vpc-a", "vpc-office01", "vpc-1-2", "vpc-" + "a" * 20])
def test_ids_of_networks(text: str) -> None:
    assert links.vpc_id(text) == text


@pytest.mark.parametrize("text", ["", "vpc-", "vpc--a", "office", "vpc-A", "vpc-a b", "vpc-" + "a" * 21, "vpc-a\n"])
def test_no_ids_of_networks(text: str) -> None:
    with pytest.raises(InvalidInput):
        links.vpc_id(text)


@pytest.mark.parametrize("text", ["", "subnet-", "vpc-a", "subnet-A", "subnet-" + "a" * 18])
def test_no_ids_of_subnets(text: str) -> None:
    with pytest.raises(InvalidInput):
        links.subnet_id(text)


@pytest.mark.parametrize("text", ["", "eth 1", "eth/1", "e" * 16, "eth:1", "-rf\n"])
def test_no_names_of_interfaces(text: str) -> None:
    with pytest.raises(InvalidInput):
        links.interface_name(text)
    assert links.subnet_id("subnet-a1") == "subnet-a1" and links.interface_name("br0.100") == "br0.100"


@given(st.lists(networks(), min_size=1, max_size=3), st.lists(networks(), max_size=3))
@settings(max_examples=50)
def test_networks_overlap_when_an_address_is_in_both(one: list[Cidr], other: list[Cidr]) -> None:
    def share(a: Cidr, b: Cidr) -> bool:
        return a.version == b.version and (a.network_address in b or b.network_address in a)

    found = links.overlap(one, other)
    assert (found is not None) is any(share(a, b) for a in one for b in other)


@given(networks(), st.lists(networks(), max_size=3))
@settings(max_examples=50)
def test_a_subnet_is_inside_when_both_its_ends_are(cidr: Cidr, network: list[Cidr]) -> None:
    plainly = any(cidr.network_address in each and cidr.broadcast_address in each for each in network)
    assert links.inside(cidr, network) is plainly


@pytest.mark.parametrize(
    ("cidr", "taken", "free"),
    [
        ("10.7.0.0/29", [], ["10.7.0.2", "10.7.0.3", "10.7.0.4", "10.7.0.5", "10.7.0.6"]),
        ("10.7.0.0/29", ["10.7.0.2", "10.7.0.4", "fd00::3"], ["10.7.0.3", "10.7.0.5", "10.7.0.6"]),
        ("10.7.0.0/30", [], ["10.7.0.2"]),
        ("10.7.0.0/31", ["10.7.0.0"], ["10.7.0.1"]),
        ("10.7.0.5/32", [], ["10.7.0.5"]),
        ("fd00::/126", [], ["fd00::2", "fd00::3"]),
        ("fd00::/126", ["fd00::2", "fd00::3"], []),
    ],
)
def test_free_addresses(cidr: str, taken: list[str], free: list[str]) -> None:
    assert list(links.free_addresses(ip_network(cidr), taken)) == free


@given(networks(), st.integers(0, 5))
def test_a_free_address_is_one_that_a_host_may_have(cidr: Cidr, skip: int) -> None:
    for text in islice(links.free_addresses(cidr, []), skip, skip + 2):
        address = ip_address(text)
        assert address in cidr
        assert cidr.num_addresses <= 2 or address != cidr.network_address
        assert cidr.num_addresses <= 2 or cidr.version == 6 or address != cidr.broadcast_address


def test_declarations() -> None:
    assert links.declared_vpc("vpc-a 10.7.9.9/16+fd00::/48  the build lab") == DeclaredVpc(
        "vpc-a", "10.7.0.0/16,fd00::/48", "the build lab"
    )
    assert links.declared_subnet("subnet-a vpc-a 10.7.1.0/24 eth1") == DeclaredSubnet(
        "subnet-a", "vpc-a", "10.7.1.0/24", "eth1"
    )
    for text in ("", "vpc-a", "a 10.0.0.0/8", "vpc-a office"):
        with pytest.raises(InvalidInput):
            links.declared_vpc(text)
    for text in ("", "subnet-a vpc-a 10.7.1.0/24", "subnet-a vpc-a 10.7.1.0/24 eth1 x", "subnet-a vpc-a x eth1"):
        with pytest.raises(InvalidInput):
            links.declared_subnet(text)


@pytest.mark.parametrize(("address", "kind"), [("10.7.1.2", "A"), ("fd00::2", "AAAA")])
def test_records_to_copy(address: str, kind: str) -> None:
    names = links.private_names("acme", "registry.test.", named=True, named_vpc=True)
    assert names == ("acme.registry.test", "acme-vpc.registry.test")
    assert links.hosts_records(address, names) == f"{address} acme.registry.test acme-vpc.registry.test"
    assert (
        links.dnsmasq_records(address, names, 60)
        == f"host-record=acme.registry.test,acme-vpc.registry.test,{address},60"
    )
    records = RR.fromZone(links.bind_records(address, names, 60))
    found = [(str(record.rname), str(ip_address(str(record.rdata)))) for record in records if record.rtype in {1, 28}]
    assert found == [(f"{name}.", address) for name in names]
    assert f" IN {kind} {address}" in links.bind_records(address, names, 60)


def test_names_that_are_switched_off_are_not_told() -> None:
    assert links.private_names("acme", "registry.test", named=False, named_vpc=False) == ()
    assert links.private_names("acme", "registry.test", named=False, named_vpc=True) == ("acme-vpc.registry.test",)
