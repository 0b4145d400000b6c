"""Wildcards against the definition, letter by letter."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from roadstead.domain.wildcards import is_literal, literal_start, matcher, residuals
from tests.domain.plain_policies import matches

patterns = st.text(alphabet="ab/*?.", max_size=8)
texts = st.text(alphabet="ab/.\n", max_size=8)


@given(patterns, texts)
@example("*a*ab", "aab")
@example("a*a", "a")
def test_a_pattern_matches_what_it_says(pattern: str, text: str) -> None:
    assert bool(matcher(pattern)(text)) is matches(pattern, text)


def test_many_stars_cost_no_more_than_few() -> None:
    """By trying every split this would not end."""
    assert not matcher("*a" * 30 + "*b")("a" * 5000)


@given(patterns, texts, texts)
@example("*b", "a", "b")
def test_what_is_left_of_a_pattern_after_a_head(pattern: str, head: str, rest: str) -> None:
    left = list(residuals(pattern, head))
    assert any(matches(each, rest) for each in left) is matches(pattern, head + rest)


@given(patterns)
def test_the_start_that_all_matches_share(pattern: str) -> None:
    start = literal_start(pattern)
    assert pattern.startswith(start) and is_literal(start)
    assert is_literal(pattern) is (start == pattern)
