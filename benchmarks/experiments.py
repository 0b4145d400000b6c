"""What is measured: each experiment puts one kind of load on one server and gives a figure for each of its rows.

Everything is bounded in count or time. Blobs that a push has left are removed from the disk after it, so that a whole
run needs a few gigabytes; `sync` before each push keeps the one server from waiting for what the other has written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import Barrier
from typing import Literal

from benchmarks import loop, wrk
from benchmarks.client import Answer, Connection, head_of
from benchmarks.content import ACCEPT, KIB, MIB, Layer, Layers, finish_of, push_image, push_layer
from benchmarks.memory import watch
from benchmarks.servers import MANY_TAGS, REPOSITORY, Server

TAG = "v1"
TAGS = [TAG, *(f"v{number}" for number in range(2, 11))]

_MANY = 100_000
_CONNECTIONS = 64
_PUSHERS = 16
_LISTERS = 4


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of each load is one measurement."""

    runs: int
    seconds: int
    # Per connection: files of 256 MiB read, layers of 64 MiB pushed.
    files: int
    layers: int


# Many short pairs: on a busy machine a median over more of them says more than longer ones.
FULL = Effort(runs=9, seconds=2, files=4, layers=4)
QUICK = Effort(runs=3, seconds=1, files=1, layers=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it is called, and from which ratio of ours to the other's on it is good."""

    name: str
    unit: str
    target: float | None = None
    better: Literal["more", "less"] = "more"
    # Ours alone is held against the target, the other's figure is there for comparison.
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Stock:
    """What both servers hold while they are measured, and the layers that are pushed to them."""

    small: Layer
    large: Layer
    layers: Layers
    many: Layers
    tiny: Layers


Measure = Callable[[Server, Stock, Effort], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One load, and the rows that its figures fill."""

    measure: Measure
    rows: tuple[Row, ...]
    # What each server must be given first, while it does not run.
    prepare: Callable[[Server], None] | None = None

    def without_targets(self) -> Experiment:
        """The same, where nothing is asked for."""
        return replace(self, rows=tuple(replace(row, target=None) for row in self.rows))


def stock() -> Stock:
    """New content, the same for both servers."""
    return Stock(
        small=Layers(10 * KIB).new(),
        large=Layers(256 * MIB).new(),
        layers=Layers(64 * MIB),
        many=Layers(16 * MIB),
        tiny=Layers(10 * KIB),
    )


def fill(server: Server, content: Stock) -> None:
    """The server runs and holds the content, an image under ten tags, and another under one."""
    server.start()
    headers = server.headers()
    with Connection(server.port) as connection:
        for layer in (content.small, content.large):
            push_layer(connection, REPOSITORY, headers, layer, chunked=False)
        push_image(connection, REPOSITORY, headers, TAGS)
        push_image(connection, MANY_TAGS, headers, [TAG])


# Small answers


def _get(target: str, server: Server, content: Stock, effort: Effort, *, basic: bool = False) -> Sequence[float]:
    lines = [ACCEPT, *server.authorization(basic=basic)]
    url = server.url + target.format(small=content.small.digest)
    return [wrk.rate(url, _CONNECTIONS, effort.seconds, lines)]


def _head(server: Server, content: Stock, effort: Effort) -> Sequence[float]:
    request = head_of("HEAD", f"/v2/{REPOSITORY}/manifests/{TAG}", server.headers(), ACCEPT)

    def script() -> loop.Script:
        while True:
            answer = yield request
            answer.expect(200)

    return [loop.drive(server.port, [script() for _ in range(_CONNECTIONS)], effort.seconds)]


def _add_many_tags(server: Server) -> None:
    server.add_tags(MANY_TAGS, TAG, [f"t{number:06}" for number in range(_MANY - 1)])


def _tag_pages(server: Server, content: Stock, effort: Effort) -> Sequence[float]:
    # A page of the other takes a good part of a second at 100,000 tags.
    seconds = max(2, effort.seconds)

    def rate(repository: str, entries: int, last: str) -> float:
        url = f"{server.url}/v2/{repository}/tags/list?n={entries}&last={last}"
        return wrk.rate(url, _LISTERS, seconds, server.authorization())

    few, many = rate(REPOSITORY, 100, ""), rate(MANY_TAGS, 100, "t050000")
    return [few, many, rate(REPOSITORY, 10, "") / rate(MANY_TAGS, 10, "t050000")]


# Large bodies


def _together(connections: int, work: Callable[[int, Barrier], None]) -> float:
    """The seconds from the moment that all are ready until the last has done its work."""
    began: list[float] = []
    ready = Barrier(connections, action=lambda: began.append(time.perf_counter()))
    with ThreadPoolExecutor(connections) as threads:
        running = [threads.submit(work, number, ready) for number in range(connections)]
        for each in running:
            each.add_done_callback(lambda done: ready.abort() if done.exception() else None)
        for each in running:
            each.result()
        return time.perf_counter() - began[0]


def _large_get(connections: int, server: Server, content: Stock, effort: Effort) -> Sequence[float]:
    request = head_of("GET", f"/v2/{REPOSITORY}/blobs/{content.large.digest}", server.headers())
    # Eight connections move eight times as much, so one of them does not need as many files.
    files = max(1, effort.files * 2 // connections)

    def pull(_number: int, ready: Barrier) -> None:
        with Connection(server.port) as connection:
            ready.wait()
            for _ in range(files):
                answer = connection.ask(request)
                answer.expect(200)
                connection.skip(answer)

    seconds = _together(connections, pull)
    return [connections * files * content.large.size / MIB / seconds]


def _push(server: Server, layers: Sequence[Sequence[Layer]], *, chunked: bool) -> float:
    """The MiB per second when each of the sequences goes over its own connection."""
    headers = server.headers()
    # The bytes are made before the time runs.
    pushed = [layer for each in layers for layer in each]
    pushed[0].body(chunked=chunked)
    os.sync()

    def push(number: int, ready: Barrier) -> None:
        with Connection(server.port) as connection:
            ready.wait()
            for layer in layers[number]:
                push_layer(connection, REPOSITORY, headers, layer, chunked=chunked)

    seconds = _together(len(layers), push)
    server.forget([layer.digest for layer in pushed])
    return sum(layer.size for layer in pushed) / MIB / seconds


def _large_push(connections: int, chunked: bool, server: Server, content: Stock, effort: Effort) -> Sequence[float]:
    each = max(1, effort.layers * 2 // connections)
    layers = [[content.layers.new() for _ in range(each)] for _ in range(connections)]
    return [_push(server, layers, chunked=chunked)]


def _many_pushes(server: Server, content: Stock, effort: Effort) -> Sequence[float]:
    server.restart()
    layers = [[content.many.new()] for _ in range(_CONNECTIONS)]
    with watch(server.processes) as peak:
        rate = _push(server, layers, chunked=True)
    return [rate, peak.pss, peak.rss]


def _tiny_pushes(server: Server, content: Stock, effort: Effort) -> Sequence[float]:
    headers = server.headers()
    begin = head_of("POST", f"/v2/{REPOSITORY}/blobs/uploads/", headers, "Content-Length: 0")
    os.sync()
    pushed: list[str] = []

    def script() -> loop.Script:
        while True:
            layer = content.tiny.new()
            answer = yield begin
            answer.expect(202)
            answer = yield _patch(answer, layer, headers)
            answer.expect(202)
            answer = yield finish_of(answer.location, layer.digest, headers)
            answer.expect(201)
            pushed.append(layer.digest)

    began = time.perf_counter()
    loop.drive(server.port, [script() for _ in range(_PUSHERS)], effort.seconds)
    rate = len(pushed) / (time.perf_counter() - began)
    server.forget(pushed)
    return [rate]


def _patch(answer: Answer, layer: Layer, headers: bytes) -> bytes:
    head = head_of("PATCH", answer.location, headers, "Transfer-Encoding: chunked")
    return b"".join((head, *layer.body(chunked=True)))


def _start_up(server: Server, content: Stock, effort: Effort) -> Sequence[float]:
    return [server.restart()]


_MANIFEST = f"/v2/{REPOSITORY}/manifests/{TAG}"
_BLOB = f"/v2/{REPOSITORY}/blobs/{{small}}"


def _large_push_of(connections: int, *, chunked: bool) -> Experiment:
    name = f"push of 64 MiB layers, {'chunked' if chunked else 'sized'}, c{connections}"
    target = 3.5 if connections == 1 else 2.2
    return Experiment(partial(_large_push, connections, chunked), (Row(name, "MiB/s", target),))


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(partial(_get, _MANIFEST), (Row("manifest GET by tag, c64", "1/s", 8),)),
    Experiment(partial(_get, _MANIFEST, basic=True), (Row("manifest GET by tag, Basic, c64", "1/s", 8),)),
    Experiment(_head, (Row("manifest HEAD by tag, c64", "1/s", 8),)),
    Experiment(partial(_get, _BLOB), (Row("10 KiB blob GET, c64", "1/s", 10),)),
    Experiment(partial(_large_get, 1), (Row("256 MiB blob GET, c1", "MiB/s", 1.2),)),
    Experiment(partial(_large_get, 8), (Row("256 MiB blob GET, c8", "MiB/s", 2),)),
    _large_push_of(1, chunked=False),
    _large_push_of(1, chunked=True),
    _large_push_of(8, chunked=False),
    _large_push_of(8, chunked=True),
    Experiment(_tiny_pushes, (Row("push of 10 KiB blobs, c16", "1/s", 4),)),
    Experiment(
        _tag_pages,
        (
            Row("tag page n=100, 10 tags, c4", "1/s"),
            Row("tag page n=100, 100,000 tags, c4", "1/s"),
            Row("tag page n=10: cost at 100,000 / at 10 tags", "x", 1.25, "less", alone=True),
        ),
        _add_many_tags,
    ),
    Experiment(
        _many_pushes,
        (
            Row("64 pushes of 16 MiB at once", "MiB/s"),
            Row("64 pushes of 16 MiB at once: peak PSS", "MiB", 1, "less"),
            Row("64 pushes of 16 MiB at once: peak RSS", "MiB", None, "less"),
        ),
    ),
    Experiment(_start_up, (Row("start-up", "s", None, "less"),)),
)
