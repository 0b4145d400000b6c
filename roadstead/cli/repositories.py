"""`roadstead repository`: create, list, describe, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from roadstead.cli.asking import Yes, sure
from roadstead.cli.output import show, show_rows, size_text
from roadstead.cli.session import Session, work
from roadstead.domain.counts import counted
from roadstead.domain.reference import RepositoryName
from roadstead.services import deletions, repositories

commands = typer.Typer(help="Repositories: the images of one name.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Full name, NAMESPACE/REPOSITORY.")]


def fields(name: str) -> dict[str, str]:
    """The request fields of a full name."""
    parsed = RepositoryName.parse(name)
    return {"namespace_name": parsed.namespace, "repository_name": parsed.name}


@commands.command(epilog="Example: roadstead repository create prod/web --summary 'The shop'")
def create(
    context: typer.Context,
    name: Name,
    summary: Annotated[str, typer.Option(help="One line, up to 100 characters.")] = "",
    description: Annotated[str, typer.Option(help="Markdown, up to 1,000 characters.")] = "",
) -> None:
    """Create an empty repository. A push creates it too."""
    answer = work(
        context,
        lambda s: s.call(
            repositories.create_repository, **fields(name), brief_description=summary, description=description
        ),
    )
    show(context, answer, f"Repository {name} created.")


@commands.command("list", epilog="Example: roadstead repository list --namespace prod --search web")
def list_(
    context: typer.Context,
    namespace: Annotated[str, typer.Option(help="Only of this namespace.")] = "",
    search: Annotated[str, typer.Option(help="Only names that contain this.")] = "",
) -> None:
    """List repositories."""
    rows = work(
        context,
        lambda s: s.every(
            repositories.describe_repositories,
            "repository_list",
            namespace_name=namespace or None,
            repository_name=search or None,
        ),
    )
    columns = [
        ("NAME", "name"),
        ("PUBLIC", "public"),
        ("UPDATED", "update_time"),
        ("PULLS", "pull_count"),
        ("PULLED", "last_pull_time"),
        ("SUMMARY", "brief_description"),
    ]
    show_rows(
        context, rows, columns, empty="No repositories yet. Push an image: docker push HOST:PORT/NAMESPACE/NAME"
    )


@commands.command(epilog="Example: roadstead repository describe prod/web --summary 'The shop'")
def describe(
    context: typer.Context,
    name: Name,
    summary: Annotated[str, typer.Option(help="One line, up to 100 characters.")] = "",
    description: Annotated[str, typer.Option(help="Markdown, up to 1,000 characters.")] = "",
) -> None:
    """Set the summary and description of a repository."""
    answer = work(
        context,
        lambda s: s.call(
            repositories.modify_repository, **fields(name), brief_description=summary, description=description
        ),
    )
    show(context, answer, f"Repository {name} described.")


@commands.command(epilog="Example: roadstead repository delete prod/old --yes")
def delete(
    context: typer.Context,
    name: Name,
    yes: Yes = False,
) -> None:
    """Delete a repository with all its images, after saying what goes."""

    async def body(session: Session) -> object:
        if not yes:
            told = await session.call(deletions.describe_deletion_impact, **fields(name))
            images = f"{counted(told.image_count, 'image')} ({counted(told.tag_count, 'tag')})"
            what = f"{images}, {size_text(told.freed_bytes)}"
            sure(yes, f"Delete {name} with {what} that nobody else holds?")
        return await session.call(repositories.delete_repository, **fields(name))

    answer = work(context, body)
    show(context, answer, f"Repository {name} deleted.")
