"""Versions of charts as helm reads them, and a text by which any database puts them into order.

Helm takes semantic versions (semver.org 2.0.0) a little more leniently than they are written down: a leading `v`
and missing minor and patch numbers are accepted. Which of two versions is higher is a question that lists, pages and
"the newest" ask all the time, so the answer is written into a text once: texts of two versions compare, character by
character, as the versions do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from roadstead.errors import ChartInvalid

# A tag is as long at most, and a version has to become one.
LONGEST = 128
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRERELEASE = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"v?({_NUMBER})(?:\.({_NUMBER}))?(?:\.({_NUMBER}))?"
    rf"(?:-({_PRERELEASE}(?:\.{_PRERELEASE})*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Version:
    """One version: as it was written, and what comes before what."""

    text: str
    # Orders versions as semver section 11 does; versions that differ only in what follows `+` by their text.
    order: str
    prerelease: bool

    @classmethod
    def parse(cls, text: str) -> Version:
        """The version that `text` writes; raises ChartInvalid for what helm would not take."""
        found = _VERSION.fullmatch(text) if len(text) <= LONGEST else None
        if found is None:
            raise ChartInvalid(f"version {text[:140]!r} is not a semantic version such as 1.2.3 or 1.3.0-rc.1+build5")
        major, minor, patch, prerelease = found.groups(default="")
        numbers = "".join(_number(part or "0") for part in (major, minor, patch))
        tail = "~" if not prerelease else f"-{''.join(map(_identifier, prerelease.split('.')))}!"
        return cls(text, f"{numbers}{tail} {text}", bool(prerelease))

    @property
    def tag(self) -> str:
        """The tag that stands for it: `+` may not be in one, so helm writes `_`, which may not be in a version."""
        return self.text.replace("+", "_")


def _number(digits: str) -> str:
    """Digits that compare as texts as they do as numbers: how many there are comes first."""
    return f"{len(digits):03}{digits}"


def _identifier(text: str) -> str:
    """One identifier of a pre-release: numbers before words, and a list before what it is the beginning of."""
    return f"1{_number(text)}!" if text.isdigit() else f"2{text}!"


def of_tag(tag: str) -> Version | None:
    """The version that the tag stands for; None when it stands for none."""
    try:
        return Version.parse(tag.replace("_", "+"))
    except ChartInvalid:
        return None
