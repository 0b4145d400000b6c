"""The memory of a server while it works: PSS and RSS of all its processes together, looked at every 20 ms.

PSS counts each page that several processes share once, so it is what the server takes from the machine; the sum of
RSS counts such a page once in each process. Watching runs in a process of its own, so that neither the load nor the
watching waits for the other.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

_EVERY = 0.02
_LONGEST_SECONDS = 300


@dataclass(slots=True)
class Peak:
    """The most that was seen at one moment, in MiB."""

    pss: float = 0.0
    rss: float = 0.0


@contextmanager
def watch(processes: Sequence[int]) -> Iterator[Peak]:
    """The peak of these processes during the block; filled in when the block ends."""
    peak = Peak()
    command = [sys.executable, "-m", "benchmarks.memory", *map(str, processes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        watcher.stdout.readline()
        try:
            yield peak
        finally:
            out, _ = watcher.communicate("")
    peak.pss, peak.rss = (float(part) for part in out.split())


def _now(processes: Sequence[int]) -> Peak:
    found = Peak()
    for process in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name == "Pss":
                    found.pss += int(rest.split()[0]) / 1024
                elif name == "Rss":
                    found.rss += int(rest.split()[0]) / 1024
    return found


def main(processes: Sequence[int]) -> None:
    """Says that it watches, watches until its input ends, and says what it saw."""
    ended = Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    Thread(target=wait, daemon=True).start()
    peak, stop = Peak(), time.monotonic() + _LONGEST_SECONDS
    print("watching", flush=True)
    while not ended.wait(_EVERY) and time.monotonic() < stop:
        seen = _now(processes)
        peak.pss, peak.rss = max(peak.pss, seen.pss), max(peak.rss, seen.rss)
    print(peak.pss, peak.rss)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
