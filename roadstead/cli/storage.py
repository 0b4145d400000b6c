"""`roadstead storage`: check every stored byte, collect what nothing refers to."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status

from roadstead.cli.output import show, size_text, wire
from roadstead.cli.session import Options, opened
from roadstead.domain.counts import counted
from roadstead.services import gc, storage
from roadstead.services.storage import Finding, Progress

commands = typer.Typer(help="The stored bytes.", no_args_is_help=True)


@commands.command(epilog="Example: roadstead storage check --quarantine")
def check(
    context: typer.Context,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="Put broken blobs aside; the next push of the content heals them.")
    ] = False,
) -> None:
    """Verify every digest and follow every reference. Exit code 1 when something is broken.

    The server may go on serving meanwhile. Images whose layers were never pushed are told, but are not an error.
    """
    options: Options = context.obj
    progress, findings = asyncio.run(_check(options, quarantine=quarantine))
    broken = [finding for finding in findings if finding.kind in {"blob", "manifest"}]
    text = (
        f"Checked {counted(progress.blobs, 'blob')} ({size_text(progress.bytes)}), "
        f"{counted(progress.manifests, 'manifest')}, {counted(progress.keys, 'key')}: "
        f"{len(broken)} broken, {counted(len(findings) - len(broken), 'note')}."
    )
    answer = {"Checked": wire(progress), "Findings": [wire(found) for found in findings]}
    show(context, answer, text)
    if broken:
        raise typer.Exit(1)


async def _check(options: Options, *, quarantine: bool) -> tuple[Progress, list[Finding]]:
    progress, findings = Progress(), []
    console = Console(stderr=True, highlight=False, markup=False)
    async with opened(options) as ctx:
        with console.status("checking") as status:
            ticker = asyncio.create_task(_tick(status, progress))
            async for finding in storage.check(ctx, progress, quarantine=quarantine):
                findings.append(finding)
                aside = " (put aside)" if finding.put_aside else ""
                console.print(f"{finding.kind} {finding.subject}: {finding.problem}{aside}; {finding.remedy}")
            ticker.cancel()
    return progress, findings


async def _tick(status: Status, progress: Progress) -> None:
    while True:
        manifests = counted(progress.manifests, "manifest")
        status.update(f"{counted(progress.blobs, 'blob')}, {size_text(progress.bytes)}, {manifests} checked")
        await asyncio.sleep(0.2)


@commands.command(epilog="Example: roadstead storage collect")
def collect(context: typer.Context) -> None:
    """Remove now what the server would remove by itself: unreferenced blobs and ended uploads past their grace."""
    options: Options = context.obj

    async def once() -> Any:
        async with opened(options) as ctx:
            return await gc.collect(ctx)

    removed = asyncio.run(once())
    show(
        context,
        wire(removed),
        f"Removed {counted(removed.blobs, 'blob')}, {counted(removed.uploads, 'upload')}, "
        f"{counted(removed.repositories, 'empty repository')}.",
    )
