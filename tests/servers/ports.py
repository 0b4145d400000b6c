"""Free ports for servers that must be told their port before they start.

The numbers lie below Linux's range for outgoing connections (32768 and up), so that a port given out here is not
taken by a passing client between the moment it was found free and the moment the server binds it, nor while a test
has its server killed and starts it again.
"""

from __future__ import annotations

import random
import socket

_numbers = random.SystemRandom()


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, different with all likelihood from every other call's."""
    for _ in range(200):
        port = _numbers.randrange(12_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port found")
