"""Markdown shown as it will be read: while a description is written, and wherever it stands afterwards."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from roadstead.domain.markdown import rendered
from roadstead.errors import InvalidInput
from roadstead.services.operations import Call, Wire, operation

_LONGEST = 100_000


class PreviewMarkdown(Wire, frozen=True, kw_only=True):
    """What is to be shown."""

    text: Annotated[str, Meta(description="Text in Markdown, up to 100,000 characters.", max_length=_LONGEST)]


class ShownMarkdown(Wire, frozen=True, kw_only=True):
    """The text as HTML."""

    html: Annotated[str, Meta(description="HTML without anything that could run or be loaded from elsewhere.")]


@operation(resource="repository/*", changes=False, filtered=True, raises=(InvalidInput,))
async def preview_markdown(call: Call, request: PreviewMarkdown) -> ShownMarkdown:
    """Render Markdown to HTML that is safe to show, as descriptions are shown."""
    if len(request.text) > _LONGEST:
        raise InvalidInput(f"Text has up to {_LONGEST} characters, not {len(request.text)}")
    return ShownMarkdown(html=rendered(request.text))
