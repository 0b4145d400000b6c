"""Asking before what cannot be undone: one option and one question for every command that destroys something.

The question says what goes. `--yes` answers it beforehand; where nobody answers, as in a script, nothing goes. What
its opposite brings back (`disable`, `detach`, `close`, `deny`) is not asked about.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from roadstead.errors import InvalidInput

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def sure(yes: bool, question: str) -> None:
    """The question has been answered with yes, by `--yes` or by whoever was asked.

    Raises typer.Abort for any other answer, InvalidInput when there is none because nobody sits there.
    """
    if yes:
        return
    # Not typer.confirm: that writes a part of it on standard output, where scripts want JSON alone.
    typer.echo(f"{question} [y/N]: ", nl=False, err=True)
    answer = sys.stdin.readline() if sys.stdin is not None else ""
    if not answer:
        typer.echo(err=True)
        raise InvalidInput("nobody has answered, so nothing is deleted; --yes answers beforehand")
    if answer.strip().lower() not in {"y", "yes"}:
        raise typer.Abort
