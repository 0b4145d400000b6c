"""Where the registry of a data folder was last served, which commands must know to tell addresses of it.

`roadstead serve --listen` says it to nobody else; a trigger's payload or an install command that a command in a
process of its own makes would name the usual port.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from roadstead.config import Settings
from roadstead.errors import InvalidInput

_FILE = "listens"


def note(settings: Settings, port: int) -> None:
    """Commands over the data folder will know that its registry is served here."""
    host = settings.listen.rpartition(":")[0]
    written = settings.folder / f"{_FILE}.new"
    written.write_text(f"{host}:{port}\n")
    written.replace(settings.folder / _FILE)


def known(settings: Settings) -> Settings:
    """The settings with the address at which the registry was last served, where the data folder tells it."""
    file: Path = settings.folder / _FILE
    with suppress(OSError):
        return replace(settings, listen=file.read_text().strip())
    return settings


def url(settings: Settings) -> str:
    """Where this machine reaches the registry of the settings; raises InvalidInput when only HTTPS leads there."""
    host, port = settings.address
    if settings.tls.on and not settings.tls.listen:
        raise InvalidInput("the registry here speaks HTTPS: give its name with --server https://HOST")
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104
    name = "127.0.0.1" if host in everywhere else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"
