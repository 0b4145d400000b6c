"""The kernel asked about this host's interfaces; what changes them is tried in a laboratory (test_entries.py too)."""

from __future__ import annotations

import errno
import subprocess
import sys
import time

import pytest

from roadstead.clients import interfaces
from roadstead.clients.interfaces import OnInterface
from tests.servers.laboratory import Laboratory, bridged


def test_the_loopback_has_its_address_and_is_up() -> None:
    assert OnInterface("lo", "127.0.0.1", 8) in interfaces.addresses()
    assert interfaces.is_up("lo")
    assert not interfaces.is_up("no-such-one")


def test_an_interface_that_is_not_there() -> None:
    place = OnInterface("no-such-one", "192.0.2.1", 24)
    with pytest.raises(OSError, match="no interface no-such-one") as caught:
        interfaces.put(place)
    assert caught.value.errno == errno.ENODEV
    interfaces.take_off(place)


async def test_nobody_answers_where_there_is_no_way() -> None:
    assert await interfaces.answering(["240.0.0.1", "fd99:9::1"], seconds=0) == set()


def neighbours(lab: Laboratory, host: str) -> dict[str, str]:
    """The Ethernet addresses to which the host sends what is for its neighbours, by their addresses."""
    told = subprocess.check_output([*lab.inside(host), "ip", "neigh", "show"], text=True).splitlines()
    return {line.split()[0]: line.partition(" lladdr ")[2].split()[0] for line in told if " lladdr " in line}


def hardware(lab: Laboratory, host: str) -> str:
    """The Ethernet address of the host."""
    told = subprocess.check_output([*lab.inside(host), "cat", "/sys/class/net/wire/address"], text=True)
    return told.strip()


def look(lab: Laboratory, host: str, asked: list[str]) -> None:
    """The host knows who has the addresses."""
    work = f"import asyncio\nfrom roadstead.clients.interfaces import *\nasyncio.run(answering({asked}))"
    subprocess.run([*lab.inside(host), sys.executable, "-c", work], check=True)


def put(lab: Laboratory, host: str, *places: OnInterface, rights: str = "") -> None:
    """The addresses are on the host's interface, put on by a process with all rights but those."""
    work = f"from roadstead.clients.interfaces import *\nfor each in {places!r}: put(each)"
    less = ["setpriv", "--bounding-set", rights, "--inh-caps", rights] if rights else []
    subprocess.run([*lab.inside(host), *less, sys.executable, "-c", work], check=True)


def test_neighbours_send_to_the_host_that_has_taken_an_address_over() -> None:
    places = OnInterface("wire", "10.60.0.9", 24), OnInterface("wire", "fd60::9", 64)
    own = OnInterface("wire", "10.60.0.3", 24), OnInterface("wire", "fd60::3", 64)
    moved = [each.address for each in places]
    with bridged("old", "new", "third") as lab:
        put(lab, "old", *places)
        put(lab, "third", *own)
        look(lab, "third", moved)
        known = neighbours(lab, "third")
        assert [known[each] for each in moved] == [hardware(lab, "old")] * 2
        subprocess.run([*lab.inside("old"), "ip", "link", "set", "dev", "wire", "down"], check=True)
        # Who may not announce it puts it on all the same.
        put(lab, "new", *places, rights="-net_raw")
        assert neighbours(lab, "third") == known
        for each in places:
            taking = ["ip", "addr", "del", f"{each.address}/{each.prefix}", "dev", "wire"]
            subprocess.run([*lab.inside("new"), *taking], check=True)
        put(lab, "new", *places)
        until = time.monotonic() + 1
        while (known := neighbours(lab, "third")) and time.monotonic() < until:
            if [known.get(each) for each in moved] == [hardware(lab, "new")] * 2:
                return
        pytest.fail(f"the third host sends to {known} still")
