"""The preview of Markdown, as everybody who is logged in may ask for it."""

from __future__ import annotations

import pytest

from roadstead.errors import InvalidInput
from roadstead.services.context import Context
from roadstead.services.markdown import preview_markdown
from tests.factories.calls import call


async def test_text_comes_back_as_html(ctx: Context) -> None:
    answer = await call(ctx, preview_markdown, text="# Shop\n\n<script>alert(1)</script>")
    assert answer.html.startswith("<h3>Shop</h3>")
    assert "<script>" not in answer.html


async def test_a_book_is_refused(ctx: Context) -> None:
    with pytest.raises(InvalidInput, match="100000"):
        await call(ctx, preview_markdown, text="x" * 100_001)
