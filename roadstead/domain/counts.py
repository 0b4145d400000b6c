"""Numbers with what they count, as English has them."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """The number with its noun: `1 image`, `2 images`, `0 repositories`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{count} {noun}s"
