"""Many connections with small requests from one thread, for what wrk cannot do: HEAD, and pushes of several steps.

A script is a generator that yields a request and gets the head of its answer. Answers must have no body.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Generator, Sequence
from contextlib import suppress

from benchmarks.client import END_OF_HEAD, Answer, WrongAnswer

Script = Generator[bytes, Answer, None]

_PIECE = 16 << 10
_SILENT_SECONDS = 30


class _Talk:
    """One connection and the script that runs over it."""

    def __init__(self, port: int, script: Script) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._script = script
        self._head = b""

    def begin(self) -> None:
        self.socket.sendall(next(self._script))

    def go_on(self) -> bool:
        """Whether an answer was complete; raises StopIteration at the end of the script."""
        data = self.socket.recv(_PIECE)
        if not data:
            raise WrongAnswer("the server closed the connection")
        self._head += data
        if not self._head.endswith(END_OF_HEAD):
            return False
        answer, self._head = Answer(self._head), b""
        self.socket.sendall(self._script.send(answer))
        return True


def drive(port: int, scripts: Sequence[Script], seconds: float) -> float:
    """The answers per second when every script runs over its own connection until it ends or the time is over."""
    poll = select.epoll()
    talks = [_Talk(port, script) for script in scripts]
    waiting = {talk.socket.fileno(): talk for talk in talks}
    answers = 0
    try:
        for number, talk in waiting.items():
            poll.register(number, select.EPOLLIN)
            talk.begin()
        began = time.perf_counter()
        end = began + seconds
        while waiting and time.perf_counter() < end:
            ready = poll.poll(_SILENT_SECONDS)
            if not ready:
                raise WrongAnswer(f"no answer came for {_SILENT_SECONDS} s")
            answers += _serve(ready, waiting, poll)
        return answers / (time.perf_counter() - began)
    finally:
        poll.close()
        for talk in talks:
            talk.socket.close()


def _serve(ready: Sequence[tuple[int, int]], waiting: dict[int, _Talk], poll: select.epoll) -> int:
    """The number of answers that came over the connections that are ready."""
    answers = 0
    for number, _ in ready:
        with suppress(StopIteration):
            answers += waiting[number].go_on()
            continue
        answers += 1
        poll.unregister(number)
        del waiting[number]
    return answers
