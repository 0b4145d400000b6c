"""Signals that come at the worst moment, and failures that nobody foresaw: the server ends, and says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from roadstead.cli.supervisor import apart, bind
from roadstead.errors import StartRefused
from tests.cli.test_supervisor import gone

ROOT = Path(__file__).parents[2]
# A child that would be killed only after the 30 seconds that it has to end.
SOON = 15


def supervise(folder: Path, body: str, before: str = "", options: str = "") -> subprocess.Popen[str]:
    """A program that supervises one child whose work is `body`; `options` are the supervisor's own."""
    program = f"""
import asyncio, os, signal, sys
from pathlib import Path
from roadstead.cli.supervisor import Supervisor

folder = Path({str(folder)!r})

async def work():
    number = len(list(folder.glob("child-*")))
    (folder / f"child-{{number}}").write_text(str(os.getpid()))
    {body}

{before}
sys.exit(Supervisor(1, work{options}).run())
"""
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and errors of the program, which ends soon."""
    try:
        _, errors = process.communicate(timeout=SOON)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, errors


def test_asked_to_end_while_a_child_is_to_be_replaced_no_other_is_started(tmp_path: Path) -> None:
    process = supervise(tmp_path, "os._exit(9)")
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "ended with 9; starting another" in line
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (0, "")
    assert len(list(tmp_path.glob("child-*"))) == 1


def test_asked_to_end_in_the_moment_of_starting_a_child_that_child_is_told_too(tmp_path: Path) -> None:
    before = """
fork = os.fork
def fork_and_be_told():
    child = fork()
    if child:
        os.kill(os.getpid(), signal.SIGTERM)
    return child
os.fork = fork_and_be_told
"""
    assert ended(supervise(tmp_path, "await asyncio.sleep(60)", before)) == (0, "")


def test_asked_to_end_when_its_child_has_just_ended(tmp_path: Path) -> None:
    before = """
wait = os.wait
def wait_and_be_told():
    found = wait()
    signal.raise_signal(signal.SIGTERM)
    return found
os.wait = wait_and_be_told
"""
    assert ended(supervise(tmp_path, "os._exit(9)", before)) == (0, "")


def test_a_child_that_cannot_start_ends_the_server(tmp_path: Path) -> None:
    body = "from roadstead.errors import StartRefused; raise StartRefused('the reason')"
    assert ended(supervise(tmp_path, body)) == (1, "roadstead: the reason\n")


_LATER = """
def mark(name):
    (folder / name).write_text(str(os.getpid()))

def load():
    mark("loading")
    {load}

async def prepare():
    mark("preparing")
    {prepare}
"""


def test_asked_to_end_while_it_still_imports(tmp_path: Path) -> None:
    before = _LATER.format(load="import time; time.sleep(60)", prepare="pass")
    process = supervise(tmp_path, "pass", before, ", load=load")
    wait_until((tmp_path / "loading").exists)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (0, "")
    assert not list(tmp_path.glob("child-*"))


def test_asked_to_end_while_it_prepares_nothing_goes_on(tmp_path: Path) -> None:
    before = _LATER.format(load="pass", prepare="await asyncio.sleep(60)")
    process = supervise(tmp_path, "pass", before, ", load=load, prepare=prepare")
    wait_until(lambda: (tmp_path / "preparing").exists() and (tmp_path / "preparing").read_text() != "")
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (0, "")
    assert not list(tmp_path.glob("child-*"))
    preparing = int((tmp_path / "preparing").read_text())
    wait_until(lambda: gone(preparing))


def test_what_cannot_be_prepared_is_not_served(tmp_path: Path) -> None:
    refuse = "from roadstead.errors import StartRefused; raise StartRefused('the reason')"
    before = _LATER.format(load="pass", prepare=refuse)
    assert ended(supervise(tmp_path, "pass", before, ", prepare=prepare")) == (1, "roadstead: the reason\n")
    assert not list(tmp_path.glob("child-*"))


def test_what_cannot_be_imported_ends_the_server_and_is_told(tmp_path: Path) -> None:
    code, errors = ended(
        supervise(tmp_path, "pass", _LATER.format(load="import nowhere", prepare="pass"), ", load=load")
    )
    assert code == 1
    assert "No module named 'nowhere'" in errors
    assert not list(tmp_path.glob("child-*"))


def test_a_start_that_the_kernel_ended_is_told(tmp_path: Path) -> None:
    before = _LATER.format(load="os.kill(os.getpid(), signal.SIGKILL)", prepare="pass")
    process = supervise(tmp_path, "pass", before, ", load=load")
    assert ended(process) == (1, "roadstead: starting was ended by signal 9\n")


def test_what_a_serving_process_leaves_behind_is_buried_in_silence(tmp_path: Path) -> None:
    body = """
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(7)
        os._exit(0)
    os.wait()
    (folder / "done").write_text("")
    await asyncio.sleep(60)"""
    process = supervise(tmp_path, body)
    wait_until((tmp_path / "done").exists)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: len(children.read_text().split()) == 1)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (0, "")


def test_what_nobody_foresaw_is_told_with_its_places(capfd: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        raise LookupError("no such thing")

    assert apart(fail) == 1
    shown = capfd.readouterr().err
    assert "LookupError: no such thing" in shown
    assert "test_supervisor_signals.py" in shown


@pytest.mark.parametrize("listen", ["a..b:5000", "x" * 300 + ":5000", ".:5000"])
def test_a_host_name_that_is_none(listen: str) -> None:
    with pytest.raises(StartRefused, match="cannot listen on"):
        bind(listen)


def test_a_process_that_is_started_is_the_one_that_is_told(tmp_path: Path) -> None:
    process = supervise(tmp_path, "await asyncio.sleep(60)")
    wait_until(lambda: any(path.read_text() for path in tmp_path.glob("child-*")))
    (child,) = (int(path.read_text()) for path in tmp_path.glob("child-*"))
    process.send_signal(signal.SIGINT)
    assert ended(process) == (0, "")
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
