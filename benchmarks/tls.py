"""What HTTPS costs where the registry ends it itself: `python -m benchmarks.tls`; a minute.

One server of ours, asked by curl over plain HTTP and over HTTPS in turn: a blob of 256 MiB up and down, and manifests
one after another on one connection.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.requirements import needs
from tests.servers.ports import free_port
from tests.servers.roadstead import RoadsteadServer

_SIZE = 256 << 20
_RUNS = 5
_MANIFESTS = 2000
_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Asker:
    """curl, logged in at one address of the server."""

    def __init__(self, server: RoadsteadServer, url: str) -> None:
        made = server.credentials
        self.url = f"{url}/v2/library/bench"
        login = f"{made.registry_user}:{made.registry_token}"
        authority = str(server.folder / "tls" / "authority.pem")
        self._curl = [needs("curl"), "-s", "-f", "-u", login, "--cacert", authority]

    def __call__(self, *arguments: str | Path) -> tuple[str, float]:
        """What curl printed, and the seconds that it took."""
        began = time.perf_counter()
        done = subprocess.run([*self._curl, *arguments], check=True, capture_output=True, text=True)
        return done.stdout, time.perf_counter() - began

    def push(self, file: Path, digest: str) -> float:
        """The blob has been pushed at once; the seconds that it took."""
        to = f"{self.url}/blobs/uploads?digest={digest}"
        return self("-X", "POST", "-H", "Content-Type: application/octet-stream", "-T", file, to)[1]

    def pull(self, digest: str) -> float:
        """The blob has been pulled; the seconds that it took."""
        return self("-o", "/dev/null", f"{self.url}/blobs/{digest}")[1]

    def manifests(self) -> float:
        """The manifest has been pulled many times; the seconds that it took."""
        return self("-o", "/dev/null", "-H", f"Accept: {_TYPE}", f"{self.url}/manifests/1?n=[1-{_MANIFESTS}]")[1]


def main() -> None:
    """The table has been printed."""
    with tempfile.TemporaryDirectory(prefix="roadstead-tls-") as name:
        folder, port = Path(name), free_port()
        settings = {"ROADSTEAD_TLS_SELF_SIGNED": "yes", "ROADSTEAD_TLS_LISTEN": f"127.0.0.1:{port}"}
        server = RoadsteadServer(folder / "data", settings | {"ROADSTEAD_LOG_REQUESTS": "false"})
        server.start()
        try:
            _measure(folder, {"plain": Asker(server, server.url), "TLS": Asker(server, f"https://127.0.0.1:{port}")})
        finally:
            server.stop()


def _measure(folder: Path, ways: dict[str, Asker]) -> None:
    file = folder / "blob"
    rows: dict[str, dict[str, list[float]]] = {}

    def note(row: str, way: str, amount: float, seconds: float) -> None:
        rows.setdefault(row, {}).setdefault(way, []).append(amount / seconds)

    for _ in range(_RUNS):
        for way, ask in ways.items():
            content = os.urandom(1 << 20) * (_SIZE >> 20)
            file.write_bytes(content)
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            note("push of 256 MiB, MB/s", way, _SIZE / 1e6, ask.push(file, digest))
            note("pull of 256 MiB, MB/s", way, _SIZE / 1e6, ask.pull(digest))
            descriptor = {"mediaType": "application/octet-stream", "digest": digest, "size": _SIZE}
            manifest = {"schemaVersion": 2, "mediaType": _TYPE, "config": descriptor, "layers": []}
            put = ["-X", "PUT", "-H", f"Content-Type: {_TYPE}", "-d", json.dumps(manifest)]
            ask(*put, f"{ask.url}/manifests/1")
            note("manifest GET, c1, 1/s", way, _MANIFESTS, ask.manifests())
    print(f"|                       | {' | '.join(ways)} | ratio |\n|---|---:|---:|---:|")
    for row, found in rows.items():
        plain, tls = (statistics.median(found[way]) for way in ways)
        print(f"| {row} | {plain:,.0f} | {tls:,.0f} | {tls / plain:.2f}x |")


if __name__ == "__main__":
    main()
