"""The serving processes: prepared once, forked after everything is imported, watched, stopped together.

The parent only imports, binds the port and forks, so the children share the memory of the imported code. Each
child listens on the port itself (SO_REUSEPORT) and the kernel spreads connections over them.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType

import uvloop

from roadstead.config import Settings
from roadstead.errors import AppError, StartRefused

_RESTART_PAUSE = 1.0
_PR_SET_PDEATHSIG = 1
# Of a process that said why it cannot start: starting another would not help.
_REFUSED = 3
_STOP_SECONDS = 30.0
_STOPPING = (signal.SIGTERM, signal.SIGINT)


def bind(settings: Settings) -> socket.socket:
    """A socket that holds the configured port; raises StartRefused with one line when it cannot be had."""
    host, port = settings.address
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    try:
        with socket.socket(
            family, socket.SOCK_STREAM
        ) as probe:  # without sharing, so that a second server is noticed
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
        return _shared(family, host, port)
    except UnicodeError as error:
        raise StartRefused(f"cannot listen on {settings.listen}: that is no host name") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartRefused(
                f"{settings.listen} is in use by another program; choose another with --listen"
            ) from error
        raise StartRefused(f"cannot listen on {settings.listen}: {error.strerror or error}") from error


def _shared(family: int, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6 and not host:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((host, port))
    return listener


def twin(listener: socket.socket) -> socket.socket:
    """Another socket listening on the same address, for one child."""
    host, port = listener.getsockname()[:2]
    other = _shared(listener.family, host, port)
    other.listen(2048)
    return other


def process_count(settings: Settings) -> int:
    """How many serving processes there shall be."""
    return settings.processes or min(4, len(os.sched_getaffinity(0)))


def apart(work: Callable[[], Coroutine[None, None, None]]) -> int:
    """The exit code of `work`, run in a forked process, so that nothing it opens is inherited by later forks."""
    child = os.fork()
    if child == 0:
        _become(work)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _become(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """The forked process does `work` and ends; this does not return."""
    code = 1
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work())
        code = 0
    except AppError as error:
        print(f"roadstead: {error.message}", file=sys.stderr)
        code = _REFUSED
    except KeyboardInterrupt:
        code = 0
    except Exception:  # noqa: BLE001  the process ends here, and nobody else could say why
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_with_parent(parent: int) -> None:
    """Should the parent be killed, the kernel kills this process too: nobody serves on unwatched."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(0)


class Supervisor:
    """Keeps a number of children alive until told to stop."""

    def __init__(self, count: int, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self._count = count
        self._work = work
        self._children: set[int] = set()
        self._stopping = False

    def run(self) -> int:
        """The exit code, after a signal has stopped all children or one could not start."""
        gc.collect()
        gc.freeze()  # the imported code stays in pages that the children share
        for number in _STOPPING:
            signal.signal(number, self._stop)
        for _ in range(self._count):
            self._start()
        failed = 0
        while self._children:
            child, status = os.wait()
            self._children.discard(child)
            if self._stopping:
                continue
            code = os.waitstatus_to_exitcode(status)
            if code == _REFUSED:
                failed = 1
                self._stop(signal.SIGTERM, None)
                continue
            print(f"roadstead: a serving process ended with {code}; starting another", file=sys.stderr)
            time.sleep(_RESTART_PAUSE)
            self._start()
        return failed

    def _start(self) -> None:
        """One more child runs, unless all are to stop."""
        # Signals wait meanwhile: one that came in between would not be passed on to the new child.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        if not self._stopping:
            self._children.add(self._fork())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)

    def _fork(self) -> int:
        parent = os.getpid()
        child = os.fork()
        if child == 0:
            for number in (*_STOPPING, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
            _end_with_parent(parent)
            _become(self._work)
        return child

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            signal.signal(signal.SIGALRM, self._kill)
            signal.setitimer(signal.ITIMER_REAL, _STOP_SECONDS)
        self._tell(signal.SIGTERM)

    def _kill(self, _number: int, _frame: FrameType | None) -> None:
        self._tell(signal.SIGKILL)

    def _tell(self, number: signal.Signals) -> None:
        for child in self._children:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(child, number)
