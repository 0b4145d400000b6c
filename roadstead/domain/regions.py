"""Regions by name: the numbers and short names by which clients of the cloud's API know them.

A deployment's regions are named as its operator likes. Names that the cloud has too keep the cloud's numbers; any
other gets one from the name itself, the same on every node and after every start.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

_KNOWN = {
    "ap-guangzhou": (1, "gz"),
    "ap-shanghai": (4, "sh"),
    "ap-hongkong": (5, "hk"),
    "na-toronto": (6, "ca"),
    "ap-shanghai-fsi": (7, "shjr"),
    "ap-beijing": (8, "bj"),
    "ap-singapore": (9, "sg"),
    "ap-shenzhen-fsi": (11, "szjr"),
    "na-siliconvalley": (15, "usw"),
    "ap-chengdu": (16, "cd"),
    "eu-frankfurt": (17, "de"),
    "ap-seoul": (18, "kr"),
    "ap-chongqing": (19, "cq"),
    "ap-mumbai": (21, "in"),
    "na-ashburn": (22, "use"),
    "ap-bangkok": (23, "th"),
    "eu-moscow": (24, "ru"),
    "ap-tokyo": (25, "jp"),
    "ap-nanjing": (33, "nj"),
    "ap-taipei": (39, "tpe"),
    "ap-beijing-fsi": (46, "bjjr"),
    "ap-jakarta": (72, "jkt"),
    "sa-saopaulo": (74, "sao"),
}
_FIRST_OWN = 10_000


@dataclass(frozen=True, slots=True)
class Region:
    """One region as clients know it."""

    name: str
    number: int
    alias: str


def region(name: str) -> Region:
    """The region of that name."""
    number, alias = _KNOWN.get(name) or (_FIRST_OWN + zlib.crc32(name.encode()) % 1_000_000, name)
    return Region(name, number, alias)
