"""The services' own Context, over real stores and a clock that tests turn."""

from __future__ import annotations

import msgspec

from roadstead.services.accounts import InitialCredentials
from roadstead.services.context import Context


def initial_credentials(ctx: Context) -> InitialCredentials:
    """What the first start has left in the data folder."""
    written = (ctx.settings.folder / "initial-credentials.json").read_bytes()
    return msgspec.json.decode(written, type=InitialCredentials)
