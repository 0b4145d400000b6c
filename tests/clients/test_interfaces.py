"""The kernel asked about this host's interfaces; what changes them is tried in a laboratory (test_entries.py)."""

from __future__ import annotations

import errno

import pytest

from roadstead.clients import interfaces
from roadstead.clients.interfaces import OnInterface


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
