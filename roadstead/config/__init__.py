"""The settings: one frozen struct, read from a TOML file and then from `ROADSTEAD_*` variables.

A setting `limits.manifest_bytes` stands in the file as `manifest_bytes` under `[limits]` and in the
environment as `ROADSTEAD_LIMITS_MANIFEST_BYTES`. Lists are written with commas in the environment.
Every description here is printed by `docs/reference/settings.md`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from roadstead.config.sections import (
    Audit,
    Charts,
    Client,
    Collection,
    Dns,
    Events,
    Limits,
    Login,
    Metrics,
    Network,
    Oidc,
    Outbound,
    Push,
    Quotas,
    Rates,
    Sessions,
    Storage,
    Tls,
    Tokens,
    Triggers,
    Workers,
    says,
)
from roadstead.errors import StartRefused

__all__ = [
    "Audit",
    "Charts",
    "Client",
    "Collection",
    "Dns",
    "Events",
    "Limits",
    "Login",
    "Metrics",
    "Network",
    "Oidc",
    "Outbound",
    "Push",
    "Quotas",
    "Rates",
    "Sessions",
    "Settings",
    "Storage",
    "Tls",
    "Tokens",
    "Triggers",
    "Workers",
    "host_and_port",
    "load",
    "variables",
]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of one process."""

    data: Annotated[str, says("Data folder: database, local blobs, keys")] = "data"
    listen: Annotated[str, says("HOST:PORT to serve on")] = "0.0.0.0:5000"
    processes: Annotated[int, says("Serving processes; 0 means one per core, at most 4", ge=0)] = 0
    database: Annotated[
        str, says("`postgresql://USER:PASSWORD@HOST:PORT/NAME`, or empty for SQLite in the data folder")
    ] = ""
    base_domain: Annotated[
        str, says("Instances answer at `NAME.BASE_DOMAIN`; every other host means the default instance")
    ] = "localhost"
    default_instance: Annotated[str, says("Name of the instance that a fresh start creates")] = "default"
    region: Annotated[str, says("Name of this deployment's region")] = "local"
    secret_key: Annotated[
        str,
        says(
            "Key that encrypts stored secrets, 32 bytes in URL-safe base64; empty means the file `secret.key` in the data folder. Several nodes must share it"
        ),
    ] = ""
    create_namespace_on_push: Annotated[
        bool,
        says("Whether the default instance of a fresh start creates a missing namespace when its owner pushes to it"),
    ] = False
    log_level: Annotated[Literal["debug", "info", "warning", "error"], says("Least important log lines written")] = (
        "info"
    )
    log_format: Annotated[Literal["text", "json"], says("`text` for people, `json` for collectors")] = "text"
    log_requests: Annotated[bool, says("Write one line per request")] = False
    storage: Storage = msgspec.field(default_factory=Storage)
    push: Push = msgspec.field(default_factory=Push)
    limits: Limits = msgspec.field(default_factory=Limits)
    rates: Rates = msgspec.field(default_factory=Rates)
    quotas: Quotas = msgspec.field(default_factory=Quotas)
    collection: Collection = msgspec.field(default_factory=Collection)
    tokens: Tokens = msgspec.field(default_factory=Tokens)
    login: Login = msgspec.field(default_factory=Login)
    sessions: Sessions = msgspec.field(default_factory=Sessions)
    network: Network = msgspec.field(default_factory=Network)
    dns: Dns = msgspec.field(default_factory=Dns)
    tls: Tls = msgspec.field(default_factory=Tls)
    audit: Audit = msgspec.field(default_factory=Audit)
    events: Events = msgspec.field(default_factory=Events)
    workers: Workers = msgspec.field(default_factory=Workers)
    metrics: Metrics = msgspec.field(default_factory=Metrics)
    triggers: Triggers = msgspec.field(default_factory=Triggers)
    charts: Charts = msgspec.field(default_factory=Charts)
    client: Client = msgspec.field(default_factory=Client)
    outbound: Outbound = msgspec.field(default_factory=Outbound)
    oidc: Oidc = msgspec.field(default_factory=Oidc)

    @property
    def address(self) -> tuple[str, int]:
        """The host and port of `listen`; an empty host means every address. Raises ValueError for no port."""
        return host_and_port(self.listen)

    @property
    def folder(self) -> Path:
        """The data folder as an absolute path."""
        return Path(self.data).absolute()


def host_and_port(text: str) -> tuple[str, int]:
    """The parts of HOST:PORT; an empty host means every address. Raises ValueError for no port."""
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{text!r} has no port from 0 to 65535")
    return host.strip("[]"), int(port)


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings from file, environment and command-line options, the later ones winning.

    Raises StartRefused, naming the setting, when a value or a name is not understood.
    """
    tree: dict[str, Any] = {}
    if file is not None:
        import tomllib

        try:
            tree = tomllib.loads(file.read_text())
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise StartRefused(f"cannot read the configuration file {file}: {error}") from error
    _apply_environment(tree, os.environ if environment is None else environment)
    tree.update({name: value for name, value in (options or {}).items() if value is not None})
    try:
        settings = msgspec.convert(tree, Settings)
        named = "listen", settings.listen
        host_and_port(settings.listen)
        named = "tls.listen", settings.tls.listen
        host_and_port(settings.tls.listen or ":0")
    except msgspec.ValidationError as error:
        raise StartRefused(f"configuration: {error}") from error
    except ValueError as error:
        raise StartRefused(f"configuration: {named[0]} must be HOST:PORT, not {named[1]!r}") from error
    return settings


def variables() -> dict[str, tuple[str | None, str, Any]]:
    """Every `ROADSTEAD_*` variable with the section and name of its setting and that setting's type."""
    found: dict[str, tuple[str | None, str, Any]] = {}
    for name, kind in get_type_hints(Settings).items():
        if isinstance(kind, type) and issubclass(kind, Struct):
            for option, inner in get_type_hints(kind).items():
                found[f"ROADSTEAD_{name}_{option}".upper()] = (name, option, inner)
        else:
            found[f"ROADSTEAD_{name}".upper()] = (None, name, kind)
    return found


def _apply_environment(tree: dict[str, Any], environment: Mapping[str, str]) -> None:
    known = variables()
    for variable, text in environment.items():
        if not variable.startswith("ROADSTEAD_"):
            continue
        if variable not in known:
            raise StartRefused(f"{variable} is not a setting; see docs/reference/settings.md")
        section, name, kind = known[variable]
        target = tree if section is None else tree.setdefault(section, {})
        # What is no table here is refused with the other types, when all is read.
        if isinstance(target, dict):
            target[name] = _parse(variable, text, kind)


def _parse(variable: str, text: str, kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        if kind is int:
            return int(text)
    except (KeyError, ValueError) as error:
        raise StartRefused(
            f"{variable}={text!r} is not {'a yes or no' if kind is bool else 'a whole number'}"
        ) from error
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
