"""What the processes of one data folder have done, added up for whoever scrapes any of them.

The kernel gives a scrape to whichever process it likes. So each process writes its counts into a file of its own
every few seconds, and the one that is asked adds up all files. Files of processes that have ended stay until the
server is started again, so that sums never fall; then all begin from zero.
"""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import msgspec

_FOLDER = "meters"

Counts = dict[str, float]


class Meters:
    """The counts of this process, and where those of the others are. Names end in their labels, parted by blanks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER
        self._file = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        # How many, and their seconds.
        self._requests: dict[tuple[str, int], list[float]] = {}
        self._queues: Mapping[str, object] = {}

    def watch(self, queues: Mapping[str, object]) -> None:
        """The counts of the process's worker, by queue, belong to it: the fields of each value."""
        self._queues = queues

    def note(self, door: str, status: int, seconds: float) -> None:
        """A request has been answered."""
        found = self._requests.get((door, status))
        if found is None:
            found = self._requests[door, status] = [0, 0.0]
        found[0] += 1
        found[1] += seconds

    def counts(self) -> Counts:
        """What this process has counted."""
        found: Counts = {}
        for (door, status), (count, seconds) in self._requests.items():
            found[f"requests {door} {status}"] = count
            found[f"request_seconds {door}"] = found.get(f"request_seconds {door}", 0.0) + seconds
        for queue, metrics in self._queues.items():
            fields: dict[str, float] = msgspec.to_builtins(metrics)
            found |= {f"jobs {queue} {name}": value for name, value in fields.items()}
        return found

    async def write_down(self) -> None:
        """The file of this process is as its counts are."""
        self._folder.mkdir(exist_ok=True)
        written = self._file.with_suffix(".new")
        written.write_bytes(msgspec.json.encode(self.counts()))
        written.replace(self._file)

    def sums(self) -> Counts:
        """The counts of all processes, those of the others as they were some seconds ago."""
        found: defaultdict[str, float] = defaultdict(float, self.counts())
        for file in self._folder.glob("*.json"):
            if file != self._file:
                for name, count in _read(file).items():
                    found[name] += count
        return found


def _read(file: Path) -> Counts:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Counts)
    except (OSError, msgspec.DecodeError):
        return {}


def forget(folder: Path) -> None:
    """The counts of processes that have ended are gone."""
    for file in (folder / _FOLDER).glob("*"):
        file.unlink(missing_ok=True)
