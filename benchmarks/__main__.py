"""`python -m benchmarks`: measures, and prints one table."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import programs
from benchmarks.experiments import EXPERIMENTS, FULL, QUICK, Effort, Experiment, Stock, fill, stock
from benchmarks.servers import DockerRegistry, Roadstead, Server, version_of_peer
from benchmarks.table import Figures, lines

# Unlike /tmp this is on a disk everywhere.
FOLDER = Path("/var/tmp")
_MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs"}


def main() -> None:
    """The table has been printed."""
    options = _options()
    chosen = _chosen(options.only)
    effort = QUICK if options.quick else FULL
    if options.runs:
        effort = replace(effort, runs=options.runs)
    programs.require("wrk", *(() if options.beside else ("docker-registry",)))
    check_disk(options.folder)
    with tempfile.TemporaryDirectory(prefix="roadstead-bench-", dir=options.folder) as name:
        folder = Path(name)
        ours, theirs = Roadstead(folder / "roadstead"), _other(folder, options.beside)
        if options.beside:
            chosen = [each.without_targets() for each in chosen]
        figures = _compare(ours, theirs, chosen, effort)
        other = f"commit {options.beside}" if options.beside else version_of_peer()
        print(f"\n{circumstances()}; {other}; medians of {effort.runs} interleaved pairs\n")
        print("\n".join(lines(figures, (ours.name, theirs.name))), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Roadstead beside docker-registry.")
    parser.add_argument("--quick", action="store_true", help="a short run, for a first impression")
    parser.add_argument("--only", metavar="TEXT", action="append", help="only rows whose name contains the text")
    parser.add_argument("--beside", metavar="COMMIT", help="an earlier commit of this repository instead")
    parser.add_argument("--runs", type=int, metavar="N", help="pairs of measurements for each row")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where both keep their data: a disk")
    return parser.parse_args()


def _chosen(texts: Sequence[str] | None) -> list[Experiment]:
    if not texts:
        return list(EXPERIMENTS)
    found = [each for each in EXPERIMENTS if any(text in row.name for row in each.rows for text in texts)]
    if not found:
        names = "\n  ".join(row.name for each in EXPERIMENTS for row in each.rows)
        raise SystemExit(f"benchmarks: no row is called so; there are:\n  {names}")
    return found


def check_disk(folder: Path) -> None:
    """Returns when the folder is on a disk: in memory nothing has to be flushed, and nothing would be compared."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    place = folder.resolve()
    kinds = {Path(mount[1]): mount[2] for mount in mounts}
    kind = next(kinds[each] for each in (place, *place.parents) if each in kinds)
    if kind in _MEMORY_FILE_SYSTEMS:
        raise SystemExit(f"benchmarks: {folder} is in memory ({kind}); choose a folder on a disk with --folder")


def _other(folder: Path, commit: str | None) -> Server:
    if commit is None:
        return DockerRegistry(folder / "docker-registry")
    sources = folder / "sources"
    sources.mkdir()
    packed = subprocess.run(["git", "archive", commit, "roadstead"], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(sources)], input=packed.stdout, check=True)
    return Roadstead(folder / "earlier", name=commit, sources=sources)


def _compare(ours: Server, theirs: Server, chosen: Sequence[Experiment], effort: Effort) -> list[Figures]:
    content = stock()
    try:
        for server in (ours, theirs):
            say(f"filling {server.name}")
            fill(server, content)
        return [row for experiment in chosen for row in _measure(experiment, ours, theirs, content, effort)]
    finally:
        ours.stop()
        theirs.stop()


def _measure(experiment: Experiment, ours: Server, theirs: Server, content: Stock, effort: Effort) -> list[Figures]:
    figures = [Figures(row) for row in experiment.rows]
    if experiment.prepare is not None:
        for server in (ours, theirs):
            say(f"{experiment.rows[0].name}: preparing {server.name}")
            server.stop()
            experiment.prepare(server)
            server.start()
    for run in range(effort.runs):
        say(f"{experiment.rows[0].name}: {run + 1} of {effort.runs}")
        pair = [experiment.measure(server, content, effort) for server in (ours, theirs)]
        for place, each in enumerate(figures):
            each.ours.append(pair[0][place])
            each.theirs.append(pair[1][place])
    return figures


def say(what: str) -> None:
    """Progress, apart from the table."""
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


def circumstances() -> str:
    """When and on what it was measured."""
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[1]
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{when}, {cores} cores, load {load:.1f}, Linux {platform.release()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
