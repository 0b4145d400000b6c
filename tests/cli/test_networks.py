"""`roadstead network` and `roadstead vpc` on private links, without a server that would take them up."""

from __future__ import annotations

from pathlib import Path

import pytest

from roadstead.cli import networks
from tests.cli.invoking import Invoke, fails, ok, parsed, table

LAB = ("vpc-lab", "subnet-a")


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes the link up here, so it is not waited for."""
    monkeypatch.setattr(networks, "_LINK_SECONDS", 0.0)


def test_a_network_and_a_link_in_it(invoke: Invoke, folder: Path, waiting: None) -> None:
    data = ("--data", folder)
    assert "No network is declared" in ok(invoke("vpc", "list", *data))
    made = ok(invoke("vpc", "create", "vpc-lab", "10.7.0.0/16", "fd00:7::/48", "--name", "lab", *data))
    assert made.startswith("vpc-lab is declared. Next: roadstead vpc add-subnet vpc-lab")
    ok(invoke("vpc", "add-subnet", *LAB, "10.7.1.0/24", "eth-none", *data))
    _, *rows = table(invoke("vpc", "list", *data))
    assert rows == [
        ["vpc-lab", "lab", "10.7.0.0/16,", "fd00:7::/48", "subnet-a", "10.7.1.0/24", "eth-none", "operation"]
    ]
    assert "No private links" in ok(invoke("network", "links", *data))
    assert "a serving host has to take it up" in ok(invoke("network", "link", *LAB, *data))
    (link,) = parsed(invoke("network", "links", "--json", *data))
    assert (link["Status"], link["AccessIp"]) == ("Creating", "")
    assert ok(invoke("network", "records", *data)) == "# vpc-lab\n10.7.1.2 default.localhost\n"
    assert "host-record=default.localhost" in ok(invoke("network", "records", "--form", "dnsmasq", *data))
    ok(invoke("network", "name", "vpc-lab", "10.7.1.2", "--off", *data))
    assert ok(invoke("network", "records", *data)) == "No name leads to a private link.\n"
    ok(invoke("network", "name", "vpc-lab", "10.7.1.2", "--vpc", *data))
    assert ok(invoke("network", "records", *data)) == "# vpc-lab\n10.7.1.2 default-vpc.localhost\n"
    fails(invoke("vpc", "remove-subnet", "--yes", "subnet-a", *data), "private links of the instances default")
    assert "is gone" in ok(invoke("network", "unlink", "--yes", *LAB, *data))
    ok(invoke("vpc", "remove-subnet", "--yes", "subnet-a", *data))
    ok(invoke("vpc", "delete", "--yes", "vpc-lab", *data))
