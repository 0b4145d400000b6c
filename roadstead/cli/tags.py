"""`roadstead tag`: list, copy and delete the tags of a repository, and show the layers of an image."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import short_digest, show, show_rows, size_text, time_text
from roadstead.cli.repositories import Name, fields
from roadstead.cli.session import Options, work
from roadstead.domain.reference import RepositoryName
from roadstead.services import copies, manifests, tags

commands = typer.Typer(help="Tags of a repository.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class _Line:
    tag: str
    digest: str
    size: str
    platforms: str
    pushed: str
    pulls: int
    pulled: datetime | None


@dataclass(frozen=True, slots=True)
class _Layer:
    size: str
    command: str


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
        ("PULLS", "pulls"),
        ("PULLED", "pulled"),
    ]
    show_rows(context, shown, columns, empty=f"No tags in {name} yet.")


def _line(row: Any) -> _Line:
    return _Line(
        row.image_version,
        short_digest(row.digest),
        size_text(row.size),
        row.platforms,
        time_text(row.update_time),
        row.pull_count,
        row.last_pull_time,
    )


@commands.command(epilog="Example: roadstead tag layers prod/web 1.2.3")
def layers(
    context: typer.Context,
    name: Name,
    reference: Annotated[str, typer.Argument(help="The tag, or a digest.")],
    platform: Annotated[str, typer.Option(help="Of an index, the platform to show, like linux/arm64.")] = "",
) -> None:
    """Show the layers of an image: the command that made each, and its size."""
    answer = work(
        context,
        lambda s: s.call(manifests.describe_image_layers, **fields(name), reference=reference, platform=platform),
    )
    options: Options = context.obj
    if options.as_json:
        show(context, answer, "")
        return
    typer.echo(f"{short_digest(answer.digest)} {answer.platform} {size_text(answer.size)}")
    lines = [_Layer(size_text(each.size) if each.digest else "-", each.command) for each in answer.layers]
    show_rows(context, lines, [("SIZE", "size"), ("COMMAND", "command")], empty="It has no layers.")


@commands.command(epilog="Example: roadstead tag copy prod/web 1.2.3 stable --to shop/web")
def copy(
    context: typer.Context,
    name: Name,
    tag: Annotated[str, typer.Argument(help="The tag.")],
    new: Annotated[str, typer.Argument(help="The tag that shall stand for the same image.")],
    to: Annotated[str, typer.Option(help="Another repository, NAMESPACE/REPOSITORY; left out: the same.")] = "",
    override: Annotated[
        bool, typer.Option("--override", help="Move the tag if it stands for another image.")
    ] = False,
) -> None:
    """Let another tag, here or in another repository of the instance, stand for an image. No bytes are copied."""
    source, target = RepositoryName.parse(name), RepositoryName.parse(to or name)
    answer = work(
        context,
        lambda s: s.call(
            copies.duplicate_image,
            source_namespace=source.namespace,
            source_repo=source.name,
            source_reference=tag,
            destination_namespace=target.namespace,
            destination_repo=target.name,
            destination_tag=new,
            override=override,
        ),
    )
    show(context, answer, f"Tag {target}:{new} stands for the image of {name}:{tag}.")


@commands.command(epilog="Example: roadstead tag delete prod/web 1.2.3 1.2.4 --yes")
def delete(
    context: typer.Context,
    name: Name,
    tag: Annotated[list[str], typer.Argument(help="The tag, or up to 20.")],
    yes: Yes = False,
) -> None:
    """Delete tags, all or none, and with the last tag of an image the image."""
    names = ", ".join(f"{name}:{each}" for each in tag)
    sure(yes, f"Delete {names}? An image that has no other tag goes too.")
    answer = work(context, lambda s: s.call(tags.delete_repository_tags, **fields(name), tags=tag))
    show(context, answer, f"{'Tag' if len(tag) == 1 else 'Tags'} {names} deleted.")
