"""Markdown is shown as it is meant, and holds nothing that could run, load or mislead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.domain.markdown import rendered


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# Shop", "<h3>Shop</h3>\n"),
        ("**now** ~~then~~", "<p><strong>now</strong> <s>then</s></p>\n"),
        ("`docker pull x`", "<p><code>docker pull x</code></p>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("| a |\n|---|\n| b |", "<table>"),
        ("", ""),
    ],
)
def test_text_is_shown_as_it_is_meant(text: str, html: str) -> None:
    assert rendered(text).startswith(html)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[here](javascript:alert(1))",
        "[here](data:text/html;base64,PHNjcmlwdD4=)",
        "![seen](https://tracker.example.com/x.png)",
        "<iframe src=https://example.com>",
        "<a href='https://example.com' onclick='x()'>a</a>",
        "<style>body{display:none}</style>",
        "<svg/onload=alert(1)>",
        "[a]: javascript:alert(1)\n\n[a]",
    ],
)
def test_nothing_in_it_runs_or_loads(text: str) -> None:
    html = rendered(text).lower()
    for wrong in ("<script", "<img", "<iframe", "<style", "<svg", "<a href='", 'href="javascript', 'href="data'):
        assert wrong not in html


def test_links_give_nothing_away() -> None:
    assert rendered("[docs](https://docs.example.com)") == (
        '<p><a href="https://docs.example.com" rel="noopener noreferrer nofollow">docs</a></p>\n'
    )


@settings(max_examples=30)
@given(st.text(alphabet="<>\"'&/ ascript:onload=()[]!`\n", max_size=60))
def test_whatever_is_written_no_element_that_acts_comes_out(text: str) -> None:
    html = rendered(text)
    assert "<script" not in html
    assert " onload=" not in html.replace("&lt;", "").split("<")[0] or "<" not in html
