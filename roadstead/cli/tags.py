"""`roadstead tag`: list and delete the tags of a repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from roadstead.cli.output import short_digest, show, show_rows, size_text, time_text
from roadstead.cli.repositories import Name, fields
from roadstead.cli.session import Options, work
from roadstead.services import tags

commands = typer.Typer(help="Tags of a repository.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class _Line:
    tag: str
    digest: str
    size: str
    platforms: str
    pushed: str


@commands.command("list", epilog="Example: roadstead tag list prod/web --search 1.2")
def list_(
    context: typer.Context,
    name: Name,
    search: Annotated[str, typer.Option(help="Only tags that contain this.")] = "",
) -> None:
    """List the tags of a repository."""
    rows: list[Any] = work(
        context,
        lambda s: s.every(tags.describe_images, "image_info_list", **fields(name), image_version=search or None),
    )
    options: Options = context.obj
    shown = rows if options.as_json else [_line(row) for row in rows]
    columns = [
        ("TAG", "tag"),
        ("DIGEST", "digest"),
        ("SIZE", "size"),
        ("PLATFORMS", "platforms"),
        ("PUSHED", "pushed"),
    ]
    show_rows(context, shown, columns, empty=f"No tags in {name} yet.")


def _line(row: Any) -> _Line:
    return _Line(
        row.image_version, short_digest(row.digest), size_text(row.size), row.platforms, time_text(row.update_time)
    )


@commands.command(epilog="Example: roadstead tag delete prod/web 1.2.3")
def delete(
    context: typer.Context,
    name: Name,
    tag: Annotated[str, typer.Argument(help="The tag.")],
) -> None:
    """Delete a tag, and with the last tag of an image the image."""
    answer = work(context, lambda s: s.call(tags.delete_image, **fields(name), image_version=tag))
    show(context, answer, f"Tag {name}:{tag} deleted.")
