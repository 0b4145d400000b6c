"""The options that every command shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """What every command is told."""

    data: str | None = None
    config: Path | None = None
    instance: str | None = None
    as_json: bool = False
    server: str | None = None
    key: str | None = None
