"""The cloud's command line as a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=False, cwd=self.home, timeout=120
        )
        if done.returncode != 0:
            raise TccliError(f"exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TENCENTCLOUD_")}
        return kept | {
            "HOME": str(self.home),
            "TENCENTCLOUD_SECRET_ID": self.secret_id,
            "TENCENTCLOUD_SECRET_KEY": self.secret_key,
            "TENCENTCLOUD_REGION": self.region,
        }
