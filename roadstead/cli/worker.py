"""`roadstead worker`: works off jobs apart from the server."""

from __future__ import annotations

import asyncio
import signal

import typer

from roadstead.cli.options import Options
from roadstead.cli.session import configured


def worker(context: typer.Context) -> None:
    """Work off jobs until told to stop by SIGTERM or Ctrl-C; running jobs then have 20 seconds to end.

    Run as many as you like, beside the server or instead of its own workers (setting `workers.in_server`), on any
    host that reaches the database and the storage.
    """
    from roadstead.app import set_up_logging, work_off

    options: Options = context.obj
    settings = configured(options)
    set_up_logging(settings)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        typer.echo("Working off jobs.")
        await work_off(settings, stop)

    asyncio.run(until_stopped())
