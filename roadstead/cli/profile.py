"""Which server commands go to: the one that is named, the one logged in to, or none but the local data folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from roadstead.cli.options import Options
from roadstead.config import load
from roadstead.errors import InvalidInput, StartRefused

# Whoever names one of these means a registry on this machine.
_LOCAL = ("ROADSTEAD_DATA", "ROADSTEAD_DATABASE")


class Profile(msgspec.Struct, frozen=True, rename="pascal"):
    """A server and the API key that opens it; a temporary one has a session token and, in Unix seconds, an end."""

    server: str
    secret_id: str
    secret_key: str
    token: str = ""
    ends_at: int = 0


def profile_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the login is kept."""
    home = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "roadstead" / "profile.json"


def read(path: Path) -> Profile | None:
    """The login that is kept there; raises StartRefused when others could read or have changed it."""
    try:
        if path.stat().st_mode & 0o077:
            raise StartRefused(f"others can read the key in {path}; run: chmod 600 {path}")
        return msgspec.json.decode(path.read_bytes(), type=Profile)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StartRefused(f"cannot use the login in {path}: {error}; log in again: roadstead login URL") from error


def write(path: Path, profile: Profile) -> None:
    """The login is kept there, readable by its user only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(profile)) + b"\n")
    temporary.replace(path)


def forget(path: Path) -> Profile | None:
    """No login is kept there any more; the one that was."""
    try:
        known = msgspec.json.decode(path.read_bytes(), type=Profile)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        known = Profile("", "", "")
    path.unlink()
    return known


def chosen(options: Options, environment: Mapping[str, str] = os.environ) -> Profile | None:
    """The server that a command goes to; None for the registry on this machine.

    A named server wins, then a named data folder, then the login.
    """
    server, known = _named(options, environment)
    if not server:
        return known
    client = load(options.config, environment).client
    return _with_key(address(server), options.key or client.key, client.secret, known)


def where(options: Options, environment: Mapping[str, str] = os.environ) -> str:
    """The address of the server that a command goes to which needs no key; empty for the registry on this machine."""
    server, known = _named(options, environment)
    return address(server) if server else known.server if known is not None else ""


def _named(options: Options, environment: Mapping[str, str]) -> tuple[str, Profile | None]:
    """The server that is named, and the login; neither when a registry on this machine is meant."""
    server = options.server or load(options.config, environment).client.server
    named_here = options.data or options.config or any(environment.get(name) for name in _LOCAL)
    if not options.server and named_here:
        return "", None
    return server, read(profile_file(environment))


def _with_key(server: str, secret_id: str, secret_key: str, known: Profile | None) -> Profile:
    """The server with the key that was named, or the one that was logged in with there."""
    if known is not None and known.server == server and secret_id in {"", known.secret_id} and not secret_key:
        return known
    if not secret_id or not secret_key:
        raise InvalidInput(
            f"there is no key for {server}: log in with roadstead login {server}, or give --key SECRETID and its "
            "secret in ROADSTEAD_CLIENT_SECRET"
        )
    return Profile(server, secret_id, secret_key)


def is_private(server: str) -> bool:
    """Whether nobody on the way can read what is sent there: by TLS, or because it never leaves the machine."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    return parts.scheme == "https" or host == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def address(text: str) -> str:
    """The server's address as it is kept; raises InvalidInput for what is no plain address."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInput(f"{text!r} is not the address of a server; it looks like https://registry.example.com")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"):
        raise InvalidInput("the address has only scheme, host and port; a key is never part of it")
    return f"{parts.scheme}://{parts.netloc}"
