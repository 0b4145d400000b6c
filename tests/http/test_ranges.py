"""A Range header asks for what slicing the blob would give, or for nothing that is there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.http.ranges import Part, requested_range

_DIGEST = "sha256:" + "ab" * 32
_WHOLE = Part(0, 10, False)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", _WHOLE),
        ("bytes=0-9", Part(0, 10, True)),
        ("bytes=0-0", Part(0, 1, True)),
        ("bytes=9-", Part(9, 10, True)),
        ("bytes=3-5", Part(3, 6, True)),
        ("bytes=3-500", Part(3, 10, True)),
        ("bytes=-4", Part(6, 10, True)),
        ("bytes=-400", Part(0, 10, True)),
        (" bytes= 3-5 ", Part(3, 6, True)),
        ("BYTES=3-5", Part(3, 6, True)),
        ("bytes=-0", None),
        ("bytes=10-", None),
        ("bytes=10-12", None),
        ("bytes=5-3", None),
        ("bytes=-", _WHOLE),
        ("bytes=a-b", _WHOLE),
        ("bytes=0-1,3-4", _WHOLE),
        ("bytes 0-1", _WHOLE),
        ("lines=0-1", _WHOLE),
        ("bytes=--1", _WHOLE),
        ("bytes=1", _WHOLE),
        ("bytes=" + "9" * 19 + "-", _WHOLE),
    ],
)
def test_a_header_over_ten_bytes(header: str, expected: Part | None) -> None:
    assert requested_range(header, "", 10, _DIGEST) == expected


@pytest.mark.parametrize(
    ("if_range", "partial"),
    [
        ("", True),
        (f'"{_DIGEST}"', True),
        (f' "{_DIGEST}" ', True),
        ('"sha256:other"', False),
        (f'W/"{_DIGEST}"', False),
        ("Wed, 21 Oct 2015 07:28:00 GMT", False),
    ],
)
def test_a_part_only_of_the_content_that_if_range_names(if_range: str, partial: bool) -> None:
    part = requested_range("bytes=2-3", if_range, 10, _DIGEST)
    assert part == (Part(2, 4, True) if partial else _WHOLE)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_an_empty_blob_has_no_parts(header: str) -> None:
    assert requested_range(header, "", 0, _DIGEST) is None


_places = st.none() | st.integers(0, 30)


@given(size=st.integers(0, 20), first=_places, last=_places)
def test_the_part_is_what_slicing_gives(size: int, first: int | None, last: int | None) -> None:
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    part = requested_range(header, "", size, _DIGEST)
    places = list(range(size))
    if first is None and last is None:
        assert part == Part(0, size, False)
        return
    end = size if last is None else last + 1
    wanted = places[max(0, size - (last or 0)) :] if first is None else places[first:end]
    assert part == (Part(wanted[0], wanted[-1] + 1, True) if wanted else None)


@given(header=st.text(max_size=30), size=st.integers(0, 50))
def test_any_text_gives_a_part_inside_the_blob_or_none(header: str, size: int) -> None:
    part = requested_range(header, "", size, _DIGEST)
    assert part is None or 0 <= part.start <= part.stop <= size
