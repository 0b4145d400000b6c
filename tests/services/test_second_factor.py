"""The second factor: enrolled with the password, confirmed by a code, and no code taken twice."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa

from roadstead.domain.identity import Caller
from roadstead.errors import (
    Conflict,
    InvalidInput,
    NotAuthenticated,
    SecondFactorFailure,
    TooManyRequests,
)
from roadstead.metadata.schema.delivery import audit_entries
from roadstead.metadata.schema.tenancy import accounts, recovery_codes
from roadstead.services import second_factor, users
from roadstead.services.context import Context
from roadstead.services.second_factor import matching_step
from roadstead.services.sessions import Attempt, Begun, log_in, session_caller, who_am_i
from tests.factories.accounts import origin
from tests.factories.calls import call
from tests.factories.contexts import open_test_context
from tests.jobs.bench import FakeClock

PASSWORD = "Correct-horse-7"
# The secret of RFC 6238, appendix B, in base32.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
    ],
)
def test_the_codes_of_the_specification(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert matching_step(RFC_SECRET, code, now) == seconds // 30
    assert matching_step(RFC_SECRET, f"{code[:3]} {code[3:]}", now) == seconds // 30


def test_a_clock_may_differ_by_one_step() -> None:
    for seconds, found in ((59 - 30, 1), (59 + 30, 1), (59 + 60, None), (89, 1), (120, None)):
        assert matching_step(RFC_SECRET, "287082", datetime.fromtimestamp(seconds, UTC)) == found


@pytest.mark.parametrize("code", ["", "0", "28708", "2870820", "２８７０８２", "abcdef", "287082\0", "x" * 10_000])
def test_what_is_no_code(code: str) -> None:
    assert matching_step(RFC_SECRET, code, datetime.fromtimestamp(59, UTC)) is None


async def begin(ctx: Context, code: str = "") -> Begun:
    return await log_in(ctx, Attempt("alice", PASSWORD, code), origin())


async def alice(ctx: Context) -> Caller:
    """Alice, logged in without a second factor."""
    await call(ctx, users.add_user, name="alice", console_login=1, password=PASSWORD)
    return await session_caller(ctx, (await begin(ctx)).cookie, origin(), csrf=None)


def code_of(secret: str, clock: FakeClock) -> str:
    return pyotp.TOTP(secret).at(clock())


async def enrolled(ctx: Context, clock: FakeClock) -> tuple[Caller, str]:
    """Alice with a confirmed second factor, the code of which is spent, and its secret."""
    caller = await alice(ctx)
    secret = (await second_factor.enrol(ctx, caller, PASSWORD)).secret
    await second_factor.confirm(ctx, caller, code_of(secret, clock))
    clock.turn(seconds=30)
    return caller, secret


async def recoverable(ctx: Context, clock: FakeClock) -> tuple[Caller, list[str]]:
    """Alice with a confirmed second factor, and her recovery codes."""
    caller = await alice(ctx)
    secret = (await second_factor.enrol(ctx, caller, PASSWORD)).secret
    return caller, (await second_factor.confirm(ctx, caller, code_of(secret, clock))).recovery_codes


async def test_it_counts_from_when_it_is_confirmed(ctx: Context, clock: FakeClock) -> None:
    caller = await alice(ctx)
    made = await second_factor.enrol(ctx, caller, PASSWORD)
    parsed = pyotp.parse_uri(made.uri)
    assert isinstance(parsed, pyotp.TOTP)
    assert (parsed.secret, parsed.name, parsed.issuer) == (made.secret, "alice", "Roadstead")
    await begin(ctx)
    with pytest.raises(InvalidInput, match="not of this secret"):
        await second_factor.confirm(ctx, caller, "000000")
    await begin(ctx)
    # An app that never took the first secret may be given another one.
    again = await second_factor.enrol(ctx, caller, PASSWORD)
    with pytest.raises(InvalidInput):
        await second_factor.confirm(ctx, caller, code_of(made.secret, clock))
    await second_factor.confirm(ctx, caller, code_of(again.secret, clock))
    with pytest.raises(SecondFactorFailure, match="missing"):
        await begin(ctx)
    assert (await who_am_i(ctx, caller, "")).totp


async def test_a_code_is_taken_once_in_every_process(ctx: Context, folder: Path, clock: FakeClock) -> None:
    _, secret = await enrolled(ctx, clock)
    code = code_of(secret, clock)
    async with open_test_context(folder, clock) as other:
        await begin(ctx, code)
        for each in (ctx, other):
            with pytest.raises(SecondFactorFailure, match="used before"):
                await begin(each, code)
        clock.turn(seconds=30)
        with pytest.raises(SecondFactorFailure):
            await begin(other, code)
        await begin(other, code_of(secret, clock))


async def test_a_code_sent_twice_at_once_lets_one_in(ctx: Context, clock: FakeClock) -> None:
    _, secret = await enrolled(ctx, clock)
    code = code_of(secret, clock)
    found = await asyncio.gather(*(begin(ctx, code) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(each, Begun) for each in found) == 1


async def test_without_the_password_a_code_is_not_looked_at(ctx: Context, clock: FakeClock) -> None:
    _, secret = await enrolled(ctx, clock)
    with pytest.raises(NotAuthenticated, match="name or password") as caught:
        await log_in(ctx, Attempt("alice", "wrong", code_of(secret, clock)), origin())
    assert not isinstance(caught.value, SecondFactorFailure)
    await begin(ctx, code_of(secret, clock))


async def test_guessing_codes_is_slowed_and_a_missing_one_is_no_guess(ctx: Context, clock: FakeClock) -> None:
    await enrolled(ctx, clock)
    for _ in range(12):
        with pytest.raises(SecondFactorFailure):
            await begin(ctx)
    seen = []
    for _ in range(12):
        with pytest.raises((SecondFactorFailure, TooManyRequests)) as caught:
            await begin(ctx, "000000")
        seen.append(caught.type)
    assert seen == [SecondFactorFailure] * 10 + [TooManyRequests] * 2


async def test_removing_it_takes_password_and_code(ctx: Context, clock: FakeClock) -> None:
    caller, secret = await enrolled(ctx, clock)
    with pytest.raises(NotAuthenticated, match="password is wrong"):
        await second_factor.remove(ctx, caller, "wrong", code_of(secret, clock))
    for code in ("", "000000"):
        with pytest.raises(SecondFactorFailure):
            await second_factor.remove(ctx, caller, PASSWORD, code)
    with pytest.raises(Conflict, match="already"):
        await second_factor.enrol(ctx, caller, PASSWORD)
    with pytest.raises(Conflict, match="confirm"):
        await second_factor.confirm(ctx, caller, code_of(secret, clock))
    await second_factor.remove(ctx, caller, PASSWORD, code_of(secret, clock))
    await begin(ctx)
    with pytest.raises(Conflict, match="no second factor"):
        await second_factor.remove(ctx, caller, PASSWORD, "")


async def test_enrolling_takes_the_password(ctx: Context) -> None:
    caller = await alice(ctx)
    with pytest.raises(NotAuthenticated, match="password is wrong"):
        await second_factor.enrol(ctx, caller, "wrong")


async def test_whoever_manages_users_can_reset_it(ctx: Context, clock: FakeClock) -> None:
    await enrolled(ctx, clock)
    await call(ctx, users.modify_user_status, name="alice", reset_totp=True)
    assert not (await call(ctx, users.get_user, name="alice")).totp
    await begin(ctx)


async def test_its_secret_is_kept_encrypted_and_told_once(ctx: Context, clock: FakeClock) -> None:
    _, secret = await enrolled(ctx, clock)
    async with ctx.database.read() as tx:
        kept = await tx.scalar(sa.select(accounts.c.totp_secret).where(accounts.c.name == "alice"))
        told = str(await tx.all(sa.select(audit_entries)))
    assert secret.encode() not in kept and ctx.secrets.unseal(kept).decode() == secret
    assert secret not in told
    assert "cam:EnrolTotp" in told and "cam:ConfirmTotp" in told


async def test_a_recovery_code_lets_in_once(ctx: Context, folder: Path, clock: FakeClock) -> None:
    caller, codes = await recoverable(ctx, clock)
    assert len(set(codes)) == 10 and all(len(code) == 19 for code in codes)
    assert (await who_am_i(ctx, caller, "")).recovery_codes == 10
    # However it was written down.
    await begin(ctx, codes[0])
    await begin(ctx, codes[1].upper().replace("-", " "))
    async with open_test_context(folder, clock) as other:
        for each in (ctx, other):
            for code in codes[:2]:
                with pytest.raises(SecondFactorFailure, match="used before"):
                    await begin(each, code)
    assert (await who_am_i(ctx, caller, "")).recovery_codes == 8
    async with ctx.database.read() as tx:
        told = [row.data for row in await tx.all(sa.select(audit_entries)) if row.action == "cam:Login"]
    assert told.count('{"RecoveryCode":true}') == 2


async def test_a_recovery_code_sent_twice_at_once_lets_one_in(ctx: Context, clock: FakeClock) -> None:
    _, codes = await recoverable(ctx, clock)
    found = await asyncio.gather(*(begin(ctx, codes[0]) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(each, Begun) for each in found) == 1


async def test_recovery_codes_are_renewed_with_password_and_code(ctx: Context, clock: FakeClock) -> None:
    caller, codes = await recoverable(ctx, clock)
    with pytest.raises(NotAuthenticated, match="password is wrong"):
        await second_factor.renew_codes(ctx, caller, "wrong", codes[0])
    for code in ("", "000000", codes[0][:-1]):
        with pytest.raises(SecondFactorFailure):
            await second_factor.renew_codes(ctx, caller, PASSWORD, code)
    fresh = (await second_factor.renew_codes(ctx, caller, PASSWORD, codes[0])).recovery_codes
    assert not set(fresh) & set(codes) and (await who_am_i(ctx, caller, "")).recovery_codes == 10
    with pytest.raises(SecondFactorFailure):
        await begin(ctx, codes[1])
    await second_factor.remove(ctx, caller, PASSWORD, fresh[0])
    assert (await who_am_i(ctx, caller, "")).recovery_codes == 0
    with pytest.raises(Conflict, match="no second factor"):
        await second_factor.renew_codes(ctx, caller, PASSWORD, fresh[1])


async def test_recovery_codes_end_with_the_second_factor(ctx: Context, clock: FakeClock) -> None:
    _, codes = await recoverable(ctx, clock)
    await call(ctx, users.modify_user_status, name="alice", reset_totp=True)
    caller = await session_caller(ctx, (await begin(ctx)).cookie, origin(), csrf=None)
    clock.turn(seconds=30)
    secret = (await second_factor.enrol(ctx, caller, PASSWORD)).secret
    await second_factor.confirm(ctx, caller, code_of(secret, clock))
    with pytest.raises(SecondFactorFailure):
        await begin(ctx, codes[0])


async def test_recovery_codes_are_kept_as_hashes(ctx: Context, clock: FakeClock) -> None:
    _, codes = await recoverable(ctx, clock)
    async with ctx.database.read() as tx:
        kept = str(await tx.all(sa.select(recovery_codes)))
        told = str(await tx.all(sa.select(audit_entries)))
    for code in codes:
        assert code not in kept + told and code.replace("-", "") not in kept + told
    assert "cam:ConfirmTotp" in told
