"""What the tests of doors share: a Context over a data folder that was started once."""

from __future__ import annotations

from tests.factories.fixtures import clock, ctx, folder

__all__ = ["clock", "ctx", "folder"]
