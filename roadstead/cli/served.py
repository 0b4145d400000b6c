"""How the registry of a data folder was last served, which commands in processes of their own must know.

What `roadstead serve` was told by options and variables, it was told alone. A trigger's payload or an install command
that a command makes would name the usual port, and a receiver that the server may call would be refused a test.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from roadstead.config import Settings
from roadstead.errors import InvalidInput

_FILE = "served.json"


class _Served(msgspec.Struct, frozen=True):
    listen: str
    allow: tuple[str, ...]


def note(settings: Settings, port: int) -> None:
    """Commands over the data folder will know that its registry is served here, and whom it may call."""
    host = settings.listen.rpartition(":")[0]
    written = settings.folder / f"{_FILE}.new"
    written.write_bytes(msgspec.json.encode(_Served(f"{host}:{port}", settings.outbound.allow)))
    written.replace(settings.folder / _FILE)


def known(settings: Settings) -> Settings:
    """The settings with the address at which the registry was last served, where the data folder tells it.

    A command that is not told itself whom it may call, may call whom the server may.
    """
    file: Path = settings.folder / _FILE
    with suppress(OSError, msgspec.MsgspecError):
        served = msgspec.json.decode(file.read_bytes(), type=_Served)
        outbound = replace(settings.outbound, allow=settings.outbound.allow or served.allow)
        return replace(settings, listen=served.listen, outbound=outbound)
    return settings


def url(settings: Settings) -> str:
    """Where this machine reaches the registry of the settings; raises InvalidInput when only HTTPS leads there."""
    host, port = settings.address
    if settings.tls.on and not settings.tls.listen:
        raise InvalidInput("the registry here speaks HTTPS: give its name with --server https://HOST")
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104
    name = "127.0.0.1" if host in everywhere else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"
