"""API keys at the doors: who is behind a SecretId and SecretKey."""

from __future__ import annotations

import hmac

from roadstead.domain.identity import Caller, CredentialKind, Origin
from roadstead.errors import NotAuthenticated
from roadstead.metadata import accounts, keys
from roadstead.services.callers import caller_of
from roadstead.services.context import Context


async def caller_by_secret(ctx: Context, secret_id: str, secret_key: str, origin: Origin) -> Caller:
    """The account that the key belongs to; raises NotAuthenticated, after counting the failure, or TooManyRequests.

    An unknown SecretId and a wrong SecretKey read the same, so that none can be probed for.
    """
    now = ctx.clock()
    async with ctx.database.read() as tx:
        found = await keys.api_key(tx, secret_id[:40])
        # Compared as bytes: text beyond ASCII cannot be.
        right = found is not None and hmac.compare_digest(
            ctx.secrets.unseal(found.secret_key), secret_key.encode("utf-8", "surrogateescape")
        )
        if found is not None and right:
            await ctx.logins.admit(tx, secret_id, origin.address, now)
            if not found.enabled:
                raise NotAuthenticated(f"credential: the API key {secret_id} is disabled")
            account = await accounts.get(tx, account_id=found.account_id)
            return await caller_of(ctx, tx, account, CredentialKind.API_KEY, origin, secret_id)
    await ctx.logins.failed(ctx.database, secret_id, origin.address, now)
    raise NotAuthenticated("credential: the SecretId or SecretKey is wrong")
