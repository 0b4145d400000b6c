"""The cloud's command line as a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# tccli's own entry, imported once: each line of its input is a command line, for which a fork of it runs. Most of
# what tccli takes is spent on importing itself, which a hundred commands need not do each.
_READY = """
import json, os, sys, tempfile
from tccli.loaders import Loader
from tccli.main import main
import tccli.services.tcr.tcr_client
# Asked for hundreds of times in one command, each time copied whole.
services = Loader().get_available_services()
Loader.get_available_services = lambda self: services
answers = int(sys.argv[1])
for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1), os.dup2(err.fileno(), 2)
            sys.argv = json.loads(line)
            code = 1
            try:
                code = main()
            finally:
                sys.stdout.flush(), sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = [os.pread(each.fileno(), 1 << 24, 0).decode() for each in (out, err)]
    os.write(answers, json.dumps([code, *texts]).encode() + b"\\n")
"""


class TccliError(Exception):
    """The command was refused; the text is what tccli printed."""


@dataclass(frozen=True)
class Tccli:
    """One user's tccli: its endpoint and key stand in that user's environment and configuration."""

    home: Path
    # With its scheme: without one tccli speaks https.
    endpoint: str
    secret_id: str
    secret_key: str
    region: str = "ap-guangzhou"
    ready: Ready | None = None

    def call(self, service: str, action: str, *arguments: str, parameters: dict[str, Any] | None = None) -> Any:
        """The answer's fields. Raises TccliError with what it printed."""
        given: list[str] = []
        if parameters is not None:
            file = self.home / f"{action}.json"
            file.write_text(json.dumps(parameters))
            given = ["--cli-input-json", f"file://{file}"]
        printed = self.run(service, action, "--endpoint", self.endpoint, *given, *arguments)
        return json.loads(printed) if printed.strip() else None

    def run(self, *arguments: str) -> str:
        """What tccli prints for these arguments. Raises TccliError."""
        command = [str(Path(sys.executable).with_name("tccli")), *arguments]
        if self.ready is not None:
            code, told, complained = self.ready.run(command)
        else:
            done = subprocess.run(
                command,
                env=self._environment,
                capture_output=True,
                text=True,
                check=False,
                cwd=self.home,
                timeout=120,
            )
            code, told, complained = done.returncode, done.stdout, done.stderr
        if code != 0:
            raise TccliError(f"exit {code}: {told}{complained}")
        return told

    @contextmanager
    def imported(self) -> Iterator[Tccli]:
        """The same, for many commands: tccli has imported itself once, and a fork of it runs each."""
        answers, answering = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", _READY, str(answering)],
            env=self._environment,
            cwd=self.home,
            stdin=subprocess.PIPE,
            pass_fds=[answering],
            text=True,
        )
        os.close(answering)
        with process, open(answers) as told:
            assert process.stdin is not None
            yield replace(self, ready=Ready(process.stdin, told))
            process.stdin.close()

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TENCENTCLOUD_")}
        return kept | {
            "HOME": str(self.home),
            "TENCENTCLOUD_SECRET_ID": self.secret_id,
            "TENCENTCLOUD_SECRET_KEY": self.secret_key,
            "TENCENTCLOUD_REGION": self.region,
        }


@dataclass(frozen=True)
class Ready:
    """A tccli that has imported itself: command lines go in, what came of them comes out."""

    commands: Any
    told: Any

    def run(self, command: list[str]) -> tuple[int, str, str]:
        """The exit code, and what was printed and complained of."""
        print(json.dumps(command), file=self.commands, flush=True)
        code, told, complained = json.loads(self.told.readline())
        return code, told, complained
