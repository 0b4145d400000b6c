"""The programs that the comparison needs from Debian: found, installed, or named."""

from __future__ import annotations

import os
import shutil
import subprocess

_INSTALL = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")


def require(*names: str) -> None:
    """Every program, each named as its package, can be started. Raises SystemExit that says what to install."""
    missing = [name for name in names if shutil.which(name) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit(f"benchmarks: please install as root: apt-get install {' '.join(missing)}")
    print(f"benchmarks: installing {' '.join(missing)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (("apt-get", "update", "-qq"), (*_INSTALL, *missing)):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"benchmarks: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
