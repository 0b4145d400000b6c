"""What the tests ask of every image client, and what an image that arrived must show.

A driver translates these few verbs into the client's own commands. It adds nothing that a user would not type, keeps
the client's settings and storage in one private folder, and speaks plain http to the one registry it was made for.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.clients.layouts import Layout

# Longer than any healthy command takes, shorter than the time-out of a test, so that the output is shown.
_LONGEST = 120


@dataclass(frozen=True)
class Login:
    """A user and password as `login` takes them."""

    user: str
    password: str


@dataclass(frozen=True)
class Pushed:
    """A push that ended well: the digest the client says it pushed, and all it printed."""

    digest: str
    output: str


@dataclass(frozen=True)
class Pulled:
    """An image in the client's own store.

    The client has checked each digest against the bytes it received; together they fix the whole content.
    """

    manifest: str
    config: str
    diffs: tuple[str, ...]


class ClientFailed(Exception):
    """A command of a client ended with an error; the message is what it printed."""


class ImageClient(Protocol):
    """One client and its private settings and storage."""

    name: str

    def login(self, login: Login) -> None:
        """The client will use this login from now on. Raises ClientFailed when the registry refuses it."""

    def push(self, layout: Layout, reference: str) -> Pushed:
        """The image of a layout is at the reference."""

    def push_index(self, layout: Layout, reference: str) -> Pushed:
        """The index of a layout and all its images are at the reference."""

    def pull(self, reference: str) -> Pulled:
        """The image for this machine, fetched anew: the client keeps nothing of it from before."""

    def close(self) -> None:
        """What the client stored is removed."""


@dataclass(frozen=True)
class Output:
    """What a command printed: its result, and its messages for people."""

    result: str
    messages: str

    @property
    def all(self) -> str:
        """Both, for messages that some versions print here and some there."""
        return self.result + self.messages


def run(command: Sequence[str | Path], *, environment: Mapping[str, str], folder: Path, stdin: str = "") -> Output:
    """What the command printed. Raises ClientFailed with it when the command fails."""
    done = subprocess.run(
        command,
        env=dict(environment),
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    if done.returncode != 0:
        said = f"{done.stdout}{done.stderr}"
        raise ClientFailed(f"{' '.join(map(str, command))}\nexit code {done.returncode}\n{said}")
    return Output(done.stdout, done.stderr)
