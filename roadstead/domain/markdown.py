"""Markdown as people write it, to HTML that is safe to show: descriptions of repositories and charts.

Two steps, of which the second does not trust the first: raw HTML is not passed on by the renderer, and whatever it
makes goes through a list of elements that may be there. Pictures are left out: a page of the console loads nothing
from other hosts, and who looks at a description should not be told to its author.
"""

from __future__ import annotations

import nh3
from markdown_it import MarkdownIt

_ELEMENTS = {
    *("a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre"),
    *("s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
# The page has headings of its own above what is rendered.
_LEVELS_DOWN = 2
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "code": {"class"}}


def rendered(text: str) -> str:
    """The text as HTML that holds nothing which could run or be loaded."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = markdown.parse(text)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1:]) + _LEVELS_DOWN)}"
    return nh3.clean(
        markdown.renderer.render(tokens, markdown.options, {}),
        tags=_ELEMENTS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
