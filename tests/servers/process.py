"""A server process of a test: started in its own process group, its output kept in a file, surely ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LOG_SHOWN = 4000


class ServerFailed(Exception):
    """A server did not become ready or did not stop; the message ends with the last of its output."""


class Process:
    """One running server and the processes it started itself."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: str | None = None,
    ) -> None:
        """The command runs; `user` names the account to run as, with that account's own group only."""
        self.log = log
        self._name = Path(command[0]).name
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=folder,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )

    @property
    def identifier(self) -> int:
        """The process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._child.poll() is None

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """`ready` has answered true. Raises ServerFailed when the process ends or the time is over before."""
        end = time.monotonic() + seconds
        try:
            while not ready():
                if not self.running:
                    raise self._failed(f"ended with code {self._child.returncode} before it was ready")
                if time.monotonic() > end:
                    raise self._failed(f"was not ready after {seconds:g} seconds")
                time.sleep(0.03)
        except BaseException:
            self.kill()
            raise

    def wait(self, seconds: float = 30) -> int:
        """The exit code of a process that ends by itself."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self._failed(f"had not ended after {seconds:g} seconds") from None

    def stop(self, seconds: float = 30, by: signal.Signals = signal.SIGTERM) -> int:
        """The process was asked to end and did; its exit code. Raises ServerFailed when it would not."""
        if self.running:
            self._child.send_signal(by)
        code = self.wait(seconds)
        self._end_group()
        return code

    def kill(self) -> None:
        """The process and all that it started are gone, without a chance to tidy up (SIGKILL)."""
        self._end_group()
        self._child.wait()

    def _end_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)

    def _failed(self, what: str) -> ServerFailed:
        return ServerFailed(f"{self._name} {what}; its output:\n{tail(self.log)}")


def tail(log: Path) -> str:
    """The last lines of a log file."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return text[-_LOG_SHOWN:]
