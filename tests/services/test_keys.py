"""From a signature to its caller: which keys hold, how far clocks differ, what counts once, and what is slowed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from roadstead.config import Login
from roadstead.domain.identity import Caller, CredentialKind, Door, Origin
from roadstead.domain.policy import Circumstances, Resource
from roadstead.errors import (
    AppError,
    EndedToken,
    KeyUnknown,
    NotAuthenticated,
    PolicyInvalid,
    SessionTokenWrong,
    SignatureExpired,
    SignatureWrong,
    TooManyRequests,
)
from roadstead.metadata import keys
from roadstead.metadata.schema.access import api_keys, temporary_keys, used_nonces
from roadstead.services import gc
from roadstead.services.context import Context
from roadstead.services.keys import caller_by_secret, caller_by_signature
from roadstead.services.secrets import secret_hash
from tests.factories.accounts import add_api_key, add_sub_account, origin, set_account_enabled
from tests.factories.contexts import initial_credentials, open_test_context
from tests.jobs.bench import FakeClock

HERE = Origin(Door.ACTIONS, "192.0.2.1", "1234")


@dataclass(frozen=True)
class Signed:
    """A signature that holds for one key."""

    secret_id: str
    key: str
    at: datetime
    nonce: str = ""
    service: str = "tcr"

    @property
    def timestamp(self) -> int:
        return int(self.at.timestamp())

    def holds(self, secret_key: str) -> bool:
        return secret_key == self.key


def owner_signed(ctx: Context, **changes: object) -> Signed:
    made = initial_credentials(ctx)
    values = {"secret_id": made.secret_id, "key": made.secret_key, "at": ctx.clock()} | changes
    return Signed(**values)  # type: ignore[arg-type]


async def outcome(ctx: Context, signature: Signed, token: str = "") -> type[AppError] | None:
    """The condition that the signature meets, if any."""
    try:
        await caller_by_signature(ctx, signature, token, HERE)
    except AppError as error:
        if isinstance(error, NotAuthenticated):
            assert error.message.startswith("credential: ")
            assert error.detail == {"gate": "credential"}
        return type(error)
    return None


async def test_the_owners_key_makes_the_owner(ctx: Context) -> None:
    made = initial_credentials(ctx)
    caller: Caller = await caller_by_signature(ctx, owner_signed(ctx), "", HERE)
    assert caller.owner
    assert (caller.uin, caller.kind, caller.credential_id) == (
        made.account_uin,
        CredentialKind.API_KEY,
        made.secret_id,
    )
    assert caller.origin == HERE


async def test_a_sub_accounts_key_makes_the_sub_account(ctx: Context) -> None:
    login = await add_sub_account(ctx)
    secret_id, secret_key = await add_api_key(ctx, login.username)
    caller = await caller_by_signature(ctx, Signed(secret_id, secret_key, ctx.clock()), "", HERE)
    assert (caller.uin, caller.owner) == (login.username, False)


@pytest.mark.parametrize(
    ("seconds", "refusal"), [(0, None), (300, None), (-300, None), (301, SignatureExpired), (-301, SignatureExpired)]
)
async def test_clocks_may_differ_by_five_minutes(
    ctx: Context, clock: FakeClock, seconds: int, refusal: type[AppError] | None
) -> None:
    signature = owner_signed(ctx, at=clock.now + timedelta(seconds=seconds))
    assert await outcome(ctx, signature) is refusal


async def test_who_is_too_late_is_told_the_servers_time(ctx: Context, clock: FakeClock) -> None:
    signature = owner_signed(ctx)
    clock.turn(hours=1)
    with pytest.raises(SignatureExpired, match=r"3600 s.*2026-11-23 13:30:00 UTC"):
        await caller_by_signature(ctx, signature, "", HERE)


async def test_what_does_not_hold_is_refused(ctx: Context) -> None:
    assert await outcome(ctx, owner_signed(ctx, key="wrong")) is SignatureWrong
    assert await outcome(ctx, owner_signed(ctx, secret_id="AKIDnobody")) is KeyUnknown
    assert await outcome(ctx, owner_signed(ctx), token="token") is SessionTokenWrong
    assert await outcome(ctx, owner_signed(ctx)) is None


async def test_a_disabled_key_is_as_good_as_none(ctx: Context) -> None:
    async with ctx.database.write() as tx:
        await tx.run(sa.update(api_keys).values(enabled=False))
    assert await outcome(ctx, owner_signed(ctx)) is KeyUnknown


async def test_the_key_of_a_disabled_account_holds_no_longer(ctx: Context) -> None:
    login = await add_sub_account(ctx)
    secret_id, secret_key = await add_api_key(ctx, login.username)
    signature = Signed(secret_id, secret_key, ctx.clock())
    assert await outcome(ctx, signature) is None
    await set_account_enabled(ctx, login.username, False)
    assert await outcome(ctx, signature) is NotAuthenticated
    await set_account_enabled(ctx, login.username, True)
    assert await outcome(ctx, signature) is None


async def add_temporary_key(ctx: Context, policy: str = "") -> None:
    made = initial_credentials(ctx)
    async with ctx.database.write() as tx:
        owner = await keys.api_key(tx, made.secret_id)
        assert owner is not None
        row = {
            "secret_id": "AKIDtemporary",
            "account_id": owner.account_id,
            "secret_key": ctx.secrets.seal(b"for an hour"),
            "token_hash": secret_hash("session token"),
            "policy": policy,
            "created_at": ctx.clock(),
            "ends_at": ctx.clock() + timedelta(hours=1),
        }
        await tx.run(sa.insert(temporary_keys), row)


async def test_a_temporary_key_holds_with_its_token_until_it_ends(ctx: Context, clock: FakeClock) -> None:
    await add_temporary_key(ctx)

    def signed() -> Signed:
        return Signed("AKIDtemporary", "for an hour", clock.now)

    caller = await caller_by_signature(ctx, signed(), "session token", HERE)
    assert caller.owner
    assert (caller.kind, caller.credential_id) == (CredentialKind.TEMPORARY_KEY, "AKIDtemporary")
    assert await outcome(ctx, signed()) is SessionTokenWrong
    assert await outcome(ctx, signed(), token="another") is SessionTokenWrong
    assert await outcome(ctx, Signed("AKIDtemporary", "wrong", clock.now), token="session token") is SignatureWrong
    clock.turn(minutes=59)
    assert await outcome(ctx, signed(), token="session token") is None
    clock.turn(minutes=1)
    assert await outcome(ctx, signed(), token="session token") is KeyUnknown


async def test_a_temporary_key_by_its_secret_holds_with_its_token_until_it_ends(
    ctx: Context, clock: FakeClock
) -> None:
    await add_temporary_key(ctx, '{"version":"2.0","statement":[{"effect":"deny","action":"*","resource":"*"}]}')
    key = ("AKIDtemporary", "for an hour", origin())
    caller = await caller_by_secret(ctx, *key, "session token")
    assert (caller.kind, caller.credential_id) == (CredentialKind.TEMPORARY_KEY, "AKIDtemporary")
    area = Resource("tcr", "local", caller.owner_uin, "instance/tcr-1")
    assert not caller.rights.decide("tcr:DescribeInstances", area, Circumstances("127.0.0.1", clock.now)).allowed
    with pytest.raises(NotAuthenticated, match=r"is wrong$"):
        await caller_by_secret(ctx, *key)
    with pytest.raises(NotAuthenticated, match="log in again"):
        await caller_by_secret(ctx, *key, "another")
    with pytest.raises(NotAuthenticated, match="wrong"):
        await caller_by_secret(ctx, "AKIDtemporary", "wrong", origin(), "session token")
    clock.turn(hours=1)
    with pytest.raises(EndedToken, match=r"the temporary key ended at .*log in again"):
        await caller_by_secret(ctx, *key, "session token")


async def test_a_temporary_key_with_a_policy_never_gives_more_than_it(ctx: Context) -> None:
    statement = {"effect": "allow", "action": "tcr:Describe*", "resource": "*"}
    await add_temporary_key(ctx, policy=json.dumps({"version": "2.0", "statement": [statement]}))
    signature = Signed("AKIDtemporary", "for an hour", ctx.clock())
    caller = await caller_by_signature(ctx, signature, "session token", HERE)
    wanted, now = Resource("tcr", "", caller.owner_uin, "instance/x"), Circumstances(HERE.address, ctx.clock())
    assert caller.rights.decide("tcr:DescribeInstances", wanted, now).allowed
    assert not caller.rights.decide("tcr:DeleteInstance", wanted, now).allowed


async def test_a_temporary_key_with_a_policy_that_cannot_be_read_gives_nothing(ctx: Context) -> None:
    await add_temporary_key(ctx, policy='{"version":"9.0"}')
    signature = Signed("AKIDtemporary", "for an hour", ctx.clock())
    assert await outcome(ctx, signature, token="session token") is PolicyInvalid


async def test_a_nonce_counts_once_for_its_key(ctx: Context) -> None:
    login = await add_sub_account(ctx)
    other_id, other_key = await add_api_key(ctx, login.username)
    assert await outcome(ctx, owner_signed(ctx, nonce="11886")) is None
    assert await outcome(ctx, owner_signed(ctx, nonce="11886")) is SignatureWrong
    assert await outcome(ctx, owner_signed(ctx, nonce="11887")) is None
    assert await outcome(ctx, Signed(other_id, other_key, ctx.clock(), nonce="11886")) is None


async def test_only_a_signature_that_holds_uses_its_nonce_up(ctx: Context) -> None:
    assert await outcome(ctx, owner_signed(ctx, nonce="1", key="wrong")) is SignatureWrong
    assert await outcome(ctx, owner_signed(ctx, nonce="1")) is None


async def test_a_used_nonce_is_known_to_every_process(ctx: Context, clock: FakeClock) -> None:
    assert await outcome(ctx, owner_signed(ctx, nonce="1")) is None
    async with open_test_context(ctx.settings.folder, clock) as other:
        assert await outcome(other, owner_signed(ctx, nonce="1")) is SignatureWrong


async def test_nonces_are_kept_as_long_as_their_signature_could_come_again(ctx: Context, clock: FakeClock) -> None:
    early = owner_signed(ctx, nonce="1", at=clock.now + timedelta(minutes=5))
    assert await outcome(ctx, early) is None
    clock.turn(minutes=10)
    await gc.collect(ctx)
    assert await outcome(ctx, early) is SignatureWrong
    clock.turn(seconds=1)
    await gc.collect(ctx)
    async with ctx.database.read() as tx:
        assert await tx.scalar(sa.select(sa.func.count()).select_from(used_nonces)) == 0
    assert await outcome(ctx, early) is SignatureExpired


async def test_guessing_is_slowed_and_who_was_let_in_before_is_not(ctx: Context, clock: FakeClock) -> None:
    async with open_test_context(ctx.settings.folder, clock, login=Login(free_failures=3)) as slow:
        assert await outcome(slow, owner_signed(ctx)) is None
        guesses = [await outcome(slow, owner_signed(ctx, key=f"guess {number}")) for number in range(5)]
        assert guesses == [SignatureWrong] * 3 + [TooManyRequests] * 2
        assert await outcome(slow, owner_signed(ctx)) is None
        stranger = Origin(Door.ACTIONS, "198.51.100.7", "1")
        with pytest.raises(TooManyRequests):
            await caller_by_signature(slow, owner_signed(ctx), "", stranger)


async def used_at(ctx: Context) -> datetime | None:
    await ctx.key_uses.write_down(ctx.database)
    async with ctx.database.read() as tx:
        found = await keys.api_key(tx, initial_credentials(ctx).secret_id)
    assert found is not None
    return found.used_at


async def test_a_key_says_when_it_was_used_last(ctx: Context, clock: FakeClock) -> None:
    first = clock.now
    assert await outcome(ctx, owner_signed(ctx, key="wrong")) is SignatureWrong
    assert await used_at(ctx) is None
    assert await outcome(ctx, owner_signed(ctx)) is None
    assert await used_at(ctx) == first
    clock.turn(seconds=59)
    assert await outcome(ctx, owner_signed(ctx)) is None
    assert await used_at(ctx) == first
    clock.turn(seconds=1)
    assert await outcome(ctx, owner_signed(ctx)) is None
    assert await used_at(ctx) == clock.now
    # Sent as it is, as commands and curl send it, it is used no less.
    made = initial_credentials(ctx)
    clock.turn(seconds=60)
    with pytest.raises(NotAuthenticated):
        await caller_by_secret(ctx, made.secret_id, "wrong", origin())
    assert await used_at(ctx) < clock.now
    await caller_by_secret(ctx, made.secret_id, made.secret_key, origin())
    assert await used_at(ctx) == clock.now


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
