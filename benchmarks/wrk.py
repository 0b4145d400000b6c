"""wrk, for GET requests whose answers are small."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from benchmarks.client import WrongAnswer

_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_TROUBLE = re.compile(r"Non-2xx or 3xx responses: \d+|Socket errors: .*")


def rate(url: str, connections: int, seconds: int, headers: Sequence[str]) -> float:
    """The answers per second. Raises WrongAnswer when any of them was an error."""
    command = ["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"]
    for line in headers:
        command += ["-H", line]
    done = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=seconds + 60)
    trouble, found = _TROUBLE.search(done.stdout), _RATE.search(done.stdout)
    if trouble or found is None or not float(found[1]):
        raise WrongAnswer(f"wrk on {url}: {trouble[0] if trouble else done.stdout}")
    return float(found[1])
