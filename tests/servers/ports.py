"""Free ports for servers that must be told their port before they start.

The numbers lie below Linux's range for outgoing connections (32768 and up), so that a port given out here is not
taken by a passing client between the moment it was found free and the moment the server binds it, nor while a test
has its server killed and starts it again. Each worker process of a test run has numbers of its own, and gives none of
them out twice: what two probes at the same moment would both find free is never given to two servers.
"""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Iterator

_FIRST, _END = 12_000, 32_000
_SHARES = 16


def _numbers(worker: str) -> Iterator[int]:
    """The ports of one worker process (`gw3`; empty when there is but one), in an order of chance, each once."""
    share = int(worker.removeprefix("gw") or 0) % _SHARES
    numbers = list(range(_FIRST + share, _END, _SHARES))
    random.SystemRandom().shuffle(numbers)
    return iter(numbers)


_own = _numbers(os.environ.get("PYTEST_XDIST_WORKER", ""))


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, which no other call of this test run is given."""
    for port in itertools.islice(_own, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                probe.listen()
            except OSError:
                continue
            return port
    raise OSError("no free port found")
