"""Patterns of rules: the vectors of the cloud's library, what differs from it and that no pattern is slow."""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadstead.domain.patterns import LONGEST, Condition, Pattern
from roadstead.errors import PatternInvalid

VECTORS = [
    ("", "a/b", True),
    ("**", "a/b/c", True),
    ("**", "a", True),
    ("*", "nginx", True),
    ("*", "a/b", False),
    ("nginx-*", "nginx-a", True),
    ("nginx-*", "nginx-a/b", False),
    ("path**", "path1", True),
    ("path**", "path1/x", False),
    ("path/**", "path/x/y", True),
    ("path/**", "path/x", True),
    ("path/**", "path", False),
    ("path*/**", "path1/x", True),
    ("path*/**", "path1", False),
    ("**/web", "web", True),
    ("**/web", "a/b/web", True),
    ("**/web", "a/bweb", False),
    ("a/**/z", "a/z", True),
    ("a/**/z", "a/b/c/z", True),
    ("a/**/z", "a/b/c", False),
    ("a/**/b/**/c", "a/x/b/y/b/c", True),
    ("a/**/**", "a/b", True),
    ("a/**/**", "a", False),
    ("{repo1,repo2}", "repo2", True),
    ("{repo1,repo2}", "repo3", False),
    ("{repo1, repo2}", "repo2", True),
    ("/{path1, path2}/**", "path2/x", True),
    ("{a*,b?}c", "axxc", True),
    ("{a*,b?}c", "bxc", True),
    ("{a*,b?}c", "bc", False),
    ("{a,}b", "b", True),
    ("1.?", "1.5", True),
    ("1.?", "1.10", False),
    ("?", "/", False),
    ("/path*", "path1", True),
    (".*", "golang", True),
    (".*", "a/b", True),
    ("v[0-9]*", "v12", True),
    ("v[0-9]*", "va", False),
    ("[^a-c]x", "dx", True),
    ("[!a-c]x", "bx", False),
    ("[^a]", "/", False),
    ("[a\\]]", "]", True),
    ("[-a]", "-", True),
    ("\\*", "*", True),
    ("\\*", "a", False),
    ("a.b", "axb", False),
    ("release-*-arm", "release-1-arm-2-arm", True),
    ("a}", "a}", True),
    (" nginx ", "nginx", True),
    ("nginx", "nginx\n", False),
]


@pytest.mark.parametrize(("pattern", "name", "matched"), VECTORS)
def test_vectors(pattern: str, name: str, matched: bool) -> None:
    assert Pattern.parse(pattern).matches(name) is matched


@pytest.mark.parametrize("text", ["", "**", ".*", "/**", " ", "/"])
def test_what_means_everything(text: str) -> None:
    assert Pattern.parse(text).everything


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a/b,c}", "cannot hold a slash"),
        ("{a", "does not end"),
        ("[a", "does not end"),
        ("a\\", "does not end"),
        ("[]", "without characters"),
        ("[^]", "without characters"),
        ("[z-a]", "backwards"),
        ("{a,{b,c}}", "within alternatives"),
        ("{a,b}" * 7, "too many"),
        ("{a,b}/" * 7, "too many"),
        ("x" * (LONGEST + 1), "characters"),
    ],
)
def test_patterns_that_are_none(text: str, said: str) -> None:
    with pytest.raises(PatternInvalid, match=said):
        Pattern.parse(text)


def test_a_condition_is_a_repository_and_perhaps_a_tag() -> None:
    condition = Condition.parse("nginx:dev-*")
    assert condition.repository.matches("nginx") and not condition.repository.matches("nginx2")
    assert condition.tag.matches("dev-1") and not condition.tag.matches("prod")
    both = Condition.parse(".*")
    assert both.repository.everything and both.tag.everything
    assert Condition.parse(":v*").repository.everything and not Condition.parse(":v*").tag.everything
    with pytest.raises(PatternInvalid):
        Condition.parse("nginx:[")


def plainly(pattern: str, name: str) -> bool:
    """The same rules told in the simplest way, for patterns of letters, `*`, `?` and `**`."""
    levels, names = tuple(pattern.split("/")), tuple(name.split("/"))

    @cache
    def path(place: int, at: int) -> bool:
        if place == len(levels):
            return at == len(names)
        if levels[place] == "**":
            if place == len(levels) - 1:
                return at < len(names)
            return any(path(place + 1, later) for later in range(at, len(names)))
        return at < len(names) and one(levels[place], names[at]) and path(place + 1, at + 1)

    def one(level: str, text: str) -> bool:
        if not level:
            return not text
        if level[0] == "*":
            return any(one(level[1:], text[place:]) for place in range(len(text) + 1))
        return bool(text) and level[0] in {"?", text[0]} and one(level[1:], text[1:])

    return path(0, 0)


@given(
    st.lists(st.text("ab*?", min_size=1, max_size=5) | st.just("**"), min_size=1, max_size=5).map("/".join),
    st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=5).map("/".join),
)
def test_patterns_mean_what_the_simplest_reading_says(pattern: str, name: str) -> None:
    if pattern != "**":
        assert Pattern.parse(pattern).matches(name) is plainly(pattern, name)


@given(st.text(max_size=40), st.text("ab/", max_size=20))
def test_any_text_is_a_pattern_or_refused(pattern: str, name: str) -> None:
    with suppress(PatternInvalid):
        Pattern.parse(pattern).matches(name)


@pytest.mark.parametrize("pattern", ["*a" * 200 + "b", "**/a*/" * 60 + "b", "{*a,*b}*" * 5 + "x", "*" * 300 + "b"])
def test_no_pattern_takes_long(pattern: str) -> None:
    """Backtracking over these would take longer than the universe has stood."""
    assert not Pattern.parse(pattern).matches("a" * 2000 + "/a" * 2000)
