"""The one way to page lists of the registry protocol: `n`, `last`, and a Link to the next page (RFC 5988)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from roadstead.errors import PageInvalid
from roadstead.http.exchange import Exchange


@dataclass(frozen=True, slots=True)
class Page:
    """How many entries are asked for, and after which one."""

    most: int
    last: str


def page_query(exchange: Exchange) -> Page:
    """The page that the query asks for, within the setting `limits.page`; raises PageInvalid for a bad `n`."""
    query = exchange.query()
    most = exchange.ctx.settings.limits.page
    if "n" in query:
        text = query["n"][0]
        if not text.isascii() or not text.isdigit() or len(text) > 12:
            raise PageInvalid(f"n must be a number from 0 up, not {text[:40]!r}", detail={"n": text[:40]})
        most = min(int(text), most)
    return Page(most, query.get("last", [""])[0])


def next_link(path: str, **parameters: str | int) -> tuple[bytes, bytes]:
    """The Link header of the next page."""
    url = f"{quote(path)}?{urlencode(parameters)}"
    return (b"link", f'<{url}>; rel="next"'.encode())
