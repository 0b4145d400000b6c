"""API keys by their secret: who is behind one, and what is told of one that does not hold."""

from __future__ import annotations

import pytest

from roadstead.domain.identity import CredentialKind
from roadstead.errors import NotAuthenticated, TooManyRequests
from roadstead.services.context import Context
from roadstead.services.keys import caller_by_secret
from tests.factories.accounts import add_api_key, add_sub_account, origin
from tests.factories.contexts import initial_credentials


async def test_the_right_secret_shows_the_account(ctx: Context) -> None:
    made = initial_credentials(ctx)
    caller = await caller_by_secret(ctx, made.secret_id, made.secret_key, origin())
    assert (caller.uin, caller.kind, caller.credential_id) == (
        made.account_uin,
        CredentialKind.API_KEY,
        made.secret_id,
    )
    assert caller.owner and caller.origin == origin()


async def test_each_key_shows_its_own_account(ctx: Context) -> None:
    login = await add_sub_account(ctx)
    key = await add_api_key(ctx, login.username)
    caller = await caller_by_secret(ctx, *key, origin())
    assert caller.uin == login.username and not caller.owner


async def test_a_key_shows_nobody_with_the_secret_of_another(ctx: Context) -> None:
    _, secret = await add_api_key(ctx, (await add_sub_account(ctx)).username)
    with pytest.raises(NotAuthenticated, match="SecretId or SecretKey is wrong"):
        await caller_by_secret(ctx, initial_credentials(ctx).secret_id, secret, origin())


async def test_failures_are_counted(ctx: Context) -> None:
    made = initial_credentials(ctx)
    for _ in range(ctx.settings.login.free_failures):
        with pytest.raises(NotAuthenticated):
            await caller_by_secret(ctx, made.secret_id, "wrong", origin())
    with pytest.raises(TooManyRequests):
        await caller_by_secret(ctx, made.secret_id, "wrong", origin())
    # Whoever guesses right in the middle of guessing must not learn it.
    with pytest.raises(TooManyRequests):
        await caller_by_secret(ctx, made.secret_id, made.secret_key, origin())
