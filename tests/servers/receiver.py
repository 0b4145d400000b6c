"""A receiver of triggers in a thread of the test: what it is told it keeps, and answers as the test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class Receiver(ThreadingHTTPServer):
    """Accepts everything; what it was told is in `told`, in order."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.told: list[Any] = []

    @property
    def url(self) -> str:
        """Where triggers post to."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def take(self, delivery: str, body: bytes) -> int:
        """The status that the request is answered with."""
        with self.lock:
            self.told.append(json.loads(body))
        return 204

    @contextmanager
    def running(self) -> Iterator[Self]:
        """It answers as long as the block lasts."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
            thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Answered as the receiver decides."""
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            # Whoever sent it was killed meanwhile.
            self.close_connection = True
            return
        self.send_response(self.server.take(self.headers["x-roadstead-delivery"], body))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""
