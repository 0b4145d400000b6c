"""`python -m benchmarks.deliveries`: what triggers cost a push, and how fast what happens reaches a receiver.

There is nothing to compare with, so a push with triggers stands beside one without, measured in turns on one server
(whose jobs nobody works off meanwhile). Then pushes go on at a server as it comes, and the receiver says when it
heard of each. Last, deliveries that have queued up are drained by one worker, whose memory is watched.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks import loop
from benchmarks.__main__ import FOLDER, check_disk, circumstances, say
from benchmarks.client import Connection, head_of
from benchmarks.content import IMAGE, KIB, Layers, layer_entry, push_layer
from benchmarks.experiments import Row
from benchmarks.memory import watch
from benchmarks.receiver import Receiver
from benchmarks.servers import Roadstead
from benchmarks.table import Figures, figures_line, lines

_PUSHERS = 16
_REST_SECONDS = 0.3
_LONGEST_SECONDS = 600
_ALLOWED = {"ROADSTEAD_OUTBOUND_ALLOW": "127.0.0.1/32"}
_NO_WORKERS = {"ROADSTEAD_WORKERS_IN_SERVER": "false"}


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    runs: int
    # Pushes of each kind in one run; through to the receiver in one run; one at a time.
    pushes: int
    through: int
    singly: int
    # Deliveries that are drained.
    queued: tuple[int, int]


FULL = Effort(runs=9, pushes=800, through=1000, singly=20, queued=(1000, 10_000))
QUICK = Effort(runs=3, pushes=160, through=320, singly=5, queued=(100, 1000))


class Pushing:
    """Images pushed by tag into repositories of a server; each manifest differs, their blobs are there already."""

    def __init__(self, server: Roadstead) -> None:
        self.server = server
        self._headers = "".join(f"{line}\r\n" for line in server.authorization(basic=True)).encode()
        self._names = [f"library/pushed-{number}" for number in range(_PUSHERS)]
        config, layer = Layers(KIB).new(), Layers(10 * KIB).new()
        self._parts = [layer_entry(config, config=True), layer_entry(layer)]
        self._count = 0
        # When the server had acknowledged the push of each tag.
        self.acknowledged: dict[str, float] = {}
        with Connection(server.port) as connection:
            for name in self._names:
                for each in (config, layer):
                    push_layer(connection, name, self._headers, each, chunked=False)

    def push(self, count: int, pushers: int = _PUSHERS) -> float:
        """The pushes per second of so many, over so many connections, each to a repository of its own."""
        scripts = [self._script(name, count // pushers) for name in self._names[:pushers]]
        return loop.drive(self.server.port, scripts, _LONGEST_SECONDS)

    def _script(self, name: str, count: int) -> loop.Script:
        for _ in range(count):
            self._count += 1
            tag = f"t{self._count}"
            answer = yield self._request(name, tag)
            answer.expect(201)
            self.acknowledged[tag] = time.perf_counter()

    def _request(self, name: str, tag: str) -> bytes:
        config, layer = self._parts
        manifest = {"schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [layer]}
        body = json.dumps({**manifest, "annotations": {"tag": tag}}).encode()
        more = (f"Content-Type: {IMAGE}", f"Content-Length: {len(body)}")
        return head_of("PUT", f"/v2/{name}/manifests/{tag}", self._headers, *more) + body


def _create(server: Roadstead, url: str, condition: str) -> int:
    trigger = {
        "Name": "bench",
        "Targets": [{"Address": url, "Headers": []}],
        "EventTypes": ["pushImage"],
        "Condition": condition,
        "Enabled": True,
    }
    made = server.call("CreateWebhookTrigger", Namespace="library", Trigger=trigger)
    number: int = made["Trigger"]["Id"]
    return number


@contextmanager
def _running(folder: Path, settings: dict[str, str]) -> Iterator[Pushing]:
    server = Roadstead(folder, {**_ALLOWED, **settings})
    server.start()
    try:
        yield Pushing(server)
    finally:
        server.stop()


def overhead(folder: Path, effort: Effort) -> list[Figures]:
    """How much longer a push takes when there are triggers, without the work of delivering."""
    measured: dict[str, list[list[float]]] = {"": [], "elsewhere-*": [], "pushed-*": []}
    with Receiver() as receiver, _running(folder, _NO_WORKERS) as pushing:
        pushing.push(effort.pushes)
        for run in range(effort.runs):
            say(f"queue overhead: {run + 1} of {effort.runs}")
            # Each is the first as often as it is the last.
            turns = [*measured.items()]
            for condition, found in turns[run % 3 :] + turns[: run % 3]:
                number = _create(pushing.server, receiver.url, condition) if condition else 0
                found.append(_milliseconds(pushing, effort))
                if number:
                    pushing.server.call("DeleteWebhookTrigger", Namespace="library", Id=number)
    plain, *others = ([*zip(*found, strict=True)] for found in measured.values())
    return [
        Figures(Row(f"push of a manifest, {what}, c{pushers}", "ms"), list(other[place]), list(plain[place]))
        for what, other in zip(("a trigger for others", "a trigger for it"), others, strict=True)
        for place, pushers in enumerate((1, _PUSHERS))
    ]


def _milliseconds(pushing: Pushing, effort: Effort) -> list[float]:
    """What one push takes of the server's time: alone, and among others."""
    return [1000 / pushing.push(effort.pushes // 4, 1), 1000 / pushing.push(effort.pushes)]


def through(folder: Path, effort: Effort) -> list[tuple[str, str, Sequence[float]]]:
    """How many pushes a second get through to a receiver, and how soon one does while nothing else happens."""
    rates: list[float] = []
    with Receiver() as receiver, _running(folder, {}) as pushing:
        _create(pushing.server, receiver.url, "pushed-*")
        for run in range(effort.runs):
            say(f"pushes through to a receiver: {run + 1} of {effort.runs}")
            before, began = receiver.count(), time.perf_counter()
            pushing.push(effort.through)
            _wait_for(receiver, before + effort.through // _PUSHERS * _PUSHERS)
            rates.append((receiver.count() - before) / (max(receiver.heard().values()) - began))
        known = set(pushing.acknowledged)
        for _ in range(effort.singly):
            pushing.push(1, 1)
            time.sleep(_REST_SECONDS)
        _wait_for(receiver, len(pushing.acknowledged))
        heard = receiver.heard()
    lags = [(heard[tag] - at) * 1000 for tag, at in pushing.acknowledged.items() if tag not in known]
    return [
        (f"pushes through to a receiver, c{_PUSHERS}", "1/s", rates),
        ("from the answer of a single push to its receiver", "ms", lags),
    ]


def _wait_for(receiver: Receiver, count: int) -> None:
    end = time.monotonic() + _LONGEST_SECONDS
    while receiver.count() < count:
        if time.monotonic() > end:
            raise SystemExit(f"benchmarks: the receiver heard of {receiver.count()} pushes instead of {count}")
        time.sleep(0.05)


def drain(folder: Path, effort: Effort) -> list[tuple[str, str, Sequence[float]]]:
    """How fast one worker drains what has queued up, and the most memory it takes, for little and for much."""
    found: list[tuple[str, str, Sequence[float]]] = []
    with Receiver() as receiver, _running(folder, _NO_WORKERS) as pushing:
        _create(pushing.server, receiver.url, "pushed-*")
        found.append(("worker with nothing to do: PSS", "MiB", [_drained(pushing, receiver, 0)[1]]))
        for queued in effort.queued:
            say(f"draining {queued:,} deliveries")
            rate, pss = _drained(pushing, receiver, queued)
            found.append((f"{queued:,} queued deliveries drained by one worker", "1/s", [rate]))
            found.append((f"{queued:,} queued deliveries: peak PSS of the worker", "MiB", [pss]))
    return found


def _drained(pushing: Pushing, receiver: Receiver, queued: int) -> tuple[float, float]:
    """So many deliveries were drained: how many a second, and the worker's peak PSS in MiB."""
    before = receiver.count()
    if queued:
        pushing.push(queued)
    count = queued // _PUSHERS * _PUSHERS
    worker = pushing.server.worker()
    try:
        with watch([worker.identifier]) as peak:
            _wait_for(receiver, before + count)
            # A last look at what it does when all is done.
            time.sleep(2)
        times = sorted(receiver.heard().values())[before:]
    finally:
        worker.stop()
    return (len(times) - 1) / (times[-1] - times[0]) if times else 0.0, peak.pss


def _single(figure: tuple[str, str, Sequence[float]]) -> str:
    name, unit, values = figure
    spread = quantiles(values, n=10) if len(values) > 1 else [values[0]]
    return figures_line(name, unit, [spread[0], median(values), spread[-1]])


def main() -> None:
    """Both tables have been printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deliveries", description="What triggers cost.")
    parser.add_argument("--quick", action="store_true", help="a short run, for a first impression")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the servers keep their data: a disk")
    options = parser.parse_args()
    effort = QUICK if options.quick else FULL
    check_disk(options.folder)
    with tempfile.TemporaryDirectory(prefix="roadstead-bench-", dir=options.folder) as name:
        folder = Path(name)
        beside = overhead(folder / "overhead", effort)
        alone = [*through(folder / "through", effort), *drain(folder / "drain", effort)]
    print(f"\n{circumstances()}; medians of {effort.runs} runs\n")
    print("\n".join(lines(beside, ("with it", "without"))))
    print("\n".join(("", figures_line("", "unit", ["a tenth below", "median", "a tenth above"]))))
    print("|---|---|--:|--:|--:|")
    print("\n".join(map(_single, alone)), flush=True)


if __name__ == "__main__":
    main()
