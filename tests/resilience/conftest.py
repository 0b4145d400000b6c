"""The registry that the hostile tests of one module share, and what it must be like after them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.resilience.hostile import SETTINGS, Client
from tests.servers.roadstead import RoadsteadServer

_GROWTH = 100 << 20


@pytest.fixture(scope="module")
def beset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoadsteadServer]:
    """The one server of all that follows; at the end it is as it was."""
    server = RoadsteadServer(tmp_path_factory.mktemp("hostile") / "data", SETTINGS)
    server.start()
    try:
        server.create_namespace("hostile")
        before = _memory(server)
        yield server
        after = _memory(server)
        assert set(after) == set(before), "a serving process has been replaced"
        assert all(after[process] - before[process] < _GROWTH for process in before), (before, after)
        assert Client(server).ask("GET", "/v2/").status == 200
        assert json.loads(server.command("--json", "storage", "check"))["Findings"] == []
        assert "Traceback" not in server.log.read_text(errors="replace")
    finally:
        server.kill()
        print(server.log.read_text(errors="replace")[-6000:])


def _memory(server: RoadsteadServer) -> dict[int, int]:
    """The resident bytes of each process of the server."""
    parent = server.process.identifier
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return {process: _resident(process) for process in (parent, *map(int, children))}


def _resident(process: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.fixture
def client(beset: RoadsteadServer) -> Client:
    """The owner, from an address where nobody has mistyped a password."""
    return Client(beset)


@pytest.fixture
def session(client: Client) -> Iterator[str]:
    """An upload session, cancelled at the end."""
    location = client.begin()
    yield location
    client.ask("DELETE", location)


@pytest.fixture(scope="module")
def sources() -> Iterator[int]:
    """Numbers of addresses from which nobody has come yet."""
    return itertools.count(2)


@pytest.fixture
def stranger(beset: RoadsteadServer, sources: Iterator[int]) -> Client:
    """A client from an address of its own, whose failed logins make nobody else wait."""
    return Client(beset, f"127.0.1.{next(sources)}")
