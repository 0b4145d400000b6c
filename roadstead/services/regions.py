"""Regions: which one a request means, in a deployment that has one or several."""

from __future__ import annotations

from roadstead.errors import RegionUnknown
from roadstead.services.context import Context


def region_meant(ctx: Context, named: str) -> str:
    """The region that instances have to be in for a request that names this one; empty when it does not matter.

    A deployment with a single region answers for whatever region a client names. Raises RegionUnknown.
    """
    if len(ctx.stores) < 2 or not named:
        return ""
    if named not in ctx.stores:
        raise RegionUnknown(f"there is no region {named[:40]!r} here; these are: {', '.join(sorted(ctx.stores))}")
    return named
