"""Versions: what helm takes, the order of semver section 11, and the tags that stand for them."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadstead.domain.versions import Version, of_tag
from roadstead.errors import ChartInvalid

# Of the specification and of helm's own tests, the lowest first.
ORDERED = [
    *("0.0.1", "0.1.0", "0.9.0", "0.10.0", "1.0.0-0", "1.0.0-2", "1.0.0-11", "1.0.0-alpha", "1.0.0-alpha.1"),
    *("1.0.0-alpha.beta", "1.0.0-alpha-1", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"),
    *("1.0.0+build.1", "1.0.0+build.2", "1.2.0", "2.0.0", "10.0.0", "99999999999999999999.0.0"),
]


def test_versions_have_the_order_of_the_specification() -> None:
    assert sorted(reversed(ORDERED), key=lambda text: Version.parse(text).order) == ORDERED


@pytest.mark.parametrize("text", ["v1.2.3", "1.2", "1", "v2", "1.2.3-rc.1+build.5"])
def test_what_helm_takes_is_taken(text: str) -> None:
    assert Version.parse(text).text == text


@pytest.mark.parametrize("text", ["", "latest", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "1_2", "１.0.0"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ChartInvalid, match="semantic version"):
        Version.parse(text)


def test_version_that_no_tag_can_hold_is_refused() -> None:
    with pytest.raises(ChartInvalid):
        Version.parse("1.0.0-" + "a" * 128)


def test_tag_of_a_version_leads_back_to_it() -> None:
    assert Version.parse("1.2.3+a.b").tag == "1.2.3_a.b"
    assert (found := of_tag("1.2.3_a.b")) is not None and found.text == "1.2.3+a.b"
    assert of_tag("latest") is None


IDENTIFIER = st.one_of(
    st.integers(0, 30).map(str), st.text("ab-9", min_size=1, max_size=3).filter(lambda text: not text.isdigit())
)
VERSIONS = st.builds(
    lambda numbers, tail: ".".join(map(str, numbers)) + (f"-{'.'.join(tail)}" if tail else ""),
    st.tuples(*[st.integers(0, 12)] * 3),
    st.lists(IDENTIFIER, max_size=3),
)


def plainly(text: str) -> tuple[object, ...]:
    """The order as the specification words it, written down a second time."""
    numbers, _, tail = text.partition("-")
    parts = [(0, int(part), "") if re.fullmatch("[0-9]+", part) else (1, 0, part) for part in tail.split(".") if part]
    return (*map(int, numbers.split(".")), not tail, *itertools.chain.from_iterable(parts))


@settings(max_examples=60)
@given(one=VERSIONS, other=VERSIONS)
def test_texts_compare_as_the_versions_do(one: str, other: str) -> None:
    first, second = Version.parse(one), Version.parse(other)
    assert (first.order < second.order) == (plainly(one) < plainly(other))
    assert first.prerelease == ("-" in one)
