"""The serving processes together: replaced when one dies, gone with their parent, ended in order when asked."""

from __future__ import annotations

import base64
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roadstead.cli.supervisor import apart, bind, process_count, twin
from roadstead.config import Settings
from roadstead.errors import StartRefused
from tests.servers.roadstead import RoadsteadServer

_TWO = {"ROADSTEAD_PROCESSES": "2", "ROADSTEAD_LIMITS_IDLE_SECONDS": "2"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RoadsteadServer]:
    """A registry with two serving processes."""
    server = RoadsteadServer(tmp_path / "data", _TWO)
    server.start()
    yield server
    server.kill()


def children(parent: int) -> set[int]:
    """The processes that the process has started and that have not ended."""
    return {int(text) for text in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}


def gone(process: int) -> bool:
    """Whether the process has ended; one that only waits to be asked for its exit code has."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(true: Callable[[], bool], what: str) -> None:
    """It has become true."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.03)


def status(server: RoadsteadServer, path: str = "/healthz", **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def basic(server: RoadsteadServer) -> str:
    made = server.credentials
    return "Basic " + base64.b64encode(f"{made.registry_user}:{made.registry_token}".encode()).decode()


def test_a_process_that_dies_is_replaced(server: RoadsteadServer) -> None:
    parent = server.process.identifier
    before = children(parent)
    assert len(before) == 2
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(children(parent) - {victim}) == 2, "no other process was started")
    assert children(parent) & before == before - {victim}
    assert "a serving process ended with -9; starting another" in server.log.read_text()
    until(lambda: status(server) == 200, "it does not serve any more")
    assert server.stop() == 0
    assert all(gone(child) for child in before)


def test_no_process_outlives_its_parent(server: RoadsteadServer) -> None:
    serving = children(server.process.identifier)
    assert len(serving) == 2
    os.kill(server.process.identifier, signal.SIGKILL)
    assert server.process.wait() == -signal.SIGKILL
    until(lambda: all(gone(child) for child in serving), "a process serves on unwatched")


def test_asked_to_end_in_the_middle_of_an_upload_they_end_well(server: RoadsteadServer) -> None:
    headers = {"authorization": basic(server)}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/v2/library/app/blobs/uploads/", headers=headers)
    begun = connection.getresponse()
    begun.read()
    assert begun.status == 202
    connection.putrequest("PATCH", begun.headers["location"])
    for name, value in {**headers, "content-length": "1000000"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * 1000)
    uploads = server.folder / "storage"
    until(lambda: any(path.is_file() for path in uploads.rglob("*")), "the upload has not begun")
    assert server.stop() == 0
    connection.close()


def test_a_second_server_on_the_port_is_refused(server: RoadsteadServer, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "roadstead", "serve", "--data", tmp_path / "other", "--listen", server.address],
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"roadstead: {server.address} is in use by another program")
    assert not (tmp_path / "other").exists()
    assert status(server) == 200


def end(server: RoadsteadServer, by: signal.Signals) -> None:
    """All processes have ended well, while a client that had been answered was still connected."""
    serving = children(server.process.identifier)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b'{"status":"ok"}'
    assert server.process.stop(by=by) == 0
    assert len(serving) == 2 and all(gone(child) for child in serving)
    connection.close()


def test_a_second_start_takes_over_what_the_first_has_left(server: RoadsteadServer) -> None:
    first = server.credentials
    assert "docker login" in server.log.read_text()
    end(server, by=signal.SIGTERM)
    server.log.unlink()
    server.start()
    assert server.credentials == first
    assert status(server, "/v2/", authorization=basic(server)) == 200
    assert "docker login" not in server.log.read_text()
    assert first.registry_token not in server.log.read_text()
    end(server, by=signal.SIGINT)


@pytest.mark.parametrize(("wanted", "count"), [(1, 1), (7, 7), (0, min(4, len(os.sched_getaffinity(0))))])
def test_the_number_of_processes(wanted: int, count: int) -> None:
    assert process_count(Settings(processes=wanted)) == count


def test_each_process_listens_on_the_same_port() -> None:
    with bind("127.0.0.1:0") as held, twin(held) as one, twin(held) as other:
        assert held.getsockname() == one.getsockname() == other.getsockname()
        address, port = held.getsockname()
        with pytest.raises(StartRefused, match="is in use by another program"):
            bind(f"{address}:{port}")


def test_a_port_is_held_before_anything_listens_on_it() -> None:
    with bind("127.0.0.1:0") as held:
        address, port = held.getsockname()
        with pytest.raises(StartRefused, match="is in use by another program"):
            bind(f"{address}:{port}")


@pytest.mark.parametrize("listen", ["192.0.2.1:5000", "no.such.host.invalid:5000"])
def test_an_address_that_is_not_of_this_host_cannot_be_had(listen: str) -> None:
    with pytest.raises(StartRefused, match=f"cannot listen on {listen}"):
        bind(listen)


def test_work_apart_tells_how_it_ended(capfd: pytest.CaptureFixture[str]) -> None:
    async def well() -> None:
        print("done")

    async def refused() -> None:
        raise StartRefused("the reason")

    assert apart(well) == 0
    assert apart(refused) == 3, "not what a crash ends with"
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("done\n", "roadstead: the reason\n")
