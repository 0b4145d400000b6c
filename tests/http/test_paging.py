"""Lists come in pages: what `n` and `last` mean, and a Link that leads to the next page and only there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qsl, unquote, urlsplit

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.http.paging import next_link
from roadstead.services.context import Context
from tests.factories.accounts import owner_asker
from tests.factories.asgi import open_client
from tests.factories.pushes import push_image

_NAMES = [f"library/app{number}" for number in range(5)]


@pytest.fixture
async def shop(ctx: Context) -> Context:
    """A registry of five repositories that shows three entries at a time at most."""
    asker = await owner_asker(ctx)
    for name in _NAMES:
        await push_image(ctx, asker, name, "v1")
    limits = msgspec.structs.replace(ctx.settings.limits, page=3)
    return replace(ctx, settings=msgspec.structs.replace(ctx.settings, limits=limits))


@pytest.fixture
async def client(shop: Context) -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client(shop, login=True) as client:
        yield client


@pytest.mark.parametrize(
    ("query", "shown", "more"),
    [
        ("", _NAMES[:3], True),
        ("?n=2", _NAMES[:2], True),
        ("?n=1000", _NAMES[:3], True),
        ("?n=2&last=library/app1", _NAMES[2:4], True),
        ("?n=2&last=library/app2", _NAMES[3:], False),
        ("?last=library/app2", _NAMES[3:], False),
        ("?last=library/app25", _NAMES[3:], False),
        ("?n=3&last=zz", [], False),
        ("?n=0", [], False),
        ("?n=000000000001", _NAMES[:1], True),
    ],
)
async def test_the_page_that_a_query_asks_for(
    client: httpx2.AsyncClient, query: str, shown: list[str], more: bool
) -> None:
    answer = await client.get(f"/v2/_catalog{query}")
    assert answer.status_code == 200
    assert answer.json() == {"repositories": shown}
    assert ("link" in answer.headers) == more


@pytest.mark.parametrize("bad", ["", "-1", "+1", "1.5", "x", "١", "²", "1" * 13, "1 "])
async def test_a_page_size_that_is_no_number_is_refused(client: httpx2.AsyncClient, bad: str) -> None:
    answer = await client.get("/v2/_catalog", params={"n": bad})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["code"] == "PAGINATION_NUMBER_INVALID"
    assert error["detail"]["n"] == bad


@pytest.mark.parametrize("query", ["last=%00", "n=1%00", "&".join("a=1" for _ in range(1001))])
async def test_parameters_that_nobody_sends_are_refused(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v2/_catalog?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "UNSUPPORTED"


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_links_lead_through_the_whole_list_once(client: httpx2.AsyncClient, size: int) -> None:
    seen: list[str] = []
    url = f"/v2/_catalog?n={size}"
    while url:
        answer = await client.get(url)
        page = answer.json()["repositories"]
        assert 0 < len(page) <= size
        seen += page
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == _NAMES


@given(path=st.text("abz/._-: é", min_size=1), last=st.text(), n=st.integers(0, 10**9))
def test_a_link_carries_any_value_unchanged(path: str, last: str, n: int) -> None:
    name, value = next_link(f"/v2/{path}", n=n, last=last)
    assert name == b"link"
    assert value.isascii()
    assert value.startswith(b"<") and value.endswith(b'>; rel="next"')
    url = urlsplit(value[1:].partition(b">")[0].decode())
    assert unquote(url.path) == f"/v2/{path}"
    assert dict(parse_qsl(url.query, keep_blank_values=True)) == {"n": str(n), "last": last}
