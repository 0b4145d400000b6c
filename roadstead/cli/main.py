"""Where the `roadstead` command begins: who is meant by its words, and how failures end.

A plain `serve` goes to its work without the modules that other commands parse and print with: the process stays for
as long as the registry serves, and those modules would take more memory than all that it does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from roadstead.errors import AppError

_SHARED_VALUES = ("--data", "--config", "--instance", "--server", "--key")


def hoist(arguments: Sequence[str]) -> list[str]:
    """The arguments with the shared options first, wherever they stood; those of `serve` stay its own."""
    if "serve" in arguments[:1]:
        return list(arguments)
    shared_ones: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            rest += [argument, *remaining]
        elif argument in _SHARED_VALUES:
            shared_ones += [argument, *([value] if (value := next(remaining, None)) is not None else [])]
        elif argument == "--json" or argument.startswith(tuple(f"{option}=" for option in _SHARED_VALUES)):
            shared_ones.append(argument)
        else:
            rest.append(argument)
    if "serve" in rest[:1]:  # its own options of the same names come after it
        return [*rest[:1], *(word for word in shared_ones if word != "--json"), *rest[1:]]
    return [*shared_ones, *rest]


def run(arguments: Sequence[str] | None = None) -> None:
    """The command has run; a condition of the product is one line on standard error and exit code 1.

    With --json the line is a JSON object with the fields that the API gives.
    """
    words = hoist(sys.argv[1:] if arguments is None else arguments)
    try:
        plain = plain_serve(words)
        if plain is not None:
            from roadstead.cli.start import start

            raise SystemExit(start(**plain))
        from roadstead.cli.commands import app

        app(command(words))(words)
    except AppError as error:
        from roadstead.cli.failures import failure

        print(failure(error, as_json="--json" in words), file=sys.stderr)
        raise SystemExit(1) from None


def command(words: Sequence[str]) -> str:
    """The first word that is no shared option and no value of one; empty when there is none."""
    remaining = iter(words)
    for word in remaining:
        if word in _SHARED_VALUES:
            next(remaining, None)
        elif not word.startswith("-"):
            return word
    return ""


def plain_serve(words: Sequence[str]) -> dict[str, str] | None:
    """The options of a `serve` that says nothing else; None for all else, wrong words and `--help` among it."""
    if not words or words[0] != "serve":
        return None
    options: dict[str, str] = {}
    remaining = iter(words[1:])
    for word in remaining:
        name, given, value = word.partition("=")
        if not given:
            value = next(remaining, "-")
        if name not in {"--data", "--listen", "--config"} or value.startswith("-"):
            return None
        options[name.removeprefix("--")] = value
    return options
