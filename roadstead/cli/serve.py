"""`roadstead serve` as typer sees it; `start.py` does it."""

from __future__ import annotations

from typing import Annotated

import typer

from roadstead.cli.start import start


def serve(
    data: Annotated[str | None, typer.Option(help="Data folder.")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT to serve on.")] = None,
    config: Annotated[str | None, typer.Option(help="Configuration file (TOML).", metavar="PATH")] = None,
) -> None:
    """Serve the registry. The first start of a data folder sets everything up and says how to log in.

    Every setting is also a ROADSTEAD_* variable; see docs/reference/settings.md.
    """
    raise typer.Exit(start(data, listen, config))
