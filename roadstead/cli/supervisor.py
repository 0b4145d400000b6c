"""The serving processes: forked by a process that has imported everything, watched, stopped together.

The supervisor stays small: it starts a *mother*, which imports, forks the serving processes and ends. They share the
memory of the imported code, and no page of it is kept by a process that does not serve. The kernel hands orphans to
the supervisor, which thus becomes their parent. Each serving process listens on the port itself (SO_REUSEPORT) and
the kernel spreads connections over them.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType

from roadstead.config import Settings, host_and_port
from roadstead.errors import AppError, StartRefused

_RESTART_PAUSE = 1.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_M_ARENA_MAX = -8
# Of a process that said why it cannot start: starting another would not help.
_REFUSED = 3
_STOP_SECONDS = 30.0
_STOPPING = (signal.SIGTERM, signal.SIGINT)
_ADOPTION_PAUSE = 0.001

Work = Callable[[], Coroutine[None, None, None]]


def bind(listen: str) -> socket.socket:
    """A socket that holds the port of HOST:PORT; raises StartRefused with one line when it cannot be had."""
    host, port = host_and_port(listen)
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    try:
        with socket.socket(
            family, socket.SOCK_STREAM
        ) as probe:  # without sharing, so that a second server is noticed
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
        listener = _shared(family, host, port)
        # Nothing listens here until the serving processes do: so another server's probe meets this socket itself.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        return listener
    except UnicodeError as error:
        raise StartRefused(f"cannot listen on {listen}: that is no host name") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartRefused(f"{listen} is in use by another program; choose another with --listen") from error
        raise StartRefused(f"cannot listen on {listen}: {error.strerror or error}") from error


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


def apart(work: Work) -> int:
    """The exit code of `work`, run in a forked process, so that nothing it opens is inherited by later forks."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _end_with(parent)
        _become(work)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _become(work: Work) -> None:
    """The forked process does `work` and ends; this does not return."""
    code = 1
    try:
        import asyncio

        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(work())
        code = 0
    except AppError as error:
        print(f"roadstead: {error.message}", file=sys.stderr)
        code = _REFUSED
    except KeyboardInterrupt:
        code = 0
    except Exception:  # noqa: BLE001  the process ends here, and nobody else could say why
        _tell_exception()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell_exception() -> None:
    import traceback

    traceback.print_exc()


def _nothing() -> None:
    """Stands for what need not be done."""


def _end_with(parent: int) -> None:
    """Should the parent be killed, the kernel kills this process too: nobody serves on unwatched."""
    _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(0)


def _control(what: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(what, value, 0, 0, 0)


def _as_it_was(numbers: tuple[signal.Signals, ...]) -> None:
    """The signals have their usual effect again in this process, which was forked by one that handles them."""
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


def _use_one_arena() -> None:
    """Threads allocate from one arena; glibc would give each of a process' transfer threads one to keep."""
    with suppress(AttributeError):  # a C library that has no arenas
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


class _Mother:
    """The process that imports with `load`, forks the serving processes, and ends."""

    def __init__(self, work: Work, load: Callable[[], None]) -> None:
        self._work = work
        self._load = load

    def live(self, supervisor: int, count: int, prepare: Work | None, report: int) -> None:
        """The ids of `count` serving processes have been written to `report`; this does not return.

        Before them `prepare` has run in a process of its own; they are not started when it fails.
        """
        code = 1
        try:
            _as_it_was((*_STOPPING, signal.SIGALRM))
            _end_with(supervisor)
            self._load()
            code = 0 if prepare is None else apart(prepare)
            gc.collect()
            gc.freeze()  # the imported code stays in pages that the children share
            _use_one_arena()
            for _ in range(count if code == 0 else 0):
                os.write(report, self._fork(supervisor, report).to_bytes(4))
        except BaseException:  # noqa: BLE001  the process ends here, and nobody else could say why
            code = 1
            _tell_exception()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _fork(self, supervisor: int, report: int) -> int:
        # A signal that ended this process in between would leave a child of which nobody knows.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        mother, child = os.getpid(), os.fork()
        if child == 0:
            os.close(report)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
            while os.getppid() == mother:  # only the end of the parent that then is shall end this process
                time.sleep(_ADOPTION_PAUSE)
            _end_with(supervisor)
            _become(self._work)
        return child


class Supervisor:
    """Keeps a number of serving processes alive until told to stop.

    `load` imports what they need; `prepare` runs before the first of them is started, in a process of its own.
    """

    def __init__(
        self, count: int, work: Work, *, load: Callable[[], None] = _nothing, prepare: Work | None = None
    ) -> None:
        self._count = count
        self._mother = _Mother(work, load)
        self._prepare = prepare
        self._children: set[int] = set()
        self._stopping = False

    def run(self) -> int:
        """The exit code, after a signal has stopped all children or one could not start."""
        _control(_PR_SET_CHILD_SUBREAPER, 1)
        for number in _STOPPING:
            signal.signal(number, self._stop)
        failed = 0 if self._start(self._count, self._prepare) or self._stopping else 1
        if failed:
            self._stop(signal.SIGTERM, None)
        while self._children:
            child, status = os.wait()
            if child not in self._children:  # an orphan of a serving process
                continue
            self._children.discard(child)
            if self._stopping:
                continue
            code = os.waitstatus_to_exitcode(status)
            if code == _REFUSED:
                failed = 1
                self._stop(signal.SIGTERM, None)
                continue
            print(f"roadstead: a serving process ended with {code}; starting another", file=sys.stderr)
            self._replace()
        return failed

    def _replace(self) -> None:
        """Another child runs, unless all are to stop."""
        time.sleep(_RESTART_PAUSE)
        while not self._stopping and not self._start(1):
            time.sleep(_RESTART_PAUSE)

    def _start(self, count: int, prepare: Work | None = None) -> bool:
        """So many more children run, unless all are to stop; False when that failed, which has been told."""
        # Signals wait meanwhile: one that came in between would not be passed on to the new process.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        if self._stopping:
            mother = 0
        else:
            mother, report = self._fork(count, prepare)
            self._children.add(mother)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
        return mother == 0 or self._await(mother, report)

    def _fork(self, count: int, prepare: Work | None) -> tuple[int, int]:
        """The mother's id, and where it reports."""
        supervisor = os.getpid()
        report, end = os.pipe()
        mother = os.fork()
        if mother == 0:
            os.close(report)
            self._mother.live(supervisor, count, prepare, end)
        os.close(end)
        return mother, report

    def _await(self, mother: int, report: int) -> bool:
        """The mother has ended, and its children are known; whether it did all that it should."""
        with open(report, "rb", buffering=0) as pipe:
            while child := pipe.read(4):
                self._children.add(int.from_bytes(child))
        _, status = os.waitpid(mother, 0)
        self._children.discard(mother)
        if self._stopping:
            self._tell(signal.SIGTERM)
        elif os.WIFSIGNALED(status):
            print(f"roadstead: starting was ended by signal {os.WTERMSIG(status)}", file=sys.stderr)
        return status == 0

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
