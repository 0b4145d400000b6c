"""`python -m benchmarks.charts`: what a push into a chart repository and a fetch of its index cost, by its size.

One served process over a folder of its own. The repositories are filled by rows, versions of one artifact, because
ten thousand uploads would take minutes; what is measured goes through the door.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import io
import json
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.__main__ import FOLDER, check_disk, circumstances, say
from benchmarks.client import Connection, head_of
from benchmarks.servers import Roadstead
from roadstead.app import open_context
from roadstead.config import Settings
from roadstead.domain import charts as rules
from roadstead.domain.charts import Chart
from roadstead.domain.versions import Version
from roadstead.metadata import charts
from roadstead.metadata.charts import ChartVersion
from roadstead.services.accounts import first_start

_SIZES = (10, 1000, 10_000)
# Versions of one chart, in a repository of many.
_OF_A_CHART = 500


def main() -> None:
    """A line for each size has been printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.charts", description="Charts, by how many there are.")
    parser.add_argument("--rounds", type=int, default=60, help="measurements of each kind")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the data is kept: a disk")
    options = parser.parse_args()
    check_disk(options.folder)
    with tempfile.TemporaryDirectory(prefix="roadstead-charts-", dir=options.folder) as name:
        server = Roadstead(Path(name) / "served", {"ROADSTEAD_PROCESSES": "1"})
        asyncio.run(_first_start(server))
        lines = []
        for size in _SIZES:
            lines.append(_measure(server, size, options.rounds))
        print(f"\n{circumstances()}; medians of {options.rounds}, in ms\n")
        heads = (f"{'versions':>8}", f"{'push':>7}", f"{'index after a push':>18}", f"{'index again':>11}")
        print("  ".join([*heads, f"{'not modified':>12}", "KiB"]))
        print("\n".join(lines))


def _settings(server: Roadstead) -> Settings:
    return Settings(data=str(server.folder / "data"))


async def _first_start(server: Roadstead) -> None:
    async with open_context(_settings(server)) as ctx:
        await first_start(ctx)


def _measure(server: Roadstead, size: int, rounds: int) -> str:
    folder = f"n{size}"
    server.start()
    server.call("CreateNamespace", NamespaceName=folder, IsPublic=False)
    _push(server, folder, "1.0.0")
    server.stop()
    say(f"filling a repository with {size} versions")
    asyncio.run(_fill(server, folder, size))
    server.start()
    try:
        say(f"measuring at {size} versions")
        _index(server, folder)
        pushes, after, again, unchanged = [], [], [], []
        for number in range(rounds):
            pushes.append(_timed(lambda number=number: _push(server, folder, f"2.{number}.0")))  # type: ignore[misc]
            after.append(_timed(lambda: _index(server, folder)))
            again.append(_timed(lambda: _index(server, folder)))
            etag, length = _index(server, folder)
            unchanged.append(_timed(lambda etag=etag: _index(server, folder, etag)))  # type: ignore[misc]
    finally:
        server.stop()
    figures = [statistics.median(each) * 1000 for each in (pushes, after, again, unchanged)]
    return "{:>8}  {:>7.2f}  {:>18.2f}  {:>11.2f}  {:>12.2f}  {:.0f}".format(f"{size:,}", *figures, length / 1024)


def _timed(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def _login(server: Roadstead) -> str:
    written = json.loads((server.folder / "data" / "initial-credentials.json").read_text())
    pair = f"{written['RegistryUser']}:{written['RegistryToken']}"
    return f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}"


def _push(server: Roadstead, folder: str, version: str) -> None:
    archive = _archive(version)
    with Connection(server.port) as connection:
        head = head_of(
            "POST", f"/api/chartrepo/{folder}/charts", b"", _login(server), f"Content-Length: {len(archive)}"
        )
        connection.ask(head, [archive]).expect(201)


def _index(server: Roadstead, folder: str, etag: str = "") -> tuple[str, int]:
    more = [f"If-None-Match: {etag}"] if etag else []
    with Connection(server.port) as connection:
        path = f"/chartrepo/{folder}/index.yaml"
        answer = connection.ask(head_of("GET", path, b"", _login(server), "Accept-Encoding: gzip", *more))
        answer.expect(304 if etag else 200)
        body = b"" if etag else connection.read(answer)
    return answer.header("ETag"), len(body)


def _archive(version: str) -> bytes:
    """A chart `bench` of the size that `helm create` gives."""
    described = f"apiVersion: v2\nname: bench\nversion: {version}\ndescription: A Helm chart for Kubernetes\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in (("Chart.yaml", described), ("values.yaml", "a: 1\n" * 500)):
            entry = tarfile.TarInfo(f"bench/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    return gzip.compress(packed.getvalue())


async def _fill(server: Roadstead, folder: str, size: int) -> None:
    """The folder's index has so many versions; all are rows of the artifact that was pushed."""
    now = datetime.now(UTC)
    async with open_context(_settings(server)) as ctx, ctx.database.write() as tx:
        instance = await ctx.instances.find(ctx.settings.default_instance)
        found = await charts.by_file(tx, instance.id, folder, "bench-1.0.0.tgz")
        assert found is not None
        for number in range(size - 1):
            name, version = f"chart-{number // _OF_A_CHART}", f"0.{number}.0"
            await charts.put(tx, *_row(found[1], name, Version.parse(version), now))
        await charts.note(tx, await charts.next_revision(tx, found[1].index_id, now), "bench", "")


def _row(like: ChartVersion, name: str, version: Version, now: datetime) -> tuple[ChartVersion, bytes]:
    metadata = rules.Metadata(
        name=name,
        version=version.text,
        api_version="v2",
        description="A Helm chart for Kubernetes",
        app_version="1.16",
    )
    chart = Chart(metadata, version)
    row = replace(
        like,
        tag=f"{name}-{version.tag}",
        name=name,
        version=version.text,
        precedence=version.order,
        file=chart.file,
        description=chart.config.decode(),
    )
    return row, rules.index_line(chart, like.archive_digest, now.isoformat())


if __name__ == "__main__":
    main()
