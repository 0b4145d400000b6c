"""Numbers with what they count."""

from __future__ import annotations

import pytest

from roadstead.domain.counts import counted


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "image", "0 images"),
        (1, "image", "1 image"),
        (2, "image", "2 images"),
        (1, "empty repository", "1 empty repository"),
        (2, "empty repository", "2 empty repositories"),
        (2, "key", "2 keys"),
    ],
)
def test_a_number_and_its_noun(count: int, noun: str, text: str) -> None:
    assert counted(count, noun) == text
